"""A person at a keyboard is a legal client: nc and telnet, with the line ends that they send."""

import re

import pytest

from tests.peers.command import Served
from tests.peers.process import LOOPBACK, Reader, run, started
from tests.peers.programs import program

GENERATE = b"GET /generate?n=3&interval=10ms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
THREE_CHUNKS = re.compile(rb"\r\n\r\n(?:[0-9a-f]+\r\nChunk [123] \[[0-9:.]+\]\n?\r\n){3}0\r\n\r\n\Z")


def nc(port: int, octets: bytes, *words: str) -> bytes:
    """Return what nc prints for what is typed into it; it must end by itself."""
    result = run([program("nc"), *words, LOOPBACK, str(port)], octets=octets)
    assert result.returncode == 0, result
    return result.stdout


@pytest.mark.needs("nc")
def test_nc_shows_three_chunks_and_the_last_and_ends_by_itself(served: Served) -> None:
    answer = nc(served.port, GENERATE)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert THREE_CHUNKS.search(answer), answer


@pytest.mark.needs("nc")
def test_nc_that_half_closes_gets_all_of_an_event_stream(gateway: Served) -> None:
    """Suites: a FIN in an event stream. Fails where a FIN cancels by default: nc sends it before the first event."""
    request = b"GET /sse?count=5&duration=200ms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = nc(gateway.port, request, "-N")
    assert answer.count(b"\r\nid: ") == 5
    assert answer.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.needs("nc")
def test_a_head_typed_with_bare_lf_is_answered_by_the_origin(origin: Served) -> None:
    assert THREE_CHUNKS.search(nc(origin.port, GENERATE.replace(b"\r\n", b"\n")))


@pytest.mark.needs("nc")
def test_nc_ends_though_the_request_did_not_ask_for_close(origin: Served) -> None:
    request = GENERATE.replace(b"Connection: close\r\n", b"")
    assert THREE_CHUNKS.search(nc(origin.port, request, "-N"))


@pytest.mark.needs("nc")
def test_a_chunked_body_typed_with_bare_lf_gets_a_400_that_names_the_flag(served: Served) -> None:
    request = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\nhello\n0\n\n"
    )
    answer = nc(served.port, request)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"nc -C" in answer


@pytest.mark.needs("nc")
def test_nc_with_c_posts_a_chunked_body(origin: Served) -> None:
    request = b"POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nConnection: close\n\n5\nhello\n0\n\n"
    assert nc(origin.port, request, "-C").endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


@pytest.mark.needs("telnet")
def test_telnet_shows_the_stream(origin: Served) -> None:
    with started([program("telnet"), LOOPBACK, str(origin.port)]) as process:
        reader = Reader(process.stdout, whose="telnet")
        reader.until(b"Escape character is")
        assert process.stdin is not None
        process.stdin.write(GENERATE.replace(b"\r\n", b"\n"))
        answer = reader.until(b"\n0\n\n")  # telnet writes its own line ends where the wire has CRLF
    assert answer.count(b"Chunk ") == 3
