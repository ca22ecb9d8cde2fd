"""Our own origin, spoilt in one way: what its clients send, or what it answers, is rewritten on the way.

A variant is a broken server that behaves as ours in all else, so that the row which finds it is known beforehand.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from chunkwire.net.dial import parse_url
from chunkwire.server import IncomingRequest, Resource, Responder, serve
from chunkwire.tools.check.server.talk import ServerTarget

Changes = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to be broken.

    Attributes:
        rows: the rows that have to fail, by id.
        sent: patterns and replacements for what clients send.
        answered: the same for what the server answers.
        at_end: what is added to what a client sent when it closes its side.
        is_hasty: a read of one octet spoils it.
        is_deaf_at_end: it takes a client's FIN for its departure.
        waits_for: it hands nothing on before this has come.
    """

    name: str
    rows: str
    sent: Changes = ()
    answered: Changes = ()
    at_end: bytes = b""
    is_hasty: bool = False
    is_deaf_at_end: bool = False
    waits_for: bytes = b""


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


async def carry(source: trio.SocketStream, sink: trio.SocketStream, variant: Variant, *, is_sent: bool) -> None:
    held = b""
    try:
        async for octets in source:
            held += b"\0" if is_sent and variant.is_hasty and len(octets) == 1 else bytes(octets)
            if is_sent and variant.waits_for not in held:
                continue
            await sink.send_all(changed(held, variant.sent if is_sent else variant.answered))
            held = b""
        else:
            if is_sent and variant.is_deaf_at_end:
                raise trio.BrokenResourceError
            await sink.send_all(held + variant.at_end * is_sent)
            await sink.send_eof()
            return
    except trio.BrokenResourceError:
        pass  # the other side is gone, so is this one
    await trio.aclose_forcefully(source)
    await trio.aclose_forcefully(sink)


@asynccontextmanager
async def spoilt(variant: Variant, *, patience: float = 1.0) -> AsyncIterator[ServerTarget]:
    """Serve our origin behind a variant, and give it as a target."""
    async with trio.open_nursery() as nursery:
        (inner,) = await nursery.start(serve, ":0", [GIVES_BACK])

        async def handle(client: trio.SocketStream) -> None:
            async with (
                client,
                await trio.open_tcp_stream("127.0.0.1", inner.port) as server,
                trio.open_nursery() as both,
            ):
                for one, other, is_sent in ((client, server, True), (server, client, False)):
                    both.start_soon(
                        lambda *ends: carry(ends[0], ends[1], variant, is_sent=ends[2]), one, other, is_sent, name="way"
                    )

        (listener,) = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
        port = listener.socket.getsockname()[1]
        url = parse_url(f"http://127.0.0.1:{port}/check")
        yield ServerTarget(url, url.authority, None, (), b"POST", b"hello from chunkwire check", patience)
        nursery.cancel_scope.cancel()
