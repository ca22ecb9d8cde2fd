"""The gateway's own modes: exact streams, and each other is what it says."""

import pytest

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served, serving
from tests.real_probe.conftest import Judge
from tests.tools.synthesis import fixes_for

ROWS = {
    "exact": {Kind.STREAMS},
    "reframe": {Kind.STREAMS, Kind.REFRAMED},
    "slice=40": {Kind.REFRAMED},
    "buffer": {Kind.TO_END},
    "coalesce=4096": {Kind.TO_OCTETS},
    "coalesce=200ms": {Kind.FOR_TIME},
}


@pytest.mark.parametrize("mode", ROWS)
async def test_each_mode_gets_its_verdict_and_the_fix(origin: Served, judge: Judge, mode: str) -> None:
    with serving("forward", origin.url(""), "--mode", mode) as gateway:
        verdict = await judge(gateway.url(""))
    assert verdict.kind in ROWS[mode]
    if verdict.is_holding:
        assert fixes_for(verdict)[0].change == "--mode exact"
