"""Clients that are slow, leave or send nonsense: bounded memory, no upstream that goes on for nobody, a 4xx."""

import socket
from contextlib import suppress
from dataclasses import replace

import pytest
import trio

from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS, GatewaySettings
from chunkwire.net.ends import ServerConnection
from chunkwire.record.values import EndRecord
from tests.forward.wire import (
    END,
    TEXT,
    Wire,
    answer,
    chunked,
    forwarding,
    get,
    post,
    status_of,
)
from tests.net.carry import MakeMover
from tests.net.peer import unix_pair
from tests.patience import PATIENCE

BRIEF = 0.1  # s; a deadline that must pass: nothing here rests on how soon it does
EVENTS = b"Content-Type: text/event-stream; charset=utf-8"


@pytest.mark.parametrize("when", ["before the head", "in the stream"])
async def test_a_fin_in_an_event_stream_is_logged_once_and_the_stream_goes_on(
    make_mover: MakeMover, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Suites: a FIN in an event stream. Fails where nobody tells of `--on-client-fin cancel`, or where each FIN is."""
    caplog.set_level("INFO")
    async with forwarding(make_mover) as gateway:
        for _ in range(2):
            async with gateway.exchange(get()) as (client, upstream):
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
    async with forwarding(make_mover) as gateway, gateway.exchange(get()) as (client, upstream):
        await client.send_eof()
        await upstream.send(chunked(TEXT + END, b"Content-Type: text/plain"))
        await client.read_head()
        assert await client.read_all() == TEXT + END
    assert "--on-client-fin" not in caplog.text


async def test_a_half_close_ends_the_stream_where_that_is_wanted(make_mover: MakeMover) -> None:
    """Fault 9, `--on-client-fin cancel`. Fails where the upstream is not reset at once."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_fin="cancel")
    async with forwarding(make_mover, settings) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
            await client.send_eof()
            assert await upstream.read_reset() == b""


async def test_a_client_that_leaves_ends_its_upstream_within_a_write(
    make_mover: MakeMover, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 10. Fails where the upstream goes on for nobody, or where its end is a traceback."""
    async with forwarding(make_mover) as gateway, gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
        await client.expect(TEXT)
        await client.close()
        with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
            while True:
                await upstream.send(TEXT)
        assert (await gateway.wait_ended()).verdict == "client-gone"
    assert [each for each in caplog.records if each.levelname in ("ERROR", "WARNING")] == []


async def test_a_client_that_leaves_is_read_out_where_that_is_wanted(make_mover: MakeMover) -> None:
    """Fault 10, `--on-client-gone drain`. Fails where the upstream is cut: it must be able to finish."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_gone="drain")
    async with forwarding(make_mover, settings) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
            client.reset()
            for _ in range(1000):
                await upstream.send(TEXT)
            await upstream.send(END)
            assert (await gateway.wait_ended()).verdict == "client-gone"


async def test_octets_held_when_the_client_left_are_read_out_with_what_follows(make_mover: MakeMover) -> None:
    """Beside fault 10. Fails where a mover forgets what the scanner has not approved: `a` begins the next line."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_gone="drain")
    async with forwarding(make_mover, settings) as gateway, gateway.exchange(get(), chunked(b"")) as (client, upstream):
        client.reset()
        await upstream.send(TEXT + b"a")
        for _ in range(100):
            await upstream.send(b"\r\n0123456789\r\na")
        await upstream.send(b"\r\n0123456789\r\n0\r\n\r\n")
        assert (await gateway.wait_ended()).verdict == "client-gone"


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


async def test_both_sides_may_leave_at_once(make_mover: MakeMover) -> None:
    """Beside fault 10. Fails where the second end to come finds the first one's work undone: a task is left."""
    async with forwarding(make_mover) as gateway:
        for _ in range(20):
            async with gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
                client.reset()
                upstream.reset()
                assert (await gateway.wait_ended()).verdict in ("client-gone", "reset")
        assert gateway.metrics.streams_open == 0


async def test_a_client_that_is_reset_in_its_upload_gets_no_answer_and_ends_the_request(make_mover: MakeMover) -> None:
    async with forwarding(make_mover) as gateway:
        async with gateway.connect(post(b"5\r\nhel")) as client, gateway.accept() as upstream:
            await upstream.read_until(b"hel")
            client.reset()
            await upstream.read_reset()
        report = await gateway.wait_ended()
    assert (report.verdict, report.status) == ("client-gone", 0)


async def wait_for_good(*_: object) -> int:
    """Take nothing, as a client that reads nothing."""
    await trio.sleep_forever()


async def test_an_answer_of_our_own_that_the_client_does_not_take_is_recorded_as_a_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails where it is recorded as sent. The log has the reason of the answer."""
    monkeypatch.setattr(ServerConnection, "send_some", wait_for_good)
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=BRIEF)
    async with forwarding(settings=settings, record=True) as gateway:
        async with gateway.connect(b"nonsense\r\n\r\n") as client:
            await client.send_eof()
        assert (await gateway.wait_ended()).verdict == "refused"
    end = gateway.records[-1]
    assert isinstance(end, EndRecord)
    assert end.framing == "timeout"


async def test_an_answer_of_our_own_is_recorded_though_the_gateway_ends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = trio.Event()

    async def begin_for_good(*_: object) -> None:
        begun.set()
        await trio.sleep_forever()

    monkeypatch.setattr(ServerConnection, "send_some", begin_for_good)
    async with forwarding(record=True) as gateway, gateway.connect(b"nonsense\r\n\r\n"):
        await begun.wait()
    end = gateway.records[-1]
    assert isinstance(end, EndRecord)
    assert end.framing == "cut"


@pytest.mark.parametrize(
    "settings, behind",
    [
        (replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=BRIEF), answer(b"Content-Length: 0")),
        (replace(DEFAULT_GATEWAY_SETTINGS, response_timeout=BRIEF), b""),
    ],
    ids=["of sending", "of the response"],
)
async def test_a_1xx_that_the_client_does_not_take_ends_at_a_deadline_and_nothing_follows_it(
    settings: GatewaySettings, behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where a final response or a 504 follows: first octets of the 1xx may have left."""
    monkeypatch.setattr(ServerConnection, "send_some", wait_for_good)
    async with forwarding(settings=settings) as gateway, gateway.connect(get()) as client:
        async with gateway.asked() as upstream:
            await upstream.send(answer(status=b"103 Early Hints") + behind)
            assert await client.read_reset() == b""
        assert (await gateway.wait_ended()).verdict == "timeout"


async def test_an_upstream_that_stalls_is_not_read_out_for_ever(make_mover: MakeMover) -> None:
    """Fails where `--on-client-gone drain` waits without the idle timeout: nobody is left to end the exchange."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_gone="drain", idle_timeout=BRIEF)
    async with forwarding(make_mover, settings) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, _upstream):
            client.reset()
            assert (await gateway.wait_ended()).verdict == "timeout"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_a_cut_is_no_end_to_a_client_of_a_unix_socket(
    make_mover: MakeMover, version: bytes, method: bytes
) -> None:
    """Row 23 over a Unix socket, which knows no reset. Fails where a FIN ends a body that the close delimits."""
    body = b"Content-Length: 2" if method == b"POST" else b"Content-Length: 0"
    async with forwarding(make_mover) as gateway:
        for is_whole in (True, False):
            near, far = await unix_pair()
            gateway.nursery.start_soon(gateway.gateway.handle, far, name="client")
            client = Wire(near)
            await client.send(get(body, method=method, version=version) + (b"hi" if method == b"POST" else b""))
            async with gateway.asked() as upstream:
                await upstream.send(answer(version=b"1.0") + b"hello")
                await client.read_until(b"hello")
                await upstream.send_eof() if is_whole else upstream.reset()
                assert await (client.read_all() if is_whole else client.read_reset()) == b""
            await client.close()
