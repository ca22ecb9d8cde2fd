"""A program of its own for one test: a server in a process that has no descriptor left, on a clock that stands still.

It says on stdout what happened. In the test's own process the limit would hold for pytest as well.
"""

import logging
import os
import resource
import sys

import trio
import trio.testing

from chunkwire.net.listen import (
    ACCEPT_PAUSE_SECONDS,
    Address,
    Drain,
    bound_addresses,
    open_listeners,
    serve_connections,
)
from tests.net.peer import read_exactly


class Pauses(logging.Handler):
    """Count the warnings that accepting pauses."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        self.began = trio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        self.began.set()


async def echo(stream: trio.SocketStream) -> None:
    while octets := await stream.receive_some():
        await stream.send_all(octets)


async def ask(stream: trio.SocketStream) -> bytes:
    await stream.send_all(b"x")
    return await read_exactly(stream, 1)


def set_limit(descriptors: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


async def main(clock: trio.testing.MockClock) -> None:
    pauses = Pauses()
    logging.getLogger("chunkwire.net.listen").addHandler(pauses)
    listeners = await open_listeners(Address("127.0.0.1", 0))
    where = ("127.0.0.1", bound_addresses(listeners)[0].port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: serve_connections(listeners, echo, drain=Drain()), name="serve")
        there = await trio.open_tcp_stream(*where)
        await ask(there)
        sock = trio.socket.socket()
        lowest_free = os.dup(0)
        os.close(lowest_free)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        set_limit(lowest_free)
        await sock.connect(where)  # the kernel accepts it; the server cannot
        await pauses.began.wait()
        for _ in range(1000):
            await trio.lowlevel.checkpoint()
        say("paused once" if pauses.count == 1 else f"paused {pauses.count} times: it spins")
        await ask(there)
        say("served the one that was there")
        set_limit(limit)
        clock.jump(ACCEPT_PAUSE_SECONDS)
        await ask(trio.SocketStream(sock))
        say("served the one that waited")
        nursery.cancel_scope.cancel()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    standing_clock = trio.testing.MockClock()
    trio.run(main, standing_clock, clock=standing_clock)
