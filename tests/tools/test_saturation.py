"""When a bench says that somebody could not keep up, and when it does not."""

import random

import pytest

from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.rounds import MIN_SAMPLES, Trend, trend_of
from chunkwire.tools.bench.saturation import warnings

N = 1000


def in_rounds(samples: list[float]) -> list[DurationHistogram]:
    """Return samples, given in s and in the order of time, as twenty rounds."""
    size = max(1, len(samples) // 20)
    return [DurationHistogram(round(s * 1e9) for s in samples[k : k + size]) for k in range(0, len(samples), size)]


def rising(to: float, n: int = N) -> list[DurationHistogram]:
    return in_rounds([to * k / n for k in range(n)])


def delays() -> list[float]:
    chance = random.Random(1)
    return [chance.expovariate(1000.0) for _ in range(N)]


def noise() -> list[DurationHistogram]:
    return in_rounds(delays())


def test_an_origin_that_falls_behind_its_plan_is_reported() -> None:
    (line,) = warnings([trend_of(rising(4.0), noise(), seconds=4.0)])
    assert line.startswith("saturated: the delay from plan to write grows, so the origin")
    assert "at the end frames were 3.6 s late" in line


@pytest.mark.parametrize("late", [[], rising(2.0)])
def test_frames_that_arrive_ever_later_after_their_write_are_reported(late: list[DurationHistogram]) -> None:
    (line,) = warnings([trend_of(late, rising(2.0), seconds=4.0)])
    assert "the delay from write to arrival grows" in line


def test_a_constant_delay_is_not_saturation() -> None:
    late = in_rounds([5.0 + sample for sample in delays()])
    assert list(warnings([trend_of(late, noise(), seconds=4.0)])) == []


def test_a_hop_that_gathers_and_releases_is_not_saturation() -> None:
    added = in_rounds([k * 21 % 100 / 100 for k in range(N)])
    assert list(warnings([trend_of([], added, seconds=4.0)])) == []


def test_a_few_samples_show_no_trend() -> None:
    few = rising(4.0, MIN_SAMPLES - 1)
    assert list(warnings([trend_of(few, few, seconds=4.0)])) == []


@pytest.mark.parametrize("busy, is_told", [(0.95, True), (0.9, False), (None, False)])
def test_a_meter_that_never_waits_is_told(busy: float | None, is_told: bool) -> None:
    lines = list(warnings([trend_of([], noise(), seconds=4.0, busy=busy)]))
    assert [line.startswith("saturated: this meter was busy 95 %") for line in lines] == [True] * is_told


@pytest.mark.parametrize(
    "seconds, behind, is_missed", [(1.0, 0.25, False), (1.0, 0.26, True), (10.0, 0.5, False), (10.0, 0.51, True)]
)
def test_a_rate_that_the_meter_does_not_reach_is_reported(seconds: float, behind: float, is_missed: bool) -> None:
    lines = list(warnings([Trend(seconds=seconds, behind_rate=behind)]))
    assert [line.startswith("the rate was not reached") for line in lines] == [True] * is_missed


def test_most_turns_must_agree() -> None:
    bad, good = Trend(seconds=1.0, arrived_later=0.5), Trend(seconds=1.0)
    assert list(warnings([bad, good, good])) == []
    assert len(list(warnings([bad, bad, good]))) == 1
