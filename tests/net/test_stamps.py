"""Kernel stamps of octets: which octet has a stamp, and an error queue that is not a reset."""

import os
import re
import select
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection
from chunkwire.net.movers import Leaving, Mover, OnLeaving, SinkGone, SourceGone
from chunkwire.net.stamps import (
    SocketStamps,
    arrival_of,
    clock_offset_ns,
    departure_of,
    stamping,
)
from chunkwire.wire.errors import LocalError
from chunkwire.wire.scanner import ChunkedScanner
from tests.net.carry import END, FRAME, Carried, MakeMover, open_carried, running
from tests.net.peer import SMALL, reset, tcp_pair, unix_pair
from tests.net.stamped import kernel_stamps
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SO_TIMESTAMPING is Linux's")


@pytest.fixture(autouse=True)
def _kernel() -> Iterator[None]:
    with kernel_stamps():
        yield


class Pair:
    """Two ends of a TCP connection, and the stamps of what goes from `near` to `far`."""

    def __init__(self, near: trio.SocketStream, far: trio.SocketStream) -> None:
        self.near, self.far = near.socket, far.socket
        self.sender, self.receiver = SocketStamps(near.socket), SocketStamps(far.socket)
        self.receiver.start_receiving()
        self.sender.start_sending(queued=True)

    async def read(self, room: int = 100) -> int:
        with trio.fail_after(PATIENCE):
            await trio.lowlevel.wait_readable(self.far)
        return self.receiver.read_into(memoryview(bytearray(room)))


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A connection on a kernel that stamps."""
    near, far = await tcp_pair()
    yield Pair(near, far)
    for stream in (near, far):
        await trio.aclose_forcefully(stream)


async def test_each_write_has_a_stamp_between_its_beginning_and_its_read(pair: Pair) -> None:
    for size in (1, 50, 99):
        assert pair.sender.write(b"x" * size) == size
        assert await pair.read() == size
    writes, reads = list(pair.sender.sent.rows()), list(pair.receiver.received.rows())
    assert [end for end, *_ in writes] == [end for end, *_ in reads] == [1, 51, 150]
    for (_, written, left, queued), (_, arrived, read) in zip(writes, reads, strict=True):
        assert written <= queued <= left <= arrived <= read


async def test_a_read_that_fills_its_buffer_has_no_stamp_and_one_octet_less_has(pair: Pair) -> None:
    for size in (10, 9):
        pair.sender.write(b"x" * size)
        assert await pair.read(10) == size
    assert [bool(arrived) for _, arrived, _ in pair.receiver.received.rows()] == [False, True]


async def test_offsets_are_those_of_the_body(pair: Pair) -> None:
    pair.sender.begin_sent_body(4)
    pair.sender.write(b"head" + b"first")
    assert await pair.read() == 9
    pair.receiver.begin_received_body(unread=5)
    pair.sender.write(b"second")
    await pair.read()
    assert [end for end, *_ in pair.sender.sent.rows()] == [5, 11]
    assert [end for end, *_ in pair.receiver.received.rows()] == [5, 11]


async def test_a_second_body_on_the_connection_counts_its_octets_from_zero(pair: Pair) -> None:
    for size in (7, 5):
        pair.sender.start_sending()
        pair.sender.write(b"x" * size)
        await pair.read()
        pair.sender.stop()
        assert [(end, left > 0) for end, _, left, _ in pair.sender.sent.rows()] == [(size, True)]


async def test_the_oldest_stamps_are_given_up_if_too_many_are_awaited(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunkwire.net.stamps.MAX_PENDING", 4)
    with monkeypatch.context() as patched:
        patched.setattr(SocketStamps, "drain", lambda _: None)  # none comes
        for _ in range(3):  # each awaits two
            pair.sender.write(b"x")
            await pair.read()
    pair.sender.drain()
    assert [(left > 0, queued > 0) for _, _, left, queued in pair.sender.sent.rows()] == [
        (False, False),
        (True, True),
        (True, True),
    ]


async def test_the_stamps_of_writes_without_a_row_are_taken_too(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chunkwire.net.stamps.MAX_ENTRIES", 1)
    for _ in range(2):
        pair.sender.write(b"x")
        await pair.read()
    assert len(pair.sender.sent) == 1
    assert not _has_stamps(pair.near)


async def test_a_stamp_that_has_not_come_is_0(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SocketStamps, "drain", lambda self: None)
    pair.sender.write(b"x")
    [(_, _, left, queued)] = pair.sender.sent.rows()
    assert (left, queued) == (0, 0)


async def test_a_peek_leaves_the_octet_that_it_waits_for(pair: Pair) -> None:
    await pair.near.send(b"xy")
    with trio.fail_after(PATIENCE):
        assert await pair.receiver.peek()
    assert await pair.read() == 2


async def test_a_stamp_wakes_a_write_that_waits_for_room_once() -> None:
    """Fails where the stamp stays in the error queue: the write is then tried again and again."""
    near, far = await tcp_pair(buffer_octets=4 * SMALL)
    near.socket.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * SMALL
    )  # so that some octets leave and it stays full
    near.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)
    pair = Pair(near, far)
    _fill(near)
    while not _has_stamps(near.socket):
        pair.receiver.read_into(memoryview(bytearray(1000)))
    _fill(near)
    async with near, far, trio.open_nursery() as nursery:
        nursery.start_soon(pair.sender.send_some, b"x", name="write")
        with trio.fail_after(PATIENCE):
            await trio.testing.wait_all_tasks_blocked()
        assert not _has_stamps(near.socket)
        assert len(nursery.child_tasks) == 1
        nursery.cancel_scope.cancel()


def _fill(stream: trio.SocketStream) -> None:
    """Write past the stamps of this side, which would take those in the error queue."""
    with suppress(BlockingIOError):
        while True:
            os.write(stream.socket.fileno(), bytes(16 * SMALL))


async def test_stamps_that_wait_in_the_error_queue_are_taken_when_stamping_stops(pair: Pair) -> None:
    await pair.near.send(b"x")
    await pair.read()
    assert _has_stamps(pair.near)
    pair.sender.stop()
    assert not _has_stamps(pair.near)


def test_other_ancillary_data_is_not_read_as_a_stamp() -> None:
    level, kind = socket.SOL_SOCKET, 37
    extended = struct.pack("@IBBBBII", 42, 4, 0, 0, 0, 0, 99)
    stamp = struct.pack("@llllll", 5, 7, 0, 0, 0, 0)
    assert arrival_of([]) == arrival_of([(level, kind, b"short")]) == arrival_of([(level, 1, stamp)]) == 0
    assert arrival_of([(level, kind, stamp)]) == arrival_of([(level, kind, stamp[:16])]) == 5_000_000_007
    assert departure_of([(level, kind, stamp), (0, 11, extended)]) == (0, 99, 5_000_000_007)
    icmp = struct.pack("@IBBBBII", 111, 2, 3, 3, 0, 0, 0)
    assert departure_of([(level, kind, stamp), (0, 11, icmp)]) is None
    assert departure_of([(0, 11, extended)]) is departure_of([(level, kind, stamp)]) is None


@pytest.mark.parametrize(
    "error, message",
    [
        (PermissionError(1, "Operation not permitted"), "not permitted here (SO_TIMESTAMPING)"),
        (OSError(22, "Invalid argument"), "this kernel has none (Invalid argument); transmit stamps need Linux 6.2"),
    ],
)
def test_a_refused_option_is_one_line(error: OSError, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: socket.socket, flags: int) -> None:
        raise error

    monkeypatch.setattr("chunkwire.net.stamps._turn", refuse)
    with pytest.raises(LocalError, match=rf"^kernel stamps: {re.escape(message)}"), stamping(transmit=True):
        pass


def test_a_system_without_stamps_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(LocalError, match="this system has none"), stamping():
        pass


def test_a_kernel_that_stamps_no_write_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where the read of an empty error queue raises."""

    def stamp_receives(sock: socket.socket, _: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, 37, 1 << 3 | 1 << 4)

    monkeypatch.setattr("chunkwire.net.stamps._turn", stamp_receives)
    with pytest.raises(LocalError, match="this kernel stamps nothing that leaves"), stamping(transmit=True):
        pass


def test_the_offset_of_the_clocks_is_measured_to_microseconds() -> None:
    assert min(abs(clock_offset_ns() - clock_offset_ns()) for _ in range(20)) < 10_000


async def _stamped() -> Carried:
    carried = await open_carried()
    for connection in (carried.source, carried.sink):
        connection.carry_stamps()
    assert carried.source.stamps is not None
    assert carried.sink.stamps is not None
    carried.source.stamps.start_receiving()
    carried.sink.stamps.start_sending()
    return carried


async def test_a_body_has_stamps_on_both_sides_at_the_same_offsets(make_mover: MakeMover) -> None:
    async with running(make_mover) as (mover, nursery):
        carried = await _stamped()
        nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="body")
        for _ in range(3):
            await carried.send(FRAME)
            await carried.expect(FRAME)
        await carried.send(END)
        assert await carried.read_rest() == END
        assert await carried.wait_error() is None
        assert carried.source.stamps is not None
        assert carried.sink.stamps is not None
        reads, writes = list(carried.source.stamps.received.rows()), list(carried.sink.stamps.sent.rows())
        ends = [len(FRAME) * n for n in (1, 2, 3)] + [3 * len(FRAME) + len(END)]
        assert [end for end, *_ in reads] == [end for end, *_ in writes] == ends
        assert all(arrived <= read for _, arrived, read in reads)
        await carried.aclose()


async def _late_stamps(carried: Carried) -> None:
    """Leave stamps in the sink's error queue, as a network card does that is slower than the write."""
    sink = carried.sink.stamps
    assert sink is not None
    fd = carried.sink.fileno()
    assert fd is not None
    with socket.socket(fileno=socket.dup(fd)) as other:
        other.send(FRAME)


@pytest.mark.parametrize("is_reset", [False, True])
async def test_an_error_queue_with_stamps_only_is_not_a_reset(make_mover: MakeMover, is_reset: bool) -> None:
    async with running(make_mover) as (mover, nursery):
        carried = await _stamped()
        nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="body")
        await carried.send(FRAME)
        await carried.expect(FRAME)
        await _late_stamps(carried)
        await carried.expect(FRAME)
        await carried.send(FRAME)
        await carried.expect(FRAME)
        if is_reset:
            reset(carried.client)
            with trio.fail_after(PATIENCE):
                while carried.error is None:
                    await carried.send(FRAME)
                    await trio.lowlevel.checkpoint()
            assert isinstance(await carried.wait_error(), SinkGone)
        else:
            await carried.send(END)
            assert await carried.read_rest() == END
            assert await carried.wait_error() is None
        await carried.aclose()


async def test_a_reset_of_a_stamped_source_is_seen(make_mover: MakeMover) -> None:
    async with running(make_mover) as (mover, nursery):
        carried = await _stamped()
        nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="body")
        await carried.send(FRAME)
        reset(carried.upstream)
        assert await carried.read_rest() == FRAME
        assert isinstance(await carried.wait_error(), SourceGone)
        await carried.aclose()


@pytest.mark.parametrize("is_reset", [False, True])
async def test_stamps_of_a_watched_client_are_not_its_departure(make_mover: MakeMover, is_reset: bool) -> None:
    async with running(make_mover) as (mover, _):
        carried = await _stamped()
        saw, seen = trio.open_memory_channel[Leaving](2)
        await _watch_with_stamps(carried, mover, saw.send_nowait)
        assert not seen.statistics().current_buffer_used
        if is_reset:
            reset(carried.client)
        else:
            await carried.client.send_eof()
        with trio.fail_after(PATIENCE):
            assert await seen.receive() is (Leaving.GONE if is_reset else Leaving.FIN)
        mover.unwatch(carried.sink)
        await carried.aclose()


@pytest.mark.parametrize("has_stamps", [False, True])
async def test_the_next_mover_of_a_run_may_watch_what_one_that_ended_has_watched(
    make_mover: MakeMover, has_stamps: bool
) -> None:
    carried = await _stamped() if has_stamps else await open_carried()
    saw, seen = trio.open_memory_channel[Leaving](2)
    async with running(make_mover) as (mover, _):
        mover.watch(carried.sink, saw.send_nowait)
        await trio.testing.wait_all_tasks_blocked()
    async with running(make_mover) as (mover, _):
        mover.watch(carried.sink, saw.send_nowait)
        await carried.client.send_eof()
        with trio.fail_after(PATIENCE):
            assert await seen.receive() is Leaving.FIN
    await carried.aclose()


async def _watch_with_stamps(carried: Carried, mover: Mover, on_leaving: OnLeaving) -> None:
    """Watch the sink, leave stamps in its error queue, and return once they have been taken from there."""
    mover.watch(carried.sink, on_leaving)
    await _late_stamps(carried)
    await carried.expect(FRAME)
    fd = carried.sink.fileno()
    assert fd is not None
    with trio.fail_after(PATIENCE), socket.socket(fileno=socket.dup(fd)) as other:
        while _has_stamps(other):
            await trio.lowlevel.checkpoint()


def _has_stamps(sock: socket.socket | trio.socket.SocketType) -> bool:
    poller = select.poll()
    poller.register(sock, 0)
    return bool(poller.poll(0))


async def test_a_connection_other_than_tcp_has_no_stamps() -> None:
    for make, carries in ((tcp_pair, True), (unix_pair, False)):
        near, far = await make(buffer_octets=None)
        connection = Connection(near)
        connection.carry_stamps()
        assert (connection.stamps is not None) is carries
        for stream in (near, far):
            await trio.aclose_forcefully(stream)
