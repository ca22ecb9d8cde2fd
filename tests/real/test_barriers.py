"""Flushing, proved without a clock: an end sends frame k+1 only when it has seen frame k arrive."""

import pytest

from tests.peers.command import serving
from tests.peers.plain import CHUNKED_HEAD, dialled, upstream

FRAMES = (b"5\r\nhello\r\n", b"0005;a=1\r\nworld\r\n", b"A;x\r\n0123456789\r\n", b"1\r\nz\r\n")
LAST = b"000;end\r\nX-Sum: 7\r\n\r\n"
GET = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_each_response_frame_passes_before_the_next_is_written() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, GET) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD)
        assert b"\r\nTransfer-Encoding: chunked\r\n" in client.read_head()
        for frame in FRAMES:
            connection.send(frame)
            assert client.reader.exactly(len(frame)) == frame
        connection.send(LAST)
        assert client.reader.exactly(len(LAST)) == LAST


def test_chunk_data_passes_before_its_chunk_is_whole() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, GET) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD + b"5\r\n")
        client.read_head()
        assert client.reader.exactly(3) == b"5\r\n"
        for octet in (b"h", b"e", b"l", b"l", b"o"):
            connection.send(octet)
            assert client.reader.exactly(1) == octet
        connection.send(b"\r\n")
        assert client.reader.exactly(2) == b"\r\n"


def test_each_request_frame_passes_before_the_next_is_written() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, POST) as client:
        connection = server.accept()
        assert b"\r\nTransfer-Encoding: chunked\r\n" in connection.read_head()
        for frame in (*FRAMES, LAST):
            client.send(frame)
            assert connection.reader.exactly(len(frame)) == frame


def test_both_directions_stream_at_once() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, POST) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD)
        client.read_head()
        for frame in (*FRAMES, LAST):
            client.send(frame)
            assert connection.reader.exactly(len(frame)) == frame
            connection.send(frame)
            assert client.reader.exactly(len(frame)) == frame


@pytest.mark.parametrize("frame", FRAMES)
def test_the_origin_echoes_a_chunk_before_the_next_is_written(frame: bytes) -> None:
    data = frame.split(b"\r\n")[1]
    with serving("serve") as origin, dialled(origin.port, POST) as client:
        client.send(frame)
        client.read_head()
        client.reader.until(b"\r\n" + data + b"\r\n")
        client.send(frame)
        client.reader.until(b"\r\n" + data + b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.reader.until(b"0\r\n\r\n").endswith(b"0\r\n\r\n")
