"""A clean hop is not accused, however busy the machine: `unsure` is allowed, a hold is not."""

import pytest
import trio

from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.judge import Hop, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served, serving

RUNS = 50
AT_ONCE = 10
"""The stated load: ten probes at once, on both ends of one gateway, so two hundred frames a second of them alone."""


@pytest.mark.timeout(300)
async def test_fifty_runs_of_a_clean_hop_raise_no_alarm(origin: Served, inner: Hop) -> None:
    found: list[Kind] = []
    with serving("forward", origin.url("")) as gateway:

        async def probe_once(limiter: trio.CapacityLimiter) -> None:
            async with limiter:
                hop = await Prober().probe("hop", parse_url(gateway.url("/probe")))
            found.append(judge_hop(hop, inner=inner).kind)

        async with trio.open_nursery() as nursery:
            limiter = trio.CapacityLimiter(AT_ONCE)
            for number in range(RUNS):
                nursery.start_soon(probe_once, limiter, name=f"probe {number}")
    assert len(found) == RUNS
    assert set(found) <= {Kind.STREAMS, Kind.REFRAMED, Kind.UNSURE}
