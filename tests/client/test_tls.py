"""https: the server's name and certificate are checked unless the caller says otherwise."""

import pytest
import trustme

from chunkwire import client
from chunkwire.net.dial import DialError
from chunkwire.net.tls import make_tls
from tests.client.server import CHUNKED, LAST
from tests.net.test_dial_tls import server_tls, serving_tls


async def test_a_server_is_read_where_its_authority_is_trusted_and_refused_where_it_is_not() -> None:
    authority = trustme.CA()
    answer = CHUNKED + b"2\r\nok\r\n" + LAST
    with authority.cert_pem.tempfile() as cafile:
        async with serving_tls(server_tls(authority), answer=answer) as port:
            async with client.open("GET", f"https://localhost:{port}/", tls=make_tls(cafile)) as stream:
                assert await stream.read() == b"ok"
            with pytest.raises(DialError) as caught:
                async with client.open("GET", f"https://localhost:{port}/"):
                    pass  # never entered
    assert caught.value.kind == "tls"
