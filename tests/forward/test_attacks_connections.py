"""Attacks by time and order: slow peers, answers that nobody asked for, connections used again too soon."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
import trio

from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from tests.forward.wire import (
    END,
    TEXT,
    Running,
    Wire,
    answer,
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

BRIEF = 0.1  # s; a deadline that must pass: nothing here rests on how soon it does
OK = answer(b"Content-Length: 2") + b"ok"


async def ask_next(gateway: Running, unlike: Wire) -> None:
    """Hold the gateway to answering the next client from a fresh upstream connection, with its own answer."""
    async with gateway.connect(get(target=b"/next")) as client, gateway.accept() as upstream:
        assert upstream is not unlike
        assert (await upstream.read_head()).startswith(b"GET /next ")
        await upstream.send(OK)
        assert status_of(await client.read_head()) == 200
        await client.expect(b"ok")


async def send_until_the_end(client: Wire, octets: Callable[[], bytes]) -> bytes:
    """Send octets again and again until something comes back, and return all of it."""
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            try:
                while True:
                    await client.send(octets())
            except trio.BrokenResourceError:
                await trio.sleep_forever()

        nursery.start_soon(send, name="send")
        got = await client.read_end()
        nursery.cancel_scope.cancel()
    return got


async def test_a_head_that_drips_ends_at_a_total_deadline() -> None:
    """Fault 12, attack Slowloris. Fails where the deadline is an idle timer: an octet comes all the while."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, head_timeout=BRIEF)
    async with forwarding(settings=settings) as gateway, gateway.connect(b"GET / HTTP/1.1\r\nX: ") as client:
        assert status_of(await send_until_the_end(client, lambda: b"x")) == 408


async def test_a_slow_reader_holds_its_upstream_up_and_ends_at_a_deadline(make_mover: MakeMover) -> None:
    """Fault 11, attack slow read. Fails where what a client does not take is piled up, or kept for ever."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=1.0)
    frame, sent = b"10000\r\n" + 65536 * b"x" + b"\r\n", 0
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get()), gateway.asked() as upstream:
        await upstream.send(chunked(b""))
        with suppress(trio.BrokenResourceError), trio.fail_after(PATIENCE):
            while sent < 100_000_000:  # ten times what the kernel's buffers take
                await upstream.send(frame)
                sent += len(frame)
        assert sent < 100_000_000
        assert (await gateway.wait_ended()).verdict == "timeout"


async def test_a_body_that_stops_ends_at_a_deadline_up(make_mover: MakeMover) -> None:
    """Attack slow upload. Fails where it may stand still for ever."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, idle_timeout=BRIEF)
    async with forwarding(make_mover, settings) as gateway, gateway.exchange(post(b"5\r\nhel")) as (client, upstream):
        assert status_of(await client.read_all()) == 408
        await upstream.read_reset()


@pytest.mark.parametrize("status", [b"200 OK", b"417 Expectation Failed", b"500 Oops"])
async def test_a_final_answer_to_expect_ends_both(status: bytes) -> None:
    """Attack Expect desync, Go CVE-2024-24791. Fails where the body that never came is waited for, or smuggled."""
    request = get(b"Expect: 100-continue", b"Content-Length: %d" % len(get()), method=b"POST")
    async with forwarding() as gateway, gateway.exchange(request) as (client, upstream):
        await upstream.send(answer(b"Content-Length: 0", status=status))
        assert values_of(await client.read_head(), b"connection") == [b"close"]
        await client.send(get(target=b"/smuggled"))
        assert await client.read_end() == b""
        assert await upstream.read_reset() == b""
        await ask_next(gateway, upstream)


async def test_an_early_answer_ends_the_body_and_both_connections(make_mover: MakeMover) -> None:
    """Row 52, fault 20, attack early answer. Fails where the rest of the body meets the next answer or request."""
    async with forwarding(make_mover) as gateway, gateway.exchange(post(TEXT)) as (client, upstream):
        await upstream.expect(TEXT)
        await upstream.send(chunked(TEXT + END))
        assert values_of(await client.read_head(), b"connection") == [b"close"]
        await client.expect(TEXT + END)
        assert await upstream.read_reset() == b""
        await client.send(TEXT + END + get(target=b"/smuggled"))
        assert await client.read_end() == b""
        await ask_next(gateway, upstream)


@pytest.mark.parametrize("response", [OK, chunked(TEXT + END), answer(status=b"204 No Content")])
@pytest.mark.parametrize("extra", [OK, b"x", b"\r\n", chunked(END)])
async def test_an_extra_response_is_nobodys(make_mover: MakeMover, response: bytes, extra: bytes) -> None:
    """Row 33, fault 16, attack response-queue poisoning. Fails where octets left over are another's answer."""
    async with forwarding(make_mover) as gateway, gateway.exchange(get(), response + extra) as (client, upstream):
        await client.expect(response.partition(b"\r\n\r\n")[2])
        assert await upstream.read_end() == b""
        await ask_next(gateway, upstream)
        assert client.received == b""


@pytest.mark.parametrize("body", [b"zz\r\n", TEXT + b"0 \r\n\r\n", b"3\r\nabcd\r\n"])
async def test_a_connection_is_dead_after_a_framing_error(make_mover: MakeMover, body: bytes) -> None:
    """Attack reuse after error. Fails where the next response is read from the middle of a bad body."""
    async with forwarding(make_mover) as gateway, gateway.exchange(get() + get(target=b"/2")) as (client, upstream):
        await upstream.send(chunked(body + chunked(END)))
        assert count_answers(await client.read_all()) == 1
        assert await upstream.read_reset() == b""
        assert not gateway.is_asked()
        await ask_next(gateway, upstream)
