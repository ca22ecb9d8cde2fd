"""HAProxy: its default asks the kernel to wait for more, `option http-no-delay` does not."""

from dataclasses import replace

import pytest

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served
from tests.peers.servers import haproxy
from tests.real_probe.conftest import Judge
from tests.tools.synthesis import fixes_for

pytestmark = pytest.mark.needs("haproxy")


async def test_the_default_holds_for_a_time(origin: Served, judge: Judge) -> None:
    with haproxy(f"  server s 127.0.0.1:{origin.port}") as server:
        verdict = await judge(server.url(""))
    assert verdict.kind is Kind.FOR_TIME
    assert verdict.seconds is not None
    assert verdict.seconds > 0.1
    usual = replace(verdict, seconds=min(verdict.seconds, 0.2))  # a busy machine adds to it
    assert fixes_for(usual)[0].change.startswith("option http-no-delay")


async def test_http_no_delay_frees_the_stream(origin: Served, judge: Judge) -> None:
    with haproxy(f"  server s 127.0.0.1:{origin.port}", defaults="  option http-no-delay") as server:
        assert (await judge(server.url(""))).is_streaming


async def test_events_left_out_of_its_compression_stream(origin: Served, judge: Judge) -> None:
    server = f"  server s 127.0.0.1:{origin.port}"
    coder = "  option http-no-delay\n  compression algo gzip\n  compression type "
    with haproxy(server, defaults=coder + "text/event-stream") as held:
        verdict = await judge(held.url(""))
    assert verdict.kind is Kind.COMPRESSED
    assert any("compression type without text/event-stream" in fix.change for fix in fixes_for(verdict))
    with haproxy(server, defaults=coder + "text/html") as freed:
        assert (await judge(freed.url(""))).is_streaming


async def test_its_compression_is_not_taken_for_a_buffer_of_octets(origin: Served, judge: Judge) -> None:
    """Without http-no-delay HAProxy holds for a time too, so that either cause may be the one that shows."""
    coder = "  compression algo gzip\n  compression type text/event-stream"
    with haproxy(f"  server s 127.0.0.1:{origin.port}", defaults=coder) as held:
        assert (await judge(held.url(""))).kind in (Kind.COMPRESSED, Kind.FOR_TIME)
