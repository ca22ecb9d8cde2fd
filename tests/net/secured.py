"""Both ends of a TLS connection over loopback: ours by `net.tls`, the far one by trio's own TLS."""

from __future__ import annotations

import ssl
from functools import cache

import trio
import trio.testing
import trustme

from chunkwire.net.tls import TlsStream, make_tls
from tests.net.peer import tcp_pair
from tests.patience import PATIENCE


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context for localhost, and that of a client who trusts it."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = make_tls()
    authority.configure_trust(client)
    return server, client


async def secured_pair(*, is_server: bool, buffer_octets: int | None = None) -> tuple[TlsStream, FarEnd]:
    """Return our end, a server's or a client's, and the far one."""
    near, far = await tcp_pair(buffer_octets=buffer_octets)
    server, client = contexts()
    theirs = FarEnd(near, client if is_server else server, is_server=not is_server)
    ours: list[TlsStream] = []

    async def shake_hands() -> None:
        ours.append(
            await TlsStream.accept(far, server) if is_server else await TlsStream.connect(far, client, "localhost")
        )

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shake_hands, name="our handshake")
            await theirs.stream.do_handshake()
    return ours[0], theirs


class FarEnd:
    """The far end: it ends with close_notify, with a FIN alone, or with both."""

    def __init__(self, transport: trio.SocketStream, context: ssl.SSLContext, *, is_server: bool) -> None:
        host = None if is_server else "localhost"
        self.transport = transport
        self.stream = trio.SSLStream[trio.abc.Stream](transport, context, server_hostname=host, server_side=is_server)

    async def send(self, octets: bytes) -> None:
        await self.stream.send_all(octets)

    async def send_apart(self, octets: bytes) -> None:
        """Send each octet in a record of its own, all records together."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.stream.transport_stream = ours
        for place in range(len(octets)):
            await self.send(octets[place : place + 1])
        self.stream.transport_stream = self.transport
        await self.transport.send_all(await theirs.receive_some())

    async def send_and_break(self, octets: bytes) -> None:
        """Send these octets and a record that cannot be decrypted, so that one receive takes both."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.stream.transport_stream = ours
        if octets:
            await self.send(octets)
        self.stream.transport_stream = self.transport
        await ours.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
        await self.transport.send_all(await theirs.receive_some())

    async def send_close_notify(self) -> None:
        """Say that all was sent, without a FIN."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.stream.unwrap, name="close_notify")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()  # it would wait for ours, which may never come

    async def read_to_end(self) -> tuple[bytes, bool]:
        """Return what came, and whether close_notify ended it (True) or not (False)."""
        received = bytearray()
        with trio.fail_after(PATIENCE):
            try:
                while octets := await self.stream.receive_some():
                    received += octets
            except trio.BrokenResourceError:
                return bytes(received), False
        return bytes(received), True
