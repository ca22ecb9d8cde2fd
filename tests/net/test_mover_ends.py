"""Bodies that do not end well: the valid prefix arrives, no end is invented, and no other body suffers."""

import errno
import os
import sys

import pytest
import trio
import trio.testing

from chunkwire.net.movers import MoveOptions, SinkGone, SourceGone
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner
from tests.net.carry import END, FRAME, Carried, MakeMover, Watcher, carrying, open_carried, rule_of, running
from tests.net.peer import SMALL, let_time_out, reset

LARGE = b"10000\r\n" + b"x" * 65536 + b"\r\n"


@pytest.mark.parametrize(
    "part", [b"", b"5", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r", b"0\r\n", b"0\r\nX: 1\r"]
)
async def test_a_fin_inside_a_chunked_body_is_an_incomplete_one(make_mover: MakeMover, part: bytes) -> None:
    async with carrying(make_mover) as carried:
        await carried.send(FRAME + part)
        await carried.upstream.send_eof()
        received = await carried.read_rest()
        assert (FRAME + part).startswith(received)
        assert len(received) >= len(FRAME)
        assert isinstance(await carried.wait_error(), IncompleteBody)


@pytest.mark.parametrize("scanner", [ChunkedScanner, CloseScanner, lambda: LengthScanner(10**6)])
async def test_a_reset_of_the_source_comes_after_all_that_came_before_it(
    make_mover: MakeMover, scanner: type[BodyScanner]
) -> None:
    async with carrying(make_mover, scanner()) as carried:
        await carried.send(FRAME + b"5\r\nhel")
        await carried.expect(FRAME + b"5\r\nhel")
        reset(carried.upstream)
        assert await carried.read_rest() == b""
        error = await carried.wait_error()
        assert isinstance(error, SourceGone)
        assert str(error) == f"{carried.source.peer} reset the connection"


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
async def test_a_source_that_times_out_did_not_reset_the_connection(make_mover: MakeMover) -> None:
    async with carrying(make_mover, buffer_octets=SMALL) as carried:
        let_time_out(carried.source)
        error = await carried.wait_error()
        assert isinstance(error, SourceGone)
        assert str(error) == f"the connection to {carried.source.peer} was lost: {os.strerror(errno.ETIMEDOUT)}"


async def test_a_reset_right_behind_octets_does_not_eat_them(make_mover: MakeMover) -> None:
    for _ in range(20):
        async with carrying(make_mover) as carried:
            await carried.send(FRAME)
            reset(carried.upstream)
            assert await carried.read_rest() == FRAME
            assert isinstance(await carried.wait_error(), SourceGone)


async def test_the_prefix_of_a_broken_body_arrives_although_the_sink_is_slow(make_mover: MakeMover) -> None:
    async with carrying(make_mover, buffer_octets=4096) as carried, trio.open_nursery() as nursery:
        nursery.start_soon(carried.send, LARGE * 3 + b"x", name="send")
        await trio.testing.wait_all_tasks_blocked()
        assert await carried.read_rest() == LARGE * 3
        assert rule_of(await carried.wait_error()) == "chunk-size"


async def test_a_sink_that_is_reset_while_it_takes_nothing_ends_the_body(make_mover: MakeMover) -> None:
    async with carrying(make_mover, buffer_octets=4096) as carried, trio.open_nursery() as nursery:
        nursery.start_soon(send_for_ever, carried, name="send")
        for _ in range(50):
            await trio.testing.wait_all_tasks_blocked()
        reset(carried.client)
        assert isinstance(await carried.wait_error(), SinkGone)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("end", [b"x", b"", None])
async def test_one_body_that_fails_leaves_the_others_alone(make_mover: MakeMover, end: bytes | None) -> None:
    good, bad = await open_carried(), await open_carried()
    async with running(make_mover) as (mover, nursery):
        for carried in (good, bad):
            nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="carry")
        await bad.send(end or FRAME)
        if end is None:
            await bad.expect(FRAME)
            reset(bad.upstream)
        else:
            await bad.upstream.send_eof()
        assert await bad.wait_error() is not None
        await good.send(FRAME + END)
        assert await good.read_rest() == FRAME + END
        assert await good.wait_error() is None
    await good.aclose()
    await bad.aclose()


class Faulty(Watcher):
    """An observer with a bug."""

    def received(self, octets: memoryview, events: list[Event], read: int) -> None:
        raise RuntimeError("a bug")


async def test_an_observer_with_a_bug_ends_its_own_body_alone(make_mover: MakeMover) -> None:
    good, bad = await open_carried(), await open_carried()
    async with running(make_mover) as (mover, nursery):
        nursery.start_soon(good.carry, mover, ChunkedScanner(), name="good")
        nursery.start_soon(bad.carry, mover, ChunkedScanner(), MoveOptions(observe=Faulty()), name="bad")
        await bad.send(FRAME)
        assert isinstance(await bad.wait_error(), RuntimeError)
        await good.send(FRAME + END)
        assert await good.read_rest() == FRAME + END
    await good.aclose()
    await bad.aclose()


async def send_for_ever(carried: Carried) -> None:
    """Send frames until nobody reads them any more."""
    while True:
        try:
            await carried.send(LARGE)
        except trio.BrokenResourceError:
            await trio.sleep_forever()
