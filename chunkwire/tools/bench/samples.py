"""Reads of many streams to samples of a bench. Pure: given what arrived when.

The rule here: a moment is taken by the receiver; here octets are scanned, frames separated, stamps found, and the
quantities of `statistics` made. A frame arrives when its last octet does. Only frames inside the window count, but
for `first`, of which each stream has one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chunkwire.net.heads import BodyKind, Framing
from chunkwire.record.recorder import Recorder
from chunkwire.tools.bench.saturation import Trend
from chunkwire.tools.stamps import ContentReader, Stamp
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, DataEnd, Event

SHOWN_STREAMS: Final = 3
"""Streams whose arrivals are kept against their plan, for a chart."""
SHOWN_FRAMES: Final = 400

STALL_NS: Final = 1_000_000_000
"""A silence of an open stream that counts as a failure: at least so long,"""
STALL_GAPS: Final = 10
"""and so many times its longest pause before."""

NO_FRAME: Final = "ended without a frame"


@dataclass(slots=True)
class Window:
    """When samples count, ns on the receiver's clock; its owner opens and closes it."""

    opens_ns: float = math.inf
    closes_ns: float = math.inf


@dataclass(slots=True)
class Gathered:
    """Samples in seconds, and counts, of one target.

    Attributes:
        first, late, added, hold, gap, tpot: as `statistics` defines them.
        frames, reads: inside the window.
        streams: that were asked for, whatever became of them.
        failures: how many of them failed, by kind, such as "reset" or "status 503"; a stream fails once at most.
        trends: how much later frames became, one a run.
        shown: (planned or None, arrived) of the first streams' frames, s since the stream's request.
    """

    first: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    added: list[float] = field(default_factory=list)
    hold: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    tpot: list[float] = field(default_factory=list)
    frames: int = 0
    reads: int = 0
    streams: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    trends: list[Trend] = field(default_factory=list)
    shown: list[list[tuple[float | None, float]]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Streams that failed, of all kinds."""
        return sum(self.failures.values())

    def fail(self, kind: str, count: int = 1) -> None:
        """Count streams that failed."""
        self.failures[kind] = self.failures.get(kind, 0) + count

    def samples(self, quantity: str) -> list[float]:
        """Return the samples of a quantity by its name."""
        samples: list[float] = getattr(self, quantity)
        return samples

    def add(self, other: Gathered) -> None:
        """Take another round's samples in."""
        for quantity in ("first", "late", "added", "hold", "gap", "tpot"):
            self.samples(quantity).extend(other.samples(quantity))
        self.frames += other.frames
        self.reads += other.reads
        self.streams += other.streams
        for kind, count in other.failures.items():
            self.fail(kind, count)
        self.trends += other.trends
        self.shown = self.shown or other.shown


class StreamSampler:
    """One stream: what it brought, read after read.

    Attributes:
        failure: how the stream failed; empty while it has not.

    Args:
        sent_ns: when its request was sent, on the clock of `take`; the stamps' clock, where `late` is to mean anything.
        recorder: records what arrives, where somebody saves it.
    """

    def __init__(
        self,
        gathered: Gathered,
        window: Window,
        *,
        framing: Framing,
        coding: str,
        sent_ns: int,
        recorder: Recorder | None = None,
    ) -> None:
        self._gathered = gathered
        self._window = window
        self._feed = Feed(framing.scanner())
        self._scanner = self._feed.scanner
        self._content = ContentReader(coding)
        self.failure = ""
        self._sent_ns = sent_ns
        self._recorder = recorder
        self._is_over = False
        self._is_plain = framing.kind is not BodyKind.CHUNKED
        self._number = 0
        self._last_ns = 0
        self._first_ns = 0
        self._longest_gap_ns = 0
        self._frames = 0
        self._added: list[float] = []
        self._shown: list[tuple[float | None, float]] | None = None
        if len(gathered.shown) < SHOWN_STREAMS:
            self._shown = []
            gathered.shown.append(self._shown)

    @property
    def has_begun(self) -> bool:
        """Say whether a frame has come."""
        return self._frames > 0

    @property
    def is_over(self) -> bool:
        """Say whether the body has come to an end, its own or another."""
        return self._is_over

    @property
    def reads(self) -> int:
        """Receives that brought something."""
        return self._number

    def is_stalled(self, now_ns: float) -> bool:
        """Say whether an open stream has been silent for long, by its own pauses so far."""
        silent_ns = now_ns - self._last_ns
        return self.has_begun and not self._is_over and silent_ns > max(STALL_NS, STALL_GAPS * self._longest_gap_ns)

    def take(self, now_ns: int, octets: bytes | None) -> bool:
        """Take what one receive returned at a moment; False once the stream is over, whole or broken.

        Args:
            octets: empty at the end of input, None at a reset.
        """
        if not self._is_over:
            self._is_over = not self._take(now_ns, octets)
        return not self._is_over

    def _take(self, now_ns: int, octets: bytes | None) -> bool:
        if octets is None:
            self.failure = "reset"
            self._record(now_ns, (), "reset", "the peer reset the connection")
            return False
        if not octets:
            self._end_of_input(now_ns)
            return False
        self._number += 1
        events: list[Event] = []
        self._feed.take(octets, events)
        if self._feed.error is not None:
            self.failure = "malformed"
            self._read(now_ns, events)
            self._record(now_ns, events, "malformed", str(self._feed.error))
            return False
        self._read(now_ns, events)
        self._record(now_ns, events, "complete" if self._scanner.is_complete else None, None)
        if self._scanner.is_complete and not self.has_begun:
            self.failure = NO_FRAME
        return not self._scanner.is_complete

    def finish(self) -> None:
        """Count what only a whole stream shows; to be called once, when nothing more is taken."""
        if self.failure:
            self._gathered.fail(self.failure)
        if self._frames > 1:
            self._gathered.tpot.append((self._last_ns - self._first_ns) / 1e9 / (self._frames - 1))
        base = min(self._added, default=0.0)
        self._gathered.hold.extend(added - base for added in self._added)

    def _end_of_input(self, now_ns: int) -> None:
        try:
            if not self._scanner.is_complete:
                self._scanner.end_of_input()
            self._record(now_ns, (), "complete", None)
            if not self.has_begun:
                self.failure = NO_FRAME
        except IncompleteBody as error:
            self.failure = "cut"
            self._record(now_ns, (), "cut", str(error))

    def _record(self, now_ns: int, events: Sequence[Event], verdict: str | None, error: str | None) -> None:
        if self._recorder is None:
            return
        t = (now_ns - self._sent_ns) / 1e9
        self._recorder.body(t, events, self._number)
        if verdict is not None:
            self._recorder.end(t, verdict, error=error)

    def _read(self, now_ns: int, events: Sequence[Event]) -> None:
        counts = self._window.opens_ns <= now_ns <= self._window.closes_ns
        stamps: list[Stamp] = []
        frames = 0
        for event in events:
            if isinstance(event, Data):
                stamps += self._content.feed(event.octets)[0]
                frames += self._is_plain
            elif isinstance(event, DataEnd):
                frames += 1
        if counts:
            self._gathered.reads += bool(events)
            self._gathered.frames += frames
        for number in range(frames):
            self._frame(now_ns, stamps[number] if number < len(stamps) else None, counts=counts)
        for stamp in stamps[frames:]:
            self._stamped(now_ns, stamp, counts=counts)

    def _frame(self, now_ns: int, stamp: Stamp | None, *, counts: bool) -> None:
        if not self._frames:
            self._first_ns = now_ns
            self._gathered.first.append((now_ns - self._sent_ns) / 1e9)
        else:
            self._longest_gap_ns = max(self._longest_gap_ns, now_ns - self._last_ns)
            if counts and self._last_ns >= self._window.opens_ns:
                self._gathered.gap.append((now_ns - self._last_ns) / 1e9)
        self._frames += 1
        self._last_ns = now_ns
        if stamp is not None:
            self._stamped(now_ns, stamp, counts=counts)
        elif self._shown is not None and len(self._shown) < SHOWN_FRAMES:
            self._shown.append((None, (now_ns - self._sent_ns) / 1e9))

    def _stamped(self, now_ns: int, stamp: Stamp, *, counts: bool) -> None:
        planned_ns = stamp.planned_ns
        if counts:
            self._added.append((now_ns - stamp.actual_ns) / 1e9)
            self._gathered.added.append(self._added[-1])
            if planned_ns is not None:
                self._gathered.late.append((now_ns - planned_ns) / 1e9)
        if self._shown is not None and len(self._shown) < SHOWN_FRAMES:
            planned = None if planned_ns is None else (planned_ns - self._sent_ns) / 1e9
            self._shown.append((planned, (now_ns - self._sent_ns) / 1e9))
