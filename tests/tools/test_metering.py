"""The loop of the meter's thread: streams are cancelled by another thread while it reads them."""

import select
import socket
import threading
from typing import Any

import pytest
import trio

from chunkwire.net.connection import READ_OCTETS
from chunkwire.tools.bench.loop import MAX_BACKLOG_OCTETS, READ_WEIGHT, Loop, Waiting


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
async def test_a_stream_is_forgotten_once() -> None:
    loop = Loop(trio.lowlevel.current_trio_token())
    assert not loop.forget(3)
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

    def recv(self, size: int) -> bytes:
        return bytes(size)

    def take(self, _: int, octets: bytes, __: int) -> bool:
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
