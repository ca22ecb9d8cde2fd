"""The chains and rows of bench: which results they count as right."""

import pytest
import trio

from bench import barriers
from bench.chains import chain
from bench.rows import FixRow, is_right, nginx_with
from bench.workshop import open_workshop
from chunkwire.tools.probe.verdict import HopVerdict, Kind
from tests.peers.command import serving
from tests.real_probe.corpus import SETTINGS

STREAMS = HopVerdict(hop="h", kind=Kind.STREAMS)
HOLDS = HopVerdict(hop="h", kind=Kind.TO_END, software="nginx")
SILENT = HopVerdict(hop="h", kind=Kind.TO_END)


def test_a_chain_is_probed_hop_by_hop_and_from_outside() -> None:
    with serving("serve") as origin:
        found = trio.run(chain, origin.port, ["gateway"], SETTINGS)
    assert (found["hops"], found["holds"], found["outer"]) == (["gateway"], 0, "streams (proved)")
    judged = {name: value for name, value in found.items() if isinstance(value, bool)}
    assert judged == dict.fromkeys(
        ("hop", "no false positive", "outermost alone", "no false positive, outermost alone"), True
    )


def test_a_row_is_right_where_its_change_is_suggested_and_frees_the_hop_or_is_not_needed() -> None:
    row = FixRow("nginx", "proxy_buffering off;", nginx_with(""), nginx_with("proxy_buffering off;"))
    assert is_right(row, HOLDS, STREAMS)
    assert is_right(row, STREAMS, STREAMS)
    assert not is_right(row, HOLDS, HOLDS)
    assert not is_right(row, SILENT, STREAMS)
    assert not is_right(row, STREAMS, HOLDS)


@pytest.mark.needs("nginx")
def test_a_hop_of_each_kind_is_judged_right_by_a_barrier() -> None:
    with open_workshop() as workshop, barriers.hops(workshop) as ports:
        found = trio.run(barriers.many, ports, len(barriers.HOLDS))
    assert found == {(name, "right"): 1 for name in barriers.HOLDS}
