"""Attacks by the head of a message: two framings, half framings, look-alikes, upgrades.

Each request is followed by another one on its connection: what would be smuggled must not run.
"""

import pytest

from chunkwire.forward.access import log_text
from tests.forward.wire import (
    CHUNKED,
    END,
    TEXT,
    answer,
    chunked,
    forwarding,
    get,
    refuse_request,
    refuse_response,
    relay_heads,
    status_of,
    values_of,
)
from tests.net.carry import MakeMover

POST = b"POST"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_cl_0_never_meets_the_next_request(method: bytes) -> None:
    """Attack CL.0 / 0.CL. Fails where an upstream that ignores a body is kept: it would read the body as a request."""
    body = get(b"Content-Length: %d" % len(SMUGGLED), method=method) + SMUGGLED
    async with forwarding() as gateway, gateway.connect(body[:-10]) as client:
        async with gateway.asked() as upstream:
            await upstream.send(answer(b"Content-Length: 0"))
            assert values_of(await client.read_all(), b"connection") == [b"close"]
            await upstream.read_reset()
        async with gateway.connect(get(target=b"/next")), gateway.accept() as upstream:
            assert (await upstream.read_head()).startswith(b"GET /next ")


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"DELETE"])
@pytest.mark.parametrize("framing", [CHUNKED, b"Content-Length: %d" % len(TEXT + END)])
async def test_te_0_keeps_no_upstream(make_mover: MakeMover, method: bytes, framing: bytes) -> None:
    """Attack TE.0. Fails where an upstream is kept that may have taken the body for the next request."""
    async with forwarding(make_mover) as gateway:
        async with gateway.exchange(get(framing, method=method) + TEXT + END) as (client, upstream):
            await upstream.expect(TEXT + END)
            await upstream.send(answer(b"Content-Length: 0"))
            assert status_of(await client.read_head()) == 200
            assert await upstream.read_end() == b""
        async with gateway.connect(get(target=b"/next")), gateway.accept() as upstream:
            assert (await upstream.read_head()).startswith(b"GET /next ")


@pytest.mark.parametrize("name, framing", [(b"Transfer_Encoding", b"X: y"), (b"content_length", CHUNKED)])
async def test_a_framing_name_with_an_underscore_is_refused(name: bytes, framing: bytes) -> None:
    """Attack header names with _. Fails where it goes on: a CGI-like backend takes `_` for `-`."""
    body = END if framing is CHUNKED else b""
    assert await refuse_request(get(framing, name + b": 5", method=POST) + body) == 400


UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")


async def test_nothing_is_tunnelled_before_a_101() -> None:
    """Attack Upgrade smuggling. Fails where the gateway goes raw on the request: Pingora CVE-2026-2833."""
    async with forwarding() as gateway, gateway.exchange(get(*UPGRADE) + SMUGGLED) as (client, upstream):
        assert upstream.received == b""
        await upstream.send(answer(b"Content-Length: 2") + b"no")
        assert status_of(await client.read_head()) == 200
        await client.expect(b"no")
        assert (await upstream.read_head()).startswith(b"GET /smuggled HTTP/1.1\r\n")  # a request, judged as one


async def test_a_websocket_that_is_refused_is_no_tunnel() -> None:
    """Attack websocket smuggling. Fails where an Upgrade tunnels whatever the answer: here it is 426."""
    request = get(*UPGRADE[:2], b"Sec-WebSocket-Version: 777")
    async with forwarding() as gateway, gateway.exchange(request) as (client, upstream):
        await upstream.send(answer(b"Content-Length: 0", status=b"426 Upgrade Required"))
        assert status_of(await client.read_head()) == 426
        await client.send(b"GET /smuggled HTTP/1.1\r\n\r\n")  # no Host: a tunnel would not mind
        assert status_of(await client.read_all()) == 400
        async with gateway.connect(get(target=b"/next")):
            assert (await upstream.read_head()).startswith(b"GET /next ")  # nothing came before it


@pytest.mark.parametrize("upgrade", [b"h2c", b"H2C", b"websocket, h2c"])
async def test_h2c_is_stripped(upgrade: bytes) -> None:
    """Attack h2c smuggling. Fails where Upgrade or HTTP2-Settings goes on: the backend would speak HTTP/2."""
    lines = (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: " + upgrade,
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    )
    head, got = await relay_heads(get(*lines), answer(b"Content-Length: 0"))
    assert [values_of(head, name) for name in (b"upgrade", b"http2-settings", b"connection")] == [[], [], []]
    assert status_of(got) == 200
    assert await refuse_response(answer(b"Upgrade: h2c", status=b"101 Switching"), get(*lines)) == 502


@pytest.mark.parametrize("octets", [b"\x1b[31m", b"\r\x1b[2K", b"\x07"])
async def test_control_octets_reach_no_log(octets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Attack log injection. Fails where octets from the wire are logged as they are: a terminal would obey them."""
    caplog.set_level("DEBUG", "chunkwire")
    async with forwarding() as gateway:
        for body in (b"5;a=" + octets + b"\r\nhello\r\n", b"0\r\nX: " + octets + b"\r\n\r\n"):
            await gateway.relay(get(), chunked(TEXT + body))
            await gateway.wait_ended()
        assert status_of(await gateway.ask(get(b"traceparent: " + octets))) == 400
        await gateway.wait_ended()
        for request, report in gateway.ended:
            assert report.verdict in ("malformed", "refused")
            log_text("client", request, report)
    assert caplog.text.count(" client ") == len(gateway.ended) == 3
    assert not set("\x1b\x07\r") & set(caplog.text)
