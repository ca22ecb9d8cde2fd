"""The one percentile of the package, and the quantities of a bench, each with its definition.

The rule here: a percentile is the nearest rank (`QUANTILES` names it): of a list a sample that occurred, of a histogram
at most 0.1 % above one. A percentile that fewer than ten samples lie beyond is left blank: it would show one bad
moment, not the system.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.rounds import Figure

QUANTILES: Final = "nearest rank (R type 1), to 0.1 %"
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)

MIN_BEYOND: Final = 10
"""Samples that must lie beyond a percentile. The same rule as the meter's that our figures are compared with."""

DEFINITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "first": "request sent → first frame complete",
        "late": "arrival later than planned",
        "added": "arrival later than the actual write",
        "hold": "arrival later than the stream's least delayed frame, by its write",
        "gap": "between frames",
    }
)
"""What each quantity is, as it is printed.

- `first` and `gap` need only the client's clock.
- `late` is arrival minus planned moment, `added` is arrival minus actual write: both compare two clocks, and mean
  something only where the origin and the client share one (the same machine).
- `hold` is `added` less the smallest `added` of its stream, so that any clock does, and a constant delay does not show.
"""

ALIASES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ttft": ("ttft", "time to first token: request sent to the first frame with text, reasoning or a tool call"),
        "itl": ("itl", "inter-token latency: (last frame with content - first) / (output tokens - 1), one a stream"),
        "icl": ("gap", "inter-chunk latency: the gaps between frames, one sample a gap, frames of one read 0 apart"),
        "tpot": ("itl", "time per output token: another name of itl"),
    }
)
"""TTFT, ITL and ICL as NVIDIA's AIPerf defines them (its Metrics Reference); other tools mean other things by them.

A role alone is no content. Output tokens are the provider's usage, or, without one, the pieces of content. In a stream
that is no answer of a language model every frame counts as content, and as one token.
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one quantity, in the unit of its samples.

    Attributes:
        n: samples.
        percentiles: by percentage; None where fewer than `MIN_BEYOND` samples lie beyond.
        largest: None without samples.
    """

    n: int
    percentiles: Mapping[float, int | None]
    largest: int | None


def rank_of(n: int, percentage: float) -> int | None:
    """Return the rank, from 1, of a percentile of so many samples; None where too few samples lie beyond it.

    Args:
        percentage: 0 (the smallest sample) or more, below 100.
    """
    rank = nearest_rank(n, percentage)
    return None if n - rank < MIN_BEYOND else rank


def nearest_rank(n: int, percentage: float) -> int:
    """Return the rank, from 1, of the smallest of n samples that at least `percentage` of them do not exceed."""
    return max(1, math.ceil(round(n * percentage / 100, 9)))


def percentile(ordered: Sequence[float], percentage: float) -> float | None:
    """Return the smallest sample that at least `percentage` of all samples do not exceed; None where too few exceed it.

    Args:
        ordered: in rising order.
    """
    rank = rank_of(len(ordered), percentage)
    return None if rank is None else ordered[rank - 1]


def percentile_of(samples: DurationHistogram, percentage: float) -> int | None:
    """Return the percentile of a histogram; None where too few samples lie beyond."""
    rank = rank_of(samples.n, percentage)
    return None if rank is None else samples.at_rank(rank)


def summary_of(figure: Figure) -> Summary:
    """Return the figures of a quantity; it has no percentile where too many of its samples are unknown."""
    samples = figure.histogram
    percentiles = {
        percentage: percentile_of(samples, percentage) if figure.is_known else None for percentage in PERCENTILES
    }
    return Summary(samples.n, MappingProxyType(percentiles), samples.largest if samples.n else None)


def curve(samples: DurationHistogram, points: int = 200) -> list[tuple[float, int]]:
    """Return the percentile curve of a quantity as (percentage, value), denser towards 100, blanks left out.

    The points are those of a logarithmic axis: 50, 75, 87.5 …, with steps between, as far as samples lie beyond.
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
