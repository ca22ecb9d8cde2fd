"""Records of what the server wrote, at the point `origin.sent`.

The rule here: the octets that were sent are scanned, as a reader would scan them. So the record of a fault shows how a
strict reader parses it, and the engine does not search for frames in what it writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.heads import Request, Response
from chunkwire.net.unread import shown_method
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.server.journal import Ended
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner

RecordFor: TypeAlias = Callable[[Request], Callable[[Record], None] | None]
"""Returns the consumer of an exchange's records, given its request head; None makes no records, at no cost."""

Work: TypeAlias = Callable[[], bool | None]
"""Makes some records; returns whether there are more to make."""

Later: TypeAlias = Callable[[Work], None]
"""Calls `Work` until it is done: at once, or later in the order of the calls."""

# Kept of one body for records to be made later. If there are more, each write makes the records of the two oldest.
MAX_NOTED_OCTETS: Final = 256 << 10
MAX_NOTED_WRITES: Final = 256  # mostly of a frame each, whose records take some 3 ms


def later_of(emit: Callable[[Record], None]) -> Later | None:
    """Return the attribute `later` of a consumer of records; None if it has none, and takes each record at once."""
    later: Later | None = getattr(emit, "later", None)
    return later


def at_once(work: Work) -> None:
    """Call `work` until there is none left."""
    while work():
        pass


class LateWrites:
    """Keeps the writes of one body, and makes their records later, by scanning their octets again.

    Attributes:
        feed: of the body as it is written.
        octets: that were counted and whose records have not been made.
    """

    def __init__(self, recorder: Recorder, scanner: BodyScanner, later: Later) -> None:
        self.feed = Feed(scanner, takes_turns=True)
        self.octets = 0
        self._recorder = recorder
        self._later = later
        self._noted: deque[tuple[float, bytes]] = deque()
        self._writes = 0

    def count(self, octets: int) -> None:
        """Count octets before `note` gets them; if too many are kept, make the records of the two oldest writes."""
        self.octets += octets
        if (self.octets > MAX_NOTED_OCTETS or len(self._noted) > MAX_NOTED_WRITES) and self._record_next():
            self._record_next()

    def note(self, t: float, octets: bytes) -> None:
        """Keep one write, whose octets were counted; t is in s since the request."""
        self._noted.append((t, octets))
        if len(self._noted) == 1:
            self._later(self._record_next)

    def _record_next(self) -> bool:
        """Record one write, or one turn of it; return whether there is more to record."""
        if not self._noted:
            return False
        t, octets = self._noted[0]
        feed = self.feed
        if feed.error is None:
            events: list[Event] = []
            if not feed.is_behind:
                self._writes += 1
            feed.take(b"" if feed.is_behind else octets, events)
            self._recorder.body(t, events, self._writes)
        if not feed.is_behind:
            self._noted.popleft()
            self.octets -= len(octets)
        return bool(self._noted)


class SentTap:
    """Records of one exchange at the point `origin.sent`.

    Args:
        emit: called with each record.
        stream: the number of the exchange.
        began: when the request head was complete, on the clock of every later `now`.
        wall: the same moment, in seconds since the epoch.
    """

    def __init__(
        self, emit: Callable[[Record], None], request: Request, *, stream: int, began: float, wall: float
    ) -> None:
        self._recorder = Recorder(emit, stream=stream, point="origin.sent")
        self._later = later_of(emit) or at_once
        self._began = began
        self._body: LateWrites | None = None
        self._recorder.request(0.0, shown_method(request), request.target, request.fields, wall)

    def head(self, now: float, response: Response, kind: BodyKind) -> None:
        """Record the final response head; `kind` is the framing of the body on the wire."""
        self._recorder.head(now - self._began, response.start_line, response.fields)
        length = int(response.get(b"content-length") or 0)
        scanner = Framing(kind, length if kind is BodyKind.LENGTH else None).scanner()
        self._body = LateWrites(self._recorder, scanner, self._later)

    def sent(self, now: float, raw: bytes) -> None:
        """Record one write of the body, at once or later."""
        if self._body is not None:
            self._body.count(len(raw))
            self._body.note(now - self._began, raw)

    def end(self, now: float, ended: Ended) -> None:
        """Record how the body ended."""
        self._later(partial(self._record_end, now, ended))

    def _record_end(self, now: float, ended: Ended) -> None:
        feed = self._body.feed if self._body is not None else None
        error, held = (feed.error, feed.held) if feed is not None else (None, b"")
        verdict = "malformed" if error is not None else "cut" if ended is Ended.ERROR else ended.value
        self._recorder.end(now - self._began, verdict, error=str(error) if error is not None else None, held=held)
