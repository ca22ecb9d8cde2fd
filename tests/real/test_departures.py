"""A process is killed in mid-stream: everybody else learns of it, and nothing looks whole."""

import re
import signal

import pytest

from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, serving
from tests.peers.process import Reader, started
from tests.peers.programs import program

FOREVER = "/generate?n=1000&interval=20ms"


@pytest.mark.needs("curl")
def test_curl_through_the_gateway_exits_18_when_the_origin_is_killed() -> None:
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        with started([program("curl"), "-sN", gateway.url(FOREVER)]) as curl:
            Reader(curl.stdout, whose="curl").until(b"Chunk 1 ")
            origin.process.send_signal(signal.SIGKILL)
            assert curl.wait(PATIENCE) == 18


@pytest.mark.parametrize("hops", [0, 1])
def test_the_origin_stops_writing_to_a_client_that_was_killed(hops: int) -> None:
    with serving("serve") as origin, serving("forward", origin.url("")) as gateway:
        url = (gateway if hops else origin).url(FOREVER)
        with started([*CHUNKWIRE, "watch", url]) as watch:
            Reader(watch.stdout, whose="watch").until(b"Chunk 2 ")
            watch.kill()
        line = origin.wait_log("client-gone")
    assert int(re.findall(r"chunks=(\d+)", line)[0]) < 1000
