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
        "ttft": ("first", "time to first token: request sent to first frame complete, whatever it carries, a role too"),
        "itl": ("gap", "inter-token latency: the gaps between frames, one sample a gap, frames of one read 0 apart"),
        "tpot": ("tpot", "time per output token: (last frame - first frame) / (frames - 1), one sample a stream"),
    }
)
"""Names from benchmarks of language models, which mean another thing in each: here the rule stands beside the figure.

A frame is not a token, and not an event: where a server puts two tokens in a frame, these count one.
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
    rank = max(1, math.ceil(round(n * percentage / 100, 9)))
    return None if n - rank < MIN_BEYOND else rank


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


def summarize(samples: DurationHistogram) -> Summary:
    """Return the figures of a quantity."""
    figures = {percentage: percentile_of(samples, percentage) for percentage in PERCENTILES}
    return Summary(samples.n, MappingProxyType(figures), samples.largest if samples.n else None)


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
