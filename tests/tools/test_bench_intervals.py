"""Intervals from rounds: equal targets show no difference, a rare delay shows one, and warm-up is found where it is."""

import random
from collections.abc import Sequence

import pytest

from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.intervals import Interval, differences_of, intervals_of, student, warmup_rounds
from chunkwire.tools.bench.rounds import MAX_ROUNDS, Gathered, Round

ROUNDS = 10
FRAMES = 1000


def interval_of(gathered: Gathered, name: str, percentage: float) -> Interval | None:
    return intervals_of(gathered, name, [percentage])[percentage]


def target(chance: random.Random, drift: Sequence[float], *, share: float = 0.0) -> Gathered:
    """Return rounds whose level drifts; of a share of the frames each is 1 ms later."""

    def one(level: float) -> int:
        later = 1e6 if chance.random() < share else 0.0
        return round(level * 2e5 * chance.lognormvariate(0.0, 0.3) + later)

    return Gathered(
        [Round(1.0, samples={"added": DurationHistogram(one(level) for _ in range(FRAMES))}) for level in drift]
    )


def test_equal_targets_show_no_difference_although_the_machine_drifts() -> None:
    chance, tables_with_one = random.Random(3), 0
    for _ in range(20):
        drift = [chance.lognormvariate(0.0, 0.3) for _ in range(ROUNDS)]
        ours, theirs = target(chance, drift), target(chance, drift)
        found = differences_of(ours, theirs, "added").values()
        assert all(found)
        tables_with_one += any(one is not None and one.is_significant for one in found)
    assert tables_with_one <= 3


def test_a_delay_of_one_frame_in_200_shows_at_p999_and_not_at_p50() -> None:
    chance = random.Random(4)
    drift = [chance.lognormvariate(0.0, 0.1) for _ in range(ROUNDS)]
    ours, theirs = target(chance, drift, share=0.005), target(chance, drift)
    found = differences_of(ours, theirs, "added")
    late, middle = found[99.9], found[50.0]
    assert late is not None
    assert middle is not None
    assert late.is_significant
    assert late.value == pytest.approx(1e6, rel=0.5)
    assert not middle.is_significant


def test_a_difference_within_a_bucket_is_not_significant() -> None:
    ours, theirs = (
        Gathered([Round(1.0, samples={"gap": DurationHistogram([ns] * 100)})] * 5) for ns in (50_000_000, 50_020_000)
    )
    found = differences_of(ours, theirs, "gap")[50.0]
    assert found is not None
    assert found.half == 0.0
    assert not found.is_significant


def test_few_rounds_or_samples_have_no_interval() -> None:
    rounds = [Round(1.0, samples={"gap": DurationHistogram(range(1, 200))}) for _ in range(5)]
    assert interval_of(Gathered(rounds), "gap", 90.0) is not None
    assert interval_of(Gathered(rounds[:4]), "gap", 50.0) is None
    assert interval_of(Gathered(rounds), "gap", 99.9) is None
    assert interval_of(Gathered(rounds), "late", 50.0) is None


def test_a_quantity_of_which_too_little_is_known_has_no_interval_and_no_difference() -> None:
    partly, whole = target(random.Random(1), [1.0] * ROUNDS), target(random.Random(2), [1.0] * ROUNDS)
    partly.rounds[0].unknown["added"] = ROUNDS * FRAMES // 99 + 1
    assert interval_of(partly, "added", 50.0) is None
    assert differences_of(partly, whole, "added")[50.0] is differences_of(whole, partly, "added")[50.0] is None
    partly.rounds[0].unknown["added"] -= 1
    assert interval_of(partly, "added", 50.0) is not None
    assert differences_of(partly, whole, "added")[50.0] is not None


def test_the_same_samples_give_the_same_interval() -> None:
    made = target(random.Random(1), [1.0, 1.1, 0.9, 1.0, 1.2])
    assert interval_of(made, "added", 50.0) == interval_of(made, "added", 50.0)


@pytest.mark.parametrize(
    "confidence, degrees, expected",
    [(0.95, 9, 2.262), (0.99, 9, 3.250), (0.95, 4, 2.776), (0.99, 4, 4.604), (0.95, 60, 2.0)],
)
def test_students_t_is_that_of_the_tables(confidence: float, degrees: int, expected: float) -> None:
    assert student(confidence, degrees) == pytest.approx(expected, rel=0.01)


def rounds_of(medians: Sequence[float], name: str = "added") -> list[Round]:
    return [Round(0.5, samples={name: DurationHistogram([round(ms * 1e6)])}) for ms in medians]


@pytest.mark.parametrize(
    "medians, expected",
    [
        ([9.0, 5.0, 1.1, 1.0, 1.2, 0.9, 1.0, 1.1, 1.2, 1.0], 2),
        ([1.0, 9.0, 1.1, 1.0, 1.2, 0.9, 1.0, 1.1, 1.2, 1.0], 0),
        ([9.0, 5.0, 1.1, 1.0, 1.2, 0.9, 1.0, 1.1, 1.2], 0),
        ([0.1, 1.0, 1.1, 1.0, 1.2, 0.9, 1.0, 1.1, 1.2, 1.0], 1),
        ([9.0] * 5 + [1.0] * 5, 5),
        ([9.0] * 7 + [1.0] * 3, 0),
    ],
)
@pytest.mark.parametrize("name", ["added", "gap"])
def test_warm_up_ends_with_the_first_round_that_is_like_the_second_half(
    medians: Sequence[float], expected: int, name: str
) -> None:
    assert warmup_rounds(rounds_of(medians, name)) == expected


def test_the_first_frames_of_rounds_that_are_left_out_are_kept() -> None:
    gathered = Gathered(rounds_of([9.0, 1.0]))
    gathered.rounds[0].record("first", 5, is_exact=False)
    gathered.leave_out(1)
    assert (gathered.samples("added").largest, gathered.samples("first").n, gathered.warmup) == (1_000_000, 1, 0.5)
    assert gathered.quantity("first").inexact == 1


def test_a_first_sample_that_comes_late_has_its_round() -> None:
    gathered = Gathered()
    late = gathered.at(MAX_ROUNDS * gathered.width)
    assert gathered.rounds[-1] is late
