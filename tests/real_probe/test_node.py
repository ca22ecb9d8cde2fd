"""A node proxy with the compression middleware: it holds until its window is full, unless it is told not to."""

from pathlib import Path

import pytest

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served
from tests.real_probe.conftest import Judge
from tests.real_probe.proxies import node_proxy
from tests.tools.synthesis import fixes_for

pytestmark = pytest.mark.needs("node")


async def test_no_transform_frees_the_stream(origin: Served, judge: Judge, node_modules: Path) -> None:
    with node_proxy(node_modules, origin.port) as url:
        verdict = await judge(url)
        assert verdict.kind is Kind.COMPRESSED
        assert fixes_for(verdict)[0].change == "Cache-Control: no-transform in the response"
        assert (await judge(url, "hints=no-transform")).is_streaming


async def test_a_flush_after_each_event_frees_the_stream(origin: Served, judge: Judge, node_modules: Path) -> None:
    with node_proxy(node_modules, origin.port, flush=True) as url:
        verdict = await judge(url)
    assert verdict.evidence.coding == "gzip"
    assert verdict.is_streaming
