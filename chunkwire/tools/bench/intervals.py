"""Confidence intervals of percentiles, of their difference between two targets, and the end of the warm-up. Pure.

The rule here: whole rounds are resampled (a block bootstrap), never frames, since frames of one stream or of one moment
depend on each other; nor streams, since a pause of the machine delays all of them. For a difference, a draw takes the
same rounds of both targets, which were measured in turns. The standard error of a figure is its standard deviation over
the draws, times √(n / (n - 1)) for n rounds, since resampling makes it too small by this factor. Half the width of an
interval is the standard error times Student's t with n - 1 degrees of freedom.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import mul
from random import Random
from statistics import NormalDist, stdev
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram, bounds, bucket_of
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.statistics import PERCENTILES, nearest_rank, rank_of

CONFIDENCE: Final = 0.95
"""Confidence of the interval of one target's figure."""
DIFFERENCE_CONFIDENCE: Final = 0.995
"""Confidence of the interval of a difference: at 95 %, one of the twenty in a table would differ by chance."""
MIN_ROUNDS: Final = 5
"""Fewer rounds give no standard error to rely on."""
DRAWS: Final = 500
"""Resamplings for one interval."""

WARMUP_ROUNDS: Final = 10
"""In a run of fewer rounds no warm-up is found."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its confidence interval, in ns.

    Attributes:
        half: half the width of the interval.
        resolution: width of the histogram's bucket; a smaller difference cannot be measured.
        rounds: number of rounds that were resampled.
    """

    value: float
    half: float
    resolution: float
    rounds: int

    @property
    def share(self) -> float | None:
        """Half the width over the figure; None where the figure is not above zero."""
        return self.half / self.value if self.value > 0 else None

    @property
    def is_significant(self) -> bool:
        """Say whether a difference is significant: its interval does not contain zero, and it exceeds `resolution`."""
        return abs(self.value) > max(self.half, self.resolution)


class _Counts:
    """Cumulative counts of the samples of each round by bucket: a draw's percentile is found by bisection."""

    def __init__(self, rounds: Sequence[DurationHistogram]) -> None:
        counts = [dict(one.counts()) for one in rounds]
        self._buckets = sorted({bucket for of_one in counts for bucket in of_one})
        up_to = [list(accumulate(of_one.get(bucket, 0) for bucket in self._buckets)) for of_one in counts]
        self._up_to = list(zip(*up_to, strict=True))
        self._n = [one.n for one in rounds]

    def at(self, weights: Sequence[int], percentage: float) -> int:
        """Return the percentile of a draw, rounded up to the end of its bucket.

        Args:
            weights: how often each round is drawn.
        """
        n = sum(map(mul, weights, self._n))
        rank = nearest_rank(n, percentage)
        place = bisect_left(self._up_to, rank, key=lambda column: sum(map(mul, weights, column)))
        place = min(place, len(self._buckets) - 1)  # it is beyond if all rounds of the draw are without samples
        return bounds(self._buckets[place])[1]


def intervals_of(
    gathered: Gathered, name: str, percentages: Sequence[float] = PERCENTILES
) -> Mapping[float, Interval | None]:
    """Return the intervals of a quantity's percentiles; None where one has none.

    A percentile has none with fewer than `MIN_ROUNDS` rounds with samples, where too few samples are known, or where
    too few are larger than it.
    """
    return _intervals([gathered], name, percentages, CONFIDENCE)


def differences_of(gathered: Gathered, baseline: Gathered, name: str) -> Mapping[float, Interval | None]:
    """Return a target's percentiles less those of its baseline; None as in `intervals_of`."""
    return _intervals([gathered, baseline], name, PERCENTILES, DIFFERENCE_CONFIDENCE)


def _intervals(
    targets: Sequence[Gathered], name: str, percentages: Sequence[float], confidence: float
) -> dict[float, Interval | None]:
    """Return intervals of the percentiles of one target, or of the first target's less the second's."""
    found: dict[float, Interval | None] = dict.fromkeys(percentages)
    shared = [
        [one.samples[name] for one in rounds]
        for rounds in zip(*(target.rounds for target in targets), strict=False)
        if all(name in one.samples for one in rounds)
    ]
    rounds = len(shared)
    if rounds < MIN_ROUNDS or not all(target.quantity(name).has_enough_known for target in targets):
        return found
    sides = list(zip(*shared, strict=True))
    least = min(sum(one.n for one in side) for side in sides)
    wanted = [percentage for percentage in percentages if rank_of(least, percentage) is not None]
    counts = [_Counts(side) for side in sides]

    def figure(weights: Sequence[int], percentage: float) -> int:
        first, *others = (side.at(weights, percentage) for side in counts)
        return first - sum(others)

    whole = [1] * rounds
    for percentage in wanted:
        error = stdev(figure(weights, percentage) for weights in _draws(rounds)) * (rounds / (rounds - 1)) ** 0.5
        buckets = [bounds(bucket_of(side.at(whole, percentage))) for side in counts]
        resolution = max(high - low + 1 for low, high in buckets)
        half = student(confidence, rounds - 1) * error
        found[percentage] = Interval(figure(whole, percentage), half, resolution, rounds)
    return found


@lru_cache(maxsize=8)
def _draws(rounds: int) -> list[list[int]]:
    """Return for each draw, with replacement, how often it has each round; the seed is the number of rounds."""
    chance = Random(rounds)
    counted = (Counter(chance.choices(range(rounds), k=rounds)) for _ in range(DRAWS))
    return [[one[number] for number in range(rounds)] for one in counted]


def student(confidence: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t (Abramowitz & Stegun 26.7.5), within 1 % from four degrees on."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, 1))


def warmup_rounds(rounds: Sequence[Round]) -> int:
    """Return how many rounds at the beginning of a run are warm-up, at most half of them.

    The medians of `added` (else of `gap`) in the second half's rounds span a range; it is widened by half its width on
    each side. Of the first half, the rounds before the first one whose median is in this range are warm-up; none with
    fewer than `WARMUP_ROUNDS` rounds.
    """
    name = "added" if any("added" in one.samples for one in rounds) else "gap"
    samples = [one.samples.get(name) for one in rounds]
    medians = [None if one is None else one.at_rank(nearest_rank(one.n, 50.0)) for one in samples]
    settled = [median for median in medians[len(medians) // 2 :] if median is not None]
    if len(rounds) < WARMUP_ROUNDS or not settled:
        return 0
    margin = (max(settled) - min(settled)) / 2
    for number, median in enumerate(medians[: len(medians) // 2]):
        if median is not None and min(settled) - margin <= median <= max(settled) + margin:
            return number
    return len(medians) // 2
