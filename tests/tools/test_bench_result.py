"""Results of bench: JSON and back, addition, rounds of bounded number, and what is refused."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.result import BenchResult, merged
from chunkwire.tools.bench.rounds import MAX_ROUNDS, Gathered, Round, Trend
from chunkwire.wire.errors import LocalError


def made(*, has_baseline: bool = False, streams: int = 2) -> BenchResult:
    def gathered() -> Gathered:
        samples = {"late": DurationHistogram([-5, 10**6, 10**9]), "inexact late": DurationHistogram([10**6, 10**9])}
        rounds = [Round(0.5, 3, 2, samples, Counter(queued=1))]
        trends = [Trend(seconds=0.5, busy=None)]
        return Gathered(rounds, streams=streams, failures=Counter(cut=1), began=1.5, trends=trends)

    return BenchResult(
        url="http://x/",
        gathered=gathered(),
        conditions={"streams": streams, "chunkwire": "1.0", "kernel": "1.0"},
        baseline=gathered() if has_baseline else None,
        baseline_url="http://b/" if has_baseline else None,
    )


@pytest.mark.parametrize("has_baseline", [False, True])
def test_a_result_comes_back_from_its_json(has_baseline: bool) -> None:
    result = made(has_baseline=has_baseline)
    assert BenchResult.from_json(json.dumps(result.as_json()), where="a.json") == result


def test_results_add_up() -> None:
    total = merged([made(), made(streams=3), made()])
    assert total.gathered.samples("late").n == 9
    assert (total.gathered.streams, total.gathered.failures, total.gathered.frames) == (7, {"cut": 3}, 9)
    assert total.conditions == {"streams": 7, "chunkwire": "1.0", "kernel": "1.0"}
    assert (total.gathered.quantity("queued").of, total.gathered.quantity("late").inexact) == (3, 6)


def test_a_sum_begins_with_its_earliest_part_that_says_when() -> None:
    late, unknown = (replace(made(), gathered=replace(made().gathered, began=began)) for began in (9.5, 0.0))
    assert merged([late, unknown, made(), late]).gathered.began == 1.5


def test_addition_does_not_change_its_parts() -> None:
    parts = [made() for _ in range(MAX_ROUNDS + 1)]
    assert merged(parts).gathered.samples("late").n == 3 * len(parts)
    assert parts == [made()] * len(parts)


def test_results_with_a_baseline_in_some_are_not_added() -> None:
    with pytest.raises(LocalError, match="baseline"):
        merged((made(), made(has_baseline=True)))


BROKEN: list[Callable[[dict[str, object]], object]] = [
    lambda members: {**members, "url": "a\nb"},
    lambda members: {**members, "conditions": {"host": ["a"]}},
    lambda members: {**members, "conditions": {"host": "\ud800"}},
    lambda members: {**members, "conditions": {"seconds": 10**400}},
    lambda members: [],
    lambda members: {**members, "kind": "probe"},
    lambda members: {**members, "v": 2},
    lambda members: {**members, "raw": None},
    lambda members: {name: value for name, value in members.items() if name != "url"},
    lambda members: {**members, "url": 3},
]
COUNTS: list[object] = [[[5]], [["a", 1]], [[5, -1]], [[5, 1.5]], None, [[1 << 70, 1]]]


@pytest.mark.parametrize("spoil", BROKEN)
def test_another_json_object_is_refused(spoil: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(LocalError, match=r"^a\.json: ") as error:
        BenchResult.from_json(json.dumps(spoil(made().as_json())), where="a.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("counts", COUNTS)
def test_a_broken_histogram_is_refused(counts: object) -> None:
    members = json.loads(json.dumps(made().as_json()))
    members["raw"]["target"]["rounds"][0]["ns"]["late"]["counts"] = counts
    with pytest.raises(LocalError, match=r"^a\.json: a broken result"):
        BenchResult.from_json(json.dumps(members), where="a.json")


@pytest.mark.parametrize("text", ["", "{", "\x00", "late p50", "[" * 100_000])
def test_a_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match=r"^a\.json: expected what chunkwire bench --json prints, got (no|an empty) "):
        BenchResult.from_json(text, where="a.json")


def test_rounds_are_added_in_pairs_when_there_are_too_many() -> None:
    gathered = Gathered(width=1.0)
    for second in range(MAX_ROUNDS + 1):
        gathered.at(second + 0.5).record("late", second)
    assert len(gathered.rounds) == MAX_ROUNDS // 2 + 1
    assert (gathered.width, gathered.rounds[0].seconds) == (2.0, 2.0)
    assert (gathered.rounds[0].samples["late"].n, gathered.samples("late").n) == (2, MAX_ROUNDS + 1)


def test_a_figure_is_known_with_99_percent_of_its_samples_and_not_with_98() -> None:
    one = Round(1.0, samples={"queued": DurationHistogram(range(99))}, unknown=Counter(queued=1))
    assert Gathered([one]).quantity("queued").has_enough_known
    one.record("queued", None)
    assert not Gathered([one]).quantity("queued").has_enough_known


def test_a_sample_of_unknown_value_is_counted_and_not_known() -> None:
    gathered = Gathered()
    gathered.at(0.0).record("queued", None)
    assert not gathered.has("queued")
    assert gathered.quantity("queued").of == 1
    gathered.at(0.0).record("gap", 5)
    assert gathered.has("gap")


def test_results_of_several_hosts_lose_the_counts_of_what_compares_their_clocks() -> None:
    one, other = made(), made(streams=3)
    other = replace(other, conditions={**other.conditions, "host": "b"})
    assert merged([one, other]).gathered.quantity("late").inexact == 0
    assert merged([one, other], clocks_agree=True).gathered.quantity("late").inexact == 4
