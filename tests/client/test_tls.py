"""https: the server's name and certificate are checked unless the caller says otherwise."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trustme

from chunkwire import client
from chunkwire.net.dial import DialError
from chunkwire.net.tls import make_tls
from tests.client.server import CHUNKED, LAST
from tests.patience import PATIENCE


@asynccontextmanager
async def secured(authority: trustme.CA, name: str) -> AsyncIterator[str]:
    """Serve one TLS connection with a certificate for a name; give the URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def run() -> None:
        async with listener:
            stream = trio.SSLStream(await listener.accept(), context, server_side=True)
            try:
                await stream.receive_some()
                await stream.send_all(CHUNKED + b"2\r\nok\r\n" + LAST)
            except trio.BrokenResourceError:
                pass  # a client that does not trust us has left
            await trio.aclose_forcefully(stream)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, name="tls")
            yield f"https://127.0.0.1:{listener.socket.getsockname()[1]}/"


async def test_a_certificate_of_a_trusted_authority_is_taken() -> None:
    authority = trustme.CA()
    with authority.cert_pem.tempfile() as cafile:
        async with secured(authority, "127.0.0.1") as url, client.open("GET", url, tls=make_tls(cafile)) as stream:
            assert await stream.read() == b"ok"


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.test"])
async def test_a_certificate_that_proves_nothing_is_refused(name: str) -> None:
    authority = trustme.CA()
    with authority.cert_pem.tempfile() as cafile:
        tls = make_tls(cafile if name != "127.0.0.1" else None)
        async with secured(authority, name) as url:
            failure = await failure_of(url, tls)
    assert failure.kind == "tls"


async def failure_of(url: str, tls: ssl.SSLContext) -> DialError:
    with pytest.raises(DialError) as caught:
        async with client.open("GET", url, tls=tls):
            pass  # never entered
    return caught.value
