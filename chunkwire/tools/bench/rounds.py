"""What was gathered of one target: rounds of histograms and counts, which add up over turns, runs and machines.

The rule here: pure, and nothing is judged. A round is a stretch of time. Frames of one stream, and of one moment,
depend on each other, so that intervals are resampled from rounds, never from frames. Times are whole ns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram, sum_of
from chunkwire.tools.bench.saturation import Trend

MAX_ROUNDS: Final = 64
"""Rounds of one target. When there would be more, neighbours are added in pairs: memory stays bounded over hours."""
MIN_KNOWN: Final = 0.99
"""Share of a figure's samples that must be known: what is missing is mostly late, so the rest would look too good."""

PER_STREAM: Final = ("first", "ttft", "itl")
"""Quantities of which each stream has one sample, whenever it began."""


@dataclass(frozen=True, slots=True)
class Figure:
    """All samples of one quantity, in ns.

    Attributes:
        known, of: samples whose value is known, out of all that there should be.
    """

    histogram: DurationHistogram
    known: int
    of: int

    @property
    def is_known(self) -> bool:
        """Say whether enough samples are known for a percentile."""
        return self.known >= MIN_KNOWN * self.of


@dataclass(slots=True)
class Round:
    """What arrived in one stretch of time.

    Attributes:
        seconds: its length.
        frames, reads: that arrived in it.
        samples: by the name of a quantity, in ns.
        unknown: samples whose value could not be known, by the name of a quantity.
    """

    seconds: float = 0.0
    frames: int = 0
    reads: int = 0
    samples: dict[str, DurationHistogram] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)

    def record(self, name: str, value: int) -> None:
        """Count a sample of a quantity."""
        histogram = self.samples.get(name)
        if histogram is None:
            histogram = self.samples[name] = DurationHistogram()
        histogram.record(value)

    def record_unknown(self, name: str, count: int = 1) -> None:
        """Count samples of a quantity that have no value."""
        self.unknown[name] = self.unknown.get(name, 0) + count

    def add(self, other: Round) -> None:
        """Take another's in."""
        self.seconds += other.seconds
        self.frames += other.frames
        self.reads += other.reads
        for name, histogram in other.samples.items():
            self.samples.setdefault(name, DurationHistogram()).add(histogram)
        for name, count in other.unknown.items():
            self.record_unknown(name, count)


@dataclass(slots=True)
class Gathered:
    """What was gathered of one target.

    Attributes:
        rounds: in the order of time.
        width: s of a round that is filled by `at`.
        streams: that were asked for, whatever became of them.
        failures: how many of them failed, by kind, such as "reset" or "status 503"; a stream fails once at most.
        warmup: s at the beginning that are left out of the rounds.
        trends: how much later frames became, one a run.
        shown: (planned or None, arrived) of the first streams' frames, s since the stream's request; not in JSON.
    """

    rounds: list[Round] = field(default_factory=list)
    width: float = 0.5
    streams: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    warmup: float = 0.0
    trends: list[Trend] = field(default_factory=list)
    shown: list[list[tuple[float | None, float]]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Streams that failed, of all kinds."""
        return sum(self.failures.values())

    @property
    def frames(self) -> int:
        """Frames in all rounds."""
        return sum(one.frames for one in self.rounds)

    @property
    def reads(self) -> int:
        """Reads in all rounds."""
        return sum(one.reads for one in self.rounds)

    def fail(self, kind: str, count: int = 1) -> None:
        """Count streams that failed."""
        self.failures[kind] = self.failures.get(kind, 0) + count

    def samples(self, name: str) -> DurationHistogram:
        """Return all samples of a quantity."""
        return sum_of(one.samples[name] for one in list(self.rounds) if name in one.samples)

    def figure(self, name: str) -> Figure:
        """Return all that there is of a quantity."""
        histogram = self.samples(name)
        unknown = sum(one.unknown.get(name, 0) for one in self.rounds)
        return Figure(histogram, histogram.n, histogram.n + unknown)

    def has(self, name: str) -> bool:
        """Say whether a quantity has a sample whose value is known."""
        return any(name in one.samples for one in self.rounds)

    def has_seen(self, name: str) -> bool:
        """Say whether a quantity has a sample, of a known value or not: whether what it is taken from came at all."""
        return any(name in one.samples or name in one.unknown for one in self.rounds)

    def at(self, seconds: float) -> Round:
        """Return the round of a moment, s since sampling began; the first one for what was before."""
        index = max(0, int(seconds / self.width))
        if index < len(self.rounds):
            return self.rounds[index]
        while index >= MAX_ROUNDS:
            self.rounds[:] = _in_pairs(self.rounds)
            self.width *= 2
            index = int(seconds / self.width)
        while len(self.rounds) <= index:
            self.rounds.append(Round(self.width))
        return self.rounds[index]

    def leave_out(self, count: int) -> None:
        """Leave out the first rounds, as warm-up; what a stream has one of stays, in the round that follows."""
        for one in self.rounds[:count]:
            self.warmup += one.seconds
            for name in PER_STREAM:
                if name in one.samples:
                    self.rounds[count].samples.setdefault(name, DurationHistogram()).add(one.samples[name])
        del self.rounds[:count]

    def in_rounds(self, count: int) -> list[Round]:
        """Return so many rounds at most: neighbours added up."""
        size = max(1, -(-len(self.rounds) // count))
        return [_added(self.rounds[k : k + size]) for k in range(0, len(self.rounds), size)]

    def as_one_round(self) -> Gathered:
        """Return the same with all rounds added up: where one run of several is the round."""
        rounds = [_added(self.rounds)] if self.rounds else []
        return Gathered(rounds, self.width, self.streams, dict(self.failures), self.warmup, self.trends, self.shown)

    def add(self, other: Gathered) -> None:
        """Take another run in: its rounds follow."""
        self.rounds += other.rounds
        while len(self.rounds) > MAX_ROUNDS:
            self.rounds = _in_pairs(self.rounds)
        self.streams += other.streams
        for kind, count in other.failures.items():
            self.fail(kind, count)
        self.warmup += other.warmup
        self.trends += other.trends
        self.shown = self.shown or other.shown


def _added(rounds: Sequence[Round]) -> Round:
    total = Round()
    for one in rounds:
        total.add(one)
    return total


def _in_pairs(rounds: Sequence[Round]) -> list[Round]:
    for first, second in zip(rounds[::2], rounds[1::2], strict=False):
        first.add(second)
    return list(rounds[::2])
