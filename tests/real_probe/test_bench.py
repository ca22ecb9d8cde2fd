"""The bench against real streams: agreement with the meter in C on the same stamps, limits, a baseline, its files."""

import csv
import json
import statistics
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from chunkwire.cli.main import main
from chunkwire.tools.bench.metering import TIMER_SECONDS
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.segments import TIMER
from tests.peers.command import ROOT, Served, chunkwire, serving
from tests.peers.process import free_port, run, started, wait_listening
from tests.peers.programs import program

INTERVAL_US = 20_000
STREAMS = 10
LOAD = ("-c", str(STREAMS), "-z", "2s", "--stamps", "process", "--force")
"""The clock is read after the read, as by the meter."""
TRIES = 3
"""The two take turns; what the machine does meanwhile is not theirs. One of three pairs of medians must agree."""


def figures(*words: str) -> tuple[int, dict[str, dict[str, float]]]:
    result = chunkwire("bench", *words, "--json")
    assert result.returncode in (0, 1), result.stderr
    return result.returncode, json.loads(result.stdout)["quantities"]


@pytest.mark.needs("gcc")
def test_its_median_agrees_with_the_meter_in_c(tmp_path: Path) -> None:
    meter, source = tmp_path / "flushmeter", ROOT / "bench" / "meter"
    files = [source / name for name in ("flushmeter.c", "client.c", "origin.c")]
    assert run([program("gcc"), "-O2", "-o", meter, *files, "-lpthread"]).returncode == 0
    port, n = free_port(), 2_500_000 // INTERVAL_US
    path = f"/?n={n}&us={INTERVAL_US}"
    words = ["--external", "--target", str(port), "--streams", str(STREAMS), "--count", str(n), "--path", path]
    pairs = []
    with started([sys.executable, "-m", "bench.peers.origin_chunkwire", str(port)], cwd=ROOT) as origin:
        wait_listening(port, origin)
        url = f"http://127.0.0.1:{port}/?n=10000&us={INTERVAL_US}"
        for _ in range(TRIES):
            theirs, ours = [], []
            for _ in range(3):
                theirs.append(json.loads(run([meter, *words]).stdout)["p50"])
                ours.append(figures(url, *LOAD)[1]["added"]["p50"] * 1000)
            pairs.append((statistics.median(theirs), statistics.median(ours)))
            if agree(*pairs[-1]):
                break
    assert agree(*pairs[-1]), pairs


def agree(theirs_us: float, ours_us: float) -> bool:
    """Say whether unit and moments are the same; how close the figures are, `bench.claims` measures."""
    return theirs_us / 5 <= ours_us <= 5 * theirs_us


def test_a_wide_limit_holds_and_an_impossible_one_is_missed(origin: Served) -> None:
    assert figures(origin.url("/probe"), "-c", "5", "-z", "2s", "--limit", "hold.max=5s")[0] == 0
    assert figures(origin.url("/probe"), "-c", "5", "-z", "2s", "--limit", "gap.p50=1us")[0] == 1


def test_a_pace_that_the_origin_refuses_is_not_replaced_by_another_and_its_reason_is_shown(
    origin: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.url("/probe?interval=x")
    assert main(["bench", url, "-c", "1", "-z", "1s"]) == 22
    told = capsys.readouterr().err
    assert f"chunkwire: expected 200 from {url}" in told
    assert 'got 400 Bad Request: "interval: ' in told


def test_how_late_a_stream_begins_is_the_meter_s_own_error(origin: Served, capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", origin.url("/probe?n=1"), "--rate", "500/s", "-z", "1s", "--warmup", "0", "--json", "--force"])
    result = BenchResult.from_json(capsys.readouterr().out, where="stdout")
    assert result.gathered.samples(TIMER).n > 1 / TIMER_SECONDS  # more than those that measure it and nothing else


def test_a_rate_that_this_machine_cannot_reach_is_a_finding_and_told_once_with_force(
    origin: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rate", "999999/s", "-z", "500ms", "--warmup", "0", "--limit", "errors=100%"]
    assert main(["bench", origin.url("/probe?n=1"), *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "nothing was measured: the rate was not reached" in printed.err
    main(["bench", origin.url("/probe?n=1"), *words, "--force"])
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("the rate was not reached") == 1


def test_a_hop_that_holds_shows_against_its_baseline(origin: Served) -> None:
    with serving("forward", origin.url(""), "--mode", "coalesce=300ms") as gateway:
        words = ("bench", gateway.url("/probe"), "--baseline", origin.url("/probe"), "-c", "5", "-z", "4s")
        result = chunkwire(*words, "--warmup", "0", "--stamps", "process", "--force", "--json")
    told = json.loads(result.stdout)
    assert told["quantities"]["hold"]["p50"] > 50 > told["baseline"]["hold"]["p50"]
    assert told["baseline_url"] == origin.url("/probe")
    assert told["differences"]["hold"]["p50"]["seen"] is True
    assert b"10 turns of the target and 10 of the baseline, each pair in random order" in result.stderr


def test_rows_and_records_of_target_and_baseline_are_told_apart(origin: Served, tmp_path: Path) -> None:
    """Fails where the streams of each turn are numbered from 1."""
    rows, saved, url = tmp_path / "b.csv", tmp_path / "b.jsonl", origin.url("/probe?n=2&interval=10ms")
    words = ("--baseline", url, "-c", "1", "-n", "4", "--csv", str(rows), "--save", str(saved))
    assert figures(url, *words)[0] == 0
    frames = [(row["stream"], row["target"]) for row in csv.DictReader(rows.read_text().splitlines())]
    assert set(Counter(frames).values()) == {2}
    assert Counter(target for _, target in set(frames)) == {"target": 4, "base": 4}
    numbers = [str(number) for number in range(1, 9)]
    assert sorted(stream for stream, _ in set(frames)) == numbers
    recorded = map(json.loads, saved.read_text().splitlines())
    assert [str(one["stream"]) for one in recorded if one["kind"] == "end"] == numbers


def test_the_rows_after_the_warm_up_of_their_turn_give_the_figures_again(
    origin: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("chunkwire.tools.bench.metering.warmup_rounds", lambda rounds: len(rounds) // 4)
    url, file = origin.url("/probe?interval=5ms"), tmp_path / "b.csv"
    assert main(["bench", url, "--baseline", url, "-c", "2", "-z", "1s", "--csv", str(file), "--json"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)
    sampled = [row for row in csv.DictReader(file.read_text().splitlines()) if row["sampled"] == "1"]
    for name, raw, part in (("target", "target", told["quantities"]), ("base", "baseline", told["baseline"])):
        ends = [trend["warmup"] * 1e3 for trend in told["raw"][raw]["trends"]]
        of_it = [row for row in sampled if row["target"] == name]
        after = [float(row["added_ms"]) for row in of_it if float(row["sampled_ms"]) >= ends[int(row["turn"]) - 1]]
        assert part["added"]["n"] == len(after) < len(of_it)
        assert part["added"]["max"] == pytest.approx(max(after), abs=1e-4)


def test_it_reads_by_trio_where_there_is_no_epoll(
    origin: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chunkwire.tools.bench.metering.select", SimpleNamespace())
    assert main(["bench", origin.url("/probe?n=5&interval=10ms"), "-c", "2", "-n", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quantities"]["first"]["n"] == 4


def test_its_page_and_its_records_are_written(origin: Served, tmp_path: Path) -> None:
    page, saved = tmp_path / "b.html", tmp_path / "b.jsonl"
    words = ("-c", "3", "-n", "6", "--html", str(page), "--save", str(saved))
    assert figures(origin.url("/probe?n=10&interval=20ms"), *words)[0] == 0
    assert page.read_text().count("<svg") in (2, 3)  # the third, over time, where a busy machine takes several rounds
    kinds = [json.loads(line)["kind"] for line in saved.read_text().splitlines()]
    assert kinds.count("end") == 6
    assert chunkwire("probe", str(saved)).returncode == 0
