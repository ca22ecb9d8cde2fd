"""`forward --save`: the recording holds what came and what went, and `watch` and `diff` read it."""

import json
from pathlib import Path

import pytest

from tests.peers import plain
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


@pytest.mark.parametrize(
    "flags, lines",
    [
        (("--mode", "buffer"), ["b", "0"]),
        (("--mode", "slice=4"), ["4", "1", "4", "2", "0"]),
        (("--mode", "coalesce=1ms"), ["5", "6", "0"]),
        (("--fault", "no-terminator=1"), ["5"]),
    ],
)
def test_a_gateway_that_is_not_exact_records_the_frames_that_it_sent(
    flags: tuple[str, ...], lines: list[str], tmp_path: Path
) -> None:
    saved, had = tmp_path / "gateway.jsonl", tmp_path / "client.jsonl"
    with serving("serve") as origin, serving("forward", origin.url(""), *flags, "--save", str(saved)) as gateway:
        chunkwire("watch", "-q", "--save", str(had), gateway.url("/frames?plan=5@0,6:a=1@200,0@400"))
    records = [json.loads(line) for file in (saved, had) for line in file.read_text().splitlines()]
    for point in ("gateway.sent", "client.received"):
        frames = [record for record in records if record["kind"] == "frame" and record["point"] == point]
        assert [frame["line"] for frame in frames] == lines
    ends = [record["sha256"] for record in records if record["kind"] == "end" and record["way"] == "response"]
    assert ends[1] == ends[2]


def test_a_gateway_records_the_octets_of_a_fault_that_are_no_frame(tmp_path: Path) -> None:
    saved = tmp_path / "gateway.jsonl"
    words = ("--fault", "bad-size=1", "--save", str(saved))
    with serving("serve") as origin, serving("forward", origin.url(""), *words) as gateway:
        chunkwire("watch", "-q", gateway.url("/frames?plan=5@0,6@20,0@40"))
    records = [json.loads(line) for line in saved.read_text().splitlines()]
    (end,) = [record for record in records if record["kind"] == "end" and record["point"] == "gateway.sent"]
    assert (end["chunks"], end["data"][:4]) == (1, "zz\r\n")
    assert end["error"].startswith("expected 1*HEXDIG as chunk-size")


def test_several_workers_cannot_share_a_recording(tmp_path: Path) -> None:
    result = chunkwire("forward", "http://127.0.0.1:9", "--save", str(tmp_path / "x"), "--workers", "2")
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)


@pytest.mark.parametrize(
    "typed, method, target, status",
    [
        (b"hello there\r\n\r\n", "-", "hello there", 400),
        (b"HEAD / HTTP/1.1\r\n\r\n", "-", "HEAD / HTTP/1.1", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT", "a:1", 501),
        (b"GET /x HTTP/1.1\r\nHost: x\r\nIncremental: ?1\r\n\r\n", "GET", "/x", 501),
        (b"GET /y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET", "/y", 502),
    ],
)
def test_a_request_that_the_gateway_answers_itself_is_recorded_too(
    typed: bytes, method: str, target: str, status: int, tmp_path: Path
) -> None:
    saved = tmp_path / "gateway.jsonl"
    words = ("http://127.0.0.1:9", "--mode", "buffer", "--save", str(saved))
    with serving("forward", *words) as gateway, plain.dialled(gateway.port, typed) as client:
        content = client.read_rest()[0].partition(b"\r\n\r\n")[2]
    records = [json.loads(line) for line in saved.read_text().splitlines()]
    (request,) = [record for record in records if record["kind"] == "request" and record["point"] == "gateway.received"]
    (head,) = [record for record in records if record["kind"] == "head"]
    (end,) = [record for record in records if record["kind"] == "end" and record["point"] == "gateway.sent"]
    assert (request["method"], request["target"]) == (method, target)
    assert head["status_line"].split()[1] == str(status)
    assert (end["framing"], end["octets"]) == ("complete", len(content))
