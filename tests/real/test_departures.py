"""A process is killed in mid-stream: everybody else learns of it, and nothing looks whole."""

import re
import signal
import subprocess

import pytest

from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, Served, serving
from tests.peers.process import Reader, started
from tests.peers.programs import program

FOREVER = "/generate?n=1000&interval=20ms"


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
