"""Slow sinks, silent sources, observers and shapers: what the options of a move promise."""

import math

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection
from chunkwire.net.inflight import Body, overdue
from chunkwire.net.movers import IdleTimeout, MoveOptions
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import ChunkwireError, IncompleteBody
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk, SizeLine
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner
from tests.net.carry import END, FRAME, Carried, MakeMover, Watcher, carrying, open_carried, running
from tests.net.peer import SMALL, read_exactly, unix_pair

MEBIBYTE = 1 << 20
MOST_ON_THE_WAY = MEBIBYTE  # four kernel buffers of a few KiB, what one receive brings, and much room


class Flood:
    """An upstream that sends a large body as fast as it is taken, and counts."""

    def __init__(self, carried: Carried, chunks: int) -> None:
        self.accepted = 0
        self.body = encode_chunk(b"x" * 1000) * chunks + END
        self._carried = carried

    async def send(self) -> None:
        for start in range(0, len(self.body), 1024):
            part = self.body[start : start + 1024]
            await self._carried.send(part)
            self.accepted += len(part)

    async def wait_stopped(self) -> None:
        """Return once nothing more is accepted, however often everybody has had a turn."""
        before = -1
        while before != self.accepted:
            before = self.accepted
            await turns(50)


async def turns(count: int) -> None:
    """Let every task, and the mover, do what it can do, so many times."""
    for _ in range(count):
        await trio.testing.wait_all_tasks_blocked()


async def test_a_slow_sink_stops_the_source(make_mover: MakeMover) -> None:
    async with carrying(make_mover, buffer_octets=SMALL) as carried, trio.open_nursery() as nursery:
        flood = Flood(carried, chunks=4 * 1024)
        nursery.start_soon(flood.send, name="flood")
        await flood.wait_stopped()
        assert flood.accepted < MOST_ON_THE_WAY < len(flood.body)
        assert await carried.read_rest() == flood.body
        assert await carried.wait_error() is None


async def test_a_slow_sink_stops_its_own_source_alone(make_mover: MakeMover) -> None:
    async with carrying(make_mover, buffer_octets=SMALL) as slow, trio.open_nursery() as nursery:
        flood = Flood(slow, chunks=4 * 1024)
        nursery.start_soon(flood.send, name="flood")
        await flood.wait_stopped()
        async with carrying(make_mover) as quick:
            for _ in range(20):
                await quick.send(FRAME)
                await quick.expect(FRAME)
        nursery.cancel_scope.cancel()


async def test_a_sink_that_takes_some_octets_in_time_is_only_slow(
    make_mover: MakeMover, autojump_clock: trio.testing.MockClock
) -> None:
    """One read of ours takes it 8 * 20 s, and the limit is 60 s: what counts is the time since the last octet."""
    body = encode_chunk(b"x" * 65536) * 3 + END
    carried = Carried(await unix_pair(), await unix_pair(buffer_octets=SMALL))
    async with running(make_mover) as (mover, nursery):
        nursery.start_soon(carried.send, body, name="send")
        nursery.start_soon(carried.carry, mover, ChunkedScanner(), MoveOptions(send_timeout=60), name="carry")
        for start in range(0, len(body), 8192):
            await trio.sleep(20)
            await carried.expect(body[start : start + 8192])
        assert await carried.wait_error() is None
    await carried.aclose()


async def test_a_source_that_is_silent_for_too_long_ends_the_body(make_mover: MakeMover) -> None:
    async def fall_silent(scanner: BodyScanner) -> None:
        async with carrying(make_mover, scanner, MoveOptions(idle_timeout=0.02)) as carried:
            await carried.send(FRAME)
            assert await carried.read_rest() == FRAME
            assert isinstance(await carried.wait_error(), IdleTimeout)

    async with trio.open_nursery() as nursery:  # at once: a mover may look twice a second
        for scanner in (ChunkedScanner(), LengthScanner(10**6), CloseScanner()):
            nursery.start_soon(fall_silent, scanner, name="fall silent")


async def test_each_octet_begins_the_idle_time_anew(
    make_mover: MakeMover, autojump_clock: trio.testing.MockClock
) -> None:
    upstream, near = trio.testing.memory_stream_pair()
    far, client = trio.testing.memory_stream_pair()

    async def drip() -> None:
        for octet in FRAME:
            await trio.sleep(9)
            await upstream.send_all(bytes([octet]))

    async with running(make_mover) as (mover, nursery):
        nursery.start_soon(drip, name="drip")
        with pytest.raises(IdleTimeout):
            await mover.move(Connection(near), Connection(far), ChunkedScanner(), MoveOptions(idle_timeout=10))
    assert trio.current_time() == 9 * len(FRAME) + 10
    assert await read_exactly(client, len(FRAME)) == FRAME


async def test_each_lone_chunk_begins_the_idle_time_anew_and_the_first_is_reported(
    make_mover: MakeMover, autojump_clock: trio.testing.MockClock
) -> None:
    calls: list[bool] = []
    options = MoveOptions(idle_timeout=10, on_first=lambda: calls.append(True))
    async with carrying(make_mover, options=options, is_tcp=False) as carried:
        for _ in range(3):
            await trio.sleep(9)
            await carried.send(b"5\r\nhello\r\n")
            await carried.expect(b"5\r\nhello\r\n")
        assert isinstance(await carried.wait_error(), IdleTimeout)
    assert calls == [True]


async def test_a_source_is_not_silent_while_its_sink_is_slow(
    make_mover: MakeMover, mock_clock: trio.testing.MockClock
) -> None:
    options = MoveOptions(idle_timeout=10, send_timeout=math.inf)
    async with carrying(make_mover, options=options, buffer_octets=SMALL) as carried, trio.open_nursery() as nursery:
        flood = Flood(carried, chunks=1024)
        nursery.start_soon(flood.send, name="flood")
        await flood.wait_stopped()
        mock_clock.jump(3 * options.idle_timeout)
        await trio.testing.wait_all_tasks_blocked()  # whatever the jump has made due has run
        assert await carried.read_rest() == flood.body
        assert await carried.wait_error() is None


async def test_nothing_is_a_limit_by_default_but_a_sink_that_takes_nothing(
    make_mover: MakeMover, autojump_clock: trio.testing.MockClock
) -> None:
    async with carrying(make_mover, is_tcp=False) as carried:
        await trio.sleep(3600)
        await carried.send(FRAME + END)
        assert await carried.read_rest() == FRAME + END
    assert MoveOptions().idle_timeout == math.inf
    assert MoveOptions().send_timeout < math.inf


@pytest.mark.parametrize("takes_events", [True, False])
async def test_an_observer_sees_each_part_before_it_leaves_and_when_it_has_left(
    make_mover: MakeMover, takes_events: bool
) -> None:
    watcher = Watcher(takes_events=takes_events)
    async with carrying(make_mover, options=MoveOptions(observe=watcher)) as carried:
        await carried.send(FRAME)
        await carried.expect(FRAME)
        await carried.send(END)
        assert await carried.read_rest() == END
    expected = [SizeLine, Data, DataEnd, LastChunk] if takes_events else []
    assert [type(event) for event in watcher.events] == expected
    assert watcher.octets == FRAME + END
    assert watcher.calls == ["received", "sent", "received", "sent"]


async def test_an_observer_sees_the_valid_prefix_of_a_broken_body(make_mover: MakeMover) -> None:
    watcher = Watcher()
    async with carrying(make_mover, options=MoveOptions(observe=watcher)) as carried:
        await carried.send(FRAME + b"5\r\nhelloXX")
        assert await carried.read_rest() == watcher.raw == FRAME + b"5\r\nhello"


async def test_an_observer_sees_what_came_with_the_head(make_mover: MakeMover) -> None:
    watcher = Watcher()
    options = MoveOptions(observe=watcher)
    async with carrying(make_mover, options=options, leftover=FRAME + END + b"next") as carried:
        assert await carried.read_rest() == watcher.raw == FRAME + END


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_preface_goes_at_once_and_once(make_mover: MakeMover) -> None:
    watcher = Watcher()
    async with carrying(make_mover, options=MoveOptions(preface=HEAD, observe=watcher)) as carried:
        await carried.expect(HEAD)
        await carried.send(FRAME)
        await carried.expect(FRAME)
        await carried.send(END)
        assert await carried.read_rest() == END
    assert watcher.raw == FRAME + END
    assert watcher.calls == ["received", "sent", "received", "sent"]


async def test_a_preface_goes_before_what_came_with_the_head(make_mover: MakeMover) -> None:
    async with carrying(make_mover, options=MoveOptions(preface=HEAD), leftover=FRAME + END) as carried:
        assert await carried.read_rest() == HEAD + FRAME + END
        assert await carried.wait_error() is None


async def test_a_preface_goes_before_a_body_of_no_octets(make_mover: MakeMover) -> None:
    async with carrying(make_mover, LengthScanner(0), MoveOptions(preface=HEAD)) as carried:
        assert await carried.read_rest() == HEAD
        assert await carried.wait_error() is None


async def test_a_preface_is_no_body_octet(make_mover: MakeMover) -> None:
    calls: list[bool] = []
    options = MoveOptions(preface=HEAD, on_first=lambda: calls.append(True))
    async with carrying(make_mover, options=options) as carried:
        await carried.expect(HEAD)
        await turns(3)
        assert calls == []
        await carried.send(FRAME + END)
        assert await carried.read_rest() == FRAME + END
    assert calls == [True]


async def test_a_preface_goes_before_the_valid_prefix_of_a_broken_body(make_mover: MakeMover) -> None:
    async with carrying(make_mover, options=MoveOptions(preface=HEAD), leftover=FRAME + b"x") as carried:
        assert await carried.read_rest() == HEAD + FRAME


async def test_a_large_preface_waits_for_a_slow_sink(make_mover: MakeMover) -> None:
    large = HEAD[:-2] + b"X: " + b"x" * 200_000 + b"\r\n\r\n"
    async with carrying(make_mover, options=MoveOptions(preface=large), buffer_octets=SMALL) as carried:
        await carried.send(FRAME + END)
        await turns(10)
        assert await carried.read_rest() == large + FRAME + END


async def test_the_first_octets_are_reported_once(make_mover: MakeMover) -> None:
    calls: list[bool] = []
    async with carrying(make_mover, options=MoveOptions(on_first=lambda: calls.append(True))) as carried:
        await carried.send(b"5")
        await trio.testing.wait_all_tasks_blocked()
        assert calls == []
        for octets in (b"\r\nhello\r\n", FRAME, END):
            await carried.send(octets)
            await trio.testing.wait_all_tasks_blocked()
        assert await carried.read_rest() == b"5\r\nhello\r\n" + FRAME + END
    assert calls == [True]


class Keeper:
    """A shaper that keeps data and gives it as one chunk, when it is due or at the end."""

    def __init__(self, *, seconds: float = math.inf, most: int | None = None) -> None:
        self.due: float | None = None
        self.error: ChunkwireError | None = None
        self._seconds = seconds
        self._most = most
        self._kept = b""

    def feed(self, events: list[Event]) -> bytes:
        for event in events:
            self._kept += event.octets if isinstance(event, Data) else b""
        if self.due is None and self._kept:
            self.due = trio.current_time() + self._seconds
        if self._most is not None and len(self._kept) > self._most:
            self.error = IncompleteBody(0, "as much as is let through")
            return self.flush()
        return self.flush() + b"0\r\n\r\n" if any(isinstance(event, LastChunk) for event in events) else b""

    def flush(self) -> bytes:
        kept, self._kept, self.due = self._kept, b"", None
        return encode_chunk(kept) if kept else b""


async def test_a_shaper_decides_what_leaves(make_mover: MakeMover) -> None:
    async with carrying(make_mover, options=MoveOptions(shape=Keeper())) as carried:
        await carried.send(FRAME + FRAME + END)
        assert await carried.read_rest() == b"a\r\nhellohello\r\n0\r\n\r\n"


async def test_what_a_shaper_keeps_leaves_when_it_is_due(
    make_mover: MakeMover, autojump_clock: trio.testing.MockClock
) -> None:
    async with carrying(make_mover, options=MoveOptions(shape=Keeper(seconds=5)), is_tcp=False) as carried:
        await carried.send(FRAME)
        await trio.sleep(3)
        await carried.send(FRAME)
        await carried.expect(b"a\r\nhellohello\r\n")
        assert trio.current_time() == 5


async def test_what_a_shaper_keeps_leaves_before_a_cut(make_mover: MakeMover) -> None:
    async with carrying(make_mover, options=MoveOptions(shape=Keeper())) as carried:
        await carried.send(FRAME)
        await carried.upstream.send_eof()
        assert await carried.read_rest() == b"5\r\nhello\r\n"
        assert isinstance(await carried.wait_error(), IncompleteBody)


async def test_a_shaper_may_end_a_body(make_mover: MakeMover) -> None:
    async with carrying(make_mover, options=MoveOptions(shape=Keeper(most=7))) as carried:
        await carried.send(FRAME + FRAME + FRAME + END)
        assert await carried.read_rest() == b"f\r\nhellohellohello\r\n"
        error = await carried.wait_error()
        assert isinstance(error, IncompleteBody)
        assert error.section == "as much as is let through"


async def test_a_body_that_has_ended_is_not_overdue() -> None:
    """Fails where a deadline is met after a body has ended, and before its task runs: a whole body would be cut."""
    carried = await open_carried(is_tcp=False)
    body = Body(carried.source, carried.sink, ChunkedScanner(), MoveOptions(idle_timeout=1), 0.0)
    assert isinstance(overdue(body, 2.0), IdleTimeout)
    body.is_done = True
    assert overdue(body, 2.0) is None
    await carried.aclose()
