"""A run of `bench` from the command line: its turns and how they are announced, its end, and the word merge."""

import os
import signal
from argparse import Namespace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from chunkwire.cli import bench_turns
from chunkwire.cli.bench_output import conditions
from chunkwire.cli.bench_timing import Clocks, clocks_of
from chunkwire.cli.bench_turns import Bench, run_turns
from chunkwire.cli.main import main
from chunkwire.net.dial import Url, parse_url
from chunkwire.tools.bench.limits import parse_precision
from chunkwire.tools.bench.load import Timing
from chunkwire.tools.bench.rounds import Gathered, Round, Trend
from tests.net.stamped import kernel_stamps
from tests.real_probe.broken import FRAME, HEAD, broken_server, send

URL = parse_url("http://127.0.0.1:1/")
TURN_SECONDS = 2.0


def compared() -> Bench:
    """Return a bench of 120 turns of target and baseline; none of them measures."""
    options = Namespace(duration=None, total=None, warmup=None, streams=1, open=None)
    return Bench(options, URL, URL, until=parse_precision("p99=5%"))


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace each turn by `TURN_SECONDS` of sleep and a sample; return what the turns are called."""
    names: list[str] = []

    async def turn(made: Bench, target: Url, total: Gathered, number: int, name: str) -> None:
        names.append(name)
        await trio.sleep(TURN_SECONDS)
        total.rounds[:] = [Round(1.0)]
        total.rounds[0].record("first", 1)

    monkeypatch.setattr(bench_turns, "_turn", turn)
    return names


async def test_until_with_a_baseline_is_looked_at_whenever_a_quarter_more_was_sampled(
    turned: list[str], autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where each turn is a chance to end on a lucky interval."""
    looks: list[int] = []
    monkeypatch.setattr(Bench, "is_decided", property(lambda _: looks.append(len(turned) // 2)))
    await run_turns(compared())
    assert looks == [10, 13, 17, 22, 28, 35, 44, 55, 69, 87, 109]


async def test_each_turn_says_how_much_time_is_left(turned: list[str], autojump_clock: MockClock) -> None:
    await run_turns(compared())
    assert turned[0] == "turn 1 of 120: "
    assert turned[2] == "turn 2 of 120, about 476 s left: "
    assert turned[-1] == "turn 120 of 120, about 4 s left: "


def test_turns_and_the_rounds_that_they_are_added_to_are_both_named() -> None:
    made = compared()
    made.gathered = Gathered([Round(1.0)] * 56, trends=[Trend(seconds=1.0)] * 120)
    assert conditions(made)["turns"] == "120 of each, in 56 rounds"


def test_a_figure_that_is_mostly_own_error_says_why_the_kernel_does_not_time_frames() -> None:
    """Fails where a user of a Unix socket is only told of --force."""
    gathered = Gathered([Round(1.0)])
    for name in ("first", "timer"):
        for _ in range(50):
            gathered.rounds[0].record(name, 100_000)
    clocks = Clocks(why="a Unix socket has no stamps")
    (line,) = clocks.complaints([("", gathered)], has_rate=False)
    assert "(a Unix socket has no stamps: frames are timed after their read; " in line
    assert line.endswith("so timers stand for it, which are rounded up to 1 ms)")
    assert not list(Clocks(Timing.KERNEL).complaints([("", gathered)], has_rate=False))


def test_the_kernel_times_the_frames_of_an_https_url() -> None:
    with kernel_stamps(), clocks_of(Namespace(stamps=None, hop=[]), [parse_url("https://127.0.0.1:1/")]) as clocks:
        assert (clocks.timing, clocks.why, clocks.has_stamps) == (Timing.KERNEL, "", True)


@pytest.mark.parametrize(
    "signals, page, said",
    [
        (1, "<!doctype html>", "chunkwire: interrupted while the result was written; it is whole\n"),
        (2, "old", ""),
    ],
)
def test_ctrl_c_while_a_file_is_written_leaves_a_whole_one(
    signals: int,
    page: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One signal waits until the file is replaced, a second one leaves the old one; no part of a file is left."""
    path, replace = tmp_path / "a.html", os.replace
    path.write_text("old")

    def interrupted(*paths: str) -> None:
        for _ in range(signals):
            signal.raise_signal(signal.SIGINT)
        replace(*paths)

    monkeypatch.setattr(os, "replace", interrupted)
    with broken_server(send(HEAD, FRAME, b"0\r\n\r\n")) as asked:
        assert main(["bench", asked.url, "-n", "1", "--html", str(path), "--save", str(tmp_path / "s"), "-q"]) == 130
    assert path.read_text().startswith(page)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.html", "s"]
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("words", [["verge"], ["merge:8080/x"], ["merge/x"], ["http://merge/"]])
def test_a_host_whose_name_is_like_the_word_merge_is_measured(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where a name such as verge is taken for a misspelt merge although no file follows."""
    asked: list[str] = []

    def run(_: object, options: Namespace) -> int:
        asked.append(options.url)
        return 0

    monkeypatch.setattr(trio, "run", run)
    assert main(["bench", *words]) == 0
    assert asked == words


def test_merge_without_a_file_says_how_a_host_of_this_name_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "merge"]) == 2
    assert capsys.readouterr().err == "chunkwire: bench merge: expected FILE…; a host of this name is http://merge/\n"
