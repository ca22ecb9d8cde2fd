"""The loop of the meter's thread: streams are cancelled by another thread while it reads them."""

import select
import socket
import threading

import pytest
import trio

from chunkwire.tools.bench.loop import Loop


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
