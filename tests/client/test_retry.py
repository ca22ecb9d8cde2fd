"""Attempts: which failures are tried again, which are not, and how long between."""

import random

import pytest
import trio

from chunkwire import client
from chunkwire.net.dial import DialError
from chunkwire.testing import Origin, octets
from tests.client.server import CHUNKED, LAST, Peer, scripted, sends

QUICK = client.Retry(attempts=3, first=0.0)
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"


async def test_a_connection_that_dies_before_the_head_is_tried_again(origin: Origin) -> None:
    run = origin.text([octets(), octets(), octets(CHUNKED + LAST)])
    async with client.open("GET", run.url, retry=QUICK) as stream:
        await stream.drain()
    assert len(run.requests) == 3


async def test_a_status_that_asks_for_it_is_tried_again(origin: Origin) -> None:
    run = origin.text([octets(BUSY), octets(CHUNKED + LAST)])
    async with client.open("GET", run.url, retry=QUICK) as stream:
        await stream.drain()
        assert stream.head.status == 200


async def test_the_last_attempt_gives_its_status_whatever_it_is(origin: Origin) -> None:
    run = origin.text([octets(BUSY), octets(BUSY), octets(BUSY)])
    async with client.open("GET", run.url, retry=QUICK) as stream:
        assert stream.head.status == 503


async def test_a_post_that_may_have_arrived_is_not_repeated() -> None:
    async def takes(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\nx")

    async with scripted(takes) as server:
        with pytest.raises(client.IncompleteHead):
            async with client.open("POST", server.url(), body=b"x", retry=QUICK):
                pass  # never entered
    assert server.connections == 1


async def test_a_post_is_repeated_when_the_caller_promises_that_it_may_be() -> None:
    bodies: list[bytes] = []

    async def takes(peer: Peer) -> None:
        bodies.append((await peer.read_until(b"\r\n\r\nx"))[-1:])
        await peer.send(CHUNKED + LAST)

    promise = client.Retry(attempts=2, first=0.0, is_repeatable=True)
    async with scripted(sends(), takes) as server:
        async with client.open("POST", server.url(), body=b"x", retry=promise) as stream:
            await stream.drain()
    assert bodies == [b"x"]


async def test_a_refused_connection_is_tried_again_until_the_attempts_are_over(
    refusing_port: int, autojump_clock: trio.testing.MockClock
) -> None:
    began = trio.current_time()
    with pytest.raises(DialError) as caught:
        async with client.open("GET", f":{refusing_port}", retry=client.Retry(attempts=4, first=8.0)):
            pass  # never entered
    assert caught.value.kind == "refused"
    assert trio.current_time() - began <= 8 + 16 + 30


@pytest.mark.parametrize(
    "wait", [b"20", b"20.5", b"Wed, 21 Oct 2026 07:28:20 GMT\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT"]
)
async def test_waiting_never_goes_beyond_the_total_timeout(wait: bytes) -> None:
    slow = BUSY.replace(b"Retry-After: 0", b"Retry-After: " + wait)
    async with scripted(sends(slow)) as server:
        with pytest.raises(client.Deadline) as caught:
            async with client.open("GET", server.url(), retry=QUICK, total_timeout=5):
                pass  # never entered
    assert caught.value.phase == "total"


def test_waits_grow_are_jittered_and_capped() -> None:
    policy = client.Retry(first=1.0, factor=2.0, cap=5.0)
    chance = random.Random(7)
    for attempt, bound in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (9, 5.0), (5000, 5.0)):
        waits = [policy.wait(attempt, chance=chance) for _ in range(50)]
        assert 0.0 <= min(waits) < bound / 2 < max(waits) <= bound
    assert policy.wait(1, at_least=3.0, chance=chance) == 3.0
