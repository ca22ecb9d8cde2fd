"""Wrong flags and files of `bench`: each is one line and exit 2, without a connection."""

from argparse import Namespace
from pathlib import Path

import pytest

from chunkwire.cli.bench_run import check
from chunkwire.cli.bench_timing import Clocks
from chunkwire.cli.bench_turns import Bench, plan_line, unknown_hops
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import main, parse
from chunkwire.net.dial import parse_url
from chunkwire.tools.bench.limits import parse_precision
from chunkwire.tools.bench.rounds import Round

Captured = pytest.CaptureFixture[str]
NOBODY = "http://127.0.0.1:1/"
"""Never asked: a wrong command line is refused first."""


def refused(capsys: Captured, *words: str) -> str:
    """Return the one line that a wrong command line gets."""
    assert main(["bench", NOBODY, *words]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize(
    "words, why",
    [
        (["--rate", "0"], "above 0"),
        (["--rate", "-1/s"], "--rate"),
        (["--rate", "1/x"], "above 0"),
        (["--rate", "20/s", "-c", "5"], "contradictory flags: --rate and -c"),
        (["--rate", "20/s", "--open", "together"], "contradictory flags: --rate and --open"),
        (["--start-at", "nan"], "expected a moment"),
        (["--start-at", "1e308"], "expected a moment"),
        (["--start-at", "9" * 400], "expected a moment"),
        (["--start-at", "1_0"], "expected a moment"),
        (["--start-at", "1\N{ARABIC-INDIC DIGIT ZERO}"], "expected a moment"),
        (["--start-at", "10"], "expected a moment in the future"),
        (["-z", "0s"], "-z 0: nothing would be sampled"),
        (["--arrivals", "even"], "contradictory flags: --arrivals without --rate"),
        (["--arrivals", "odd"], "--arrivals"),
        (["--until", "p99=5%", "-n", "5"], "contradictory flags: --until and -n"),
        (["--until", "p99=0%"], "above 0 %"),
        (["--until", "nix.p99=5%"], "--until, quantity: expected one of first, "),
        (["--json", "--format", "go"], "contradictory flags: --json and --format go"),
        (["--limit", "hodl.p99=1ms"], "got 'hodl'; did you mean hold?"),
        (["--clocks-agree"], "--clocks-agree without merge or --dask"),
        (["-c", "65536"], "expected at most 65535 streams"),
        (["--csv", "-", "--json"], "one output for standard output, got --csv - and --json"),
        (["--csv", "-", "--html", "-"], "one output for standard output"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(words: list[str], why: str, capsys: Captured) -> None:
    assert why in refused(capsys, *words)


@pytest.mark.parametrize(
    "name, words, wanted",
    [
        ("BENCH_JSON=1", ["--format", "go"], "go"),
        ("FORMAT=go", ["--json"], "json"),
        ("AGENTS=2", [], "text"),
        ("BENCH_JSON=1", ["--csv", "-"], "text"),
        ("CSV=-", ["--json"], "json"),
        ("RATE=20/s", ["-c", "5"], "text"),
        ("STREAMS=5", ["--rate", "20/s"], "text"),
        ("UNTIL=late.p99=5%", ["-n", "5"], "text"),
        ("DASK=a:1", ["--csv", "-"], "text"),
    ],
)
def test_flags_stand_above_the_environment_that_contradicts_them(
    name: str, words: list[str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, _, value = name.partition("=")
    monkeypatch.setenv(f"CHUNKWIRE_{variable}", value)
    options, _ = parse(["bench", NOBODY, *words])
    check(options)
    assert ("json" if options.json else options.format or "text") == wanted


def test_a_number_of_streams_on_the_command_line_takes_the_place_of_a_rate_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHUNKWIRE_RATE", "20/s")
    for words, rate in ((["-c", "5"], None), ([], 20.0)):
        options, _ = parse(["bench", NOBODY, *words])
        check(options)
        assert options.rate == rate


def test_a_file_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path, capsys: Captured) -> None:
    """`test_output_files` has each flag of each verb."""
    assert refused(capsys, "--hlog", str(tmp_path)).endswith("it is a directory")
    assert "there is no directory" in refused(capsys, "--hlog", str(tmp_path / "no" / "a"))
    assert "expected a value, got ''" in refused(capsys, "--hlog", "")


def test_a_step_of_the_wall_clock_in_any_turn_is_shown_and_voids_the_run() -> None:
    clocks = Clocks()
    clocks.note_offsets(1_000_000_000, 1_000_000_500)
    assert list(clocks.complaints((), has_rate=False)) == []
    clocks.note_offsets(1_000_000_500, 1_002_000_500)
    clocks.note_offsets(1_002_000_500, 1_002_000_000)
    assert clocks.conditions()["wall clock"] == "set by +2.000 ms"
    (line,) = clocks.complaints((), has_rate=False)
    assert "the wall clock was set during the run, by +2.000 ms" in line


def test_a_hop_without_stamps_of_the_streams_is_named_unless_the_bench_was_interrupted() -> None:
    hops = parse_url("http://a:1"), parse_url("http://b:2")
    made = Bench(Namespace(), hops[0], None, clocks=Clocks(hops=hops), known_hops={hops[0]: [("origin", hops[0])]})
    assert unknown_hops(made) == []
    made.gathered.rounds.append(Round(1.0, frames=1))
    (line,) = unknown_hops(made)
    assert line.startswith("--hop http://b:2")
    made.is_partial = True
    assert unknown_hops(made) == []


def test_the_announced_time_of_until_has_the_turns_of_the_baseline() -> None:
    options, url = Namespace(duration=None, total=None, warmup=None, open=None), parse_url("http://a:1")
    until = parse_precision("p99=5%")
    assert plan_line(Bench(options, url, None, until=until)) == "until p99=5%, or 120 s of sampling at most"
    longer = "s in all, longer where streams open slowly"
    line = plan_line(Bench(options, url, url, until=until))
    assert line == f"until p99=5%, or 120 s of sampling at most of each, in turns: about 264 {longer}"
    slow = parse_url("http://a:1/probe?interval=1s")
    assert plan_line(Bench(options, slow, url, until=until)).endswith(f"about 384 {longer}")
    options.open = "together"
    assert plan_line(Bench(options, slow, url, until=until)).endswith(f"about 264 {longer}")


def test_a_file_that_can_be_written_is_left_alone_where_nothing_is_measured(
    tmp_path: Path, refusing_port: int, capsys: Captured
) -> None:
    page = tmp_path / "a.html"
    page.write_text("old")
    assert main(["bench", f":{refusing_port}", "--html", str(page)]) == ExitCode.NO_CONNECTION
    assert page.read_text() == "old"
