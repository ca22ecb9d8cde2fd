"""Wireshark's dissector reads the same chunk sizes on the wire as we do."""

import json

import pytest

from tests.peers.capture import tshark
from tests.peers.command import Served, chunkwire

PLAN = "/frames?plan=5@0,6:a=1@5,300@5,1@10,0@15&trailer=X-T:1"


def frame_sizes(url: str) -> list[int]:
    """Return the sizes that `chunkwire watch` records of a stream, the last-chunk's 0 too."""
    result = chunkwire("watch", "--json", url)
    assert result.returncode == 0, result
    records = [json.loads(line) for line in result.stdout.splitlines()]
    return [record["size"] for record in records if record["kind"] == "frame"]


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("target", [PLAN, "/stream/7"])
def test_tshark_reads_the_frames_that_the_origin_writes(origin: Served, target: str) -> None:
    with tshark(origin.port) as capture:
        sizes = frame_sizes(origin.url(target))
        assert capture.chunk_sizes() == sizes
    assert sizes[-1] == 0


@pytest.mark.needs("tshark")
def test_tshark_reads_the_frames_that_the_gateway_passes_on(gateway: Served) -> None:
    with tshark(gateway.port) as capture:
        sizes = frame_sizes(gateway.url(PLAN))
        assert capture.chunk_sizes() == sizes == [5, 6, 300, 1, 0]
