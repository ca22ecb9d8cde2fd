"""Rules about connections: which answer is whose, when one is kept, and how it is closed (RFC 9112 §9)."""

import re
from dataclasses import replace

import pytest
import trio
import trio.testing

from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from tests.forward.wire import (
    CHUNKED,
    END,
    TEXT,
    Running,
    Wire,
    answer,
    body_of,
    chunked,
    count_answers,
    forwarding,
    get,
    post,
    status_of,
    values_of,
)
from tests.net.carry import MakeMover
from tests.patience import PATIENCE

OK = answer(b"Content-Length: 2") + b"ok"


async def serve_ok(upstream: Wire, *, target: bytes = b"/") -> None:
    """Answer the next request on an upstream connection, which must be for this target."""
    assert (await upstream.read_head()).startswith(b"GET " + target + b" HTTP/1.1\r\n")
    await upstream.send(OK)


async def read_ok(client: Wire) -> None:
    """Read the answer of `serve_ok`."""
    assert status_of(await client.read_head()) == 200
    await client.expect(b"ok")


async def serve_next(gateway: Running, client: Wire) -> None:
    """Hold the gateway to asking on a fresh upstream connection for the client's next request."""
    await client.send(get(target=b"/next"))
    async with gateway.accept() as upstream:
        await serve_ok(upstream, target=b"/next")
        await read_ok(client)


async def test_answers_come_in_order_and_a_1xx_ends_no_request() -> None:
    """Row 50. Fails where a 1xx counts as the answer: each client would get the answer to the request before."""
    async with forwarding() as gateway, gateway.connect(get(target=b"/1") + get(target=b"/2")) as client:
        async with gateway.accept() as upstream:
            for number in (b"1", b"2"):
                assert (await upstream.read_head()).startswith(b"GET /" + number)
                await upstream.send(answer(status=b"103 Early Hints") + answer(b"Content-Length: 1") + number)
            for number in (b"1", b"2"):
                assert status_of(await client.read_head()) == 103
                assert status_of(await client.read_head()) == 200
                await client.expect(number)


@pytest.mark.parametrize("octets", [answer(b"Content-Length: 6") + b"poison", b"x", b"\r\n", b""])
async def test_octets_or_a_close_on_an_idle_upstream_end_it(octets: bytes) -> None:
    """Row 51. Fails where what came while nobody asked answers the next request."""
    async with forwarding() as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await serve_ok(upstream)
            await read_ok(client)
            await gateway.wait_ended()
            await upstream.send(octets) if octets else await upstream.send_eof()
            await trio.testing.wait_all_tasks_blocked()
            await serve_next(gateway, client)
            assert await upstream.read_end() == b""


@pytest.mark.parametrize("sent", [TEXT, TEXT + b"0\r\n"])
async def test_an_upstream_is_asked_again_only_after_a_whole_response(make_mover: MakeMover, sent: bytes) -> None:
    """Row 53. Fails where an upstream is kept in the middle of a body that its client has left."""
    async with forwarding(make_mover) as gateway:
        async with gateway.exchange(get(), chunked(sent)) as (client, upstream):
            await client.expect(TEXT)
            client.reset()
            assert await upstream.read_reset() == b""
        async with gateway.connect() as other:
            await serve_next(gateway, other)


async def test_a_whole_response_keeps_its_upstream() -> None:
    """Row 53, the legal twin. Fails where every request dials: the second one must come on the same connection."""
    async with forwarding() as gateway, gateway.connect() as client:
        await client.send(get(target=b"/1"))
        async with gateway.accept() as upstream:
            for target in (b"/1", b"/2"):
                await serve_ok(upstream, target=target)
                await read_ok(client)
                await gateway.wait_ended()
                await client.send(get(target=b"/2"))


async def test_a_connection_with_an_http_1_0_client_ends_after_the_answer() -> None:
    """Row 54. Fails where `Connection: keep-alive` of an HTTP/1.0 client is honoured."""
    request = get(b"Connection: keep-alive", version=b"1.0")
    async with forwarding() as gateway, gateway.connect(request + get(target=b"/2")) as client:
        async with gateway.accept() as upstream:
            await serve_ok(upstream)
            assert body_of(await client.read_all()) == b"ok"
            assert not gateway.is_asked()


async def test_pipelined_requests_are_answered_in_order(make_mover: MakeMover) -> None:
    """Row 55, fault 21. Fails where requests run beside each other, or where what follows the first one is dropped."""
    requests = post(TEXT + END) + get(target=b"/2") + get(b"Connection: close", target=b"/3")
    async with forwarding(make_mover) as gateway, gateway.connect(requests) as client:
        async with gateway.asked() as upstream:
            await upstream.expect(TEXT + END)
            for number in (b"1", b"2", b"3"):
                assert upstream.received == b""
                await upstream.send(chunked(b"1\r\n" + number + b"\r\n" + END))
                assert number == b"3" or await upstream.read_head()
        got = await client.read_all()
    assert re.findall(rb"\r\n1\r\n(\d)\r\n", got) == [b"1", b"2", b"3"]


async def test_a_client_that_resets_ends_its_upstream_at_once(make_mover: MakeMover) -> None:
    """Row 56. Fails where a departure is noticed only by the next write: here no frame follows."""
    async with forwarding(make_mover) as gateway, gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
        await client.expect(TEXT)
        client.reset()
        assert await upstream.read_reset() == b""
        assert (await gateway.wait_ended()).verdict == "client-gone"


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_connection_close_ends_the_connection_and_nothing_more_is_run(side: str) -> None:
    """Row 57, attack hypercorn #277. Fails where a request is run after `close`, or sent to who said it."""
    line = b"Connection: close"
    first = get(line) if side == "client" else get()
    async with forwarding() as gateway, gateway.connect(first + get(target=b"/next")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(answer(b"Content-Length: 2", *([line] if side == "upstream" else [])) + b"ok")
            if side == "client":
                got = await client.read_all()
                assert count_answers(got) == 1
                assert values_of(got, b"connection") == [b"close"]
                assert not gateway.is_asked()
                return
            await read_ok(client)
            assert await upstream.read_end() == b""
        async with gateway.accept() as upstream:
            await serve_ok(upstream, target=b"/next")
            await read_ok(client)


async def test_the_last_octets_survive_a_client_that_still_sends() -> None:
    """Row 58. Fails where the socket is closed with octets unread: the reset would eat the answer."""
    async with forwarding() as gateway, gateway.connect(post(b"zz\r\n")) as client, gateway.accept():
        await client.send(200_000 * b"x")
        got = await client.read_all()
    assert status_of(got) == 400
    assert body_of(got).startswith(b"400 Bad Request\n")


async def test_a_half_close_is_no_loss_of_interest(make_mover: MakeMover) -> None:
    """Row 59, fault 9. Fails where a FIN ends the exchange, as in nginx 1.22; HAProxy streams on."""
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await client.send_eof()
        await upstream.read_head()
        await upstream.send(chunked(b""))
        await client.read_head()
        for frame in (TEXT, TEXT, END):
            await upstream.send(frame)
            await client.expect(frame)
        assert await client.read_all() == b""
        assert (await gateway.wait_ended()).verdict == "complete"


async def test_a_request_that_expects_100_gets_it_from_upstream(make_mover: MakeMover) -> None:
    """Row 68. Fails where the gateway waits for the body, or makes a 100 of its own: none comes before upstream's."""
    request = get(CHUNKED, b"Expect: 100-continue", method=b"POST")
    async with forwarding(make_mover) as gateway, gateway.connect(request) as client, gateway.accept() as upstream:
        assert values_of(await upstream.read_head(), b"expect") == [b"100-continue"]
        await upstream.send(answer(status=b"100 Continue"))
        assert await client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(TEXT + END)
        await upstream.expect(TEXT + END)
        await upstream.send(OK)
        await read_ok(client)


@pytest.mark.parametrize("value, version, status", [(b"200-ok", b"1.1", 417), (b"100-continue", b"1.0", 200)])
async def test_other_expectations_get_417_and_http_1_0_has_none(value: bytes, version: bytes, status: int) -> None:
    """Row 68, others. Fails where any value is sent on, or where an HTTP/1.0 client's is believed."""
    request = get(b"Expect: " + value, b"Content-Length: 0", method=b"POST", version=version)
    async with forwarding() as gateway, gateway.connect(request) as client:
        if status == 200:
            async with gateway.accept() as upstream:
                assert values_of(await upstream.read_head(), b"expect") == []
                await upstream.send(OK)
                assert status_of(await client.read_all()) == 200
        else:
            with trio.fail_after(PATIENCE):
                assert status_of(await client.read_all()) == status
            assert not gateway.is_asked()


async def test_empty_lines_after_a_request_are_no_request() -> None:
    """Row 5, between requests. Fails where a CRLF that old clients send behind a body is answered 408 in the end."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, keep_alive_timeout=0.1, head_timeout=0.1)
    async with forwarding(settings=settings) as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await serve_ok(upstream)
            await read_ok(client)
            await client.send(b"\r\n\r\n")
            assert await client.read_all() == b""
