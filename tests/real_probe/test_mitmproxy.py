"""mitmproxy: it holds whole bodies by default, and with a limit those that are smaller."""

from pathlib import Path

import pytest

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served
from tests.real_probe.conftest import Judge
from tests.real_probe.proxies import mitmproxy
from tests.tools.synthesis import fixes_for


# Its first run may have to install it.
@pytest.mark.timeout(900)
async def test_streaming_every_body_frees_the_stream(origin: Served, judge: Judge, mitmdump: Path) -> None:
    with mitmproxy(mitmdump, origin.url("")) as url:
        verdict = await judge(url)
    assert verdict.kind is Kind.TO_END
    assert any(fix.change.startswith("--set stream_large_bodies=1,") for fix in fixes_for(verdict)[:2])
    with mitmproxy(mitmdump, origin.url(""), "stream_large_bodies=1") as url:
        freed = await judge(url)
    assert freed.is_streaming
    assert "trailer" in freed.line


async def test_a_large_limit_still_holds(origin: Served, judge: Judge, mitmdump: Path) -> None:
    with mitmproxy(mitmdump, origin.url(""), "stream_large_bodies=1m") as url:
        assert (await judge(url)).kind in (Kind.TO_END, Kind.TO_OCTETS)
