"""Percentiles, medians and spreads of samples. Pure.

The rule here: a percentile is the one of `chunkwire bench`: the nearest rank, and None with fewer than ten samples
beyond it. Nine samples can say where the slowest tenth of a hundred begins about as well as a coin can.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from chunkwire.tools.bench.statistics import percentile

Curve: TypeAlias = tuple[tuple[float, float], ...]
"""Points (fraction of the samples, their value), by rising fraction."""

PERCENTILES: Mapping[str, float] = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def median(values: Sequence[float]) -> float:
    """Return the median of at least one value."""
    return statistics.median(values)


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Return n, max and those percentiles that there are enough samples for."""
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
    """Return the percentile curve: ten points for each factor of ten that fewer samples lie beyond."""
    ascending = sorted(samples)
    points: list[tuple[float, float]] = []
    beyond = 1.0
    while (value := percentile(ascending, 100 * (1 - beyond))) is not None:
        points.append((1 - beyond, value))
        beyond *= 0.1**0.1
    return tuple(points)


def middle_curve(curves: Sequence[Curve]) -> Curve:
    """Return, point by point, the median of several rounds' curves, as far as all of them reach."""
    return tuple((points[0][0], median([value for _, value in points])) for points in zip(*curves, strict=False))
