"""Caddy: its default streams; `encode gzip` holds what it compresses before 2.9."""

import pytest

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served
from tests.peers.process import run
from tests.peers.programs import program
from tests.peers.servers import caddy
from tests.real_probe.conftest import Judge
from tests.tools.synthesis import fixes_for

pytestmark = pytest.mark.needs("caddy")

# Caddy compresses what begins with 512 octets or more.
LARGE = "size=1024"
MATCHED = "encode {\n gzip\n match {\n header Content-Type text/html*\n }\n}\n"


def version() -> tuple[int, int]:
    words = run([program("caddy"), "version"]).stdout.decode().lstrip("v").split(".")
    return int(words[0]), int(words[1])


@pytest.mark.parametrize("block", ["", "{\n flush_interval -1\n}"])
async def test_a_plain_reverse_proxy_streams(origin: Served, judge: Judge, block: str) -> None:
    with caddy(f"reverse_proxy 127.0.0.1:{origin.port} {block}") as server:
        assert (await judge(server.url(""))).is_streaming


async def test_a_matcher_that_leaves_events_out_frees_the_stream(origin: Served, judge: Judge) -> None:
    proxy = f"reverse_proxy 127.0.0.1:{origin.port}"
    with caddy(f"encode gzip\n{proxy}") as held, caddy(MATCHED + proxy) as freed:
        verdict = await judge(held.url(""), LARGE)
        if version() >= (2, 9):
            assert verdict.is_streaming
        else:
            assert verdict.kind is Kind.COMPRESSED
            assert "encode {" in fixes_for(verdict)[0].change
        assert (await judge(freed.url(""), LARGE)).is_streaming


async def test_a_proxy_without_response_buffers_streams(origin: Served, judge: Judge) -> None:
    block = "{\n " + ("response_buffers unlimited" if version() >= (2, 7) else "buffer_responses") + "\n}"
    with caddy(f"reverse_proxy 127.0.0.1:{origin.port} {block}") as held:
        verdict = await judge(held.url(""), "n=4")
    assert verdict.kind is Kind.TO_END
    assert fixes_for(verdict)[0].change.startswith("reverse_proxy without response_buffers")
    with caddy(f"reverse_proxy 127.0.0.1:{origin.port}") as freed:
        assert (await judge(freed.url(""))).is_streaming
