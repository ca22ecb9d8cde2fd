"""Turns the timed reads of streams into samples of the quantities of `statistics`. Pure.

The rule here: the receiver reads the clock; this module scans the octets, separates frames and finds stamps. A frame
arrives when its last octet does (`load.Timing`); in a body that is not chunked, each read is a frame. Frames count only
inside the window, except for `PER_STREAM` quantities.
"""

from __future__ import annotations

import math
import ssl
from array import array
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Final

from chunkwire.llm.answer import Reasoning, Text, ToolCall, Usage
from chunkwire.llm.reading import AnswerReader
from chunkwire.net.connection import lost_by
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.tls import is_unexpected_eof
from chunkwire.record.recorder import Recorder
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.segments import CLOCK_STEP, FrameMoments, Segments
from chunkwire.tools.stamps import ContentReader, Stamp
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk

SHOWN_STREAMS: Final = 3
SHOWN_FRAMES: Final = 400
"""Frames of each of the first `SHOWN_STREAMS` streams that are kept for a chart."""

STALL_NS: Final = 1_000_000_000
STALL_GAPS: Final = 10
"""An open stream is stalled after a silence longer than `STALL_NS` and than `STALL_GAPS` times its longest gap."""

HOLD_FRAMES: Final = 512
"""Frames of a stream that `hold` is computed for at a time, relative to the least delayed frame so far."""

NO_FRAME: Final = "ended without a frame"


def loss_of(error: BaseException | None) -> str:
    """Return the failure of a stream whose connection was lost, by the error of its receive."""
    if is_unexpected_eof(error):
        return "closed without close_notify"
    return "broken TLS" if isinstance(error, ssl.SSLError) else "reset"


@dataclass(slots=True)
class Window:
    """The interval in which samples count, ns on the receiver's clock; its owner opens and closes it.

    Attributes:
        began_ns: when it was first opened: the beginning of the first round.
    """

    began_ns: float = math.inf
    opens_ns: float = math.inf
    closes_ns: float = math.inf

    def seconds_of(self, now_ns: int) -> float:
        """Return a moment as s since the sampling began: below zero before it, its end for a later moment."""
        return (min(now_ns, self.closes_ns) - self.began_ns) / 1e9 if self.began_ns < math.inf else -1.0


@dataclass(frozen=True, slots=True)
class FrameSample:
    """One frame, or a further event of one read, for `--csv`.

    Attributes:
        stream: its number, from 1.
        number: of the frame in its stream, from 1; None of an event beyond the frames of its read.
        arrived_ns: since the stream's request, at a rate since its planned beginning.
        late_ns, added_ns, gap_ns: None where the frame has none.
        sampled_ns: its arrival, since the window was first opened; None where it arrived outside.
        is_exact: it has a kernel stamp of its own, or none is asked for.
    """

    stream: int
    number: int | None
    arrived_ns: int
    late_ns: int | None
    added_ns: int | None
    gap_ns: int | None
    sampled_ns: int | None
    is_exact: bool


class ContentTimes:
    """The moments of the first and the last content of one stream, and its number of tokens: for TTFT and ITL.

    A frame has content where it completes text, reasoning or a part of a tool call; a role, a ping or usage is not
    content, as AIPerf has it.

    Args:
        reader: of the answer's dialect; None where each frame counts as content and as one token.
    """

    def __init__(self, reader: AnswerReader | None) -> None:
        self._first_ns = self._last_ns = 0
        self._is_first_exact = self._is_last_exact = True
        self._reader = reader
        self._pieces = 0
        self._usage: int | None = None

    def take(self, now_ns: int, octets: bytes, *, is_exact: bool = True) -> bool:
        """Take octets, or without a reader a frame; say whether they are the first with content."""
        pieces = 1
        if self._reader is not None:
            events = self._reader.feed(octets)
            pieces = sum(isinstance(event, Text | Reasoning | ToolCall) for event in events)
            for event in events:
                if isinstance(event, Usage) and event.completion:
                    self._usage = event.completion
        if not pieces:
            return False
        is_first = not self._pieces
        self._pieces += pieces
        self._last_ns, self._is_last_exact = now_ns, is_exact
        if is_first:
            self._first_ns, self._is_first_exact = now_ns, is_exact
        return is_first

    @property
    def is_exact(self) -> bool:
        """Say whether the moments of the first and the last content are exact."""
        return self._is_first_exact and self._is_last_exact

    @property
    def latency_ns(self) -> int | None:
        """(Last content - first) / (tokens - 1), ns, by the provider's usage if there is one; None below two tokens."""
        tokens = self._usage or self._pieces
        return None if tokens < 2 else (self._last_ns - self._first_ns) // (tokens - 1)


@dataclass(eq=False)
class StreamSampler:
    """Makes samples of the reads of one stream.

    Attributes:
        sent_ns: when its request was sent, on the clock of `take`. `late` and `added` need stamps on this clock.
        due_ns: its planned beginning, from which `first` and `ttft` count; None: from the request.
        reader: reads a language model's answer; None for another stream.
        recorder: records what arrives; None without `--save`.
        report_frame: is called with each frame; None without `--csv`.
        stream: its number.
        is_kernel: a frame is timed by the kernel (`Timing.KERNEL`).
        segments: takes the moments of each frame that counts; None without kernel stamps and hops.
        failure: how the stream failed; empty while it has not.
        is_over: the body has ended, or the stream has failed.
        reads: number of receives that returned octets.
    """

    gathered: Gathered
    window: Window
    _: KW_ONLY
    framing: InitVar[Framing]
    coding: InitVar[str]
    sent_ns: int
    due_ns: int | None = None
    reader: AnswerReader | None = None
    recorder: Recorder | None = None
    report_frame: Callable[[FrameSample], None] | None = None
    stream: int = 1
    is_kernel: bool = False
    segments: Segments | None = None

    failure = ""
    is_over = False
    reads = 0
    _is_finished = False
    _received = 0  # octets of all reads; more than the body has where others follow it
    _arrived_ns = _read_ns = 0  # of the latest receive
    _is_whole = True  # it has no octet behind the content
    _is_exact = _was_exact = True  # of the moment of this frame, and of the one before
    _last_ns = 0
    _first_ns = 0
    _longest_gap_ns = 0
    _frames = 0

    def __post_init__(self, framing: Framing, coding: str) -> None:
        self._feed = Feed(framing.scanner())
        self._scanner = self._feed.scanner
        self._content = ContentReader(coding)
        self._began_ns = self.sent_ns if self.due_ns is None else self.due_ns
        self._content_times = ContentTimes(self.reader)
        self._is_plain = framing.kind is not BodyKind.CHUNKED
        # Of the frames whose hold is not computed yet, ns, and which are exact.
        self._arrived, self._added, self._are_exact = array("q"), array("q"), bytearray()
        self._least_added: int | None = None
        self._shown: list[tuple[float | None, float]] | None = None
        if len(self.gathered.shown) < SHOWN_STREAMS:
            self._shown = []
            self.gathered.shown.append(self._shown)

    @property
    def is_empty(self) -> bool:
        """Say whether the head says that no octets follow: then the peer may leave the connection open."""
        return self._scanner.is_complete and not self.reads

    @property
    def has_begun(self) -> bool:
        """Say whether a frame has arrived."""
        return self._frames > 0

    def is_stalled(self, now_ns: float) -> bool:
        """Say whether an open stream is stalled (`STALL_NS`)."""
        silent_ns = now_ns - self._last_ns
        return self.has_begun and not self.is_over and silent_ns > max(STALL_NS, STALL_GAPS * self._longest_gap_ns)

    def take(self, now_ns: int, octets: bytes | Exception, arrived_ns: int = 0, *, is_whole: bool = True) -> bool:
        """Take what one receive returned; False once the stream is over, complete or failed.

        Args:
            now_ns: when it returned.
            octets: empty at the end of input; the error of the receive where the connection was lost.
            arrived_ns: the kernel's stamp of its last octet, 0 where it is not known.
            is_whole: that octet is the last of `octets`; over TLS, a part of a record, or one without
                content, may follow.
        """
        self._read_ns, self._arrived_ns, self._is_whole = now_ns, arrived_ns, is_whole
        if self.is_kernel and arrived_ns:
            now_ns = arrived_ns
        if not self.is_over and not self._take(now_ns, octets):
            self.is_over = True
            self.finish()
        return not self.is_over

    def _take(self, now_ns: int, octets: bytes | Exception) -> bool:
        if isinstance(octets, Exception):
            self.failure = loss_of(octets)
            self._record((), "reset", lost_by("the peer", octets))
            return False
        if not octets:
            self._end_of_input()
            return False
        self.reads += 1
        self._received += len(octets)
        events: list[Event] = []
        self._feed.take(octets, events)
        self._read(now_ns, events)
        if self._feed.error is not None:
            self.failure = "malformed"
            self._record(events, "malformed", str(self._feed.error))
            return False
        self._record(events, "complete" if self._scanner.is_complete else None, None)
        if self._scanner.is_complete and not self.has_begun:
            self.failure = NO_FRAME
        return not self._scanner.is_complete

    def finish(self) -> None:
        """Record what only a whole stream gives, once; `take` calls it at the end of the stream."""
        if self._is_finished:
            return
        self._is_finished = self.is_over = True
        if self.failure:
            self.gathered.failures[self.failure] += 1
        times = self._content_times
        if (latency_ns := times.latency_ns) is not None:
            self._round(self._first_ns).record("itl", latency_ns, is_exact=times.is_exact)
        self._record_hold()

    def _round(self, now_ns: int) -> Round:
        return self.gathered.at(self.window.seconds_of(now_ns))

    def _record_hold(self) -> None:
        if not self._added or (self._least_added is None and len(self._added) < 2):
            return  # a frame alone has no other to be compared with
        least = min(self._added)
        self._least_added = least if self._least_added is None else min(least, self._least_added)
        for now_ns, added, is_exact in zip(self._arrived, self._added, self._are_exact, strict=True):
            self._round(now_ns).record("hold", added - self._least_added, is_exact=bool(is_exact))
        self._arrived, self._added, self._are_exact = array("q"), array("q"), bytearray()

    def _end_of_input(self) -> None:
        try:
            if not self._scanner.is_complete:
                self._scanner.end_of_input()
            self._record((), "complete", None)
            if not self.has_begun:
                self.failure = NO_FRAME
        except IncompleteBody as error:
            self.failure = "cut"
            self._record((), "cut", str(error))

    def _record(self, events: Sequence[Event], verdict: str | None, error: str | None) -> None:
        if self.recorder is None:
            return
        t = (self._read_ns - self.sent_ns) / 1e9
        is_known = self._arrived_ns > 0 and self._is_whole and not self._feed.held
        kernel = (self._arrived_ns - self.sent_ns) / 1e9 if is_known else None
        self.recorder.body(t, events, self.reads, kernel=kernel)
        if verdict is not None:
            self.recorder.end(t, verdict, error=error)

    def _read(self, now_ns: int, events: Sequence[Event]) -> None:
        one = self._round(now_ns)
        stamps: list[Stamp] = []
        ends: list[int] = []  # octets of the body up to the end of each frame
        self._is_exact = not self.is_kernel or (self._arrived_ns > 0 and self._is_whole)
        for event in events:
            if isinstance(event, Data):
                stamps += self._content.feed(event.octets)[0]
                if self._is_plain:
                    ends.append(event.offset + len(event.octets))
                if self.reader is not None:
                    self._take_content(one, now_ns, bytes(event.octets))
            elif isinstance(event, DataEnd):
                ends.append(event.offset + len(event.raw))
        frames = len(ends)
        counts = self.window.opens_ns <= now_ns <= self.window.closes_ns
        if counts:
            one.reads += bool(events)
            one.frames += frames
        is_end = bool(events) and isinstance(events[-1], LastChunk)
        for number, end in enumerate(ends):
            # The stamp is that of the last octet. A frame that only the last-chunk follows has it, too, since most
            # servers write both at once: it is too late by their distance, which is less than the delay of the read.
            has_stamp = self._is_whole and (end == self._received or (is_end and number == frames - 1))
            arrived_ns = self._arrived_ns if has_stamp else 0
            self._is_exact = not self.is_kernel or arrived_ns > 0
            stamp = stamps[number] if number < len(stamps) else None
            self._frame(one, now_ns, stamp, counts=counts)
            if counts and self.segments is not None:
                self.segments.take(one, self._moments(end, stamp, arrived_ns))
        for stamp in stamps[frames:]:
            self._report(now_ns, stamp, None, number=None, counts=counts)
            self._stamped(one, now_ns, stamp, counts=counts)

    def _moments(self, end: int, stamp: Stamp | None, arrived_ns: int) -> FrameMoments:
        planned_ns, written_ns = (0, 0) if stamp is None else (stamp.planned_ns or 0, stamp.actual_ns)
        second = self.window.seconds_of(self._read_ns)
        return FrameMoments(second, self.stream, end, planned_ns, written_ns, arrived_ns, self._read_ns)

    def _take_content(self, one: Round, now_ns: int, octets: bytes = b"") -> None:
        if self._content_times.take(now_ns, octets, is_exact=self._is_exact):
            one.record("ttft", now_ns - self._began_ns, is_exact=self._is_exact)

    def _frame(self, one: Round, now_ns: int, stamp: Stamp | None, *, counts: bool) -> None:
        if self.reader is None:
            self._take_content(one, now_ns)
        # Without a stamp, a frame may seem to arrive after the next one, whose packet came before our read.
        gap_ns = max(0, now_ns - self._last_ns) if self._frames else None
        if gap_ns is None:
            self._first_ns = now_ns
            one.record("first", now_ns - self._began_ns, is_exact=self._is_exact)
        else:
            self._longest_gap_ns = max(self._longest_gap_ns, gap_ns)
            if counts and self._last_ns >= self.window.opens_ns:
                one.record("gap", gap_ns, is_exact=self._is_exact and self._was_exact)
        self._frames += 1
        self._last_ns, self._was_exact = now_ns, self._is_exact
        self._report(now_ns, stamp, gap_ns, number=self._frames, counts=counts)
        if stamp is not None:
            self._stamped(one, now_ns, stamp, counts=counts)
        elif self._shown is not None and len(self._shown) < SHOWN_FRAMES:
            self._shown.append((None, (now_ns - self._began_ns) / 1e9))

    def _report(
        self, now_ns: int, stamp: Stamp | None, gap_ns: int | None, *, number: int | None, counts: bool
    ) -> None:
        if self.report_frame is None:
            return
        moments = (stamp.planned_ns, stamp.actual_ns) if stamp is not None else (None, None)
        late, added = (None if moment_ns is None else now_ns - moment_ns for moment_ns in moments)
        arrived_ns = now_ns - self._began_ns
        sampled_ns = int(now_ns - self.window.began_ns) if counts else None
        self.report_frame(FrameSample(self.stream, number, arrived_ns, late, added, gap_ns, sampled_ns, self._is_exact))

    def _stamped(self, one: Round, now_ns: int, stamp: Stamp, *, counts: bool) -> None:
        planned_ns = stamp.planned_ns
        if counts:
            added = now_ns - stamp.actual_ns
            one.record("added", added, is_exact=self._is_exact)
            one.record(CLOCK_STEP, _step_of(stamp.actual_ns))
            if planned_ns is not None:
                one.record("late", now_ns - planned_ns, is_exact=self._is_exact)
            self._arrived.append(now_ns)
            self._added.append(added)
            self._are_exact.append(self._is_exact)
            if len(self._added) >= HOLD_FRAMES:
                self._record_hold()
        if self._shown is not None and len(self._shown) < SHOWN_FRAMES:
            planned = None if planned_ns is None else (planned_ns - self._began_ns) / 1e9
            self._shown.append((planned, (now_ns - self._began_ns) / 1e9))


def _step_of(moment_ns: int) -> int:
    """Return the largest power of ten that divides a moment, at most 1 s."""
    step_ns = 1
    while step_ns < 1_000_000_000 and not moment_ns % (10 * step_ns):
        step_ns *= 10
    return step_ns
