"""A body that a mover carries between real sockets; the test is the peer on both sides."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeAlias

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection
from chunkwire.net.movers import EXACT, MoveOptions, Mover, PlainMover
from chunkwire.net.sleeper import Form, current_sleeper
from chunkwire.net.triosleep import find_trio_epoll
from chunkwire.wire.errors import ChunkwireError, FramingError
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from tests.net.peer import read_exactly, read_to_end, tcp_pair, unix_pair
from tests.patience import PATIENCE

MakeMover: TypeAlias = Callable[[], Mover]

FRAME: Final = b"5;a=1\r\nhello\r\n"
END: Final = b"0;z\r\nX-Sum: 1\r\n\r\n"


def mover_makers(*, in_each_form: bool = False) -> Iterator[MakeMover]:
    """Return what makes each mover of this platform; in each form, also one whose sleeper is in the plain form."""
    yield PlainMover
    if sys.platform == "linux":
        from chunkwire.net.fastmover import FastMover  # its epoll exists on Linux only

        class PlainSleepingFastMover(FastMover):
            """A fast mover where nobody can sleep in trio's place."""

            async def run(self) -> None:
                with plain_sleeper():
                    assert (await current_sleeper()).form is Form.PLAIN
                await super().run()

        yield FastMover
        if in_each_form:
            yield PlainSleepingFastMover


@pytest.fixture(params=[*mover_makers()], ids=lambda make: make.__name__)
def make_mover(request: pytest.FixtureRequest) -> MakeMover:
    """Give what makes a mover, each in turn: what is passed on does not depend on the form of the sleeper."""
    made: MakeMover = request.param
    return made


each_mover = pytest.mark.parametrize("make_mover", [*mover_makers()], ids=lambda make: make.__name__)


_plain_sleepers = 0  # `with` blocks of `plain_sleeper` that run; they may overlap in any order


@contextmanager
def plain_sleeper() -> Iterator[None]:
    """Let a sleeper that is made in the with block find no epoll set of trio's."""
    global _plain_sleepers
    pytest.MonkeyPatch().setattr("chunkwire.net.sleeper.find_trio_epoll", _find_unless_plain)
    _plain_sleepers += 1
    try:
        yield
    finally:
        _plain_sleepers -= 1


async def _find_unless_plain() -> int | None:
    return None if _plain_sleepers else await find_trio_epoll()


class Carried:
    """One body: the test writes to `upstream` and reads from `client`; between them `source` and `sink` are ours."""

    def __init__(self, near: tuple[trio.SocketStream, trio.SocketStream], far: tuple[trio.SocketStream, ...]) -> None:
        self.upstream, self.client = near[0], far[1]
        self.source, self.sink = Connection(near[1]), Connection(far[0])
        self.error: BaseException | None = None
        self._has_ended = trio.Event()

    async def carry(self, mover: Mover, scanner: BodyScanner, options: MoveOptions = EXACT) -> None:
        """Carry the body, keep the error it ends in, and close the sink so that the client sees an end."""
        try:
            await mover.move(self.source, self.sink, scanner, options)
        except (ChunkwireError, RuntimeError) as error:
            self.error = error
        self._has_ended.set()
        await self.sink.send_eof()

    async def wait_error(self) -> BaseException | None:
        """Return what the body ended in, None where it ended well."""
        with trio.fail_after(PATIENCE):
            await self._has_ended.wait()
        return self.error

    async def send(self, octets: bytes) -> None:
        await self.upstream.send_all(octets)

    async def expect(self, octets: bytes) -> None:
        """Read these octets, which must come."""
        assert await read_exactly(self.client, len(octets)) == octets

    async def read_rest(self) -> bytes:
        return await read_to_end(self.client)

    async def aclose(self) -> None:
        for stream in (self.upstream, self.client, self.source.stream, self.sink.stream):
            await trio.aclose_forcefully(stream)


async def open_carried(*, buffer_octets: int | None = None, is_tcp: bool = True) -> Carried:
    """Return two connections, not yet carried between."""
    pair = tcp_pair if is_tcp else unix_pair
    return Carried(await pair(buffer_octets=buffer_octets), await pair(buffer_octets=buffer_octets))


@asynccontextmanager
async def running(make_mover: MakeMover) -> AsyncIterator[tuple[Mover, trio.Nursery]]:
    """Give a running mover, and a nursery for what it carries."""
    mover = make_mover()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mover.run, name="mover")
        await trio.testing.wait_all_tasks_blocked()
        yield mover, nursery
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def carrying(
    make_mover: MakeMover,
    scanner: BodyScanner | None = None,
    options: MoveOptions = EXACT,
    *,
    leftover: bytes = b"",
    buffer_octets: int | None = None,
    is_tcp: bool = True,
) -> AsyncIterator[Carried]:
    """Give a body, chunked unless a scanner says otherwise, that is being carried.

    Args:
        leftover: what has come with the head.
        buffer_octets: the size of the kernel's buffers.
        is_tcp: False for tests on a jumping clock: TCP over loopback takes a little real time now and then.
    """
    carried = await open_carried(buffer_octets=buffer_octets, is_tcp=is_tcp)
    carried.source.leftover += leftover
    try:
        async with running(make_mover) as (mover, nursery):
            nursery.start_soon(carried.carry, mover, scanner or ChunkedScanner(), options, name="carry")
            yield carried
    finally:
        await carried.aclose()


def rally(carried: Carried, frames: Iterable[bytes]) -> None:
    """Send each frame and wait for it at the far end, from a thread: trio has nothing to do then but to carry."""
    with as_blocking(carried.upstream) as upstream, as_blocking(carried.client) as client:
        for frame in frames:
            upstream.sendall(frame)
            rest = frame
            while rest:
                received = client.recv(len(rest))
                assert received
                assert rest.startswith(received)
                rest = rest[len(received) :]


def as_blocking(stream: trio.SocketStream) -> socket.socket:
    """Return a second descriptor of a stream's socket that waits, but not longer than a test's patience."""
    sock = socket.socket(fileno=os.dup(stream.socket.fileno()))
    sock.settimeout(PATIENCE)
    return sock


async def carry_pieces(make_mover: MakeMover, pieces: Iterable[bytes]) -> tuple[bytes, BaseException | None]:
    """Return what a client got of a chunked body that came in these pieces and then ended, and the error."""
    async with carrying(make_mover) as carried:
        for piece in pieces:
            try:
                await carried.send(piece)
            except trio.BrokenResourceError:
                break  # refused already, and closed
            await trio.testing.wait_all_tasks_blocked()
        await carried.upstream.send_eof()
        received = await carried.read_rest()
        return received, await carried.wait_error()


def rule_of(error: BaseException | None) -> str:
    """Return the rule that a body broke."""
    assert isinstance(error, FramingError)
    return error.rule


class Watcher:
    """An observer that keeps what it is given."""

    def __init__(self, *, takes_events: bool = True) -> None:
        self.takes_events = takes_events
        self.octets = b""
        self.events: list[Event] = []
        self.calls: list[str] = []
        self.reads: list[int] = []

    def received(self, octets: memoryview, events: list[Event], read: int) -> None:
        self.octets += octets
        self.reads.append(read)
        self.events += events
        self.calls.append("received")

    def sent(self) -> None:
        self.calls.append("sent")

    @property
    def raw(self) -> bytes:
        """Return the octets of all events, joined."""
        return b"".join(event.raw for event in self.events)
