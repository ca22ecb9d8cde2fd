"""Records of an exchange for watchers: at the points `gateway.received` and `gateway.sent`.

Only watched exchanges have a tap. At `gateway.received` an event has the time of the receive that completed it; at
`gateway.sent`, the time at which it had been written to the other side's socket, or at which a shaper returned it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from chunkwire.forward.failure import Outcome
from chunkwire.forward.rewrite import DownstreamHead
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.heads import Request, Response
from chunkwire.net.movers import Observer, Shaper
from chunkwire.net.unread import shown_method
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.server.metrics import Histogram
from chunkwire.server.tap import MAX_NOTED_OCTETS, Later, LateWrites, at_once, later_of
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.limits import Limits
from chunkwire.wire.scanner import BodyScanner

RECEIVED = "gateway.received"
SENT = "gateway.sent"


class BodyTap:
    """Records one body, as a `net.movers.Observer`.

    Received events are recorded after they have been sent, so that recording does not delay a watched frame.
    """

    takes_events = True

    def __init__(self, received: Recorder, sent: Recorder, clock: Callable[[], float]) -> None:
        self._received = received
        self._sent = sent
        self._clock = clock
        self._read = 0
        self._read_t = 0.0
        self._writes = 0
        self._unrecorded: list[tuple[float, list[Event], int]] = []

    def received(self, octets: memoryview, events: list[Event], read: int) -> None:
        """Keep the events that one receive completed, until `sent`."""
        if read != self._read:
            self._read, self._read_t = read, self._clock()
        self._unrecorded.append((self._read_t, events, read))

    def sent(self) -> None:
        """Record the kept events as received, and as written to the sink's socket."""
        self._writes += 1
        now = self._clock()
        self._sent.body(now, self.record_received(), self._writes)

    def record_received(self) -> list[Event]:
        """Record the kept events as received; return them."""
        unrecorded, self._unrecorded = self._unrecorded, []
        for t, events, read in unrecorded:
            self._received.body(t, events, read)
        return [event for _, events, _ in unrecorded for event in events]


class LateTap:
    """Keeps the octets of one body that were sent, and makes their records later, by scanning them again.

    Nothing is recorded at `gateway.received`: the body is unchanged, so its frames are the same, a little earlier.

    Args:
        scanner: of this body's framing.
    """

    def __init__(self, sent: Recorder, clock: Callable[[], float], *, scanner: BodyScanner, later: Later) -> None:
        self._clock = clock
        self._writes = LateWrites(sent, scanner, later)
        self._unsent: list[bytes] = []

    @property
    def takes_events(self) -> bool:
        """True while too many octets are kept: the mover then works in shorter turns (`wire.feed`)."""
        return self._writes.octets > MAX_NOTED_OCTETS

    def received(self, octets: memoryview, events: list[Event], read: int) -> None:
        """Keep the octets that one receive completed, until they are sent."""
        self._unsent.append(bytes(octets))
        self._writes.count(len(octets))

    def sent(self) -> None:
        """Note the time at which the kept octets had been written to the sink's socket."""
        self._writes.note(self._clock(), b"".join(self._unsent))
        self._unsent.clear()


class ShapedTap(BodyTap):
    """A `BodyTap` of a body that a shaper rewrites: the shaper's octets are scanned again, as a reader would.

    Args:
        scanner: of the framing that is sent to the client.
    """

    def __init__(
        self, received: Recorder, sent: Recorder, clock: Callable[[], float], shape: Shaper, scanner: BodyScanner
    ) -> None:
        super().__init__(received, sent, clock)
        self._shape = shape
        self._feed = Feed(scanner)

    @property
    def broken(self) -> tuple[str | None, bytes]:
        """The error in the octets sent, in one line, and the octets from there on; `(None, b"")` if there is none."""
        return (str(self._feed.error), self._feed.held) if self._feed.error is not None else (None, b"")

    def sent(self) -> None:
        """Do nothing: `feed` and `flush` have recorded what the shaper returned."""

    @property
    def error(self) -> ChunkwireError | None:
        """As the shaper's."""
        return self._shape.error

    @property
    def due(self) -> float | None:
        """As the shaper's."""
        return self._shape.due

    def feed(self, events: list[Event]) -> bytes:
        """Return what the shaper returns, and record it."""
        self.record_received()
        return self._noted(self._shape.feed(events))

    def flush(self) -> bytes:
        """Return what the shaper returns, and record it."""
        return self._noted(self._shape.flush())

    def _noted(self, octets: bytes) -> bytes:
        if octets and self._feed.error is None:
            self._writes += 1
            events: list[Event] = []
            self._feed.take(octets, events)
            self._sent.body(self._clock(), events, self._writes)
        return octets


class Gaps:
    """Counts the time between frames of one chunked body for the metrics; `note` is a `MoveOptions.note_counts`.

    One observation for each frame but the first; between frames of one receive it is 0.
    """

    def __init__(self, gap: Histogram, scanner: BodyScanner) -> None:
        self._gap = gap
        self._scanner = scanner
        self._frames = 0
        self._last = 0.0
        self._read = 0
        self._now = 0.0

    def note(self, read: int) -> None:
        """Count what the scanner has taken since the last call."""
        if read != self._read:
            self._read, self._now = read, time.monotonic()
        frames = self._scanner.chunks + self._scanner.is_complete
        if frames == self._frames:
            return
        others = frames - self._frames - 1
        if self._frames:
            self._gap.observe_read(self._now - self._last, others)
        else:
            self._gap.observe(0.0, others)
        self._frames, self._last = frames, self._now


class Tap:
    """The recorders of one exchange: two points, two ways.

    A consumer that takes records later (`later_of`) gets no records of the response, and none of the request's body, at
    `gateway.received`.
    """

    def __init__(self, emit: Callable[[Record], None], stream: int, request: Request, limits: Limits) -> None:
        self._limits = limits
        self._began = time.monotonic()
        self._request = request
        self._has_request = self._is_answered = False
        self._bodies: list[BodyTap] = []
        self._later = later_of(emit)
        self._recorders = {
            (way, point): Recorder(emit, stream=stream, point=point, way=way)
            for way in ("request", "response")
            for point in (RECEIVED, SENT)
        }
        if self._later is not None:
            self._recorders["response", RECEIVED] = Recorder(lambda _: None, stream=stream, point=RECEIVED)

    def clock(self) -> float:
        """Return seconds since the request's head was received."""
        return time.monotonic() - self._began

    def request(self, sent: Request) -> None:
        """Record the request as received, once, and as sent upstream, each time: a kept connection may have ended."""
        if not self._has_request:
            self._request_at(RECEIVED, self._request)
        self._request_at(SENT, sent)

    def _request_at(self, point: str, head: Request) -> None:
        self._has_request = True
        recorder = self._recorders["request", point]
        recorder.request(self.clock(), shown_method(head), head.target, head.fields, time.time())

    def answer(self, head: Response, content: bytes, verdict: Outcome) -> None:
        """Record an answer of the gateway itself, how it ended, and the request if that has not been recorded."""
        if not self._has_request:
            self._request_at(RECEIVED, self._request)
        recorder = self._recorders["response", SENT]
        recorder.head(self.clock(), head.start_line, head.fields)
        recorder.body(self.clock(), [Data(0, content)] if content else [], 1)
        recorder.end(self.clock(), str(verdict))
        self._is_answered = True

    def response(
        self, received: Response, answer: DownstreamHead, shape: Shaper | None
    ) -> tuple[Shaper | None, Observer]:
        """Record the response head as received and as sent; return the shaper and the observer of the body."""
        for point, head in ((RECEIVED, received), (SENT, answer.head)):
            self._recorders["response", point].head(self.clock(), head.start_line, head.fields)
        if shape is None:
            return None, self.body("response", answer.framing, answer.forbidden)
        framing = Framing(BodyKind.CLOSE) if answer.closes_body else answer.framing
        came, went = (self._recorders["response", point] for point in (RECEIVED, SENT))
        tapped = ShapedTap(came, went, self.clock, shape, framing.scanner())
        self._bodies.append(tapped)
        return tapped, tapped

    def body(self, way: str, framing: Framing, forbidden: frozenset[bytes]) -> Observer:
        """Return an observer of a body that is relayed unchanged; `way` is `request` or `response`."""
        came, went = (self._recorders[way, point] for point in (RECEIVED, SENT))
        if self._later is not None:
            scanner = framing.scanner(self._limits, forbidden=forbidden)
            return LateTap(went, self.clock, scanner=scanner, later=self._later)
        self._bodies.append(BodyTap(came, went, self.clock))
        return self._bodies[-1]

    def end(self, verdict: Outcome) -> None:
        """Record how the response ended; nothing at `gateway.received` if the request was refused."""
        (self._later or at_once)(partial(self._record_end, self.clock(), verdict))

    def _record_end(self, now: float, verdict: Outcome) -> None:
        for body in self._bodies:
            body.record_received()
        if verdict is not Outcome.REFUSED:
            self._recorders["response", RECEIVED].end(now, str(verdict))
        if not self._is_answered:
            shaped = [body.broken for body in self._bodies if isinstance(body, ShapedTap)]
            error, held = shaped[-1] if shaped else (None, b"")
            self._recorders["response", SENT].end(now, str(verdict), error=error, held=held)
