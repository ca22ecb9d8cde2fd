"""The output formats of other tools, each parsed as that tool or its documentation does."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from chunkwire.tools.bench.forms import CSV_HEADING, csv_line, go_lines, hlog_lines, junit, read_hlog
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.limits import parse_limit
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.samples import FrameSample
from chunkwire.wire.errors import LocalError

GO_LINE = re.compile(r"Benchmark[A-Z]\S*(?: \d+)(?: \d+(?:\.\d+)? \S+)+")


def gathered(rounds: int = 20) -> Gathered:
    """Return rounds of a hundred samples each."""
    return Gathered(
        [
            Round(0.5, 100, 90, {"late": DurationHistogram(range(1000 * n, 1000 * n + 10**6, 10**4))})
            for n in range(rounds)
        ],
        streams=5,
        failures=Counter(cut=1),
    )


def result(conditions: Mapping[str, object] | None = None, *, has_baseline: bool = False) -> BenchResult:
    baseline = gathered() if has_baseline else None
    return BenchResult(url="http://x/?a=<&>", gathered=gathered(), conditions=conditions or {}, baseline=baseline)


def test_go_lines_have_a_benchmark_for_each_round_and_a_unit_for_each_value() -> None:
    lines = [line for line in go_lines(result({"streams": 5})) if line.startswith("Benchmark")]
    assert len(lines) == 10
    assert all(GO_LINE.fullmatch(line) for line in lines)
    assert lines[0].startswith("BenchmarkStream/streams=5 200 ")
    assert " late-p50-ns" in lines[0]


def test_go_lines_of_a_log_which_has_no_frames_count_its_samples() -> None:
    read = read_hlog(hlog_lines(gathered()), where="a.hlog")
    lines = go_lines(BenchResult(url="a.hlog", gathered=read, conditions={}))
    assert {line.split()[1] for line in lines if line.startswith("Benchmark")} == {"200"}


def test_a_baseline_is_a_benchmark_of_its_own() -> None:
    names = {
        line.split()[0] for line in go_lines(result({"rate": "20/s (even)"}, has_baseline=True)) if "Benchmark" in line
    }
    assert names == {"BenchmarkStream/rate=20-per-s-(even)", "BenchmarkBaseline/rate=20-per-s-(even)"}


def test_conditions_are_comments_and_not_go_configuration_lines() -> None:
    """A configuration line begins with a lower-case letter (benchfmt's reader)."""
    lines = list(go_lines(result({"streams": 5, "warm-up": "1 s"})))
    assert {line[:9] for line in lines} == {"# url: ht", "# streams", "# warm-up", "Benchmark"}


def test_go_lines_say_which_samples_are_inexact() -> None:
    partly = gathered()
    partly.rounds[0].samples["inexact late"] = DurationHistogram([1] * 7)
    (line,) = (line for line in go_lines(BenchResult(url="", gathered=partly, conditions={})) if "inexact" in line)
    assert line.startswith("# inexact: late 7 of 2000: ")


def test_junit_has_a_test_for_each_limit_and_the_message_of_a_missed_one() -> None:
    requirements = [parse_limit("late.p50=1us"), parse_limit("late.p50=1s"), parse_limit("errors=0")]
    root = ET.fromstring(junit(requirements, result(), []))
    failed = {case.get("name"): case.find("failure") is not None for case in root.iter("testcase")}
    assert failed == {"measured": False, "late.p50=1us": True, "late.p50=1s": False, "errors=0": True}
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    assert root[0].get("name") == "chunkwire bench http://x/?a=<&>"


def test_junit_of_a_bench_that_measured_nothing_fails() -> None:
    root = ET.fromstring(junit([], result(), ["nothing was measured"]))
    assert root.get("failures") == "1"


def test_a_row_of_csv_leaves_empty_what_a_frame_lacks() -> None:
    full = FrameSample(2, 7, 1_500_000, 20_000, -10_000, 50_000_000, sampled_ns=9_000, is_exact=True)
    bare = FrameSample(2, None, 1_500_000, None, None, None, sampled_ns=None, is_exact=False)
    assert csv_line(("target", 3, full)) == "2,7,1.500000,0.020000,-0.010000,50.000000,1,target,1,3,0.009000"
    assert csv_line(("base", 1, bare)) == "2,,1.500000,,,,0,base,0,1,"
    assert len(CSV_HEADING.split(",")) == len(csv_line(("base", 1, bare)).split(","))


def test_a_log_of_histograms_is_read_back() -> None:
    written = gathered(3)
    read = read_hlog(hlog_lines(written), where="a.hlog")
    assert [one.seconds for one in read.rounds] == [0.5] * 3
    assert [*read.samples("late").counts()] == [*written.samples("late").counts()]


def test_a_log_keeps_which_samples_are_inexact_and_its_tags_have_no_space() -> None:
    """HdrHistogram's own reader refuses a tag with a space."""
    one = Round(0.5)
    one.record("late", 7, is_exact=False)
    one.record("arrived → read", 7)
    written = list(hlog_lines(Gathered([one])))
    assert not [line for line in written[3:] if " " in line]
    read = read_hlog(written, where="a.hlog")
    assert (read.quantity("late").inexact, read.samples("arrived → read").n) == (1, 1)


@pytest.mark.parametrize("began, written", [(1795832096.7894, "1795832096.789"), (0.0, "0.000")])
def test_a_log_says_when_its_first_interval_began(began: float, written: str) -> None:
    log = list(hlog_lines(replace(gathered(2), began=began)))
    assert log[1] == f"#[StartTime: {written} (seconds since epoch)]"
    assert read_hlog(log, where="a.hlog").began == float(written)


def test_negative_values_are_zero_in_a_log() -> None:
    one = Round(0.5, samples={"late": DurationHistogram([-5, 7])})
    assert read_hlog(hlog_lines(Gathered([one])), where="a.hlog").samples("late").n == 2


def test_each_interval_is_tagged_with_its_quantity_in_seconds() -> None:
    intervals = [line for line in hlog_lines(gathered(2)) if line.startswith("Tag=")]
    assert [line.split(",")[:3] for line in intervals] == [
        ["Tag=late", "0.000", "0.500"],
        ["Tag=late", "0.500", "0.500"],
    ]


@pytest.mark.parametrize(
    "line", ["Tag=late,0,0.5,1.0,HISTFAAAA", "Tag=late,0,x,1.0,zz", "0,1", "\x00\x01", "Tag=late", "{}", "0,0.5,1.0,"]
)
def test_a_broken_log_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(LocalError, match=r"^a\.hlog: line 2 is no interval of an HdrHistogram log$"):
        read_hlog(["#[Histogram log format version 1.3]", line], where="a.hlog")


def test_a_log_without_an_interval_is_refused() -> None:
    with pytest.raises(LocalError, match="without an interval"):
        read_hlog(["#[Histogram log format version 1.3]", ""], where="a.hlog")
