"""The samples of one target: rounds of histograms and counts, which can be added over turns, runs and machines.

The rule here: pure; nothing is judged. A round is an interval of the run. Samples are whole ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram, sum_of
from chunkwire.tools.bench.statistics import Quantity

MAX_ROUNDS: Final = 64
"""Rounds of one target, at most: neighbours are added in pairs where there would be more, so memory is bounded."""

PER_STREAM: Final[tuple[str, ...]] = ("first", "ttft", "itl")
"""Quantities with one sample a stream; they count outside the window, too."""

INEXACT: Final = "inexact "
"""Before the name of a quantity: those of its samples that are inexact (`Quantity.inexact_samples`)."""

END_SHARE: Final = 0.2
"""Share of the rounds at the beginning and at the end of a run that are compared."""

LOW_SHARE: Final = 0.1
"""They are compared by their tenth percentile: a queue delays all frames; a hop that holds delays only some."""

MIN_SAMPLES: Final = 50
"""With fewer, the growth of a run is 0."""


@dataclass(slots=True)
class Round:
    """The samples of one interval of a run.

    Attributes:
        seconds: its length.
        frames, reads: how many arrived in it.
        samples: by the name of a quantity, in ns; the inexact ones once more behind `INEXACT`.
        unknown: number of samples without a known value, by the name of a segment.
    """

    seconds: float = 0.0
    frames: int = 0
    reads: int = 0
    samples: dict[str, DurationHistogram] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    def quantity(self, name: str) -> Quantity:
        """Return the samples of a quantity."""
        samples, inexact = (self.samples.get(one) or DurationHistogram() for one in (name, INEXACT + name))
        return Quantity(samples, samples.n + self.unknown[name], inexact)

    def record(self, name: str, value: int | None, *, is_exact: bool = True) -> None:
        """Count a sample of a quantity; None where its value is not known."""
        if value is None:
            self.unknown[name] += 1
            return
        if not is_exact:
            self.record(INEXACT + name, value)
        histogram = self.samples.get(name)
        if histogram is None:
            histogram = self.samples[name] = DurationHistogram()
        histogram.record(value)

    def add(self, other: Round) -> None:
        """Add another round's samples."""
        self.seconds += other.seconds
        self.frames += other.frames
        self.reads += other.reads
        for name, histogram in other.samples.items():
            self.samples.setdefault(name, DurationHistogram()).add(histogram)
        self.unknown += other.unknown

    def only(self, is_kept: Callable[[str], bool]) -> Round:
        """Return the same round with only the quantities whose names are kept."""
        samples = {name: found for name, found in self.samples.items() if is_kept(name.removeprefix(INEXACT))}
        unknown = Counter({name: count for name, count in self.unknown.items() if is_kept(name)})
        return replace(self, samples=samples, unknown=unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How lateness grew between the beginning and the end of one run.

    Attributes:
        seconds: of sampling.
        written_later: s, growth of the delay from plan to write.
        arrived_later: s, growth of the delay from write to arrival.
        behind: s, the median delay of frames at the end, after the plan; after the write where there is no plan.
        busy: share of the time in which the meter was not idle; None where it was not measured.
        behind_rate: s by which the latest stream began after its planned beginning; 0 without a rate.
        warmup: s of sampling that were left out at the beginning, as warm-up.
    """

    seconds: float
    written_later: float = 0.0
    arrived_later: float = 0.0
    behind: float = 0.0
    busy: float | None = None
    behind_rate: float = 0.0
    warmup: float = 0.0


def trend_of(
    late: Sequence[DurationHistogram], added: Sequence[DurationHistogram], *, seconds: float, busy: float | None = None
) -> Trend:
    """Return the trend of one run.

    Args:
        late, added: samples in ns of its rounds, in the order of time; `late` is empty where the stream has no plan.
    """
    arrived_later = _growth(added)
    newest = sum_of((late or added)[-max(1, round(len(added) * END_SHARE)) :])
    return Trend(
        seconds=seconds,
        written_later=_growth(late) - arrived_later if late else 0.0,
        arrived_later=arrived_later,
        behind=newest.at_rank((newest.n + 1) // 2) / 1e9,
        busy=busy,
    )


def _growth(rounds: Sequence[DurationHistogram]) -> float:
    if sum(one.n for one in rounds) < MIN_SAMPLES:
        return 0.0
    some = max(1, round(len(rounds) * END_SHARE))
    ends = [sum_of(part) for part in (rounds[:some], rounds[-some:])]
    first, last = (end.at_rank(max(1, round(end.n * LOW_SHARE))) for end in ends)
    return (last - first) / 1e9


@dataclass(slots=True)
class Gathered:
    """The samples of one target.

    Attributes:
        rounds: in the order of time.
        width: length of the rounds that `at` gives, s.
        streams: number of streams that were begun, or were due at a rate; failed ones included.
        failures: number of failed streams by kind, such as "reset" or "status 503".
        warmup: s of rounds that were removed as warm-up.
        began: when the first round began, s since the epoch; 0 where it is not known.
        trends: one a run.
        shown: (planned or None, arrived) of the first streams' frames, s since the stream's request, at a rate since
            its planned beginning; not in JSON.
    """

    rounds: list[Round] = field(default_factory=list)
    width: float = 0.5
    streams: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    warmup: float = 0.0
    began: float = 0.0
    trends: list[Trend] = field(default_factory=list)
    shown: list[list[tuple[float | None, float]]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Number of failed streams."""
        return self.failures.total()

    @property
    def seconds(self) -> float:
        """Length of all rounds, s."""
        return sum(one.seconds for one in self.rounds)

    @property
    def frames(self) -> int:
        """Frames in all rounds."""
        return sum(one.frames for one in self.rounds)

    @property
    def reads(self) -> int:
        """Reads in all rounds."""
        return sum(one.reads for one in self.rounds)

    def samples(self, name: str) -> DurationHistogram:
        """Return all samples of a quantity."""
        return sum_of(one.samples[name] for one in list(self.rounds) if name in one.samples)

    def quantity(self, name: str) -> Quantity:
        """Return all samples of a quantity, those without a known value too."""
        samples = self.samples(name)
        unknown = sum(one.unknown[name] for one in list(self.rounds))
        return Quantity(samples, samples.n + unknown, self.samples(INEXACT + name))

    def has(self, name: str) -> bool:
        """Say whether a quantity has a sample with a known value."""
        return any(name in one.samples for one in self.rounds)

    def at(self, seconds: float) -> Round:
        """Return the round of a moment, s since sampling began; the first round for a moment before."""
        index = max(0, int(seconds / self.width))
        if index < len(self.rounds):
            return self.rounds[index]
        while index >= MAX_ROUNDS:
            self.rounds[:] = self.in_rounds((len(self.rounds) + 1) // 2)
            self.width *= 2
            index = int(seconds / self.width)
        while len(self.rounds) <= index:
            self.rounds.append(Round(self.width))
        return self.rounds[index]

    def leave_out(self, count: int) -> None:
        """Remove the first rounds, as warm-up; the samples of `PER_STREAM` are moved to the round that follows."""
        for one in self.rounds[:count]:
            self.warmup += one.seconds
            kept = one.only(PER_STREAM.__contains__)
            self.rounds[count].add(replace(kept, seconds=0.0, frames=0, reads=0))
        del self.rounds[:count]

    def in_rounds(self, count: int) -> list[Round]:
        """Return at most `count` rounds, by adding neighbours."""
        size = max(1, -(-len(self.rounds) // max(1, count)))
        return [_added(self.rounds[k : k + size]) for k in range(0, len(self.rounds), size)]

    def as_one_round(self) -> Gathered:
        """Return the same samples as one round: with a baseline, a turn is a round."""
        return replace(self, rounds=self.in_rounds(1))

    def add(self, other: Gathered) -> None:
        """Add another run: its rounds follow."""
        self.rounds += other.rounds
        while len(self.rounds) > MAX_ROUNDS:
            self.rounds = self.in_rounds((len(self.rounds) + 1) // 2)
        self.streams += other.streams
        self.failures += other.failures
        self.warmup += other.warmup
        self.began = min(self.began or other.began, other.began or self.began)
        self.trends += other.trends
        self.shown = self.shown or other.shown


def _added(rounds: Sequence[Round]) -> Round:
    total = Round()
    for one in rounds:
        total.add(one)
    return total
