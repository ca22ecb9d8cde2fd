"""Percentiles against counts by hand, and the rule that a figure needs samples beyond it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.tools.bench.statistics import ALIASES, DEFINITIONS, MIN_BEYOND, curve, percentile, summarize


@pytest.mark.parametrize("percentage, expected", [(50.0, 500), (90.0, 900), (99.0, 990), (0.1, 1)])
def test_a_percentile_is_the_sample_of_its_rank(percentage: float, expected: int) -> None:
    assert percentile(range(1, 1001), percentage) == expected


@pytest.mark.parametrize("n, expected", [(1000, 990), (999, None)])
def test_ten_samples_must_lie_beyond(n: int, expected: int | None) -> None:
    assert percentile(range(1, n + 1), 99.0) == expected


def test_few_samples_have_a_largest_and_no_percentile() -> None:
    summary = summarize([3.0, 1.0, 2.0])
    assert (summary.n, summary.largest) == (3, 3.0)
    assert set(summary.percentiles.values()) == {None}


def test_no_samples_have_no_figures() -> None:
    assert summarize([]).largest is None
    assert curve([]) == []


@given(samples=st.lists(st.floats(-1e6, 1e6), min_size=11, max_size=300), percentage=st.floats(0.1, 99.9))
def test_a_percentile_is_a_sample_that_enough_samples_do_not_exceed(samples: list[float], percentage: float) -> None:
    ordered = sorted(samples)
    value = percentile(ordered, percentage)
    if value is None:
        return
    assert value in samples
    assert sum(sample <= value for sample in samples) >= len(samples) * percentage / 100 - 1e-6
    assert len(ordered) - ordered.index(value) > MIN_BEYOND


@given(samples=st.lists(st.floats(0, 1e3), min_size=11, max_size=500))
def test_the_curve_rises_and_ends_where_ten_samples_lie_beyond(samples: list[float]) -> None:
    points = curve(samples)
    assert points == sorted(points)
    assert points[-1][0] <= 100 * (1 - MIN_BEYOND / len(samples)) + 1e-6


def test_each_alias_has_a_rule() -> None:
    assert {quantity for quantity, _ in ALIASES.values()} <= {*DEFINITIONS, "tpot"}
    assert all(":" in rule for _, rule in ALIASES.values())
