"""The figures of a bench: the design's table, blanks, limits, JSON with its rules, and the page."""

import json
import re
from collections import Counter

import pytest

from chunkwire.tools.bench.chart import LatencyCurve, time_chart
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.page import page, stairs_chart
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.view import lines, table, to_json


def found(*, frames: int = 0, streams: int = 0, **samples: list[float]) -> Gathered:
    """Return one round of samples, given in s."""
    made = {name: DurationHistogram(round(value * 1e9) for value in values) for name, values in samples.items()}
    histograms = {name: one for name, one in made.items() if one.n}
    return Gathered([Round(1.0, frames, frames, histograms)], streams=streams)


def gathered(n: int = 20000, *, factor: float = 1.0) -> Gathered:
    """Return samples whose percentiles are easily counted: 1 to n, in units of 0.1 µs."""
    samples = [factor * k * 1e-7 for k in range(1, n + 1)]
    made = found(frames=n, streams=50, first=samples[-50:], late=samples, added=samples, hold=samples, gap=samples)
    made.shown = [[(k / 20, k // 4 / 5) for k in range(20)]]
    return made


def result(
    what: Gathered, url: str = "http://x/", baseline: Gathered | None = None, *, is_partial: bool = False
) -> BenchResult:
    return BenchResult(
        url=url,
        gathered=what,
        conditions={"kernel": "6.1 " * 40},
        baseline=baseline,
        baseline_url="http://b/",
        is_partial=is_partial,
    )


def test_the_table_has_the_columns_and_widths_of_the_design() -> None:
    heading, _, late, *_ = table(gathered())
    assert heading == "              p50      p90      p99    p99.9      max"
    assert late == "  late       1.00     1.80     1.98     2.00     2.00  ms  arrival - planned"


def test_a_percentile_with_few_samples_beyond_is_blank() -> None:
    _, first, *_ = table(gathered())
    assert first == "  first      2.00                                2.00  ms  request → first frame"


def test_a_quantity_without_samples_has_no_row() -> None:
    rows = list(table(found(first=[0.001])))
    assert [row.split()[0] for row in rows[1:]] == ["first"]


def test_a_baseline_is_in_the_rows_below_with_the_ratio() -> None:
    rows = list(table(gathered(factor=2.0), gathered()))
    place = next(n for n, row in enumerate(rows) if row.startswith("  late"))
    assert rows[place + 1].split() == ["base", "1.00", "1.80", "1.98", "2.00", "2.00"]
    assert rows[place + 2].split() == ["x", "2.00x", "2.00x", "2.00x", "2.00x", "2.00x"]


@pytest.mark.parametrize(
    "value, shown",
    [
        (0.0012345, "0.00123x"),
        (0.00001, "<0.0001x"),
        (0.9999, "1.00x"),
        (12.345, "12.3x"),
        (123.45, "123x"),
        (12345.0, "12300x"),
    ],
)
def test_a_ratio_has_three_significant_digits(value: float, shown: str) -> None:
    rows = list(table(found(first=[value]), found(first=[1.0])))
    assert rows[3].split() == ["x", shown]


@pytest.mark.parametrize("value, other", [(-0.001, 1.0), (1.0, 0.0), (1.0, -1.0)])
def test_a_figure_that_is_not_above_zero_has_no_ratio(value: float, other: float) -> None:
    rows = list(table(found(added=[value]), found(added=[other])))
    assert [row.split()[0] for row in rows[1:]] == ["added", "base"]


def test_a_figure_that_rounds_to_zero_has_no_sign() -> None:
    _, row, *_ = table(found(added=[-0.000001]))
    assert row.split()[:2] == ["added", "0.00"]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    shown = list(lines(result(gathered(), baseline=gathered()), width=width))
    assert max(len(line) for line in shown) <= width
    words = " ".join(shown).split()
    assert {"resampling", "frame", "significant;", "added"} <= set(words)
    assert len(list(table(gathered(), width=width))) == 6  # a definition does not need a line of its own


def test_failures_are_listed_by_kind_the_most_frequent_first() -> None:
    failing = Gathered(streams=9, failures=Counter(cut=1, reset=3))
    assert "9 streams, 4 failed (3 reset, 1 cut)" in " ".join(lines(result(failing)))
    assert json.loads(to_json(result(failing)))["failures"] == {"cut": 1, "reset": 3}


def test_a_baseline_is_named_in_json_and_on_the_page_and_plotted() -> None:
    told = json.loads(to_json(result(gathered(), baseline=gathered(factor=2.0))))
    assert told["baseline_url"] == "http://b/"
    assert told["ratios"]["hold"]["p50"] == 0.5
    text = page(result(gathered(), "http://a/", gathered()))
    assert "<title>chunkwire bench http://a/ against http://b/</title>" in text
    assert text.count("<svg") == 3
    assert text.count("stroke-dasharray") == 3


def test_json_has_the_rule_beside_each_alias() -> None:
    told = json.loads(to_json(result(gathered())))
    assert told["quantities"]["hold"]["p99"] == pytest.approx(1.98, rel=1e-3)
    assert "another name of itl" in told["aliases"]["tpot"]["rule"]
    assert told["aliases"]["icl"]["p50"] == told["quantities"]["gap"]["p50"]
    assert told["reads_a_chunk"] == 1.0


def test_the_notes_have_the_numbers_of_samples() -> None:
    found = list(lines(result(gathered(100))))
    assert any(line.startswith("* n: first 50, late 100, added 100, hold 100, gap 100; ") for line in found)
    assert not any(line.startswith("* n:") for line in lines(result(Gathered())))


@pytest.mark.parametrize(
    "held, why, other",
    [
        (
            [],
            "late, added, hold are left out: the frames of this stream do not say when",
            "late and added are left out",
        ),
        ([0.001], "late and added are left out: they compare the clocks of server and client", "do not say when"),
    ],
)
def test_a_note_says_why_late_and_added_are_missing(held: list[float], why: str, other: str) -> None:
    """Fails where results of two hosts are said to be of a stream without stamps."""
    text = "\n".join(lines(result(found(first=[0.001], hold=held))))
    assert f"* {why}" in text
    assert other not in text


def test_a_silent_target_leaves_the_figures_of_its_baseline() -> None:
    rows = list(table(Gathered(), gathered()))
    assert rows[3].split() == ["late", "ms", "arrival", "-", "planned"]
    assert rows[4].split() == ["base", "1.00", "1.80", "1.98", "2.00", "2.00"]


def test_one_of_a_kind_is_singular() -> None:
    shown = "\n".join(lines(result(found(frames=1, streams=1, first=[0.001]))))
    assert "* http://x/: 1 stream, 0 failed; 1 frame in 1 read" in shown


def test_percentiles_of_inexact_samples_are_shown_and_a_line_says_of_how_many() -> None:
    """Fails where a stream of which two frames of a hundred share a receive has no percentiles."""
    made = found(frames=100, added=[0.001] * 100, gap=[0.001] * 99)
    made.rounds[0].samples["inexact added"] = DurationHistogram([10**6] * 2)
    row, *_ = (line for line in lines(result(made)) if line.startswith("  added"))
    assert row.split()[:3] == ["added", "1.00", "1.00"]
    note = "inexact: added 2 of 100: such a frame counts as arrived with the last one of its receive"
    assert [line for line in lines(result(made)) if line.startswith(f"* {note}")]
    assert [line for line in lines(result(gathered(), baseline=made)) if line.startswith(f"* base: {note}")]
    assert "inexact" not in " ".join(lines(result(gathered())))
    told = json.loads(to_json(result(made)))["quantities"]
    assert (told["added"]["inexact"], told["gap"]["inexact"]) == (2, 0)


def paused() -> Gathered:
    """Return 1000 frames of which one in ten is inexact, since the meter paused before its read."""
    made = Gathered([Round()])
    for k in range(1000):
        made.rounds[0].record("added", 152_000_000 if k % 10 == 0 else 1_000_000, is_exact=k % 10 > 0)
        made.rounds[0].record("gap", 0 if k % 10 == 0 else 50_000_000, is_exact=k % 10 > 0)
    return made


def test_a_figure_that_rests_on_inexact_samples_says_so_beside_it() -> None:
    """Fails where a pause of the meter may be taken for the server's lateness."""
    rows = {line.split()[0]: line.split()[1:5] for line in table(paused())}
    assert rows["added"] == ["1.00", "1.00", "≤152.00", "≤152.00"]
    assert rows["gap"][:2] == ["50.00", "50.00"]
    told = json.loads(to_json(result(paused())))["quantities"]
    assert told["added"]["resting_on_inexact"] == ["p99", "max"]
    assert "<td>≤152.00</td>" in page(result(Gathered(paused().rounds * 2)))


def test_a_gap_that_may_be_too_small_is_marked_otherwise_and_a_wide_figure_keeps_its_space() -> None:
    made = Gathered([Round()])
    for k in range(100):
        made.rounds[0].record("gap", 0 if k < 60 else 12_345_000_000, is_exact=k >= 60)
        made.rounds[0].record("late", 12_345_000_000, is_exact=False)
    rows = {line.split()[0]: line.split()[1:4] for line in table(made)}
    assert rows["gap"][:2] == ["≈0.00", "12345.00"]
    assert rows["late"] == ["≤12345", "≤12345", "≤12345"]


def test_each_percentile_of_one_target_has_half_its_interval_below() -> None:
    rounds = gathered(200, factor=1000).rounds + gathered(400, factor=1000).rounds
    _, _, below, late, sure, *_ = table(Gathered(rounds * 5))
    assert (below.split()[0], late.split()[0], sure.split()[0]) == ("±", "late", "±")
    assert float(sure.split()[1]) > 0
    assert not [row for row in table(gathered()) if "±" in row]  # one round says nothing of the next


def test_an_answer_of_a_model_has_rows_of_its_tokens() -> None:
    rows = list(table(found(first=[0.2], ttft=[0.25], itl=[0.02])))
    assert [row.split()[:2] for row in rows[1:]] == [["first", "200.00"], ["ttft", "250.00"], ["itl", "20.00"]]
    assert len(list(table(found(first=[0.2], ttft=[0.2], itl=[0.02])))) == 2


@pytest.mark.parametrize("seconds, ticks", [(6.06, 7), (3.9, 8), (30.0, 7), (1.0, 11)])
def test_ticks_of_a_linear_axis_are_round(seconds: float, ticks: int) -> None:
    drawn = time_chart({"p50": LatencyCurve([(0, 1), (seconds, 2)], "red")}, seconds=seconds, label="")
    labels = re.findall(r'text-anchor="middle">([\d.]+)<', drawn)
    assert len(labels) == ticks
    assert all(len(label) <= 3 for label in labels)


def turns(late: float, added: float) -> Gathered:
    """Return five turns whose samples of late and of added are all equal, in s."""
    rounds = [found(late=[late] * 100, added=[added] * 100).rounds[0] for _ in range(5)]
    return Gathered(rounds, streams=1)


@pytest.mark.parametrize("late, added, is_origin", [(0.03, 0.002, True), (0.03, 0.022, False), (0.01, 0.002, False)])
def test_a_comparison_says_which_quantity_compares_the_targets(late: float, added: float, is_origin: bool) -> None:
    shown = " ".join(lines(result(turns(late, added), baseline=turns(0.01, 0.002))))
    assert "x is target over base, 2x is twice as long" in shown
    assert "* added compares the two targets themselves: it is from written to arrived" in shown
    assert ("here late (p50, p90) differs significantly and added does not" in shown) is is_origin


def test_a_comparison_of_streams_without_stamps_does_not_speak_of_added() -> None:
    assert "added compares" not in " ".join(lines(result(found(first=[1.0]), baseline=found(first=[1.0]))))


def test_the_page_is_self_contained_and_draws_both_charts() -> None:
    text = page(result(gathered(), "http://x/?<b>"))
    assert text.count("<svg") == 2
    assert "<polyline" in text
    assert "<script" not in text
    assert "src=" not in text
    assert "<b>" not in text


def test_each_drawing_and_table_of_the_page_scrolls_by_itself() -> None:
    """Fails where a narrow page scrolls as a whole, or its drawings shrink until nobody can read them."""
    text = page(result(gathered(), baseline=gathered()))
    parts = re.findall(r'(<div class="wide">)?<(?:svg|table)', text)
    assert len(parts) >= 2
    assert all(parts)


@pytest.mark.parametrize("planned, arrived, end", [(1.0, 2.0, (1.0, 0.5)), (2.0, 1.0, (0.5, 1.0))])
def test_the_line_of_arrival_at_the_plan_has_the_scales_of_the_axes(
    planned: float, arrived: float, end: tuple[float, float]
) -> None:
    """Fails where the end is kept in the chart by moving it off the line."""
    made = found(late=[0.1])
    made.shown = [[(planned, arrived)]]
    frame, line = (
        [tuple(map(float, point.split(","))) for point in points.split()]
        for points in re.findall(r'<polyline [^>]*points="([^"]*)"', stairs_chart(made))
    )
    (left, bottom), (across, up) = line
    (right, top) = frame[0]
    assert (across - left) / (right - left) == pytest.approx(end[0], abs=0.001)
    assert (bottom - up) / (bottom - top) == pytest.approx(end[1], abs=0.001)


@pytest.mark.parametrize("planned, arrived", [(None, -0.1), (-3600.0, 0.1), (-0.2, -0.1)])
def test_a_moment_before_the_stream_began_is_drawn_as_zero(planned: float | None, arrived: float) -> None:
    """Such a server answers before it is asked, or its clock is behind; fails where that ends in an error."""
    made = found(first=[arrived])
    made.shown = [[(planned, arrived)]]
    places = re.findall(r'<circle cx="([^"]*)" cy="([^"]*)"', stairs_chart(made))
    (at_zero, bottom), *_ = re.findall(r'<path class="grid" d="M([0-9.]*) [0-9]*V([0-9]*)"', stairs_chart(made))
    assert [float(x) for x, _ in places] == [float(at_zero)]
    assert all(float(y) <= float(bottom) for _, y in places)


def test_a_page_without_stamps_draws_frames_over_time() -> None:
    shown: list[list[tuple[float | None, float]]] = [[(None, 0.1), (None, 0.2)]]
    made = found(first=[0.1])
    made.shown = shown
    text = page(result(made))
    assert "upwards the number of frames" in text
    assert "Too few frames" in text


def test_a_page_without_stamps_has_curves_of_first_and_gap() -> None:
    assert page(result(found(gap=[k / 100 for k in range(100)]))).count("<polyline") == 1


def test_percentiles_over_time_are_drawn_of_the_baseline_too() -> None:
    """Fails where chart and table have the target alone."""
    text = page(result(turns(0.02, 0.02), baseline=turns(0.01, 0.01)))
    over_time = text[text.index("Percentiles over time") :]
    assert re.findall(r"<title>(p50[^<]*)</title>", over_time) == ["p50", "p50 (baseline)"]
    assert over_time.count("<table>") == 2
    assert "(baseline)" not in page(result(turns(0.02, 0.02)))


def test_an_interrupted_result_is_marked_partial() -> None:
    assert json.loads(to_json(result(gathered(), is_partial=True)))["partial"] is True
    assert "(partial)</title>" in page(result(gathered(), is_partial=True))
