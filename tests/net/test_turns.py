"""What one body may do before others get a turn, and that the rest of it needs no new octets."""

import math
import sys

import pytest
import trio
import trio.testing

from chunkwire.net.movers import MoveOptions, SinkGone, SourceGone, drop_body
from chunkwire.net.unix import UnreadOctet
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import FramingError
from chunkwire.wire.feed import TURN_OCTETS, WATCHED_TURN_OCTETS
from chunkwire.wire.frames import DataEnd, Event
from chunkwire.wire.pattern import MAX_EXT_OCTETS
from chunkwire.wire.scanner import ChunkedScanner
from tests.net.carry import END, FRAME, MakeMover, Watcher, as_blocking, carrying, open_carried, running
from tests.net.peer import SMALL, reset
from tests.patience import PATIENCE

# Its extension is longer than the pattern takes, and no longer than adds nothing to the overhead.
DATA = b"0123456789" * 6
SLOW = encode_chunk(DATA, b";t=" + b"1" * (MAX_EXT_OCTETS - 2))  # 129 octets
FRAMES_A_TURN = -(-TURN_OCTETS // (len(SLOW) - len(DATA)))
FRAMES_A_WATCHED_TURN = -(-WATCHED_TURN_OCTETS // (len(SLOW) - len(DATA)))


class Turns:
    """Counts of a scanner after each turn, with the receive that the turn was part of."""

    def __init__(self) -> None:
        self.scanner = ChunkedScanner()
        self.chunks: list[int] = [0]
        self.reads: list[int] = []

    def note(self, read: int) -> None:
        self.chunks.append(self.scanner.chunks)
        self.reads.append(read)

    @property
    def longest(self) -> int:
        """Return the most chunks of a turn."""
        return max(after - before for before, after in zip(self.chunks, self.chunks[1:], strict=False))


async def test_a_turn_takes_so_many_slow_frames(make_mover: MakeMover) -> None:
    """As many as fill a turn go in one; with one frame more there is a second turn."""
    for extra, turns in ((0, [FRAMES_A_TURN]), (1, [FRAMES_A_TURN, FRAMES_A_TURN + 1])):
        seen, body = Turns(), SLOW * (FRAMES_A_TURN + extra)
        options = MoveOptions(note_counts=seen.note)
        async with carrying(make_mover, seen.scanner, options, leftover=body) as carried:
            await carried.expect(body)
            await carried.send(END)
            assert await carried.read_rest() == END
        assert [chunks for chunks, read in zip(seen.chunks[1:], seen.reads, strict=True) if read == 1] == turns


async def test_a_long_receive_takes_many_turns_and_comes_through(make_mover: MakeMover) -> None:
    body = SLOW * 2000 + END
    seen = Turns()
    async with (
        carrying(make_mover, seen.scanner, MoveOptions(note_counts=seen.note)) as carried,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(carried.send, body + b"next", name="send")
        assert await carried.read_rest() == body
        assert await carried.wait_error() is None
        assert bytes(carried.source.leftover).startswith(b"next")
    assert seen.longest <= FRAMES_A_TURN + 1  # the end of a chunk that an earlier receive began
    assert len(seen.reads) > len(set(seen.reads))


async def test_what_came_with_the_head_goes_on_without_new_octets(make_mover: MakeMover) -> None:
    body = SLOW * 300
    seen = Turns()
    options = MoveOptions(note_counts=seen.note)
    async with carrying(make_mover, seen.scanner, options, leftover=body) as carried:
        await carried.expect(body)
        assert set(seen.reads) == {1}
        await carried.send(END)
        assert await carried.read_rest() == END


async def test_a_slow_body_comes_whole_through_a_slow_sink(make_mover: MakeMover) -> None:
    body = SLOW * 1000 + END
    async with carrying(make_mover, buffer_octets=SMALL) as carried, trio.open_nursery() as nursery:
        nursery.start_soon(carried.send, body, name="send")
        assert await carried.read_rest() == body
        assert await carried.wait_error() is None


async def test_a_break_after_many_turns_comes_after_all_that_was_valid(make_mover: MakeMover) -> None:
    body = SLOW * 2000
    async with carrying(make_mover, leftover=body + b"ZZ\r\n") as carried:
        assert await carried.read_rest() == body
        assert isinstance(await carried.wait_error(), FramingError)


async def test_a_neighbour_has_its_turn_between_two_turns(make_mover: MakeMover) -> None:
    """The neighbour's frame is sent during the slow body's first turn, and is no more than three turns late."""
    order: list[str] = []
    slow, neighbour = await open_carried(), await open_carried()

    def note_slow(read: int) -> None:
        if not order:
            with as_blocking(neighbour.upstream) as upstream:
                upstream.sendall(FRAME)
        order.append("slow")

    slow.source.leftover += SLOW * 300 + END
    async with running(make_mover) as (mover, nursery):
        options = MoveOptions(note_counts=lambda read: order.append("neighbour"))
        nursery.start_soon(neighbour.carry, mover, ChunkedScanner(), options, name="neighbour")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(slow.carry, mover, ChunkedScanner(), MoveOptions(note_counts=note_slow), name="slow")
        assert await slow.read_rest() == SLOW * 300 + END
    assert order.index("neighbour") <= 3 < order.count("slow")
    await slow.aclose()
    await neighbour.aclose()


async def test_tasks_have_their_turn_between_two_turns(make_mover: MakeMover) -> None:
    order: list[str] = []

    async def tick() -> None:
        while len(order) < 50:
            order.append("tick")
            await trio.lowlevel.checkpoint()

    slow = await open_carried()
    slow.source.leftover += SLOW * 600 + END
    async with running(make_mover) as (mover, nursery):
        options = MoveOptions(note_counts=lambda read: order.append("slow"))
        nursery.start_soon(slow.carry, mover, ChunkedScanner(), options, name="slow")
        nursery.start_soon(tick, name="tick")
        assert await slow.read_rest() == SLOW * 600 + END
    assert "slow slow slow" not in " ".join(order[:50])
    await slow.aclose()


async def test_a_watcher_gets_less_at_a_time_and_which_receive_it_was(make_mover: MakeMover) -> None:
    watcher = Watcher()
    async with carrying(make_mover, options=MoveOptions(observe=watcher), leftover=SLOW * 50) as carried:
        await carried.expect(SLOW * 50)
        await carried.send(FRAME + END)
        assert await carried.read_rest() == FRAME + END
    assert watcher.raw == SLOW * 50 + FRAME + END
    assert sorted(set(watcher.reads)) == [1, 2]
    assert watcher.calls.count("received") == watcher.calls.count("sent") == -(-50 // FRAMES_A_WATCHED_TURN) + 1


async def test_a_shaper_is_given_each_turn_and_due_after_the_receive(make_mover: MakeMover) -> None:
    """Fails where a slow sink keeps the events of a whole receive, or where the shaper is due between two turns."""

    turns = list[int]()

    class Counter:
        due: float | None = None
        error = None

        def feed(self, events: list[Event]) -> bytes:
            self.due = trio.current_time()
            turns.append(sum(isinstance(event, DataEnd) for event in events))
            return b""

        def flush(self) -> bytes:
            self.due = None
            return b"%d\n" % sum(turns)

    async with carrying(make_mover, options=MoveOptions(shape=Counter()), leftover=SLOW * 50) as carried:
        await carried.expect(b"50\n")
        assert max(turns) <= FRAMES_A_WATCHED_TURN
        await carried.send(END)
        assert (await carried.read_rest()).startswith(b"50\n")


async def test_a_sink_that_goes_between_two_turns_leaves_the_rest_to_be_dropped(make_mover: MakeMover) -> None:
    """Whoever reads on without a sink goes on where the scanner is, in turns too."""
    scanner = ChunkedScanner()
    carried = await open_carried()

    def leave(read: int) -> None:
        if not carried.client.socket.fileno() < 0:
            reset(carried.client)

    carried.source.leftover += SLOW * 300
    async with running(make_mover) as (mover, _):
        with pytest.raises(SinkGone):
            await mover.move(carried.source, carried.sink, scanner, MoveOptions(note_counts=leave))
    await carried.send(SLOW + END + b"next")
    with trio.fail_after(PATIENCE):
        await drop_body(carried.source, scanner)
    assert scanner.chunks == 301
    await carried.aclose()


async def test_dropping_a_body_that_breaks_says_so() -> None:
    carried = await open_carried()
    carried.source.leftover += SLOW * 300 + b"ZZ\r\n"
    with pytest.raises(FramingError), trio.fail_after(PATIENCE):
        await drop_body(carried.source, ChunkedScanner())
    await carried.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="the plain mover learns of it from its next send, or a watch")
async def test_a_sink_that_resets_while_nothing_is_sent_ends_the_body() -> None:
    """Nobody watches it, and the source says nothing: only the set can tell."""
    from chunkwire.net.fastmover import FastMover

    async with carrying(FastMover) as carried:
        await carried.send(FRAME)
        await carried.expect(FRAME)
        reset(carried.client)
        assert isinstance(await carried.wait_error(), SinkGone)


@pytest.mark.skipif(sys.platform != "linux", reason="the plain mover learns of it from its next receive")
@pytest.mark.parametrize("is_tcp", [True, False])
async def test_a_client_that_resets_while_nothing_is_taken_of_its_request_ends_it(is_tcp: bool) -> None:
    """Fails where it is noticed only when the upstream takes more, or has taken nothing for too long.

    Over a Unix socket its last octet is left (`UnreadOctet`), so that the plain mover relays its request.
    """
    from chunkwire.net.fastmover import FastMover

    options = MoveOptions(send_timeout=math.inf, ends_with_source=True)
    async with carrying(FastMover, options=options, buffer_octets=SMALL, is_tcp=is_tcp) as carried:
        assert isinstance(carried.source.stream, trio.SocketStream)
        carried.source.unread_octet = UnreadOctet.of(carried.source.stream.socket)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(carried.send, encode_chunk(bytes(1 << 24)), name="send")
            for _ in range(1000):
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        reset(carried.upstream)
        assert isinstance(await carried.wait_error(), SourceGone)
