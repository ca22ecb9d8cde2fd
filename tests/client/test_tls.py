"""https: the server's name and certificate are checked unless the caller says otherwise."""

import pytest
import trio
import trustme

from chunkwire import client
from chunkwire.net.dial import DialError
from chunkwire.net.pool import Pool
from chunkwire.net.tls import make_tls
from tests.client.server import CHUNKED, LAST
from tests.net.test_dial_tls import server_tls, serving_tls
from tests.patience import PATIENCE


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


async def test_a_body_that_is_cut_without_close_notify_is_not_said_to_be_reset() -> None:
    authority = trustme.CA()
    answer = CHUNKED + b"2\r\nok\r\n"
    with authority.cert_pem.tempfile() as cafile:
        async with serving_tls(server_tls(authority), answer=answer) as port:
            async with client.open("GET", f"https://localhost:{port}/", tls=make_tls(cafile)) as stream:
                with pytest.raises(client.ResetBody, match="got the end of TLS without close_notify"):
                    await stream.read()


async def test_a_pool_finds_the_connection_of_requests_that_name_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = server_tls(authority)

    async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
        while await stream.receive_some():
            await stream.send_all(CHUNKED + b"2\r\nok\r\n" + LAST)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1", https_compatible=True)
        nursery.start_soon(trio.serve_listeners, handle, listeners, name="server")
        port = listeners[0].transport_listener.socket.getsockname()[1]  # type: ignore[attr-defined]
        with authority.cert_pem.tempfile() as cafile, Pool() as pool, trio.fail_after(PATIENCE):
            monkeypatch.setenv("SSL_CERT_FILE", cafile)
            for _ in range(2):
                async with client.open("GET", f"https://localhost:{port}/", pool=pool) as stream:
                    assert await stream.read() == b"ok"
            assert len(pool) == 1
        nursery.cancel_scope.cancel()
