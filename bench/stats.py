"""Percentiles and percentile curves of samples. Pure.

The rule here: percentiles are those of `chunkwire bench`: the nearest rank, absent where fewer than ten samples are
larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TypeAlias

from chunkwire.tools.bench.statistics import rank_of

Curve: TypeAlias = tuple[tuple[float, float], ...]
"""Points (fraction of the samples, their value), by rising fraction."""

PERCENTILES: Mapping[str, float] = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def percentile(ordered: Sequence[float], percentage: float) -> float | None:
    """Return the smallest sample that at least `percentage` of all samples do not exceed; None where too few exceed it.

    Args:
        ordered: in rising order.
    """
    rank = rank_of(len(ordered), percentage)
    return None if rank is None else ordered[rank - 1]


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Return n, max, and the percentiles that have enough samples."""
    ascending = sorted(samples)
    figures = {"samples": float(len(ascending))}
    for name, percentage in PERCENTILES.items():
        value = percentile(ascending, percentage)
        if value is not None:
            figures[name] = value
    if ascending:
        figures["max"] = ascending[-1]
    return figures


def curve(samples: Sequence[float]) -> Curve:
    """Return the percentile curve: ten points from 0 to 90 %, ten to 99 %, and so on."""
    ascending = sorted(samples)
    points: list[tuple[float, float]] = []
    beyond = 1.0
    while (value := percentile(ascending, 100 * (1 - beyond))) is not None:
        points.append((1 - beyond, value))
        beyond *= 0.1**0.1
    return tuple(points)


def middle_curve(curves: Sequence[Curve]) -> Curve:
    """Return the median of several rounds' curves, point by point, up to the end of the shortest."""
    return tuple((points[0][0], median([value for _, value in points])) for points in zip(*curves, strict=False))
