"""What watchers see of an exchange: records of what the gateway received and of what it sent.

The rule here: made only where somebody watches, and never in the way. Both points record the same events, once
when a receive completed them and once when they had been handed to the other side's socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chunkwire.forward.failure import Outcome
from chunkwire.net.heads import Request, Response
from chunkwire.net.movers import Observer
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.server.metrics import Histogram
from chunkwire.wire.frames import DataEnd, Event, LastChunk

RECEIVED = "gateway.received"
SENT = "gateway.sent"


class BodyTap:
    """One body's way through the gateway, as a `net.movers.Observer`."""

    def __init__(self, received: Recorder, sent: Recorder, clock: Callable[[], float]) -> None:
        self._received = received
        self._sent = sent
        self._clock = clock
        self._reads = 0
        self._writes = 0
        self._on_the_way: list[Event] = []

    def received(self, events: list[Event]) -> None:
        """Record what one receive completed."""
        self._reads += 1
        self._on_the_way += events
        self._received.body(self._clock(), events, self._reads)

    def sent(self) -> None:
        """Record that it has been handed to the sink's socket."""
        self._writes += 1
        self._sent.body(self._clock(), self._on_the_way, self._writes)
        self._on_the_way = []


class Gaps:
    """Counts the time between frames of one body for the metrics, as a `net.movers.Observer`."""

    def __init__(self, gap: Histogram) -> None:
        self._gap = gap
        self._last: float | None = None

    def received(self, events: list[Event]) -> None:
        """Count a gap for each frame that ended; frames of one read are no time apart."""
        now = time.monotonic()
        for event in events:
            if isinstance(event, DataEnd | LastChunk):
                if self._last is not None:
                    self._gap.observe(now - self._last)
                self._last = now

    def sent(self) -> None:
        """Nothing is counted here."""


class Both:
    """Two observers as one."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._observers = (first, second)

    def received(self, events: list[Event]) -> None:
        """Tell both."""
        for observer in self._observers:
            observer.received(events)

    def sent(self) -> None:
        """Tell both."""
        for observer in self._observers:
            observer.sent()


class Tap:
    """The recorders of one exchange: two points, two ways."""

    def __init__(self, emit: Callable[[Record], None], stream: int, request: Request) -> None:
        self._began = time.monotonic()
        self._request = request
        self._recorders = {
            (way, point): Recorder(emit, stream=stream, point=point, way=way)
            for way in ("request", "response")
            for point in (RECEIVED, SENT)
        }

    def clock(self) -> float:
        """Return seconds since the request's head was received."""
        return time.monotonic() - self._began

    def request(self, sent: Request) -> None:
        """Record the request as received and as sent upstream."""
        for point, head in ((RECEIVED, self._request), (SENT, sent)):
            recorder = self._recorders["request", point]
            recorder.request(self.clock(), head.method, head.target, head.fields, time.time())

    def head(self, received: Response, sent: Response) -> None:
        """Record the response head as received and as sent down."""
        for point, head in ((RECEIVED, received), (SENT, sent)):
            self._recorders["response", point].head(self.clock(), head.start_line, head.fields)

    def body(self, way: str) -> BodyTap:
        """Return an observer of the body that goes this way: `request` (up) or `response` (down)."""
        return BodyTap(self._recorders[way, RECEIVED], self._recorders[way, SENT], self.clock)

    def end(self, verdict: Outcome) -> None:
        """Record how the response ended."""
        for point in (RECEIVED, SENT):
            self._recorders["response", point].end(self.clock(), str(verdict))
