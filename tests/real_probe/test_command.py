"""`chunkwire probe` as it is run: exit codes, one clear line for what is wrong, the page, the recording, --why."""

import json
from pathlib import Path

import pytest

from tests.peers.command import Served, chunkwire, serving
from tests.peers.process import free_port, run
from tests.peers.programs import program


def test_an_origin_that_streams_ends_with_zero(origin: Served) -> None:
    result = chunkwire("probe", origin.url("/probe"))
    assert result.returncode == 0
    assert result.stdout.decode().splitlines()[-1] == "no hop holds the stream."


@pytest.mark.parametrize(
    "target, code, words",
    [
        ("/nowhere/probe", 22, "not the stream: 404 Not Found"),
        ("/fault/no-terminator?n=30&at=20&interval=20ms", 18, "CUT, "),
        ("/generate?n=10&interval=50ms", 0, "streams; by arrival times alone"),
    ],
)
def test_the_exit_code_says_what_was_found(origin: Served, target: str, code: int, words: str) -> None:
    result = chunkwire("probe", origin.url(target))
    assert result.returncode == code
    assert words in result.stdout.decode()


def test_a_hop_that_nobody_answers_for_is_told_and_the_others_judged(origin: Served) -> None:
    result = chunkwire("probe", origin.url("/probe"), f"http://127.0.0.1:{free_port()}/probe")
    assert result.returncode == 7
    assert "streams" in result.stdout.decode()
    assert "refused the connection" in result.stdout.decode()


@pytest.mark.needs("curl")
def test_a_trace_in_ascii_is_refused_in_one_line(origin: Served, tmp_path: Path) -> None:
    trace = tmp_path / "a.trace"
    words = ["-sN", "-o", "/dev/null", "--trace-ascii", str(trace), "--trace-time", origin.url("/probe?n=2")]
    assert run([program("curl"), *words]).returncode == 0
    result = chunkwire("probe", str(trace))
    assert result.returncode == 2
    assert b"--trace-ascii, which loses octets" in result.stderr


def test_a_page_and_a_recording_are_left_and_the_recording_gives_the_same_verdict(
    origin: Served, tmp_path: Path
) -> None:
    page, saved = tmp_path / "ticket.md", tmp_path / "runs.jsonl"
    with serving("forward", origin.url(""), "--mode", "coalesce=300ms") as gateway:
        urls = (origin.url("/probe"), gateway.url("/probe"))
        live = chunkwire("probe", *urls, "-H", "X-Api-Key: s3cr3t", "--report", str(page), "--save", str(saved))
    again = chunkwire("probe", str(saved))
    assert (live.returncode, again.returncode) == (1, 1)
    assert live.stdout.splitlines()[-2:] == again.stdout.splitlines()[-2:]
    assert "is the first hop that holds the stream." in page.read_text()
    assert "s3cr3t" not in page.read_text() + saved.read_text()


def test_why_finds_what_frees_a_hop_its_idle_limit_and_how_fast_a_departure_passes(origin: Served) -> None:
    with serving("forward", origin.url(""), "--mode", "buffer", "--idle-timeout", "1s") as gateway:
        urls = (origin.url("/probe"), gateway.url("/probe"))
        result = chunkwire("probe", *urls, "--why", "--idle", "3s", "--json", within=100)
    found = {line["change"]: line for line in map(json.loads, result.stdout.splitlines()) if line["kind"] == "why"}
    assert found["as before"]["frees"] is False
    assert found["events of 8192 octets"]["frees"] is False
    assert found["silence"]["outcome"].startswith("cut after ")
    assert found["a client that leaves"]["outcome"].startswith("reaches the origin after ")
