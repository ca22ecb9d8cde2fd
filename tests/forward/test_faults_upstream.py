"""Upstreams that break: before their head, in it, in the body, after it. What came goes down; no end is made up."""

from dataclasses import replace

import pytest
import trio

from chunkwire.forward.failure import upstream_failure
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from chunkwire.net.dial import DialError, DialErrorKind
from tests.forward.wire import (
    TEXT,
    answer,
    body_of,
    chunked,
    count_answers,
    forwarding,
    get,
    status_of,
    values_of,
)
from tests.net.carry import MakeMover

BRIEF = 0.1  # s; a deadline that must pass: nothing here rests on how soon it does
PART = TEXT + b"5;a=1\r\nhe"


@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_an_upstream_that_ends_in_a_chunk_is_passed_on_as_a_cut(make_mover: MakeMover, ending: str) -> None:
    """Faults 1 and 2. Fails where a last-chunk is written, where what came is lost, or where the request goes again."""
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(PART))
            await client.read_head()
            await client.expect(PART)
            upstream.reset() if ending == "reset" else await upstream.close()
            assert await client.read_all() == b""
            await client.close()
        report = await gateway.wait_ended()
        assert report.verdict == ("reset" if ending == "reset" else "cut")
        assert report.scanner is not None
        assert (report.scanner.chunks, report.scanner.octets) == (1, 7)
        assert not gateway.is_asked()


@pytest.mark.parametrize(
    "kind, verdict, status, error",
    [
        ("dns", "reset", 502, "dns_error"),
        ("refused", "reset", 502, "connection_refused"),
        ("unreachable", "reset", 502, "destination_ip_unroutable"),
        ("timeout", "timeout", 504, "connection_timeout"),
        ("tls", "reset", 502, "tls_protocol_error"),
        ("files", "reset", 503, "proxy_internal_error"),
    ],
)
def test_an_upstream_that_cannot_be_connected_to_has_an_error_of_its_own(
    kind: DialErrorKind, verdict: str, status: int, error: str
) -> None:
    failure = upstream_failure(DialError(kind, "x"))
    assert (failure.verdict, failure.status, failure.error) == (verdict, status, error)


@pytest.mark.parametrize("ending", ["reset", "close"])
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
async def test_an_upstream_that_ends_before_its_head_does_is_a_502(head: bytes, ending: str) -> None:
    """Faults 4 and 5. Fails where half a head is parsed, or where the client is left with nothing."""
    async with forwarding() as gateway, gateway.exchange(get()) as (client, upstream):
        await upstream.send(head)
        upstream.reset() if ending == "reset" else await upstream.close()
        got = await client.read_all()
        assert status_of(got) == 502
        assert b"\r\nProxy-Status: chunkwire; error=" in got
        assert not gateway.is_asked()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", answer(status=b"103 Early Hints")])
async def test_an_upstream_that_never_answers_is_a_504(head: bytes) -> None:
    """Fault 6. Fails where a 1xx or a part of a head counts as an answer, or where the upstream stays open."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, response_timeout=BRIEF)
    async with forwarding(settings=settings) as gateway, gateway.exchange(get()) as (client, upstream):
        await upstream.send(head)
        got = await client.read_all()
        assert await upstream.read_reset() == b""
    assert count_answers(got) == 1
    assert b"HTTP/1.1 504 Gateway Timeout\r\n" in got
    assert b"error=http_response_timeout" in got


async def test_an_upstream_that_neither_reads_nor_answers_is_a_504(make_mover: MakeMover) -> None:
    """Beside fault 6. Fails where the response's deadline waits for a request body that has stopped for good."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=BRIEF, response_timeout=BRIEF)
    head = get(b"Content-Length: 1000000000", method=b"POST")
    async with forwarding(make_mover, settings) as gateway, gateway.connect(head) as client, gateway.accept():
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                try:
                    while True:
                        await client.stream.send_all(bytes(65536))
                except trio.BrokenResourceError:
                    await trio.sleep_forever()

            nursery.start_soon(send, name="send")
            assert status_of(await client.read_head()) == 504
            nursery.cancel_scope.cancel()
        assert (await gateway.wait_ended()).verdict == "timeout"


@pytest.mark.parametrize("part", [TEXT, b"fffffffffffff\r\nx"])
async def test_an_upstream_that_stalls_in_the_body_is_cut(make_mover: MakeMover, part: bytes) -> None:
    """Fault 7, attack slow body. Fails where the idle timeout ends in a last-chunk, or leaves the upstream open."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, idle_timeout=BRIEF)
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get()) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(part))
            assert body_of(await client.read_all()) == part
            await client.close()
            assert await upstream.read_reset() == b""
        assert (await gateway.wait_ended()).verdict == "timeout"


@pytest.mark.parametrize("octets, status", [(4000, 200), (5000, 502)])
async def test_a_huge_head_from_upstream_is_a_502(octets: int, status: int) -> None:
    """Fault 14. Fails where only incomplete heads are counted, as h11 does: this one comes in one read."""
    limits = replace(DEFAULT_GATEWAY_SETTINGS.head_limits, max_head_octets=4500)
    async with forwarding(settings=replace(DEFAULT_GATEWAY_SETTINGS, head_limits=limits)) as gateway:
        async with gateway.connect(get(b"Connection: close")) as client, gateway.accept() as upstream:
            upstream_head = await upstream.read_head()
            assert len(upstream_head) < 4500
            await upstream.send(answer(b"Content-Length: 0", b"X: " + octets * b"x"))
            assert status_of(await client.read_all()) == status


@pytest.mark.parametrize("count, status", [(5, 200), (6, 502), (200, 502)])
async def test_a_flood_of_1xx_is_a_502(count: int, status: int) -> None:
    """Fault 15. Fails where 1xx are passed on without end, as HAProxy does; five are, the sixth is one too many."""
    async with forwarding() as gateway, gateway.exchange(get(b"Connection: close")) as (client, upstream):
        await upstream.send(count * answer(status=b"103 Early Hints") + answer(b"Content-Length: 0"))
        got = await client.read_all()
    assert got.count(b"HTTP/1.1 103 ") == 5
    assert b"HTTP/1.1 %d " % status in got


@pytest.mark.parametrize("body, is_whole", [(TEXT + b"1;a\r\n!\r\n0\r\nX: y\r\n\r\n", True), (TEXT, False)])
async def test_an_http_1_0_client_gets_content_and_a_reset_for_a_cut(
    make_mover: MakeMover, body: bytes, is_whole: bool
) -> None:
    """Row 23, fault 28. Fails where it gets chunks (HAProxy 2.6), or a FIN for a body that was cut (nginx)."""
    async with forwarding(make_mover) as gateway, gateway.exchange(get(version=b"1.0")) as (client, upstream):
        await upstream.send(chunked(b""))
        head = await client.read_head()
        assert (values_of(head, b"transfer-encoding"), values_of(head, b"connection")) == ([], [b"close"])
        await upstream.send(body)
        await client.expect(b"hello!" if is_whole else b"hello")
        await upstream.close()
        assert await (client.read_all() if is_whole else client.read_reset()) == b""


async def test_an_answer_before_a_reset_survives_it() -> None:
    """Beside fault 20. Fails where the reset that follows an early answer throws the answer away."""
    async with forwarding() as gateway:
        async with gateway.exchange(get(b"Content-Length: 100000", method=b"POST")) as (client, upstream):
            await upstream.send(answer(b"Content-Length: 2", status=b"413 Content Too Large") + b"no")
            assert status_of(await client.read_head()) == 413
            await client.expect(b"no")
            upstream.reset()
            assert await client.read_end() == b""


async def test_a_cut_response_ends_in_a_fin_although_its_client_sent_more(make_mover: MakeMover) -> None:
    """Fails where the close is a reset, as of a socket with unread octets: it may discard the end of the response."""
    async with forwarding(make_mover) as gateway:
        async with gateway.exchange(get(), answer(b"Content-Length: 9")) as (client, upstream):
            await client.send(get())
            await upstream.send(b"hello")
            await upstream.close()
            assert await client.read_all() == b"hello"
