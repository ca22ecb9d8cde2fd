"""`/echo`: each chunk of the request comes back as it arrives, octet for octet, extension and trailers too."""

from __future__ import annotations

from typing import Final

from chunkwire.net.heads import BodyKind
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import OCTET_STREAM, ChunkedBody, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk

# A chunk is held until it is whole, so that it goes back in one send; a longer one goes back piece by piece.
_HELD_OCTETS: Final = 64 << 10


async def echo(request: IncomingRequest, response: Responder) -> None:
    """Send the body back while it arrives.

    The head goes out with the first octets of the body, so that a body which is broken from its start is told
    so in a 400. A body with a Content-Length comes back in chunks, one a read.
    """
    events = await request.body.receive_events()
    content_type = request.head.get(b"content-type")
    fields = ((b"Content-Type", content_type),) if content_type else (OCTET_STREAM,)
    async with response.chunked(fields=fields) as body:
        same = _SameFrames(body) if request.body.framing.kind is BodyKind.CHUNKED and response.is_chunked else None
        while True:
            for event in events:
                if same is not None:
                    await same.take(event)
                elif isinstance(event, Data):
                    await body.send_chunk(event.octets)
            if request.body.is_complete:
                return
            events = await request.body.receive_events()


class _SameFrames:
    """Sends frames as they came: size digits, extension, boundaries, trailers."""

    def __init__(self, body: ChunkedBody) -> None:
        self._body = body
        self._held = bytearray()
        self._octets = 0

    async def take(self, event: Event) -> None:
        """Hold one event, and send what is held when a frame is whole or long."""
        self._held += event.raw
        if isinstance(event, Data):
            self._octets += len(event.octets)
        is_whole = isinstance(event, DataEnd | LastChunk)
        if not is_whole and len(self._held) < _HELD_OCTETS:
            return
        raw, octets = bytes(self._held), self._octets
        self._held.clear()
        self._octets = 0
        await self._body.send_octets(raw, chunks=int(isinstance(event, DataEnd)), octets=octets)
        if isinstance(event, LastChunk):
            self._body.mark_complete()


ECHO: Final = (
    Resource(
        "/echo",
        echo,
        "each chunk of the request as it arrives, extension and trailers too",
        "--raw -T - {origin}/echo",
        methods=("POST", "PUT", "PATCH"),
    ),
)
