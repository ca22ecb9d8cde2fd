"""`forward --barrier`: send each frame of a response only after the client has acknowledged the previous one.

The client then has each frame before the next one is written, so a probe of any application needs no clock. The
protocol is that of `origin.barrier`. A request names its barrier in the field `Chunkwire-Barrier: ID`, which is removed
before the request goes upstream. `ID; accel` (or another of `HINTS`) has this field added to the response. `ID; state`
asks for the state of the barrier, through the same hops as the stream. The gateway itself answers this, and
`/probe/ack` and `/probe/state`.

A frame is a chunk of the application, a part of one that is too large to hold (`MAX_HELD_OCTETS`), or the octets of one
receive if its response is not chunked. The last-chunk, or the close that delimits a body, waits until everything before
it is acknowledged.

The request goes to the application in the HTTP version in which it came, and chunks that answer HTTP/1.0 stay chunks.
So the hop gets the same octets as without this gateway: nginx sends chunks on at once, and holds content without them.
In an answer to HTTP/1.0 without chunks, each event or line of JSON is a frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from chunkwire.net.connection import Connection
from chunkwire.net.ends import ServerConnection
from chunkwire.net.heads import Field, Request, Response
from chunkwire.net.movers import EXACT, MoveOptions, Mover, SendTimeout, relay, send_in_time
from chunkwire.net.writer import date_now, reason_of
from chunkwire.origin.barrier import (
    ACK_PATH,
    BARRIER_FIELD,
    HINTS,
    STATE_FIELDS,
    STATE_PATH,
    STATE_WORD,
    Barrier,
    BarrierIdle,
    Barriers,
    StreamOver,
)
from chunkwire.server.query import Query, bad_value
from chunkwire.server.refusal import Refusal
from chunkwire.server.responder import TEXT
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner

_CODING: Final = re.compile(rb"\r\ncontent-encoding:[\t ]*([^\r\n]*)", re.IGNORECASE)
_TYPE: Final = re.compile(
    rb"\r\ncontent-type:[\t ]*(?:text/(event-stream)|application/(?:x-)?(?:ndjson|jsonl))", re.IGNORECASE
)
# One event or line with its end, or the rest of a receive.
_EVENT: Final = re.compile(rb".*?(?:\r?\n){2}|.+", re.DOTALL)
_LINE: Final = re.compile(rb".*?\n|.+", re.DOTALL)

_ARRIVAL_FIELDS: Final = frozenset({b"connection", b"via", b"accept-encoding"})
_VALUE_OCTETS: Final = 256  # of a field in the state; a list of ten hops is shorter

MAX_HELD_OCTETS: Final = 1 << 20
"""Octets of one chunk that are held until it is complete; a larger one is sent in frames of about this size."""


class BarrierEndpoint:
    """Answers the requests about barriers."""

    def __init__(self) -> None:
        self.barriers = Barriers()

    async def answer(self, request: Request) -> tuple[Response, bytes] | None:
        """Return the answer to a request about a barrier; None for any other request."""
        path, _, octets = request.target.partition(b"?")
        named = (request.get(BARRIER_FIELD.lower()) or b"").decode("latin-1")
        try:
            if path == ACK_PATH.encode():
                self.barriers.acknowledge(Query(octets))
                return _response(204, ()), b""
            if path == STATE_PATH.encode():
                return _answered(200, STATE_FIELDS, await self.barriers.state(Query(octets)))
            if named.endswith(STATE_WORD):
                name = named.removesuffix(STATE_WORD)
                return _answered(200, STATE_FIELDS, self.barriers.state_of(self.barriers.find(name)))
        except StreamOver as error:
            return _answered(error.status, STATE_FIELDS, self.barriers.state_of(error.barrier))
        except Refusal as error:
            return refused(error)
        return None


def refused(error: Refusal) -> tuple[Response, bytes]:
    """Return the answer that refuses a request about a barrier."""
    return _answered(error.status, (TEXT, *error.fields), error.text.encode())


def barrier_of(request: Request) -> tuple[str, str, Request]:
    """Return the barrier that a request names ("" for none), its hint, both unchecked, and the request without them."""
    named = request.get(BARRIER_FIELD.lower())
    if named is None:
        return "", "", request
    name, _, hint = named.decode("latin-1").partition("; ")
    kept = tuple(field for field in request.fields if field[0].lower() != BARRIER_FIELD.lower())
    return name, hint, replace(request, fields=kept)


def field_line_of(hint: str) -> bytes:
    """Return the field line that a hint adds to the response; nothing for no hint.

    Raises:
        Refusal: 400, it is none of `HINTS`.
    """
    if hint and hint not in HINTS:
        raise bad_value("barrier", f"an ID, or one with a hint of {', '.join(HINTS)}", hint)
    return b"\r\n%b: %b" % HINTS[hint] if hint else b""


def arrival_of(request: Request) -> dict[str, object]:
    """Return how a request arrived, in the form of an entry of our origin's journal, with fewer fields.

    Its target is whole: a probe asks the application itself for it.
    """
    fields = [
        [name.decode("latin-1"), value[:_VALUE_OCTETS].decode("latin-1")]
        for name, value in request.fields
        if name.lower() in _ARRIVAL_FIELDS
    ]
    target = request.target.decode("latin-1")
    return {"version": request.version.decode("latin-1"), "target": target, "fields": fields}


def _answered(status: int, fields: tuple[Field, ...], content: bytes) -> tuple[Response, bytes]:
    return _response(status, (*fields, (b"Content-Length", b"%d" % len(content)))), content


def _response(status: int, fields: tuple[Field, ...]) -> Response:
    return Response(status, reason_of(status), fields=((b"Date", date_now()), *fields))


class BarrierMover:
    """A mover that sends the response of one exchange frame by frame; it passes all other calls to another mover.

    Args:
        is_old: the request is HTTP/1.0.
        added: a field line to add to the response head, a CRLF before it; may be empty.
    """

    def __init__(self, mover: Mover, barrier: Barrier, *, is_old: bool = False, added: bytes = b"") -> None:
        self.run, self.watch, self.rest, self.unwatch = mover.run, mover.watch, mover.rest, mover.unwatch
        self._mover = mover
        self._barrier = barrier
        self._is_old = is_old
        self._added = added

    async def move(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions = EXACT
    ) -> None:
        """Carry one body; a response frame by frame. See `Mover.move`.

        Unlike there, the valid prefix of a chunk that is cut or malformed is not sent, except the parts of a large one.

        Raises:
            SendTimeout: also if no frame was acknowledged for a minute.
        """
        if not isinstance(sink, ServerConnection):
            await self._mover.move(source, sink, scanner, options)
            return
        options = options._replace(preface=options.preface.replace(b"\r\n\r\n", self._added + b"\r\n\r\n"))
        coding = _CODING.search(options.preface)
        decoder = ContentDecoder(coding[1].decode("latin-1") if coding else "")
        held: list[Event] = []
        is_chunked = isinstance(scanner, ChunkedScanner)
        typed = _TYPE.search(options.preface) if self._is_old and not (is_chunked or coding) else None
        part = None if typed is None else _EVENT if typed[1] else _LINE

        async def pass_on(sink: Connection, feed: Feed, octets: bytes, read: int, options: MoveOptions) -> None:
            while True:
                feed.take(octets, held)
                if options.note_counts is not None:
                    options.note_counts(read)
                for frame in _take_frames(held, is_chunked=is_chunked):
                    for each in _parts_of(frame, part):
                        await self._pass_on(sink, each, read, options, decoder)
                if feed.error is not None:
                    raise feed.error
                if not feed.is_behind:
                    return
                octets = b""

        try:
            await relay(source, sink, scanner, options, pass_on)
            if isinstance(scanner, CloseScanner):  # the close that follows is the end: it waits as a last-chunk does
                await self._barrier.wait_acked(self._barrier.written)
        except BarrierIdle as error:
            raise SendTimeout(str(error)) from error

    async def _pass_on(
        self, sink: Connection, frame: list[Event], read: int, options: MoveOptions, decoder: ContentDecoder
    ) -> None:
        """Send one frame after the previous one has been acknowledged."""
        octets, shape = b"".join(event.raw for event in frame), options.shape
        if options.observe is not None:
            options.observe.received(memoryview(octets), frame, read)
        await self._barrier.wait_acked(self._barrier.written)
        sent = octets if shape is None else shape.feed(frame) + shape.flush()
        await send_in_time(sink, sent, options.send_timeout)
        if options.observe is not None:
            options.observe.sent()
        if shape is not None and shape.error is not None:
            raise shape.error
        if not isinstance(frame[-1], LastChunk):
            content = [event.octets for event in frame if isinstance(event, Data)]
            octets_decoded = sum(len(piece) for each in content for piece in decoder.feed(each))
            self._barrier.undecoded = decoder.error or ""
            self._barrier.note_written(octets_decoded)


def _take_frames(held: list[Event], *, is_chunked: bool) -> Iterator[list[Event]]:
    """Remove whole frames from `held` and yield them; also parts of a chunk of more than `MAX_HELD_OCTETS`."""
    while held:
        ends = [place for place, event in enumerate(held, 1) if isinstance(event, DataEnd | LastChunk)]
        octets = sum(len(event.octets) for event in held if isinstance(event, Data))
        if not ends and is_chunked and octets < MAX_HELD_OCTETS:
            return
        end = ends[0] if ends else len(held)
        frame, held[:end] = held[:end], []
        yield frame


def _parts_of(frame: list[Event], part: re.Pattern[bytes] | None) -> Iterator[list[Event]]:
    """Yield a frame of a body without chunks in parts, each of them content; with None as it is."""
    if part is None:
        yield frame
        return
    for event in frame:
        for found in part.finditer(event.raw):
            yield [Data(event.offset + found.start(), found[0])]
