"""Bodies carried exactly: each framing to the octet, each frame at once, and nothing before it is valid."""

import pytest
import trio
import trio.testing

from chunkwire.net.movers import EXACT
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.limits import Limits
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner
from tests.net.carry import END, FRAME, MakeMover, carrying, open_carried, rally, running
from tests.net.peer import read_exactly
from tests.patience import PATIENCE

BODY = b'5\r\nhello\r\n0005;a=1;b="q\\""\r\nhello\r\nA\r\n\x00\r\n\xff456789\r\n000;z\r\nX-Sum: 1\r\nY:\t\x80\r\n\r\n'
CONTENT = bytes(range(256)) * 1000


async def test_a_body_of_a_known_length_arrives_to_the_octet(make_mover: MakeMover) -> None:
    async with carrying(make_mover, LengthScanner(len(CONTENT))) as carried:
        await carried.send(CONTENT[:1])
        await carried.expect(CONTENT[:1])
        await carried.send(CONTENT[1:])
        assert await carried.read_rest() == CONTENT[1:]
        assert await carried.wait_error() is None


async def test_a_body_delimited_by_close_arrives_to_the_octet(make_mover: MakeMover) -> None:
    async with carrying(make_mover, CloseScanner()) as carried:
        await carried.send(CONTENT)
        await carried.expect(CONTENT)
        await carried.upstream.send_eof()
        assert await carried.read_rest() == b""
        assert await carried.wait_error() is None


async def test_a_large_body_arrives_to_the_octet(make_mover: MakeMover) -> None:
    sizes = (1, 70_000, 3, 300_000, 17, 1_000_000, 2)
    body = b"".join(encode_chunk(CONTENT[:1] * size) for size in sizes) + END
    async with carrying(make_mover) as carried, trio.open_nursery() as nursery:
        nursery.start_soon(carried.send, body, name="send")
        assert await carried.read_rest() == body


async def test_a_trailer_section_longer_than_a_buffer_arrives_to_the_octet(make_mover: MakeMover) -> None:
    """Fails where what is held leaves no room for the next receive, which then looks like the end."""
    octets = b"0\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 20_000) for n in range(45)) + b"\r\n"
    scanner = ChunkedScanner(Limits(max_trailer_octets=len(octets)))
    async with carrying(make_mover, scanner) as carried, trio.open_nursery() as nursery:
        nursery.start_soon(carried.send, octets, name="upstream")
        assert await carried.read_rest() == octets
        assert await carried.wait_error() is None


async def test_each_frame_goes_at_once(make_mover: MakeMover) -> None:
    """The peer answers each frame before the next is sent: a mover that waits for more would wait for ever."""
    async with carrying(make_mover) as carried:
        for n in range(1, 200):
            frame = encode_chunk(b"x" * n, b";n=%d" % n)
            await carried.send(frame)
            await carried.expect(frame)
        await carried.send(END)
        assert await carried.read_rest() == END


async def test_each_frame_goes_at_once_while_trio_has_nothing_else_to_do(make_mover: MakeMover) -> None:
    async with carrying(make_mover) as carried:
        await trio.to_thread.run_sync(rally, carried, [encode_chunk(b"x" * n) for n in range(1, 200)])


async def test_each_part_of_a_frame_goes_once_it_is_valid(make_mover: MakeMover) -> None:
    parts = [
        (b"5;a", b""),
        (b"=1\r", b""),
        (b"\n", b"5;a=1\r\n"),
        (b"he", b"he"),
        (b"llo\r", b"llo"),
        (b"\n", b"\r\n"),
        (b"0", b""),
        (b"0", b""),
        (b"3\r\nabc\r\n", b"003\r\nabc\r\n"),
        (b"0\r\n", b""),
        (b"X: 1\r\n", b""),
        (b"\r", b""),
        (b"\n", b"0\r\nX: 1\r\n\r\n"),
    ]
    async with carrying(make_mover) as carried:
        for sent, passed_on in parts:
            await carried.send(sent)
            await carried.expect(passed_on)
        assert await carried.read_rest() == b""


@pytest.mark.parametrize("split", range(len(BODY) + 1))
async def test_what_came_with_the_head_goes_first(make_mover: MakeMover, split: int) -> None:
    async with carrying(make_mover, leftover=BODY[:split]) as carried:
        await carried.send(BODY[split:])
        assert await carried.read_rest() == BODY
        assert await carried.wait_error() is None


@pytest.mark.parametrize(
    "make_scanner, body",
    [(ChunkedScanner, BODY), (lambda: LengthScanner(5), b"hello"), (lambda: LengthScanner(0), b"")],
)
@pytest.mark.parametrize("with_head", [True, False])
async def test_octets_after_the_body_are_left_for_the_next_message(
    make_mover: MakeMover, make_scanner: type[BodyScanner], body: bytes, with_head: bool
) -> None:
    following = b"GET / HTTP/1.1\r\n"
    async with carrying(make_mover, make_scanner(), leftover=body + following if with_head else b"") as carried:
        if not with_head:
            await carried.send(body + following)
        assert await carried.read_rest() == body
        assert await carried.wait_error() is None
        if with_head or body:
            assert bytes(carried.source.leftover) == following
        else:
            assert await carried.source.receive_some() == following


async def test_one_body_after_another_goes_over_the_same_connections(make_mover: MakeMover) -> None:
    async with running(make_mover) as (mover, _):
        carried = await open_carried()
        for _ in range(20):
            await carried.send(BODY + BODY)
            for _ in range(2):
                with trio.fail_after(PATIENCE):
                    await mover.move(carried.source, carried.sink, ChunkedScanner(), EXACT)
                await carried.expect(BODY)
        await carried.aclose()


async def test_many_bodies_go_at_once_each_for_itself(make_mover: MakeMover) -> None:
    async with running(make_mover) as (mover, nursery):
        bodies = [await open_carried() for _ in range(50)]
        for carried in bodies:
            nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="carry")
        for turn in range(5):
            frames = [encode_chunk(b"%d of %d" % (turn, n)) for n in range(len(bodies))]
            for carried, frame in zip(bodies, frames, strict=True):
                await carried.send(frame)
            for carried, frame in zip(bodies, frames, strict=True):
                await carried.expect(frame)
        for carried in bodies:
            await carried.send(END)
            assert await carried.read_rest() == END
            await carried.aclose()


async def test_both_ways_of_a_connection_go_at_once(make_mover: MakeMover) -> None:
    """As in the gateway: a request body goes up while the response body comes down on the same two sockets."""
    async with running(make_mover) as (mover, nursery):
        carried = await open_carried()
        nursery.start_soon(mover.move, carried.source, carried.sink, ChunkedScanner(), name="down")
        nursery.start_soon(mover.move, carried.sink, carried.source, ChunkedScanner(), name="up")
        for n in range(50):
            frame = encode_chunk(b"%d" % n)
            await carried.upstream.send_all(frame)
            await carried.expect(frame)
            await carried.client.send_all(frame)
            with trio.fail_after(PATIENCE):
                assert await carried.upstream.receive_some() == frame
        await carried.upstream.send_all(END)
        await carried.client.send_all(END)
        await carried.expect(END)
        assert await read_exactly(carried.upstream, len(END)) == END
    await carried.aclose()


async def test_two_movers_of_one_process_serve_each_their_own(make_mover: MakeMover) -> None:
    async with carrying(make_mover) as one, carrying(make_mover) as other:
        for carried in (one, other, one, other):
            await trio.to_thread.run_sync(rally, carried, [FRAME] * 10)


async def test_a_cancelled_body_leaves_the_mover_as_it_was(make_mover: MakeMover) -> None:
    async with running(make_mover) as (mover, nursery):
        first, second = await open_carried(), await open_carried()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                inner.start_soon(mover.move, first.source, first.sink, ChunkedScanner(), name="first")
                await first.send(FRAME)
                await first.expect(FRAME)
                scope.cancel()
        nursery.start_soon(second.carry, mover, ChunkedScanner(), name="second")
        await second.send(BODY)
        assert await second.read_rest() == BODY
        await first.aclose()
        await second.aclose()


async def test_connections_may_go_from_one_mover_to_another_between_two_bodies(make_mover: MakeMover) -> None:
    """Fails where a mover still watches the sockets of a body that has ended: another one could not."""
    carried = await open_carried()
    async with running(make_mover) as (first, _), running(make_mover) as (second, _):
        for mover in (first, second):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mover.move, carried.source, carried.sink, ChunkedScanner(), name="move")
                await trio.testing.wait_all_tasks_blocked()
                await carried.send(FRAME + END)
                await carried.expect(FRAME + END)
    await carried.aclose()
