"""How a stream ends: whole, cut, reset, malformed, late, or left; and what its error still carries."""

from contextlib import nullcontext

import pytest
import trio

from chunkwire import Chunk, Data, Frame, FramingError, IncompleteBody, LocalError, client
from tests.client.conftest import Answered
from tests.client.server import CHUNKED, LAST, Peer, gather, notes_ending, scripted, sends

FEVER = 0.05  # s; a deadline that is meant to pass


async def test_a_cut_raises_with_the_content_that_had_come(answered: Answered) -> None:
    async with answered(CHUNKED + b"5\r\nhello\r\n5\r\nwor") as stream:
        for _ in range(2):
            with pytest.raises(IncompleteBody) as caught:
                await stream.text()
            assert caught.value.received == b"hellowor"
    assert stream.verdict == client.BodyEnd("cut", "unknown")


async def test_the_total_timeout_ends_a_head_that_the_server_does_not_read() -> None:
    left = trio.Event()

    async def wait(_: Peer) -> None:
        await left.wait()

    async with scripted(wait) as server:
        with pytest.raises(client.Deadline, match="the end of the exchange"):
            async with client.open("GET", server.url(), fields={"X": "x" * (32 << 20)}, total_timeout=FEVER):
                pass  # never entered
        left.set()


@pytest.mark.parametrize("most, is_taken", [(5, True), (4, False)])
async def test_the_whole_content_has_at_most_so_many_octets(answered: Answered, most: int, is_taken: bool) -> None:
    async with answered(CHUNKED + b"2\r\n[1\r\n" + b"3\r\n,2]\r\n" + LAST) as stream:
        for _ in range(2):  # a second call gives the same
            with nullcontext() if is_taken else pytest.raises(client.TooLong, match="content of at most 4 octets"):
                assert await stream.json(max_octets=most) == [1, 2]
        assert await stream.text() == "[1,2]"


async def test_json_that_is_too_deep_is_a_value_error(answered: Answered) -> None:
    deep = b"[" * 100_000
    async with answered(CHUNKED + b"%x\r\n%b\r\n" % (len(deep), deep) + LAST) as stream:
        with pytest.raises(ValueError, match="nested deeper"):
            await stream.json()


async def test_frames_before_a_cut_are_given_before_it_is_raised(answered: Answered) -> None:
    seen: list[Frame | Data] = []
    async with answered(CHUNKED + b"5\r\nhello\r\n") as stream:
        with pytest.raises(IncompleteBody):
            await gather(stream.frames(), seen)
    assert [frame.raw for frame in seen] == [b"5\r\nhello\r\n"]


async def test_a_reset_is_another_error_than_a_cut(answered: Answered) -> None:
    async with answered(CHUNKED + b"5\r\nhello\r\n", end="reset") as stream:
        with pytest.raises(client.ResetBody) as caught:
            await stream.drain()
    assert stream.verdict.framing == "reset"
    assert "reset" in str(caught.value)


async def test_broken_framing_raises_after_the_frames_that_were_valid(answered: Answered) -> None:
    seen: list[Frame | Data] = []
    async with answered(CHUNKED + b"5\r\nhello\r\nzz\r\n") as stream:
        with pytest.raises(FramingError) as caught:
            await gather(stream.frames(), seen)
    assert [frame.data for frame in seen if isinstance(frame, Chunk)] == [b"hello"]
    assert isinstance(caught.value, client.MalformedBody)
    assert (caught.value.rule, caught.value.offset, caught.value.received) == ("chunk-size", 10, b"hello")


async def test_the_error_of_a_stream_keeps_coming(answered: Answered) -> None:
    async with answered(CHUNKED) as stream:
        for _ in range(2):
            with pytest.raises(IncompleteBody):
                await anext(stream.frames())


async def test_silence_beyond_the_idle_timeout_is_a_deadline(answered: Answered) -> None:
    async with answered(CHUNKED + b"1\r\na\r\n", end="hold", idle_timeout=FEVER) as stream:
        with pytest.raises(client.Deadline) as caught:
            await stream.drain()
    assert (caught.value.phase, caught.value.received) == ("idle", b"a")
    assert stream.verdict.framing == "timeout"


async def test_the_total_timeout_ends_a_stream_that_goes_on(answered: Answered) -> None:
    with pytest.raises(client.Deadline) as caught:
        async with answered(CHUNKED, end="hold", total_timeout=FEVER) as stream:
            await stream.drain()
    assert caught.value.phase == "total"


async def test_a_head_that_does_not_come_is_a_deadline(answered: Answered) -> None:
    with pytest.raises(client.Deadline) as caught:
        async with answered(end="hold", head_timeout=FEVER):
            pass  # never entered
    assert caught.value.phase == "head"


async def test_an_empty_reply_is_an_incomplete_head() -> None:
    async with scripted(sends()) as server:
        with pytest.raises(client.IncompleteHead) as caught:
            async with client.open("GET", server.url()):
                pass  # never entered
    assert caught.value.octets == b""


async def test_leaving_early_resets_the_connection_at_once() -> None:
    endings: list[str] = []
    async with scripted(notes_ending(endings, CHUNKED + b"1\r\na\r\n")) as server:
        async with client.open("GET", server.url()) as stream:
            await anext(stream.frames())
    assert endings == ["reset"]
    assert stream.verdict.framing == "client-gone"


async def test_a_whole_exchange_ends_without_a_reset() -> None:
    endings: list[str] = []
    async with scripted(notes_ending(endings, CHUNKED + LAST)) as server:
        async with client.open("GET", server.url()) as stream:
            await stream.drain()
    assert endings == ["fin"]


async def test_cancelling_the_caller_resets_the_connection() -> None:
    endings: list[str] = []
    async with scripted(notes_ending(endings, CHUNKED + b"1\r\na\r\n")) as server:
        with trio.CancelScope() as scope:
            async with client.open("GET", server.url()) as stream:
                async for _ in stream.frames():
                    scope.cancel()
    assert scope.cancelled_caught
    assert endings == ["reset"]


async def test_an_error_of_the_caller_comes_out_as_it_is() -> None:
    async with scripted(notes_ending([], CHUNKED)) as server:
        with pytest.raises(ZeroDivisionError):
            async with client.open("GET", server.url()):
                raise ZeroDivisionError


async def test_a_body_has_one_view(answered: Answered) -> None:
    async with answered(CHUNKED + LAST) as stream:
        await stream.drain()
        with pytest.raises(LocalError, match="one view"):
            stream.lines()
