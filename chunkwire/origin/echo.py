"""`/echo`: each chunk of the request comes back as it arrives, octet for octet, extension and trailers too."""

from __future__ import annotations

from typing import Final

from chunkwire.net.heads import BodyKind
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import OCTET_STREAM, ChunkedBody, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk

# A chunk is held until it is whole, and goes back in one send with those that came with it; a longer one goes back
# piece by piece.
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
            if same is not None:
                await same.send(events)
            else:
                for event in events:
                    if isinstance(event, Data):
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

    async def send(self, events: list[Event]) -> None:
        """Send what these events make whole, in one send, and hold the rest unless it is long."""
        end = chunks = octets = 0
        for event in events:
            self._held += event.raw
            if isinstance(event, Data):
                self._octets += len(event.octets)
            elif isinstance(event, DataEnd | LastChunk):
                end, octets = len(self._held), self._octets
                chunks += isinstance(event, DataEnd)
        if len(self._held) - end >= _HELD_OCTETS:
            end, octets = len(self._held), self._octets
        if end:
            raw = bytes(self._held[:end])
            del self._held[:end]
            self._octets -= octets
            await self._body.send_octets(raw, chunks=chunks, octets=octets)
        if events and isinstance(events[-1], LastChunk):
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
