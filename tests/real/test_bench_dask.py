"""`bench --dask` on a local cluster of three worker processes, and results of several hosts."""

import os
import re
import signal
import subprocess
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chunkwire.tools.bench.result import BenchResult
from tests.peers.command import CHUNKWIRE, called, chunkwire, serving
from tests.peers.process import listening_socket, started

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FRAME = b"2\r\nhi\r\n"
distributed = pytest.importorskip("distributed")


@pytest.fixture
def cluster() -> Generator[Any, None, None]:
    """Run a scheduler and three workers in processes of their own."""
    settings = {"n_workers": 3, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(host="127.0.0.1", processes=True, **settings) as running:
        yield running


def test_the_result_is_the_sum_of_the_agents_and_one_that_was_killed_is_named(cluster: Any) -> None:
    with listening_socket() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        asked = ["bench", url, "-c", "2", "-n", "2", "--warmup", "0s", "--json", "--dask", cluster.scheduler_address]
        with started([*CHUNKWIRE, *asked], stderr=subprocess.PIPE) as process, ExitStack() as stack:
            streams = []
            for _ in range(6):
                stream = stack.enter_context(listener.accept()[0])
                stream.recv(65536)
                stream.sendall(HEAD + FRAME)
                streams.append(stream)
            victim = next(iter(cluster.workers.values()))
            os.kill(victim.process.pid, signal.SIGKILL)
            for stream in streams:
                stream.sendall(FRAME + b"0\r\n\r\n")
            printed, said = process.communicate()
    assert process.returncode == 1, said
    assert b"failed: its worker has gone" in said
    assert b"the result has 2 of 3 agents" in said
    result = BenchResult.from_json(printed, where="stdout")
    assert (result.gathered.streams, result.gathered.failed, result.gathered.frames) == (4, 0, 8)


@pytest.mark.parametrize(
    "words, said, code",
    [
        (("--dask", "127.0.0.1:REFUSING"), "no Dask scheduler at 127.0.0.1:", 7),
        (("--dask", "nonsense"), "no Dask scheduler at nonsense: missing port", 7),
        (("--agents", "2"), "--agents without --dask", 2),
        (("--dask", "127.0.0.1:1", "--csv", "x.csv"), "--dask and --csv", 2),
        (("--dask", "127.0.0.1:1", "--hop", ":2"), "--dask and --hop: segments compare clocks of one machine", 2),
        (("--start-at", "soon"), "expected a moment", 2),
        (("--start-at", "2026-01-01T00:00:00Z"), "--start-at: expected a moment in the future", 2),
    ],
)
def test_what_cannot_begin_is_one_line(
    words: tuple[str, ...], said: str, code: int, refusing_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunkwire.cli.bench_dask.CONNECT_SECONDS", 0.5)  # Dask asks again a port that refuses
    words = tuple(word.replace("REFUSING", str(refusing_port)) for word in words)
    result = called("bench", "-q", "http://127.0.0.1:1/", *words)
    assert (result.returncode, result.stderr.count(b"\n"), result.stdout) == (code, 1, b""), result
    assert said in result.stderr.decode()


@pytest.mark.parametrize(
    "words, names",
    [
        ((), {"gap", "arrived → read"}),
        (("--clocks-agree",), {"late", "added", "gap", "written → arrived", "arrived → read"}),
    ],
)
def test_of_several_hosts_what_compares_clocks_is_left_out(
    words: tuple[str, ...], names: set[str], tmp_path: Path
) -> None:
    with serving("serve") as origin:
        bench = ("bench", origin.url("/probe?n=20&interval=5ms"), "-n", "3", "--json")
        one, other = (chunkwire(*bench).stdout.decode() for _ in "ab")
    (tmp_path / "a").write_text(one)
    (tmp_path / "b").write_text(re.sub('"host":"[^"]*"', '"host":"another"', other))
    paths = [str(tmp_path / name) for name in "ab"]
    added = BenchResult.from_json(chunkwire("bench", "merge", *paths, "--json", *words).stdout, where="stdout")
    looked_at = ("late", "added", "gap", "written → arrived", "arrived → read")
    assert {name for name in looked_at if added.gathered.has(name)} == names
