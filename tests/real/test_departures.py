"""Either end leaves in mid-stream: everybody else learns of it, and nothing pretends to be whole."""

import re
import signal
import socket
import subprocess

import pytest

from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, Served, serving
from tests.peers.plain import CHUNKED_HEAD, dialled, upstream
from tests.peers.process import Reader, started
from tests.peers.programs import program

FOREVER = "/generate?n=1000&interval=20ms"
GET = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
FRAME = b"5\r\nhello\r\n"


def kill_at_the_first_chunk(process: subprocess.Popen[bytes], origin: Served) -> tuple[int, bytes]:
    """Kill the origin once a client has printed a chunk; return the client's exit code and the rest it printed."""
    reader = Reader(process.stdout, whose="the client")
    reader.until(b"Chunk 1 ")
    origin.process.send_signal(signal.SIGKILL)
    rest = reader.rest()
    return process.wait(PATIENCE), rest


@pytest.mark.needs("curl")
def test_curl_through_the_gateway_exits_18_when_the_origin_is_killed() -> None:
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        with started([program("curl"), "-sN", gateway.url(FOREVER)]) as curl:
            code, _ = kill_at_the_first_chunk(curl, origin)
    assert code == 18


@pytest.mark.parametrize("hops", [0, 1])
def test_watch_says_cut_and_exits_18_when_the_origin_is_killed(hops: int) -> None:
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        url = (gateway if hops else origin).url(FOREVER)
        with started([*CHUNKWIRE, "watch", url], stderr=subprocess.STDOUT) as watch:
            code, rest = kill_at_the_first_chunk(watch, origin)
    assert b"cut: " in rest
    assert b"last-chunk" not in rest
    assert b"Traceback" not in rest
    assert code == 18


@pytest.mark.parametrize("hops", [0, 1])
def test_the_origin_stops_writing_to_a_client_that_was_killed(hops: int) -> None:
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        url = (gateway if hops else origin).url(FOREVER)
        with started([*CHUNKWIRE, "watch", url]) as watch:
            Reader(watch.stdout, whose="watch").until(b"Chunk 2 ")
            watch.kill()
        line = origin.wait_log("client-gone")
    assert int(re.findall(r"chunks=(\d+)", line)[0]) < 1000


def test_a_reset_upstream_never_looks_complete_downstream() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, GET) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD + FRAME)
        client.read_head()
        assert client.reader.exactly(len(FRAME)) == FRAME
        connection.reset()
        rest, _ = client.read_rest()
    assert rest == b""


def test_a_client_that_resets_ends_the_upstream_by_a_reset() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, GET) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD + FRAME)
        client.read_head()
        client.reader.exactly(len(FRAME))
        client.reset()
        assert connection.read_rest() == (b"", True)


def test_a_client_that_closes_ends_the_upstream_by_a_reset() -> None:
    with upstream() as server, serving("forward", server.url()) as gateway, dialled(gateway.port, GET) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD + FRAME)
        client.read_head()
        client.reader.exactly(len(FRAME))
        client.close()
        # A FIN may be a half-close: the gateway streams on, until a frame meets the closed socket.
        assert connection.send_until_reset(FRAME)


def test_the_gateway_and_the_origin_serve_on_after_their_clients_left() -> None:
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        for _ in range(5):
            with dialled(gateway.port, b"GET /generate?n=1000&interval=1ms HTTP/1.1\r\nHost: x\r\n\r\n") as client:
                client.reader.until(b"Chunk 2 ")
                client.reset()
        with dialled(gateway.port, b"GET /stream/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
            assert client.read_rest()[0].endswith(b"\r\n0\r\n\r\n")


def test_a_half_closed_client_gets_the_whole_stream() -> None:
    request = b"GET /generate?n=5&interval=10ms HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        with dialled(gateway.port, request) as client:
            client.sock.shutdown(socket.SHUT_WR)
            octets, was_reset = client.read_rest()
    assert octets.endswith(b"\r\n0\r\n\r\n")
    assert not was_reset
