"""The meter: its loop, whose streams are cancelled by another thread, and when it begins and ends to sample."""

import math
import os
import select
import socket
import threading
from typing import Any

import pytest
import trio

from chunkwire.net.connection import READ_OCTETS
from chunkwire.net.dial import parse_url
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from chunkwire.tools.bench import load, metering
from chunkwire.tools.bench.load import Load, Opening
from chunkwire.tools.bench.loop import MAX_BACKLOG_OCTETS, READ_WEIGHT, Loop, Waiting
from tests.patience import PATIENCE
from tests.server.peer import serving

MUTE: Any = None  # a sampler that takes nothing


class AfterOneTurn(threading.Event):
    """Is set from the second time on that it is asked."""

    def is_set(self) -> bool:
        was_set = super().is_set()
        self.set()
        return was_set


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")
async def test_a_stream_that_was_cancelled_since_the_poll_is_passed_over() -> None:
    near, far = socket.socketpair()
    loop = Loop(trio.lowlevel.current_trio_token(), is_over=AfterOneTurn())
    with near, far:
        loop.poll.register(near.fileno(), select.EPOLLIN)  # as the poll of a turn still has it
        far.send(b"x")
        loop.run()
        assert near.recv(1) == b"x"


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")
async def test_a_stream_is_forgotten_once_and_not_another_that_has_its_descriptor() -> None:
    loop = Loop(trio.lowlevel.current_trio_token())
    near, far = socket.socketpair()
    old = Waiting(near, MUTE, trio.Event())
    loop.add(old)
    assert [loop.forget(old), loop.forget(old)] == [True, False]
    fd = near.fileno()
    near.close()
    with far, socket.socket(fileno=os.dup2(far.fileno(), fd)) as reused:
        new = Waiting(reused, MUTE, trio.Event())
        loop.add(new)
        assert [loop.forget(old), loop.forget(new)] == [False, True]
    loop.poll.close()


class Flood:
    """A set, a socket that is always ready and full, and a stream that takes what comes; over after 100 turns."""

    def __init__(self) -> None:
        self.turns = self.taken = self.most = 0
        self.loop: Loop | None = None

    def is_set(self) -> bool:
        self.turns += 1
        return self.turns > 100

    def poll(self, _: float) -> list[tuple[int, int]]:
        return [(0, select.EPOLLIN)]

    def recvmsg(self, size: int, _: int) -> tuple[bytes, tuple[()], int, None]:
        return bytes(size), (), 0, None

    def take(self, _: int, octets: bytes, __: int, *, is_whole: bool) -> bool:
        assert self.loop is not None
        self.most = max(self.most, self.loop.backlog_octets)
        self.taken += len(octets)
        return True

    def close(self) -> None:
        self.loop = None


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")
async def test_what_waits_to_be_scanned_is_bounded_in_octets() -> None:
    flood: Any = Flood()
    flood.loop = Loop(trio.lowlevel.current_trio_token(), poll=flood, is_over=flood)
    flood.loop.waiting[0] = Waiting(flood, flood, trio.Event())
    flood.loop.run()
    assert flood.taken == 100 * READ_OCTETS
    assert flood.most <= MAX_BACKLOG_OCTETS + READ_OCTETS + READ_WEIGHT


async def test_sampling_begins_when_each_slot_has_had_a_frame_although_a_later_stream_has_none() -> None:
    """The first request ends, the second stays open after a chunk, and the third, of the first slot, has none."""
    arrived = [trio.Event() for _ in range(4)]

    async def answer(request: IncomingRequest, response: Responder) -> None:
        number = sum(event.is_set() for event in arrived)
        arrived[number].set()
        async with response.chunked() as body:
            await arrived[number + 1].wait()
            await body.send_chunk(b"x")
            if number:
                await trio.sleep_forever()

    async with serving(Resource("/", answer)) as running:
        url = parse_url(f"http://127.0.0.1:{running.port}/")
        meter = metering.Meter(
            Load(url=url, streams=2, opening=Opening.TOGETHER, patience=math.inf, seconds=0.01, warmup=0.0)
        )
        with trio.fail_after(PATIENCE):
            await meter.run()
    assert meter.gathered.streams == 3
    assert meter.gathered.began == meter.window.began_ns / 1e9


@pytest.mark.parametrize("streams", [1, 2])
async def test_a_slot_that_waits_as_retry_after_asks_ends_with_the_last_stream(
    streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "MAX_PATIENCE_SECONDS", math.inf)
    is_first = True

    async def answer(request: IncomingRequest, response: Responder) -> None:
        nonlocal is_first
        is_busy, is_first = is_first or streams == 1, False
        await response.fixed(503 if is_busy else 200, ((b"Retry-After", b"%d" % (2 * PATIENCE)),), b"x")

    async with serving(Resource("/", answer)) as running:
        url = parse_url(f"http://127.0.0.1:{running.port}/")
        meter = metering.Meter(Load(url=url, streams=streams, total=2 * streams - 1, seconds=math.inf))
        with trio.fail_after(PATIENCE):
            await meter.run()
    assert meter.gathered.failures["status 503"] == 1


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")
async def test_the_busy_share_is_known_where_it_was_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "FIRST_LOOK_SECONDS", 0.0)

    async def answer(request: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk(b"x")
            await trio.sleep_forever()

    async with serving(Resource("/", answer)) as running:
        url = parse_url(f"http://127.0.0.1:{running.port}/")
        meter = metering.Meter(Load(url=url, is_enough=lambda _: True, seconds=PATIENCE))
        with trio.fail_after(PATIENCE):
            await meter.run()
    assert [trend.busy is not None for trend in meter.gathered.trends] == [True]
