"""Records of what the server wrote, at the point `origin.sent`.

The rule here: the octets that were sent are scanned, as a reader would scan them. So the record of a fault shows how a
strict reader parses it, and the engine does not search for frames in what it writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from chunkwire.net.heads import BodyKind, Framing, Request, Response
from chunkwire.net.unread import shown_method
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.server.journal import Ended
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event

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
        self._noted: deque[tuple[float, bytes]] = deque()
        self._noted_octets = 0
        self._began = began
        self._feed: Feed | None = None
        self._writes = 0
        self._recorder.request(0.0, shown_method(request), request.target, request.fields, wall)

    def head(self, now: float, response: Response, kind: BodyKind) -> None:
        """Record the final response head; `kind` is the framing of the body on the wire."""
        self._recorder.head(now - self._began, response.start_line, response.fields)
        length = int(response.get(b"content-length") or 0)
        self._feed = Feed(Framing(kind, length if kind is BodyKind.LENGTH else None).scanner())

    def sent(self, now: float, raw: bytes) -> None:
        """Record one write of the body, at once or later."""
        self._noted.append((now, raw))
        self._noted_octets += len(raw)
        if len(self._noted) == 1:
            self._later(self._record_next)
        elif self._is_full and self._record_next():
            self._record_next()

    @property
    def _is_full(self) -> bool:
        return self._noted_octets > MAX_NOTED_OCTETS or len(self._noted) > MAX_NOTED_WRITES

    def _record_next(self) -> bool:
        if not self._noted:
            return False
        now, raw = self._noted.popleft()
        self._noted_octets -= len(raw)
        self._writes += 1
        if self._feed is not None and self._feed.error is None:
            events: list[Event] = []
            self._feed.take(raw, events)
            self._recorder.body(now - self._began, events, self._writes)
        return bool(self._noted)

    def end(self, now: float, ended: Ended) -> None:
        """Record how the body ended."""
        self._later(partial(self._record_end, now, ended))

    def _record_end(self, now: float, ended: Ended) -> None:
        error = self._feed.error if self._feed is not None else None
        verdict = "malformed" if error is not None else "cut" if ended is Ended.ERROR else ended.value
        held = self._feed.held if self._feed is not None else b""
        self._recorder.end(now - self._began, verdict, error=str(error) if error is not None else None, held=held)
