"""`/echo`: send each chunk of the request back once it is whole, octet for octet, with extensions and trailers."""

from __future__ import annotations

from typing import Final

import trio

from chunkwire.net.framing import BodyKind
from chunkwire.server.body import ChunkedBody
from chunkwire.server.query import bad_value
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import OCTET_STREAM, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk

# A chunk is held until it is whole, and sent back in one write with the other chunks of the same read; a longer chunk
# is sent back in pieces.
_HELD_OCTETS: Final = 64 << 10
# The response head waits so long for the first whole chunk, so that an error in it can be answered 400. A client that
# sends no chunk before it has the head gets the head after this time.
_HEAD_SECONDS: Final = 1.0
_FRAME_ENDS: Final = DataEnd | LastChunk


async def echo(request: IncomingRequest, response: Responder) -> None:
    """Send the body back while it arrives; one with a Content-Length is sent back in chunks, one for each read.

    The head waits for the first whole chunk, at most a second (`head=now`: not at all), so that a body with an error at
    its start is answered 400. After a later error the server cuts the response; a chunk before that reports it,
    unless part of a frame has been sent.
    """
    events = await _first_events(request)
    content_type = request.head.get(b"content-type")
    fields = ((b"Content-Type", content_type),) if content_type else (OCTET_STREAM,)
    async with response.chunked(fields=fields) as body:
        same = _SameFrames(body) if request.body.framing.kind is BodyKind.CHUNKED and response.is_chunked else None
        try:
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
        except (FramingError, IncompleteBody) as error:
            if same is None or same.is_between_frames:
                await body.send_chunk(request.body.refusal_of(error).text.encode())
            raise


async def _first_events(request: IncomingRequest) -> list[Event]:
    """Return the events up to the first whole chunk, or those that came in time; `_HELD_OCTETS` or more end it, too."""
    head = request.query.text("head")
    if head not in ("", "now"):
        raise bad_value("head", "now", head)
    events: list[Event] = []
    octets = 0
    with trio.move_on_after(0 if head else _HEAD_SECONDS):
        while not request.body.is_complete:
            arrived = await request.body.receive_events()
            events += arrived
            octets += sum(len(event.raw) for event in arrived)
            has_frames = request.body.framing.kind is BodyKind.CHUNKED
            if octets >= _HELD_OCTETS or any(not has_frames or isinstance(event, _FRAME_ENDS) for event in arrived):
                break
    return events


class _SameFrames:
    """Sends frames unchanged: size digits, extensions, boundaries, trailers.

    Attributes:
        is_between_frames: the octets sent end with a whole frame.
    """

    def __init__(self, body: ChunkedBody) -> None:
        self._body = body
        self._held = bytearray()
        self._octets = 0
        self.is_between_frames = True

    async def send(self, events: list[Event]) -> None:
        """Send the frames that these events complete, in one write; hold the rest unless it is long."""
        end = chunks = octets = 0
        for event in events:
            self._held += event.raw
            if isinstance(event, Data):
                self._octets += len(event.octets)
            elif isinstance(event, _FRAME_ENDS):
                end, octets = len(self._held), self._octets
                chunks += isinstance(event, DataEnd)
        is_whole = len(self._held) - end < _HELD_OCTETS
        if not is_whole:
            end, octets = len(self._held), self._octets
        if end:
            self.is_between_frames = is_whole
            raw = bytes(self._held[:end])
            del self._held[:end]
            self._octets -= octets
            await self._body.send_octets(raw, chunks=chunks, octets=octets)
        if events and isinstance(events[-1], LastChunk):  # no event follows it
            self._body.mark_complete()


ECHO: Final = (
    Resource(
        "/echo",
        echo,
        "each chunk of the request once it is whole, extension and trailers too",
        "--raw -T - {origin}/echo",
        methods=("POST", "PUT", "PATCH"),
        parameters=frozenset({"head"}),
    ),
)
