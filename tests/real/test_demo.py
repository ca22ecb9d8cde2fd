"""The first command that anybody runs: `chunkwire demo`; and what `watch` saves, `diff` compares."""

import json
import re
from pathlib import Path

from tests.peers.command import CHUNKWIRE, Served, chunkwire
from tests.peers.process import Reader, end, started


def test_the_second_of_two_demos_takes_free_ports_and_reports_them() -> None:
    with started([*CHUNKWIRE, "demo", "--keep"]) as first:
        reader = Reader(first.stdout, whose="the first demo")
        reader.until(b"equal")
        second = chunkwire("demo")
        end(first)
    assert second.returncode == 0, second
    assert second.stderr.count(b" is in use; the ") == 2
    assert b"equal: " in second.stdout
    [direct, relayed] = re.findall(rb"SHA-256 ([0-9a-f]+)", second.stdout)
    assert direct == relayed


def test_recordings_of_one_stream_are_compared(tmp_path: Path, origin: Served, gateway: Served) -> None:
    plan = "/frames?plan=5@0,6:a=1@5,0@10&trailer=X-T:1"
    names = [str(tmp_path / "direct.jsonl"), str(tmp_path / "relayed.jsonl")]
    for name, served in zip(names, (origin, gateway), strict=True):
        assert chunkwire("watch", "--save", name, served.url(plan)).returncode == 0
    same = chunkwire("diff", *names)
    assert same.returncode == 0, same
    assert chunkwire("watch", "--save", names[1], gateway.url("/frames?plan=5@0,7@5,0@10")).returncode == 0
    assert chunkwire("diff", *names).returncode == 1


def test_a_recording_says_how_the_stream_ended(tmp_path: Path, gateway: Served) -> None:
    path = tmp_path / "stream.jsonl"
    assert chunkwire("watch", "--save", str(path), gateway.url("/generate?n=3&interval=1ms")).returncode == 0
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["kind"], last["framing"], last["chunks"]) == ("end", "complete", 3)
    replayed = chunkwire("watch", str(path))
    assert replayed.returncode == 0
    assert replayed.stdout.count(b"Chunk ") == 3
