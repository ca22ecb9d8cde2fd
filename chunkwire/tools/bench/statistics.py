"""How a percentile is defined, and the quantities of a bench with their definitions.

The rule here: a percentile is the nearest rank (`QUANTILES`), in a histogram at most 0.1 % above a sample. With fewer
than ten larger samples it is blank, since it would show a single event.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram

QUANTILES: Final = "nearest rank (R type 1), to 0.1 %"
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)
MAX: Final = "max"
NAMES: Final = {percentage: f"p{percentage:g}" for percentage in PERCENTILES}
FIGURES: Final = (*NAMES.values(), MAX)
"""The figures of a quantity, by name."""

MIN_BEYOND: Final = 10
"""Samples that must be larger than a percentile. `bench/meter` has the same rule."""
INEXACT_SHARE: Final = 0.05
"""A figure rests on inexact samples if it could be smaller by a larger share without them."""
MIN_KNOWN: Final = 0.99
"""Share of a segment's samples that must be known. Unknown ones are mostly late, so the rest would be too small."""

DEFINITIONS: Final[Mapping[str, str]] = {
    "first": "request → first frame",
    "late": "arrival - planned",
    "added": "arrival - written",
    "hold": "added - least added",
    "gap": "between frames",
}
"""The quantities, each with its definition as it is printed, short enough for 80 columns.

- `first` ends with the first frame's last octet. `first` and `gap` need only the client's clock.
- `late` is arrival minus planned moment, `added` is arrival minus actual write. Both compare two clocks, so origin and
  client must be on one machine.
- `hold` is `added` minus the smallest `added` of its stream so far (`samples.HOLD_FRAMES`). It needs no common clock,
  and leaves out a constant delay.
"""

ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    "ttft": ("ttft", "time to first token: request sent to the first frame with text, reasoning or a tool call"),
    "itl": ("itl", "inter-token latency: (last frame with content - first) / (output tokens - 1), one a stream"),
    "icl": ("gap", "inter-chunk latency: the gaps between frames, one sample a gap"),
    "tpot": ("itl", "time per output token: another name of itl"),
}
"""TTFT, ITL and ICL as NVIDIA's AIPerf defines them (its Metrics Reference); other tools define them otherwise.

A role without text is not content. The number of output tokens is the provider's usage; without one, the number of
pieces of content. In a stream that is not a language model's, each frame counts as content and as one token.
"""


_IN_FRAMES: Final = "the frames of this stream do not say when they were {} (those of /probe do)"
NEEDS: Final[Mapping[str, str]] = {
    "first": "no frame arrived",
    "late": _IN_FRAMES.format("planned"),
    "added": _IN_FRAMES.format("written"),
    "hold": "no stream had two frames that say when they were written (those of /probe do)",
    "gap": "no stream had two frames while it sampled",
    "ttft": "no frame had content",
    "itl": "no stream had two tokens",
}
"""Why a quantity has no sample."""
FROM_STAMPS: Final = ("late", "added", "hold")
"""Quantities that need frames which say when they were written."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """All samples of one quantity, in ns.

    Attributes:
        of: samples with a known value and without; only segments have samples without one.
        inexact_samples: those that count a frame later than it arrived, by at most the delay of its read
            (`load.Timing`).
    """

    samples: DurationHistogram
    of: int
    inexact_samples: DurationHistogram = field(default_factory=DurationHistogram)

    @property
    def inexact(self) -> int:
        """Number of inexact samples."""
        return self.inexact_samples.n

    @property
    def known(self) -> int:
        """Samples with a known value."""
        return self.samples.n

    @property
    def has_enough_known(self) -> bool:
        """Say whether enough samples have a known value for a percentile."""
        return self.known >= MIN_KNOWN * self.of

    @property
    def percentiles(self) -> dict[float, int | None]:
        """By percentage; None where fewer than `MIN_BEYOND` samples are larger, or too many are unknown."""
        return {p: percentile_of(self.samples, p) if self.has_enough_known else None for p in PERCENTILES}

    @property
    def figures(self) -> dict[str, int | None]:
        """All figures by their names, `FIGURES`; the largest is None without samples."""
        percentiles = {NAMES[percentage]: value for percentage, value in self.percentiles.items()}
        return {**percentiles, MAX: self.samples.largest if self.known else None}

    @property
    def least(self) -> dict[str, int | None]:
        """The least that each figure can be, if inexact samples count as the smallest.

        None where the figure is blank, or rests on inexact samples only.
        """
        exact = self.samples.less(self.inexact_samples)
        ranks = {NAMES[percentage]: rank_of(self.known, percentage) for percentage in PERCENTILES}
        rests = {name: None if rank is None else rank - self.inexact for name, rank in ranks.items()}
        found = {name: exact.at_rank(rank) if rank and rank > 0 else None for name, rank in rests.items()}
        return {**found, MAX: exact.largest if exact.n else None}

    @property
    def resting_on_inexact(self) -> set[str]:
        """Names of the figures that rest on inexact samples (`INEXACT_SHARE`): they may be too large.

        A frame's gap is then too small where the gap before it is too large.
        """
        if not self.inexact:
            return set()
        least = self.least
        return {
            name
            for name, value in self.figures.items()
            if value is not None and ((lower := least[name]) is None or value - lower > INEXACT_SHARE * abs(value))
        }


def rank_of(n: int, percentage: float) -> int | None:
    """Return the rank, from 1, of a percentile of n samples; None where too few samples are larger.

    Args:
        percentage: 0 (the smallest sample) or more, below 100.
    """
    rank = nearest_rank(n, percentage)
    return None if n - rank < MIN_BEYOND else rank


def nearest_rank(n: int, percentage: float) -> int:
    """Return the rank, from 1, of the smallest of n samples that at least `percentage` of them do not exceed."""
    return max(1, math.ceil(round(n * percentage / 100, 9)))


def percentile_of(samples: DurationHistogram, percentage: float) -> int | None:
    """Return the percentile of a histogram; None where too few samples are larger."""
    rank = rank_of(samples.n, percentage)
    return None if rank is None else samples.at_rank(rank)


def curve(samples: DurationHistogram, points: int = 200) -> list[tuple[float, int]]:
    """Return the percentile curve of a quantity as (percentage, value), denser towards 100.

    The points are at equal distances on a logarithmic axis, from the smallest sample to the last percentile that is not
    blank. Inner points with the value of the point before are left out.
    """
    if samples.n <= MIN_BEYOND:
        return []
    farthest = math.log10(samples.n / MIN_BEYOND)
    found: list[tuple[float, int]] = []
    for step in range(points + 1):
        percentage = 100 * (1 - 10 ** (-farthest * step / points))
        value = percentile_of(samples, percentage) if percentage else samples.smallest
        if value is not None and (not found or value != found[-1][1] or step == points):
            found.append((percentage, value))
    return found
