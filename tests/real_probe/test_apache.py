"""Apache: mod_proxy flushes when its upstream has nothing more, and mod_deflate with it."""

import pytest

from tests.peers.command import Served
from tests.real_probe.conftest import Judge
from tests.real_probe.proxies import apache

pytestmark = pytest.mark.needs("apache2")


@pytest.mark.parametrize("size", ["size=0", "size=8192"])
async def test_mod_proxy_streams(origin: Served, judge: Judge, size: str) -> None:
    with apache(f"ProxyPass / http://127.0.0.1:{origin.port}/") as url:
        assert (await judge(url, size)).is_streaming


@pytest.mark.parametrize("size", ["size=0", "size=8192"])
async def test_mod_deflate_streams_what_it_compresses(origin: Served, judge: Judge, size: str) -> None:
    site = f"ProxyPass / http://127.0.0.1:{origin.port}/\nSetOutputFilter DEFLATE"
    with apache(site, "filter", "deflate") as url:
        verdict = await judge(url, size)
    assert verdict.evidence.coding == "gzip"
    assert verdict.is_streaming
