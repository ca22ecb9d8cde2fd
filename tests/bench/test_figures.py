"""The arithmetic of the benchmarks: percentiles, verdicts, and their output."""

import json
import re
from pathlib import Path

import pytest

from bench import stats
from bench.__main__ import main
from bench.conditions import NOT_COMPARABLE, QUICK
from bench.gateways import check_subject
from bench.html import report_html
from bench.meter import to_round
from bench.processes import Trouble
from bench.results import Column, Report, Round, Row, Table
from bench.rounds import interleave
from bench.targets import Target, judged
from bench.text import cell, number, table_text

COLUMNS = (Column("p50", "p50", "µs"), Column("lost", "lost"))
CURVE = ((0.0, 10.0), (0.5, 20.0), (0.9, 300.0))


def row(name: str, *values: float, key: str = "p50") -> Row:
    return Row(name, tuple(Round({key: value, "lost": 0.0}, CURVE) for value in values))


def table(*rows: Row, name: str = "relays/many") -> Table:
    return Table(name, "streams", COLUMNS, rows)


@pytest.mark.parametrize("count, is_told", [(99, False), (100, True)])
def test_a_percentile_needs_ten_samples_beyond_it(count: int, is_told: bool) -> None:
    assert ("p90" in stats.summary([1.0] * count)) == is_told


def test_a_percentile_is_the_value_that_its_fraction_does_not_exceed() -> None:
    samples = [float(value) for value in range(1, 1001)]
    assert stats.summary(samples) == {"samples": 1000, "p50": 500, "p90": 900, "p99": 990, "max": 1000}


def test_a_percentile_is_the_nearest_rank_as_in_the_package() -> None:
    """Fails where it is interpolated by rank: of 102 samples the 92nd, not the 91st."""
    assert stats.summary([float(value) for value in range(1, 103)])["p90"] == 92


def test_no_samples_have_no_percentile_and_no_maximum() -> None:
    assert stats.summary([]) == {"samples": 0}
    assert stats.curve([]) == ()


def test_a_curve_ends_where_fewer_than_ten_samples_lie_beyond() -> None:
    fractions = [fraction for fraction, _ in stats.curve([float(value) for value in range(1000)])]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == pytest.approx(0.99)


def test_the_middle_curve_goes_as_far_as_all_rounds_do() -> None:
    assert stats.middle_curve([CURVE, CURVE[:2], ((0.0, 40.0), (0.5, 50.0))]) == ((0.0, 10.0), (0.5, 20.0))


def test_a_round_that_does_not_count_is_in_no_median() -> None:
    rounds = (Round({"p50": 10.0}), Round({"p50": 900.0}, error="2 streams lost"), Round({"p50": 20.0}))
    assert Row("go", rounds).median("p50") == 15.0
    assert Row("go", rounds).failure == "1 of 3 rounds do not count: 2 streams lost"


@pytest.mark.parametrize("mine, holds", [(100.0, True), (101.0, False)])
def test_a_target_holds_up_to_a_factor_of_the_best_peer(mine: float, holds: bool) -> None:
    target = Target("relays/many", "chunkwire", "p50", 2.0, ("nginx", "go"))
    verdict = target.judge(table(row("chunkwire", mine), row("nginx", 80.0), row("go", 50.0)))
    assert verdict.holds is holds


@pytest.mark.parametrize("mine, holds", [(130.0, True), (129.0, False)])
def test_a_target_holds_from_a_factor_of_a_peer_on(mine: float, holds: bool) -> None:
    target = Target("relays/bulk1k", "chunkwire", "mb_per_s", 1.3, ("haproxy",), is_upper=False)
    rows = row("chunkwire", mine, key="mb_per_s"), row("haproxy", 100.0, key="mb_per_s")
    assert target.judge(table(*rows)).holds is holds


@pytest.mark.parametrize("mine, holds", [(50.0, None), (51.0, False)])
def test_a_target_that_some_peers_are_missing_for_can_only_be_missed(mine: float, holds: bool | None) -> None:
    target = Target("relays/many", "chunkwire", "p50", 1.0, ("nginx", "go"))
    verdict = target.judge(table(row("chunkwire", mine), row("nginx", 50.0)))
    assert verdict.holds is holds
    assert verdict.got.endswith("without go")


def test_a_target_without_its_peer_has_no_verdict() -> None:
    verdict = Target("relays/many", "chunkwire", "p50", 1.0, ("nginx",)).judge(table(row("chunkwire", 1.0)))
    assert (verdict.holds, verdict.got) == (None, "no figure")


@pytest.mark.parametrize(
    "mine, got, holds",
    [
        ([9.0, 9.5, 9.0, 9.2, 9.1, 9.3], "0.915 (0.9 to 0.94; best rounds 0.9)", True),
        ([11.0, 9.5, 12.0, 9.2, 9.1, 9.3], "0.94 (0.915 to 1.15; best rounds 0.91)", None),
        ([11.0, 11.5, 12.0, 11.2, 11.1, 11.3], "1.12 (1.1 to 1.18; best rounds 1.1)", False),
        ([11.0, 9.5, 12.0, 9.2, 9.1], "0.95", True),
    ],
    ids=["all below", "the target lies in the interval", "all above", "too few rounds for an interval"],
)
def test_a_target_is_judged_by_the_interval_over_the_rounds(mine: list[float], got: str, holds: bool | None) -> None:
    peer = row("nginx", *[10.0] * len(mine))
    verdict = Target("relays/many", "chunkwire", "p50", 1.0, ("nginx",)).judge(table(row("chunkwire", *mine), peer))
    assert (verdict.got, verdict.holds) == (got, holds)


def test_a_stream_lost_in_any_round_misses_the_target() -> None:
    lossy = Row("chunkwire", (Round({"lost": 0.0}), Round({"lost": 1.0}, error="1 streams lost")))
    assert Target("relays/crowd", "chunkwire", "lost", 0).judge(table(lossy)).holds is False


def test_a_report_is_read_back_from_its_json() -> None:
    report = Report({"command": "python -m bench"}, (judged(table(row("chunkwire", 1.0, 2.0), row("nginx", 3.0))),))
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a report of version 1, got 2"):
        Report.from_json({"version": 2})


@pytest.mark.parametrize("text", [None, "{", "[]", '{"version":1}'])
def test_a_file_that_is_no_report_is_refused_in_one_line(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match="2"):
        main(["--from", str(path)])
    assert f"--from {path}: expected a file of --json, got " in capsys.readouterr().err.splitlines()[-1]


def test_a_quick_run_is_shown_without_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, shown = tmp_path / "a.json", table(row("chunkwire", 1.0), row("nginx", 3.0))
    for conditions, is_compared in (({}, True), ({NOT_COMPARABLE: QUICK}, False)):
        path.write_text(json.dumps(Report({"command": "x", **conditions}, (shown,)).to_json()))
        assert main(["--from", str(path)]) == 0
        assert ("as a multiple of" in capsys.readouterr().out) is is_compared


def test_a_page_makes_no_request() -> None:
    page = report_html(Report({"command": "a < b & c"}, (judged(table(row("chunkwire", 1.0), row("nginx", 3.0))),)))
    assert re.findall(r"https?://|<script|<link|@import|url\(|src=", page) == []
    assert "a &lt; b &amp; c" in page
    assert page.count("<polyline") == 2


def test_a_table_has_median_spread_and_verdict() -> None:
    text = table_text(judged(table(row("chunkwire", 10.0, 30.0, 20.0), row("nginx", 40.0))))
    assert "20 (10-30)" in text
    assert "pass  chunkwire p50 ≤ 1 × nginx   got 0.5" in text


def test_a_figure_that_is_absent_is_a_dash() -> None:
    assert cell(Row("go", (Round({}),)), COLUMNS[0]) == "-"


@pytest.mark.parametrize(
    "value, written", [(0.0, "0"), (0.00012, "1.2e-04"), (0.5, "0.5"), (61.234, "61.2"), (1234.5, "1234")]
)
def test_a_number_has_three_significant_digits_or_is_whole(value: float, written: str) -> None:
    assert number(value) == written


def test_a_subject_that_fails_leaves_the_others_their_rounds() -> None:
    def fail() -> Round:
        raise Trouble("nginx is not installed")

    rows = interleave({"nginx": fail, "go": lambda: Round({"p50": 1.0})}, 2, what="test")
    assert [(one.name, len(one.counted), one.error) for one in rows] == [
        ("nginx", 0, "nginx is not installed"),
        ("go", 2, ""),
    ]


NO_SAMPLE = "no sample: the first stream ended before all had begun and been warmed up"
METERED = {
    "samples": 9,
    "streams": 5,
    "begun": 5,
    "cut": 0,
    "unfinished": 0,
    "relay_rss_kb": 0,
    "cpu_us_per_frame": 0.0,
}


def test_figures_of_a_process_that_was_not_measured_are_absent() -> None:
    assert "cpu_us_per_frame" not in to_round(METERED, {"mode": "paced"}).figures


@pytest.mark.parametrize(
    "change, error",
    [
        ({}, ""),
        ({"begun": 3}, "2 streams without a chunk"),
        ({"cut": 1}, "1 streams lost"),
        ({"samples": 0}, NO_SAMPLE),
    ],
)
def test_a_round_that_lost_streams_does_not_count(change: dict[str, int], error: str) -> None:
    assert to_round({**METERED, **change}, {"mode": "paced"}).error == error


def test_a_bulk_round_that_brought_too_little_does_not_count() -> None:
    short = {**METERED, "octets": 900}
    assert to_round(short, {"mode": "bulk", "size": 10, "count": 100}).error == "900 octets came, not 950"


WRONG = ("{nope}", "{}", "{0}", "{", "}", "{listen.port}", "{listen[a]}", "{listen:d}", "{listen!z}", "'")


@pytest.mark.parametrize("command", [" ", *(f"x {word}" for word in WRONG)])
def test_a_subject_with_an_unknown_placeholder_is_refused_in_one_line(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["relays", "--subject", f"mine={command}"])
    assert left.value.code == 2
    assert "expected" in capsys.readouterr().err.splitlines()[-1]


def test_a_subject_with_every_placeholder_is_accepted() -> None:
    check_subject("./mine {python} {listen} {origin} {origin_url} {tls} '{{literally}}'")
