"""Clients that are slow, leave or send nonsense: bounded memory, no upstream that goes on for nobody, a 4xx."""

import socket
from contextlib import suppress
from dataclasses import replace

import pytest
import trio

from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from tests.forward.wire import (
    END,
    TEXT,
    Wire,
    answer,
    chunked,
    forwarding,
    get,
    refuse_request,
    status_of,
)
from tests.net.carry import MakeMover
from tests.patience import PATIENCE

BRIEF = 0.1  # s; a deadline that must pass: nothing here rests on how soon it does
OK = answer(b"Content-Length: 2") + b"ok"


async def send_until_it_blocks(upstream: Wire) -> int:
    """Send frames until none is taken any more; return how many octets were."""
    frame, sent = b"1000\r\n" + 4096 * b"x" + b"\r\n", 0
    with suppress(trio.TooSlowError):
        while sent < 100_000_000:
            with trio.fail_after(0.5):
                await upstream.send(frame)
            sent += len(frame)
    return sent


async def test_a_slow_client_blocks_its_upstream_and_gets_every_octet(make_mover: MakeMover) -> None:
    """Fault 8. Fails where the gateway takes what the client does not: it would take all of 100 MB."""
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(chunked(b""))
        sent = await send_until_it_blocks(upstream)
        assert sent < 50_000_000
        await client.read_head()
        with trio.fail_after(PATIENCE):
            while len(client.received) < sent:
                client.received += await client.stream.receive_some(1 << 20)


EVENTS = b"Content-Type: text/event-stream; charset=utf-8"


@pytest.mark.parametrize("when", ["before the head", "in the stream"])
async def test_a_fin_in_an_event_stream_is_logged_once_and_the_stream_goes_on(
    make_mover: MakeMover, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Suites: a FIN in an event stream. Fails where nobody tells of `--on-client-fin cancel`, or where each FIN is."""
    caplog.set_level("INFO")
    async with forwarding(make_mover) as gateway:
        for _ in range(2):
            async with gateway.connect(get()) as client, gateway.accept() as upstream:
                await upstream.read_head()
                if when == "before the head":
                    await client.send_eof()
                await upstream.send(chunked(TEXT, EVENTS))
                await client.read_head()
                if when == "in the stream":
                    await client.send_eof()
                for _ in range(3):
                    await client.expect(TEXT)
                    await upstream.send(TEXT)
                await client.expect(TEXT)
                await upstream.send(END)
                assert await client.read_all() == END
    assert caplog.text.count("--on-client-fin cancel") == 1


async def test_a_fin_in_another_stream_is_not_logged(make_mover: MakeMover, caplog: pytest.LogCaptureFixture) -> None:
    """Suites: a FIN in an event stream, the twin. Fails where every half-close is, such as nc's of a file."""
    caplog.set_level("INFO")
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await client.send_eof()
        await upstream.send(chunked(TEXT + END, b"Content-Type: text/plain"))
        await client.read_head()
        assert await client.read_all() == TEXT + END
    assert "--on-client-fin" not in caplog.text


async def test_a_half_close_ends_the_stream_where_that_is_wanted(make_mover: MakeMover) -> None:
    """Fault 9, `--on-client-fin cancel`. Fails where the upstream is not told of it at once."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_fin="cancel")
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.send(chunked(TEXT))
            await client.read_head()
            await client.send_eof()
            assert await upstream.read_reset() == b""


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_ends_its_upstream_within_a_write(
    make_mover: MakeMover, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 10. Fails where the upstream goes on for nobody, or where its end is a traceback."""
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(chunked(TEXT))
        await client.read_head()
        await client.expect(TEXT)
        client.reset() if how == "reset" else await client.close()
        with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
            while True:
                await upstream.send(TEXT)
        assert (await gateway.wait_ended()).verdict == "client-gone"
    assert [each for each in caplog.records if each.levelname in ("ERROR", "WARNING")] == []


async def test_a_client_that_leaves_is_read_out_where_that_is_wanted(make_mover: MakeMover) -> None:
    """Fault 10, `--on-client-gone drain`. Fails where the upstream is cut: it must be able to finish."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_gone="drain")
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.send(chunked(TEXT))
            await client.read_head()
            client.reset()
            for _ in range(1000):
                await upstream.send(TEXT)
            await upstream.send(END)
            assert (await gateway.wait_ended()).verdict == "client-gone"


async def test_a_client_that_takes_nothing_ends_at_a_deadline(make_mover: MakeMover) -> None:
    """Fault 11, while frames come. Fails where a client that vanished holds its upstream for ever."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=1.0)
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get()), gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(chunked(b""))
        with suppress(trio.BrokenResourceError):
            while True:
                await upstream.send(b"1000\r\n" + 4096 * b"x" + b"\r\n")
        assert (await gateway.wait_ended()).verdict == "timeout"


async def test_a_client_that_vanished_is_looked_for_by_the_kernel() -> None:
    """Fault 11, while nothing comes. Fails where accepted sockets have no keepalive: no write would find out."""
    async with forwarding() as gateway, gateway.connect(get()), gateway.accept() as accepted:
        own = accepted.stream.socket  # accepted from a listener as the gateway's own is
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


@pytest.mark.parametrize("octets", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_end_is_a_408_or_a_close(octets: bytes) -> None:
    """Fault 12. Fails where half a head is waited for without end; before an octet of it there is no answer."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, head_timeout=BRIEF)
    async with forwarding(settings=settings) as gateway, gateway.connect(octets) as client:
        got = await client.read_all()
    assert status_of(got) == 408 if octets else got == b""


@pytest.mark.parametrize("octets, status", [(4000, 200), (5000, 431)])
async def test_a_huge_head_from_a_client_is_a_431(octets: int, status: int) -> None:
    """Fault 13. Fails where only incomplete heads are counted, as h11 does: this one comes in one read."""
    limits = replace(DEFAULT_GATEWAY_SETTINGS.head_limits, max_head_octets=4500)
    settings = replace(DEFAULT_GATEWAY_SETTINGS, head_limits=limits)
    request = get(b"Connection: close", b"X: " + octets * b"x")
    if status == 431:
        assert await refuse_request(request, settings) == status
        return
    async with forwarding(settings=settings) as gateway:
        assert status_of((await gateway.relay(request, OK))[1]) == status


async def test_both_sides_may_leave_at_once(make_mover: MakeMover) -> None:
    """Beside fault 10. Fails where the second end to come finds the first one's work undone: a task is left."""
    async with forwarding(make_mover) as gateway:
        for _ in range(20):
            async with gateway.connect(get()) as client, gateway.accept() as upstream:
                await upstream.read_head()
                await upstream.send(chunked(TEXT))
                await client.read_head()
                client.reset()
                upstream.reset()
                assert (await gateway.wait_ended()).verdict in ("client-gone", "reset")
        assert gateway.metrics.streams_open == 0
