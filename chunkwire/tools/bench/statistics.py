"""Percentiles that can be checked by hand, and the quantities of a bench, each with its definition.

The rule here: raw samples in, exact figures out; nothing is estimated, binned or averaged away. A percentile that
fewer than ten samples lie beyond is left blank: it would show one bad moment, not of the system.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

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
    percentiles: Mapping[float, float | None]
    largest: float | None


def percentile(ordered: Sequence[float], percentage: float) -> float | None:
    """Return the smallest sample that at least `percentage` of all samples do not exceed; None where too few exceed it.

    This is the nearest-rank definition: always a sample that occurred, never a point between two.

    Args:
        ordered: in rising order.
        percentage: 0 (the smallest sample) or more, below 100.
    """
    rank = max(1, math.ceil(round(len(ordered) * percentage / 100, 9)))
    if len(ordered) - rank < MIN_BEYOND:
        return None
    return ordered[rank - 1]


def summarize(samples: Iterable[float]) -> Summary:
    """Return the figures of a quantity."""
    ordered = sorted(samples)
    figures = {percentage: percentile(ordered, percentage) for percentage in PERCENTILES}
    return Summary(len(ordered), MappingProxyType(figures), ordered[-1] if ordered else None)


def curve(samples: Iterable[float], points: int = 200) -> list[tuple[float, float]]:
    """Return the percentile curve of a quantity as (percentage, value), denser towards 100, blanks left out.

    The points are those of a logarithmic axis: 50, 75, 87.5 …, with steps between, as far as samples lie beyond.
    """
    ordered = sorted(samples)
    if len(ordered) <= MIN_BEYOND:
        return []
    farthest = math.log10(len(ordered) / MIN_BEYOND)
    found: list[tuple[float, float]] = []
    for step in range(points + 1):
        percentage = 100 * (1 - 10 ** (-farthest * step / points))
        value = percentile(ordered, percentage) if percentage else ordered[0]
        if value is not None and (not found or value != found[-1][1] or step == points):
            found.append((percentage, value))
    return found
