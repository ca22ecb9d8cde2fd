"""The client's end of a WebSocket."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import Event

from tests.patience import PATIENCE
from tests.server.peer import Client, connect, get

UPGRADE = (b"Upgrade: websocket", b"Connection: keep-alive, Upgrade", b"Sec-WebSocket-Version: 13")
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


class Peer:
    """The frames of a connection on which the handshake is over."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.frames = Connection(ConnectionType.CLIENT)
        self.frames.receive_data(bytes(client.received))
        self._events = deque(self.frames.events())

    async def send(self, event: Event) -> None:
        await self.client.send(self.frames.send(event))

    async def next(self) -> Event:
        """Return the next event; a FIN without a Close frame is a close with the code 1006."""
        with trio.fail_after(PATIENCE):
            while not self._events:
                self.frames.receive_data(await self.client.stream.receive_some() or None)
                self._events.extend(self.frames.events())
        return self._events.popleft()


@asynccontextmanager
async def socket(port: int, target: str = "/ws") -> AsyncIterator[Peer]:
    """Connect, and give the peer once the server has switched protocols."""
    async with connect(port) as client:
        await client.send(get(target, *UPGRADE, KEY))
        head = await client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head  # the example of RFC 6455 §1.3
        yield Peer(client)
