"""Percentiles against counts by hand, and the rule that a figure needs samples beyond it."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import percentile
from chunkwire.tools.bench.histogram import DurationHistogram, sum_of
from chunkwire.tools.bench.statistics import (
    ALIASES,
    DEFINITIONS,
    MIN_BEYOND,
    Quantity,
    curve,
    percentile_of,
)


def quantity(values: Iterable[int], *, unknown: int = 0) -> Quantity:
    samples = DurationHistogram(values)
    return Quantity(samples, samples.n + unknown)


@pytest.mark.parametrize("unknown, expected", [(1, 50), (2, None)])
def test_a_quantity_of_which_too_little_is_known_has_no_percentile(unknown: int, expected: int | None) -> None:
    assert quantity(range(1, 100), unknown=unknown).percentiles[50.0] == expected


def test_few_samples_have_a_largest_and_no_percentile() -> None:
    few = quantity([3, 1, 2])
    assert (few.known, few.figures["max"]) == (3, 3)
    assert set(few.percentiles.values()) == {None}


def test_no_samples_have_no_figures() -> None:
    assert set(quantity([]).figures.values()) == {None}
    assert curve(DurationHistogram()) == []


@given(samples=st.lists(st.floats(-1e6, 1e6), min_size=11, max_size=300), percentage=st.floats(0.1, 99.9))
def test_a_percentile_is_a_sample_that_enough_samples_do_not_exceed(samples: list[float], percentage: float) -> None:
    ordered = sorted(samples)
    value = percentile(ordered, percentage)
    if value is None:
        return
    assert value in samples
    assert sum(sample <= value for sample in samples) >= len(samples) * percentage / 100 - 1e-6
    assert len(ordered) - ordered.index(value) > MIN_BEYOND


@given(
    samples=st.lists(st.integers(-(10**12), 10**12), min_size=11, max_size=300),
    percentage=st.sampled_from([0.0, 50.0, 90.0, 95.5]),
)
def test_a_histograms_percentile_is_a_thousandth_above_the_samples_at_most(
    samples: list[int], percentage: float
) -> None:
    exact, value = percentile(sorted(samples), percentage), percentile_of(DurationHistogram(samples), percentage)
    assert (exact is None) == (value is None)
    if exact is not None and value is not None:
        assert exact <= value <= exact + abs(exact) / 1024


@given(parts=st.lists(st.lists(st.integers(-5000, 10**10)), max_size=4))
def test_the_sum_of_histograms_is_the_histogram_of_all_samples(parts: list[list[int]]) -> None:
    assert sum_of(map(DurationHistogram, parts)) == DurationHistogram(value for part in parts for value in part)


@given(samples=st.lists(st.integers(0, 10**12), min_size=11, max_size=500))
def test_the_curve_rises_and_ends_where_ten_samples_lie_beyond(samples: list[int]) -> None:
    points = curve(DurationHistogram(samples))
    assert points == sorted(points)
    assert points[-1][0] <= 100 * (1 - MIN_BEYOND / len(samples)) + 1e-6


def test_each_alias_has_a_rule() -> None:
    assert {quantity for quantity, _ in ALIASES.values()} <= {*DEFINITIONS, "ttft", "itl"}
    assert all(":" in rule for _, rule in ALIASES.values())
