"""Go's ReverseProxy flushes a response of unknown length at once, whatever FlushInterval says (since Go 1.16)."""

from pathlib import Path

import pytest

from tests.peers.command import Served
from tests.real_probe.conftest import Judge
from tests.real_probe.proxies import go_proxy

pytestmark = pytest.mark.needs("go")


@pytest.mark.parametrize("flush", ["0s", "200ms", "-1ns"])
@pytest.mark.parametrize("media", ["type=event-stream", "type=octets"])
async def test_it_streams(origin: Served, judge: Judge, go_binary: Path, flush: str, media: str) -> None:
    with go_proxy(go_binary, origin.url(""), flush=flush) as url:
        assert (await judge(url, media)).is_streaming
