"""A server on a real socket whose n-th connection runs the n-th script of the test."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import trio

from tests.patience import PATIENCE
from tests.server.peer import Client

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


class Peer(Client):
    """The server's end of one connection."""

    async def ending(self) -> str:
        """Wait for the client to leave: `fin` or `reset`."""
        try:
            await self.read_all()
        except trio.BrokenResourceError:
            return "reset"
        return "fin"


T = TypeVar("T")

Script = Callable[[Peer], Awaitable[None]]


class Server:
    """Where the scripts listen, and how many connections have come."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0

    def url(self, target: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{target}"


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncIterator[Server]:
    """Serve one connection after another, a script each; on leaving, every script must have come to its end."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(listener.socket.getsockname()[1])

    async def run() -> None:
        async with listener:
            for script in scripts:
                stream = await listener.accept()
                server.connections += 1
                async with stream:
                    await script(Peer(stream))

    raised: BaseException | None = None
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, name="scripts")
            try:
                yield server
            except BaseException as error:  # noqa: BLE001  raised again below, without the nursery's group
                raised = error
                nursery.cancel_scope.cancel()
    if raised is not None:
        raise raised


def sends(*pieces: bytes) -> Script:
    """Return a script: take a request head, send these octets, a send each, and close."""

    async def script(peer: Peer) -> None:
        await peer.read_head()
        with suppress(trio.BrokenResourceError):  # a test may leave before the last of them
            for piece in pieces:
                await peer.send(piece)

    return script


def notes_ending(endings: list[str], octets: bytes) -> Script:
    """Return a script: take a request head, send these octets, and note how the client leaves."""

    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(octets)
        endings.append(await peer.ending())

    return script


async def gather(view: AsyncIterable[T], into: list[T]) -> None:
    """Append what a view gives to a list, which keeps what came before an error."""
    async for item in view:
        into.append(item)  # noqa: PERF401  a comprehension would lose it
