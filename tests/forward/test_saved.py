"""`forward --save`: the recording holds what came and what went, and `watch` and `diff` read it."""

import json
from pathlib import Path

from tests.peers.command import chunkwire, serving


def test_a_gateway_records_what_it_received_and_what_it_sent(tmp_path: Path) -> None:
    saved = tmp_path / "gateway.jsonl"
    with serving("serve") as origin, serving("forward", origin.url(""), "--save", str(saved)) as gateway:
        assert chunkwire("watch", "-q", gateway.url("/frames?plan=5@0,6:a=1@10,0@20")).returncode == 0
    records = [json.loads(line) for line in saved.read_text().splitlines()]
    frames = [record for record in records if record["kind"] == "frame"]
    for point in ("gateway.received", "gateway.sent"):
        assert [frame["line"] for frame in frames if frame["point"] == point] == ["5", "6;a=1", "0"]
    ends = [record for record in records if record["kind"] == "end" and record["way"] == "response"]
    assert len({end["sha256"] for end in ends}) == 1
    assert chunkwire("watch", str(saved)).returncode == 0


def test_several_workers_cannot_share_a_recording(tmp_path: Path) -> None:
    result = chunkwire("forward", "http://127.0.0.1:9", "--save", str(tmp_path / "x"), "--workers", "2")
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)
