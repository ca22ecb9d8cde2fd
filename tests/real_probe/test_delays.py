"""Constant holds, which have no variation: what Nagle's algorithm makes of a frame written in pieces."""

import sys

import pytest

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served
from tests.real_probe.conftest import Judge
from tests.real_probe.proxies import three_writes
from tests.tools.synthesis import fixes_for


@pytest.mark.skipif(sys.platform != "linux", reason="how long an ACK is delayed is the kernel's own")
async def test_nodelay_frees_what_nagle_held(origin: Served, judge: Judge) -> None:
    with three_writes(origin.port, nodelay=False) as url:
        verdict = await judge(url)
        for _ in range(12):
            if verdict.kind is not Kind.FOR_TIME:  # a busy reader acknowledges so late that nothing is left to hold
                verdict = await judge(url)
    assert verdict.kind is Kind.FOR_TIME
    assert verdict.seconds is not None
    assert 0.02 < verdict.seconds < 0.2
    assert fixes_for(verdict)[0].change.startswith("TCP_NODELAY")
    with three_writes(origin.port, nodelay=True) as url:
        assert (await judge(url)).is_streaming
