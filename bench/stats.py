"""Percentiles, medians and spreads of samples. Pure.

The rule here: a percentile with fewer than ten samples beyond it is None. Nine samples can say where the slowest
tenth of a hundred begins about as well as a coin can.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Curve: TypeAlias = tuple[tuple[float, float], ...]
"""Points (fraction of the samples, their value), by rising fraction."""

SAMPLES_BEYOND = 10
PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def median(values: Sequence[float]) -> float:
    """Return the median of at least one value."""
    return statistics.median(values)


def percentile(ascending: Sequence[float], fraction: float) -> float | None:
    """Return the value that a fraction of the samples do not exceed, None with too few samples beyond it."""
    count = len(ascending)
    # A tenth of 100 samples is ten of them, whatever 1 - 0.9 comes to in binary.
    if round(count * (1 - fraction), 6) < SAMPLES_BEYOND:
        return None
    return ascending[int((count - 1) * fraction)]


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Return n, max and those percentiles that there are enough samples for."""
    ascending = sorted(samples)
    figures = {"samples": float(len(ascending))}
    for name, fraction in PERCENTILES.items():
        value = percentile(ascending, fraction)
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
    while (value := percentile(ascending, 1 - beyond)) is not None:
        points.append((1 - beyond, value))
        beyond *= 0.1**0.1
    return tuple(points)


def middle_curve(curves: Sequence[Curve]) -> Curve:
    """Return, point by point, the median of several rounds' curves, as far as all of them reach."""
    return tuple((points[0][0], median([value for _, value in points])) for points in zip(*curves, strict=False))
