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


@pytest.mark.parametrize("delay", ["  option http-no-delay\n", ""])
async def test_events_left_out_of_its_compression_stream(origin: Served, judge: Judge, delay: str) -> None:
    server = f"  server s 127.0.0.1:{origin.port}"
    coder = "  compression algo gzip\n  compression type "
    with haproxy(server, defaults=delay + coder + "text/event-stream") as held:
        verdict = await judge(held.url(""))
    assert verdict.kind is Kind.COMPRESSED
    assert any("compression type without text/event-stream" in fix.change for fix in fixes_for(verdict))
    with haproxy(server, defaults=delay + coder + "text/html") as freed:
        verdict = await judge(freed.url(""))
    assert verdict.is_streaming if delay else verdict.kind is Kind.FOR_TIME  # its other hold remains
