"""`bench merge`: the sum of the results in files; a file without a result is one line."""

import json
from collections import Counter
from pathlib import Path

import pytest

from chunkwire.cli.main import main
from chunkwire.tools.bench.forms import hlog_lines
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.view import to_json

Captured = pytest.CaptureFixture[str]


def written(path: Path, *, version: str = "1.0", failed: int = 0, frames: int = 100, host: str = "a") -> Path:
    """Write a result of frames that are each 1 ms late."""
    samples = {name: DurationHistogram([1_000_000] * frames) for name in ("first", "late", "hold")}
    gathered = Gathered([Round(1.0, frames, frames, samples)], streams=10, failures=+Counter(cut=failed))
    conditions = {"streams": 10, "chunkwire": version, "host": host}
    result = BenchResult(url="http://x/", gathered=gathered, conditions=conditions)
    is_log = path.suffix == ".hlog"
    path.write_text("".join(f"{line}\n" for line in hlog_lines(gathered)) if is_log else to_json(result))
    return path


@pytest.mark.parametrize("name", ["a.json", "a.hlog"])
def test_samples_of_several_files_add_up(name: str, tmp_path: Path, capsys: Captured) -> None:
    paths = [str(written(tmp_path / f"{n}{name}", frames=n)) for n in (99, 100, 101)]
    assert main(["bench", "merge", *paths, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["quantities"]["late"]["n"] == 300
    assert told["quantities"]["late"]["p90"] == pytest.approx(1.0, rel=1e-3)


def test_a_sum_can_be_added_again_and_is_checked_against_limits(tmp_path: Path, capsys: Captured) -> None:
    one, two, three = (str(written(tmp_path / f"{n}.json", failed=1, frames=n)) for n in (99, 100, 101))
    total = tmp_path / "sum.json"
    assert main(["bench", "merge", one, two, "--json", "--limit", "errors=2"]) == 0
    total.write_text(capsys.readouterr().out)
    assert main(["bench", "merge", str(total), three, "--limit", "errors=2"]) == 1
    said = capsys.readouterr()
    assert ": 30 streams, 3 failed (3 cut)" in said.out
    assert said.err == "chunkwire: errors=2: missed, more streams failed than it allows: 30 streams, 3 failed (3 cut)\n"


def test_a_default_from_the_environment_contradicts_no_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    path = str(written(tmp_path / "a.json"))
    assert main(["bench", "merge", path, "--warmup", "0"]) == 2
    monkeypatch.setenv("CHUNKWIRE_BENCH_WARMUP", "0")
    assert main(["bench", "merge", path]) == 0
    assert "--warmup has no meaning" in capsys.readouterr().err


def test_a_file_without_the_word_merge_is_no_host(tmp_path: Path, capsys: Captured) -> None:
    path = str(written(tmp_path / "a.json"))
    assert main(["bench", path]) == 2
    assert capsys.readouterr().err == f"chunkwire: expected a URL, or merge FILE…, got {path!r}\n"


def test_results_of_different_versions_are_not_added(tmp_path: Path, capsys: Captured) -> None:
    paths = [str(written(tmp_path / f"{n}.json", version=f"{n}.0", frames=n)) for n in (1, 2)]
    assert main(["bench", "merge", *paths]) == 2
    assert capsys.readouterr().err == "chunkwire: expected results of one version of chunkwire, got 1.0, 2.0\n"


@pytest.mark.parametrize("name", ["a.json", "a.hlog"])
def test_a_cut_file_is_named_in_one_line(name: str, tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-30])
    assert main(["bench", "merge", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"chunkwire: {path}: ")


@pytest.mark.parametrize("name", ["b.json", "b.hlog"])
def test_samples_that_come_twice_are_refused(name: str, tmp_path: Path, capsys: Captured) -> None:
    one, same = written(tmp_path / "a.json"), written(tmp_path / name)
    assert main(["bench", "merge", str(one), str(same)]) == 2
    assert f"chunkwire: {same}: expected each result once, got the samples of {one} again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, got",
    [("", "an empty file"), ("\n", "an empty file"), ('{"kind":"frame"}', "other JSON"), ("* n: 3", "no JSON, or ")],
)
def test_another_file_is_refused_by_what_it_has(text: str, got: str, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert main(["bench", "merge", str(path)]) == 2
    wanted = f"chunkwire: {path}: expected what chunkwire bench --json prints, got {got}"
    assert capsys.readouterr().err.startswith(wanted)


@pytest.mark.parametrize("name, host", [("b.json", "b"), ("b.hlog", "a")])
def test_clocks_of_several_or_unknown_hosts_are_not_compared(
    name: str, host: str, tmp_path: Path, capsys: Captured
) -> None:
    paths = [str(written(tmp_path / "a.json")), str(written(tmp_path / name, host=host, frames=50))]
    assert main(["bench", "merge", *paths, "--limit", "late.max=1s"]) == 1
    told = capsys.readouterr()
    assert "\n* late and added are left out: " in told.out
    assert "do not say when" not in told.out
    assert told.err.endswith("--clocks-agree keeps them\n")
    assert main(["bench", "merge", *paths, "--limit", "late.max=1s", "--clocks-agree"]) == 0


@pytest.mark.parametrize(
    "words", [[], ["a", "-z", "3s"], ["a", "--until", "p99=5%"], ["a", "--csv", "x"], ["a", "-H", "a: b"], ["nix.json"]]
)
def test_a_wrong_merge_is_one_line(words: list[str], capsys: Captured) -> None:
    assert main(["bench", "merge", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("limit, code", [("late.max=2ms", 0), ("late.max=500us", 1)])
def test_a_log_of_one_quantity_is_checked_against_limits(
    limit: str, code: int, tmp_path: Path, capsys: Captured
) -> None:
    log = written(tmp_path / "a.hlog")
    log.write_text("".join(line for line in log.read_text().splitlines(keepends=True) if "first" not in line))
    assert main(["bench", "merge", str(log), "--limit", limit]) == code


def test_a_sum_of_nothing_is_no_success(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "a.json"
    path.write_text(to_json(BenchResult(url="http://x/", gathered=Gathered(), conditions={})))
    assert main(["bench", "merge", str(path)]) == 28
    assert "nothing was measured, no frame arrived: 0 streams" in capsys.readouterr().err
