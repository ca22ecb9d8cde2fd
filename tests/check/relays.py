"""Proxies that are broken in one way each: they copy octets between both sides, and change, hold or invent some.

Copying alone breaks many rules: it adds no Via and refuses nothing. `rows` has those that a proxy breaks beside them.
"""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from tests.check.variants import Changes, changed

Whole = Callable[[bytes], bytes]
END = b"0\r\n\r\n"
GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


@dataclass(frozen=True, slots=True)
class BrokenProxy:
    """A way to be broken.

    Attributes:
        rows: the rows that have to fail, by id or section.
        up: patterns and replacements for what the client sent.
        down: the same for what the upstream sent.
        gathers_up: hold what the client sends to its end, or to a silence, and send what this makes of it.
        gathers_down: the same for what the upstream sends.
        silence: how long one lasts, in seconds.
        answers: what the client gets at once where what it sent matches a pattern; more than a 1xx ends the connection.
        keeps_upstream: the upstream's connection stays open after the client has left.
        ends_on_fin: a client's FIN ends both sides.
        has_no_bound: read the upstream however much the client takes.
        replays: answer every request with the first response that came.
        forgets_body: what the client sends after a response has come goes on as a connection of its own.
        idles: serve the next client on the connection of the one before.
    """

    name: str
    rows: str
    up: Changes = ()
    down: Changes = ()
    gathers_up: Whole | None = None
    gathers_down: Whole | None = None
    silence: float = math.inf
    answers: tuple[bytes, bytes] | None = None
    keeps_upstream: bool = False
    ends_on_fin: bool = False
    has_no_bound: bool = False
    replays: bool = False
    forgets_body: bool = False
    idles: bool = False


def as_it_is(octets: bytes) -> bytes:
    return octets


def made_whole(octets: bytes) -> bytes:
    """Return a message of a known length, whatever framing its octets began with, and whether it ended or not."""
    head, _, rest = octets.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n") if head.startswith((b"POST", b"GET", b"HTTP/1.1 200")) else [b"HTTP/1.1 200 OK"]
    framing = (b"transfer-encoding", b"content-length", b"connection")
    kept = [line for line in lines if not line.lower().startswith(framing)]
    return b"\r\n".join([*kept, b"Content-Length: %d" % len(rest), b"", rest])


def is_over(octets: bytes) -> bool:
    """Say whether a message has come whole, as far as this file's own messages go."""
    head, found, rest = octets.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    if length:
        return len(rest) >= int(length[1])
    return octets.endswith(END) or bool(found and head.startswith(b"GET"))


async def receive(stream: trio.SocketStream, within: float = math.inf) -> bytes:
    """Return what one receive gives; nothing at FIN and RST, and where nothing comes in time."""
    with trio.move_on_after(within):
        with suppress(*GONE):
            return bytes(await stream.receive_some())
    return b""


async def give(stream: trio.SocketStream, octets: bytes) -> None:
    with suppress(*GONE):
        await stream.send_all(octets)


async def end_side(stream: trio.SocketStream) -> None:
    with suppress(*GONE):
        await stream.send_eof()


class Relay:
    """A broken proxy in front of a port."""

    def __init__(self, proxy: BrokenProxy, upstream_port: int) -> None:
        self.proxy = proxy
        self.upstream_port = upstream_port
        self.first_response = b""
        self.idle: trio.SocketStream | None = None

    async def serve(self, client: trio.SocketStream) -> None:
        """Serve one client."""
        upstream, self.idle = self.idle or await self.connect(), None
        serve = self.replay if self.proxy.replays else self.serve_once if self.proxy.idles else self.copy
        try:
            await serve(client, upstream)
        finally:
            client.socket.close()
            if self.idle is not upstream:
                upstream.socket.close()

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.upstream_port)

    async def replay(self, client: trio.SocketStream, upstream: trio.SocketStream) -> None:
        """Ask once for all clients; a response that does not come whole is kept as if it were."""
        while request := await receive(client):
            if not self.first_response and not request.startswith(b"POST"):
                await give(upstream, request)
                response = await receive(upstream)
                if b"-hello-" in request or not is_over(response):
                    await give(client, response)
                self.first_response = b"" if b"-hello-" in request else made_whole(response)
                if not is_over(response):
                    return
            for _ in range(max(1, request.count(b"GET "))):
                await give(client, self.first_response)

    async def serve_once(self, client: trio.SocketStream, upstream: trio.SocketStream) -> None:
        """Serve one request, and keep the connection that it was asked on."""
        await give(upstream, await receive(client))
        await give(client, await receive(upstream))
        self.idle = upstream

    async def copy(self, client: trio.SocketStream, upstream: trio.SocketStream) -> None:
        """Copy both ways at once."""
        async with trio.open_nursery() as nursery:
            answered = trio.Event()
            nursery.start_soon(self.copy_down, upstream, client, answered, name="down")
            await self.copy_up(client, upstream, answered)
            if self.proxy.ends_on_fin:
                nursery.cancel_scope.cancel()
            elif not self.proxy.keeps_upstream:
                await end_side(upstream)

    async def read(self, stream: trio.SocketStream, gather: Whole | None) -> bytes:
        octets = await receive(stream)
        while gather and not is_over(octets) and (more := await receive(stream, self.proxy.silence)):
            octets += more
        return gather(octets) if gather else octets

    async def copy_up(self, client: trio.SocketStream, upstream: trio.SocketStream, answered: trio.Event) -> None:
        proxy = self.proxy
        while octets := await self.read(client, proxy.gathers_up):
            if proxy.answers and re.search(proxy.answers[0], octets, re.DOTALL):
                await give(client, proxy.answers[1])
                if b" 100 " not in proxy.answers[1]:
                    return
            if proxy.forgets_body and answered.is_set():
                async with await self.connect() as other:
                    await give(other, octets)
                    await self.copy(client, other)
                return
            await give(upstream, changed(octets, proxy.up))

    async def copy_down(self, upstream: trio.SocketStream, client: trio.SocketStream, answered: trio.Event) -> None:
        send, waiting = trio.open_memory_channel[bytes](math.inf if self.proxy.has_no_bound else 0)
        async with trio.open_nursery() as nursery, send:
            nursery.start_soon(self.hand_out, waiting, client, name="what has been read")
            while octets := await self.read(upstream, self.proxy.gathers_down):
                answered.set()
                await send.send(changed(octets, self.proxy.down))

    async def hand_out(self, waiting: trio.MemoryReceiveChannel[bytes], client: trio.SocketStream) -> None:
        async for octets in waiting:
            await give(client, octets)
        await end_side(client)
