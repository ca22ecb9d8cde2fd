"""Stamps of bodies: origin and gateway keep them, and `/stamps` serves them."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from chunkwire import client
from chunkwire.forward.gateway import serve_gateway
from chunkwire.forward.upstreams import Upstream
from chunkwire.net.dial import parse_url
from chunkwire.net.pool import Pool
from chunkwire.origin.resources import origin_resources
from chunkwire.server import stampdesk
from chunkwire.server.serving import serve
from chunkwire.server.site import AdminSite
from chunkwire.server.stampdesk import STAMPS_FIELD, StampDesk
from chunkwire.tools.bench.metering import read_stamps
from chunkwire.tools.bench.segments import HopStamps
from chunkwire.wire.errors import LocalError
from chunkwire.wire.frames import Chunk
from tests.net.stamped import kernel_stamps
from tests.peers.process import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SO_TIMESTAMPING is Linux's")


@pytest.fixture(autouse=True)
def _kernel() -> Iterator[None]:
    with kernel_stamps():
        yield


@asynccontextmanager
async def stamped_way() -> AsyncIterator[tuple[int, tuple[int, int]]]:
    """Give the port of a gateway in front of an origin, and the admin ports of origin and gateway; both stamp."""
    desks = StampDesk("origin", queued=True), StampDesk("gateway")
    sites = [AdminSite(stamps=desk) for desk in desks]
    admins = free_port(), free_port()
    async with trio.open_nursery() as nursery:
        origin = partial(serve, ":0", origin_resources(), admin=f":{admins[0]}", admin_site=sites[0])
        near = await nursery.start(origin, name="origin")
        upstream = Upstream(parse_url(f":{near[0].port}"), has_stamps=True)
        gateway = partial(serve_gateway, ":0", [upstream], admin=f":{admins[1]}", admin_site=sites[1])
        far = await nursery.start(gateway, name="gateway")
        yield far[0].port, admins
        nursery.cancel_scope.cancel()


async def stream(port: int, name: str | None, plan: str = "30@0,31@20,32@40,0@60", pool: Pool | None = None) -> int:
    """Read a stream of frames to its end; return its octets on the wire."""
    fields = [(STAMPS_FIELD, name)] if name is not None else []
    async with client.open("GET", f":{port}/frames?plan={plan}", fields=fields, pool=pool) as response:
        async for _ in response.frames():
            pass
        return response.counts.wire_octets


async def stamps_of(ports: tuple[int, int], run: str) -> list[dict[int, HopStamps]]:
    return [await read_stamps(parse_url(f":{port}"), run) for port in ports]


async def test_all_hops_have_stamps_of_each_frame_at_the_same_offsets() -> None:
    async with stamped_way() as (port, admins):
        octets = await stream(port, "run1-7")
        origin, gateway = (found[7] for found in await stamps_of(admins, "run1"))
    assert origin.point == "origin"
    assert gateway.point == "gateway"
    assert origin.writes[-1][0] == gateway.writes[-1][0] == gateway.reads[-1][0] == octets
    ends = set.intersection(*({row[0] for row in rows} for rows in (origin.writes, gateway.reads, gateway.writes)))
    assert octets in ends  # frames that a busy machine reads together have one end
    for end in ends:
        moments = [ns for _, ns in origin.moments(end, "") + gateway.moments(end, " gw1")]
        known = [ns for ns in moments if ns]
        assert known == sorted(known)
        assert len(known) == 7  # written, queued, left; arrived, read, passed on, left


async def test_a_second_stream_on_the_same_connections_has_its_own_stamps() -> None:
    async with stamped_way() as (port, admins):
        with Pool() as pool:
            plans = ("30@0,0@10", "99@0,0@10")
            sizes = [await stream(port, f"run-{n}", plan, pool) for n, plan in enumerate(plans)]
        found = await stamps_of(admins, "run")
    for hop in found:
        assert [hop[n].writes[-1][0] for n in (0, 1)] == sizes


async def test_the_stamps_of_each_body_are_sent_by_themselves() -> None:
    """Fails where those of a run are one text, which a slow client keeps in memory."""
    async with stamped_way() as (port, admins):
        for n in range(2):
            await stream(port, f"run-{n}", "5@0,0@0")
        async with client.open("GET", f":{admins[0]}/stamps?run=run") as response:
            lines = [frame.data async for frame in response.frames() if isinstance(frame, Chunk)]
    assert [json.loads(line)["id"] for line in lines] == ["run-0", "run-1"]


async def test_a_stream_without_the_field_or_with_a_bad_id_has_no_stamps() -> None:
    async with stamped_way() as (port, admins):
        for name in (None, "run", "run-", "r_n-1", "run-1234567890"):
            await stream(port, name, "5@0,0@0")
        assert await stamps_of(admins, "run") == [{}, {}]
        await stream(port, "run-123456789", "5@0,0@0")
        assert [list(found) for found in await stamps_of(admins, "run")] == [[123456789]] * 2


async def test_the_oldest_bodies_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stampdesk, "MAX_BODIES", 2)
    async with stamped_way() as (port, admins):
        for n in (1, 2, 3):
            await stream(port, f"run-{n}", "5@0,0@0")
        assert [list(found) for found in await stamps_of(admins, "run")] == [[2, 3]] * 2


async def test_a_hop_that_does_not_stamp_is_named() -> None:
    async with stamped_way() as (port, _):
        with pytest.raises(LocalError, match=rf"^--hop 127.0.0.1:{port}: expected the --admin address"):
            await read_stamps(parse_url(f":{port}"), "run")


async def test_a_body_replaces_an_earlier_one_with_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stampdesk, "MAX_KEPT", 20)
    async with stamped_way() as (port, admins):
        for _ in range(20):
            await stream(port, "run-1", "5@0,0@0")
        assert [list(found) for found in await stamps_of(admins, "run")] == [[1]] * 2
