"""Our own server or client, broken in one way: a relay between the two changes what they send to each other.

A variant is a broken peer that behaves as ours in all else, so that the row which finds it is known beforehand.
"""

import re
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import trio

from chunkwire.net.dial import parse_url
from chunkwire.server import IncomingRequest, Resource, Responder, serve
from chunkwire.tools.check.server.talk import ServerTarget

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 s
Changes = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to be broken.

    Attributes:
        rows: the rows that have to fail, by id.
        sent: patterns and replacements for what clients send.
        answered: the same for what the server answers.
        at_end: what is added to what a client sent when it closes its side.
        answered_at_end: the same for a server, and a reset is such an end.
        has_no_patience: it takes silence of the server for its end.
        is_hasty: a read of one octet spoils it.
        is_deaf_at_end: it takes a client's FIN for its departure, and closes.
        waits_for: it hands nothing on before this has come.
    """

    name: str
    rows: str
    sent: Changes = ()
    answered: Changes = ()
    at_end: bytes = b""
    answered_at_end: bytes | None = None
    has_no_patience: bool = False
    is_hasty: bool = False
    is_deaf_at_end: bool = False
    waits_for: bytes = b""


def each_row(variants: Iterable[Variant]) -> pytest.MarkDecorator:
    """Return the parameters `variant` and `row` of a test: each variant with each of its rows."""
    pairs = [(variant, row) for variant in variants for row in variant.rows.split()]
    return pytest.mark.parametrize("variant, row", pairs, ids=[f"{row}-{variant.name}" for variant, row in pairs])


def changed(octets: bytes, changes: Changes) -> bytes:
    for pattern, replacement in changes:
        octets = re.sub(pattern, replacement, octets, flags=re.DOTALL)
    return octets


async def give_back(request: IncomingRequest, response: Responder) -> None:
    """Read the whole body, and answer with it, in chunks."""
    content = await request.read_body(1 << 16)
    async with response.chunked() as body:
        await body.send_chunk(content or b"nothing")


GIVES_BACK = Resource("/check", give_back, methods=("GET", "POST", "DELETE"), parameters=None)


class Carrier:
    """One connection through a variant."""

    def __init__(self, variant: Variant, client: trio.SocketStream, server: trio.SocketStream) -> None:
        self._variant = variant
        self._client, self._server = client, server

    async def run(self) -> None:
        async with self._client, self._server, trio.open_nursery() as nursery:
            nursery.start_soon(self._send, name="what the client sends")
            nursery.start_soon(self._answer, name="what the server answers")

    async def _send(self) -> None:
        variant, held = self._variant, b""
        try:
            async for octets in self._client:
                held += b"\0" if variant.is_hasty and len(octets) == 1 else bytes(octets)
                if variant.waits_for in held:
                    await self._server.send_all(changed(held, variant.sent))
                    held = b""
            if variant.is_deaf_at_end:
                await self._client.send_eof()
                return
            await self._server.send_all(held + variant.at_end)
            await self._server.send_eof()
            return
        except trio.BrokenResourceError:
            pass  # the other side is gone, so is this one
        await self._end()

    async def _answer(self) -> None:
        variant = self._variant
        try:
            while octets := await self._received():
                await self._client.send_all(changed(octets, variant.answered))
            await self._client.send_all(variant.answered_at_end or b"")
            await self._client.send_eof()
        except trio.BrokenResourceError:
            await self._end()

    async def _received(self) -> bytes:
        with trio.move_on_after(0.1 if self._variant.has_no_patience else 60):
            try:
                return bytes(await self._server.receive_some())
            except trio.BrokenResourceError:
                if self._variant.answered_at_end is None:
                    raise
        return b""

    async def _end(self) -> None:
        for stream in (self._client, self._server):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def between(variant: Variant, port: int) -> AsyncIterator[str]:
    """Carry connections to a port, and give the address to connect to instead."""

    async def handle(client: trio.SocketStream) -> None:
        await Carrier(variant, client, await trio.open_tcp_stream("127.0.0.1", port)).run()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def spoilt(variant: Variant, resource: Resource = GIVES_BACK) -> AsyncIterator[ServerTarget]:
    """Serve our origin behind a variant, and give it as a target."""
    async with trio.open_nursery() as nursery:
        (inner,) = await nursery.start(serve, ":0", [resource])
        async with between(variant, inner.port) as address:
            url = parse_url(f"http://{address}/check")
            yield ServerTarget(url, url.authority, None, (), b"POST", b"hello from chunkwire check", 2.0)
        nursery.cancel_scope.cancel()
