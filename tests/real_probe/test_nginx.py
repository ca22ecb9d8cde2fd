"""nginx: HTTP version to the upstream × buffering × gzip × frame size, and each fix."""

from contextlib import ExitStack

import pytest

from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.judge import judge_chain
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import Served
from tests.peers.servers import nginx
from tests.real_probe.conftest import Judge
from tests.tools.synthesis import fixes_for

pytestmark = pytest.mark.needs("nginx")

V10 = ""
V11 = "proxy_http_version 1.1;"
OFF = "proxy_buffering off;"
GZIP = "gzip on; gzip_proxied any; gzip_types text/event-stream;"
LARGE = "size=8192"

ROWS = {
    "HTTP/1.0 (the default before 1.29.7)": (V10, (), {Kind.TO_OCTETS, Kind.TO_END}),
    "HTTP/1.0, large frames": (V10, (LARGE,), {Kind.TO_OCTETS, Kind.HOLDS}),
    "HTTP/1.0, buffering off": (V10 + OFF, (), {Kind.STREAMS, Kind.REFRAMED}),
    "HTTP/1.0, buffering off, large frames": (V10 + OFF, (LARGE,), {Kind.STREAMS, Kind.REFRAMED}),
    "HTTP/1.0, gzip": (V10 + GZIP, (), {Kind.TO_OCTETS, Kind.TO_END, Kind.COMPRESSED}),
    "HTTP/1.0, gzip, buffering off": (V10 + GZIP + OFF, (), {Kind.STREAMS, Kind.REFRAMED}),
    "HTTP/1.1": (V11, (), {Kind.STREAMS, Kind.REFRAMED, Kind.HEAD_HELD}),
    "HTTP/1.1, large frames": (V11, (LARGE,), {Kind.HOLDS, Kind.TO_OCTETS}),
    "HTTP/1.1, buffering off": (V11 + OFF, (), {Kind.STREAMS, Kind.REFRAMED}),
    "HTTP/1.1, buffering off, large frames": (V11 + OFF, (LARGE,), {Kind.STREAMS, Kind.REFRAMED}),
    "HTTP/1.1, gzip": (V11 + GZIP, (), {Kind.COMPRESSED}),
    "HTTP/1.1, gzip, buffering off": (V11 + GZIP + OFF, (), {Kind.STREAMS, Kind.REFRAMED}),
}


def site(origin: Served, directives: str) -> str:
    return f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; {directives} }}"


@pytest.mark.parametrize("row", ROWS)
async def test_each_row_of_the_table_is_right(origin: Served, judge: Judge, row: str) -> None:
    directives, asked, expected = ROWS[row]
    with nginx(site(origin, directives)) as server:
        assert (await judge(server.url(""), *asked)).kind in expected


async def test_its_fixes_are_the_first_ones_offered(origin: Served, judge: Judge) -> None:
    with nginx(site(origin, V10)) as server:
        verdict = await judge(server.url(""))
    changes = [fix.change for fix in fixes_for(verdict)]
    assert changes[:2] == ["proxy_buffering off;", "X-Accel-Buffering: no in the response"]
    assert "proxy_http_version 1.1; for frames below 4 KiB" in changes
    assert verdict.evidence.arrived.startswith("HTTP/1.0")


@pytest.mark.parametrize("version", [V10, V11 + GZIP])
async def test_the_field_of_the_response_frees_the_stream(origin: Served, judge: Judge, version: str) -> None:
    with nginx(site(origin, version)) as server:  # which holds by the table above
        assert (await judge(server.url(""), "hints=accel")).is_streaming


async def test_gzip_off_frees_the_stream(origin: Served, judge: Judge) -> None:
    with nginx(site(origin, V11 + "gzip off;"), http=GZIP) as server:  # which compresses by the table above
        assert (await judge(server.url(""))).is_streaming


async def test_a_longer_read_timeout_frees_a_silent_stream(origin: Served, judge: Judge) -> None:
    asked = ("n=3", "interval=2s")
    impatient, patient = (site(origin, f"{V11} {OFF} proxy_read_timeout {seconds}s;") for seconds in (1, 20))
    with nginx(impatient) as held, nginx(patient) as freed:
        cut = await judge(held.url(""), *asked)
        assert cut.kind is Kind.IDLE_CUT
        assert any("proxy_read_timeout" in fix.change for fix in fixes_for(cut))
        assert (await judge(freed.url(""), *asked)).is_streaming


@pytest.mark.parametrize("passes_on", [False, True])
async def test_the_outer_of_two_is_named_since_the_inner_takes_the_field_out(origin: Served, passes_on: bool) -> None:
    passing = "proxy_pass_header X-Accel-Buffering;" if passes_on else ""
    with nginx(site(origin, V10 + passing)) as inner, ExitStack() as stack:
        outer = stack.enter_context(nginx(f"location / {{ proxy_pass http://127.0.0.1:{inner.port}; }}"))
        hops = [
            await Prober().probe(name, parse_url(server.url("/probe?hints=accel")))
            for name, server in (("inner", inner), ("outer", outer))
        ]
    first, second = judge_chain(hops)
    assert first.is_streaming
    assert second.is_streaming is passes_on
    changes = [fix.change.partition(";")[0] for fix in fixes_for(second)]
    assert changes[:2] == ([] if passes_on else ["proxy_buffering off", "proxy_pass_header X-Accel-Buffering"])
