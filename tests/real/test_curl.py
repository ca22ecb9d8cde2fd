"""curl against the origin, directly and through the gateway: every way to ask, every way a stream goes wrong."""

import re
from pathlib import Path

import pytest

from tests.peers.command import Served
from tests.peers.readers import curl

pytestmark = pytest.mark.needs("curl")


@pytest.mark.parametrize(
    "fault,code",
    [("cut", 18), ("no-terminator", 18), ("empty", 52), ("bad-size", 56), ("missing-crlf", 56), ("reset", 56)],
)
def test_a_fault_of_the_origin_has_curls_exit_code(served: Served, origin: Served, fault: str, code: int) -> None:
    exit_code, body = curl(served.url(f"/fault/{fault}?n=3&at=2&interval=1ms"))
    if served is not origin and fault == "empty":
        assert (exit_code, body[:15]) == (0, b"502 Bad Gateway")
        return
    # What is broken upstream must not be passed on: the gateway's clients see a cut or a reset, never the octets.
    assert exit_code in ((code,) if served is origin else (18, 56))


def test_a_stream_that_stalls_is_ended_by_curls_own_limit(served: Served) -> None:
    exit_code, body = curl("--max-time", "1", served.url("/fault/stall?n=3&at=2&interval=1ms"))
    assert exit_code == 28
    assert b"Chunk 1 of 3" in body


def test_http_1_0_gets_the_data_without_chunks(served: Served) -> None:
    exit_code, answer = curl("--http1.0", "-i", "--raw", served.url("/generate?n=3&interval=1ms"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert exit_code == 0
    assert b"transfer-encoding" not in head.lower()
    assert re.fullmatch(rb"(Chunk [123] \[[0-9:.]+\]\n){3}", body)


def test_head_has_no_body(served: Served) -> None:
    exit_code, answer = curl("-I", served.url("/generate?n=3"))
    assert exit_code == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Chunk" not in answer


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Expect: 100-continue"])
def test_a_posted_body_comes_back_whole(served: Served, tmp_path: Path, framing: str) -> None:
    octets = bytes(range(256)) * 4000
    exit_code, body = curl("-H", framing, "--data-binary", "@-", served.url("/echo"), octets=octets)
    assert exit_code == 0
    assert body == octets


def test_two_requests_share_one_connection(served: Served) -> None:
    url = served.url("/stream-bytes/10?seed=1")
    exit_code, answer = curl("-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} ", url, url)
    assert exit_code == 0
    assert answer == b"1 0 "


def test_a_trailer_reaches_curl(served: Served) -> None:
    exit_code, answer = curl("-i", served.url("/trailers?X-Sum=7"))
    assert exit_code == 0
    assert b"X-Sum: 7\r\n" in answer
