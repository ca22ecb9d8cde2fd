"""Frames, reads, counts and trailers of a response, as they arrive."""

from contextlib import nullcontext

import pytest

from chunkwire import Chunk, Data, LastChunk, client
from chunkwire.net.heads import HeadError
from chunkwire.testing import Origin, octets
from tests.client.conftest import Answered
from tests.client.server import CHUNKED, LAST, scripted, sends


async def test_a_frame_is_given_before_the_next_one_is_sent(origin: Origin) -> None:
    run = origin.text(by_hand=True)
    async with client.open("GET", run.url) as stream:
        frames = stream.frames()
        for data in (b"0", b"1", b"2"):
            run.send_frame(data)
            frame = await anext(frames)
            assert isinstance(frame, Chunk)
            assert frame.data == data
        run.finish()
        assert isinstance(await anext(frames), LastChunk)


async def test_frames_keep_their_size_lines_and_extensions(answered: Answered) -> None:
    async with answered(CHUNKED, b"0A;t=4\r\n0123456789\r\n", LAST) as stream:
        frame = await anext(stream.frames())
    assert isinstance(frame, Chunk)
    assert (frame.line, frame.ext, frame.data) == (b"0A;t=4", b";t=4", b"0123456789")


async def test_a_frame_cut_over_many_reads_is_given_once_and_whole() -> None:
    octets = b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
    async with scripted(sends(CHUNKED, *(octets[n : n + 1] for n in range(len(octets))))) as server:
        async with client.open("GET", server.url()) as stream:
            frames = [frame async for frame in stream.frames()]
    assert [type(frame) for frame in frames] == [Chunk, LastChunk]
    assert stream.trailers == ((b"X-T", b"1"),)


async def test_frames_and_reads_are_counted_apart(answered: Answered) -> None:
    async with answered(CHUNKED + b"1\r\na\r\n1\r\nb\r\n" + LAST) as stream:
        reads = [read async for read in stream.reads()]
    assert stream.counts == client.Counts(chunks=2, events=None, reads=1, octets=2, wire_octets=17)
    assert [len(read.frames) for read in reads] == [3]
    assert reads[0].octets == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


async def test_a_read_ends_where_the_body_does(answered: Answered) -> None:
    async with answered(CHUNKED + LAST + b"stray") as stream:
        reads = [read async for read in stream.reads()]
    assert [read.octets for read in reads] == [LAST]


async def test_a_body_with_a_length_gives_its_data_as_it_comes(answered: Answered) -> None:
    async with answered(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b"llo") as stream:
        data = [frame async for frame in stream.frames()]
    assert all(isinstance(piece, Data) for piece in data)
    assert b"".join(piece.raw for piece in data) == b"hello"


async def test_a_body_delimited_by_close_is_complete_at_the_fin(answered: Answered) -> None:
    async with answered(b"HTTP/1.1 200 OK\r\n\r\nhello") as stream:
        assert await stream.read() == b"hello"
    assert stream.verdict == client.BodyEnd("complete", "unknown")


async def test_a_head_request_has_no_body_to_wait_for(origin: Origin) -> None:
    run = origin.text([octets(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")])
    async with client.open("HEAD", run.url) as stream:
        assert await stream.read() == b""
        assert stream.verdict.framing == "complete"


async def test_informational_heads_come_before_the_final_one(answered: Answered) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with answered(early, b"HTTP/1.1 204 No Content\r\n\r\n") as stream:
        assert [head.status for head in stream.informational] == [103]
        assert stream.head.status == 204


async def test_a_view_left_half_way_goes_on_where_it_was(answered: Answered) -> None:
    async with answered(CHUNKED + b"1\r\na\r\n1\r\nb\r\n" + LAST) as stream:
        async for _ in stream.frames():
            break
        rest = [frame async for frame in stream.frames()]
    assert [frame.raw for frame in rest] == [b"1\r\nb\r\n", LAST]


@pytest.mark.parametrize("count", [100, 101])
async def test_informational_heads_without_end_are_refused(answered: Answered, count: int) -> None:
    heads = b"HTTP/1.1 102 Processing\r\n\r\n" * count
    with pytest.raises(HeadError) if count > 100 else nullcontext():
        async with answered(heads + CHUNKED + LAST) as stream:
            assert len(stream.informational) == count


async def test_a_101_is_the_last_head(answered: Answered) -> None:
    """Fails where another head is waited for: after a 101 the connection has no HTTP."""
    fields = {"Connection": "Upgrade", "Upgrade": "x"}
    async with answered(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello", fields=fields) as stream:
        assert stream.head.status == 101
        assert (await stream.read(), stream.verdict.framing) == (b"", "complete")
