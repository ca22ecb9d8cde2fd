"""Lines, text and events of a stream, and the view that is throttled."""

import math
from contextlib import nullcontext
from functools import partial
from itertools import pairwise

import pytest
import trio

from chunkwire import IncompleteBody, client, encode_chunk
from chunkwire.testing import Origin, octets
from chunkwire.wire.sse import SseDecoder
from tests.client.conftest import Answered
from tests.client.server import CHUNKED, EVENTS, LAST, Peer, gather, scripted, sends


def chunks(*pieces: bytes) -> list[bytes]:
    return [encode_chunk(piece) for piece in pieces]


async def test_lines_come_whole_and_the_last_one_needs_no_end(answered: Answered) -> None:
    async with answered(CHUNKED, *chunks(b"on", b"e\r\ntwo\n\nla", b"st"), LAST) as stream:
        assert [line async for line in stream.lines()] == ["one", "two", "", "last"]


async def test_a_line_is_given_before_the_next_one_is_sent(origin: Origin) -> None:
    run = origin.text(by_hand=True)
    async with client.open("GET", run.url) as stream:
        run.send_event("first\n")
        assert await anext(stream.lines()) == "first"
        run.send_event("second")
        run.finish()
        assert await anext(stream.lines()) == "second"


async def test_a_character_cut_between_chunks_is_one_character() -> None:
    octets = "zwölf €".encode()
    async with scripted(sends(CHUNKED, *chunks(*(octets[n : n + 1] for n in range(len(octets)))), LAST)) as server:
        async with client.open("GET", server.url()) as stream:
            assert [line async for line in stream.lines()] == ["zwölf €"]


async def test_text_obeys_the_charset_of_the_content_type(answered: Answered) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=latin-1\r\n\r\n"
    async with answered(head + b"\xe9") as stream:
        assert await stream.text() == "é"


@pytest.mark.parametrize("charset", [b"klingon", b"punycode"])
async def test_an_unknown_charset_is_read_as_utf_8(answered: Answered, charset: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=%b\r\n\r\n" % charset
    async with answered(head + b"\xc3\xa9") as stream:
        assert await stream.text() == "é"


async def test_events_are_not_frames(answered: Answered) -> None:
    async with answered(EVENTS, *chunks(b"data: a\n\nda", b"ta: b\n\n"), LAST) as stream:
        assert [event.data async for event in stream.events()] == ["a", "b"]
    assert stream.counts.events == 2
    assert stream.counts.chunks == 2


async def test_a_broken_event_stream_is_taken_up_after_its_last_id() -> None:
    heads: list[bytes] = []

    async def rest(peer: Peer) -> None:
        heads.append(await peer.read_head())
        await peer.send(EVENTS + encode_chunk(b"id: 2\ndata: b\n\n") + LAST)

    first = EVENTS + encode_chunk(b"retry: 0\nid: 1\ndata: a\n\n") + encode_chunk(b"id: 2\ndata: hal")
    async with scripted(sends(first), rest) as server, client.open("GET", server.url()) as stream:
        assert [event.data async for event in stream.events(resume=True)] == ["a", "b"]
    assert b"\r\nLast-Event-ID: 1\r\n" in heads[0]


async def test_a_204_ends_an_event_stream_that_is_taken_up(origin: Origin) -> None:
    first = EVENTS + encode_chunk(b"retry: 0\nid: 1\ndata: a\n\n")
    run = origin.text([octets(first), octets(b"HTTP/1.1 204 No Content\r\n\r\n")])
    async with client.open("GET", run.url) as stream:
        assert [event.data async for event in stream.events(resume=True)] == ["a"]
        assert [event async for event in stream.events(resume=True)] == []


async def test_an_event_stream_without_ids_is_not_repeated(origin: Origin) -> None:
    seen: list[object] = []
    run = origin.text([octets(EVENTS + encode_chunk(b"data: a\n\n"))])
    async with client.open("GET", run.url) as stream:
        with pytest.raises(IncompleteBody):
            await gather(stream.events(resume=True), seen)
    assert len(seen) == 1
    assert len(run.requests) == 1


async def test_what_answers_without_an_event_stream_is_not_taken_up(origin: Origin) -> None:
    first = EVENTS + encode_chunk(b"retry: 0\nid: 1\ndata: a\n\n")
    run = origin.text([octets(first), octets(CHUNKED + LAST)])
    async with client.open("GET", run.url) as stream:
        with pytest.raises(IncompleteBody):
            await gather(stream.events(resume=True), [])


@pytest.mark.parametrize("size, is_taken", [(4, True), (5, False)])
async def test_a_line_has_at_most_so_many_characters_and_the_lines_before_it_are_given(
    answered: Answered, size: int, is_taken: bool
) -> None:
    line = "ü" * size
    pieces = (f"ok\n{line}".encode(), b"\r", b"\nlast")
    seen: list[str] = []
    async with answered(CHUNKED, *chunks(*pieces), LAST) as stream:
        with nullcontext() if is_taken else pytest.raises(client.TooLong, match="a line of at most 4 characters"):
            await gather(stream.lines(max_characters=4), seen)
        with nullcontext() if is_taken else pytest.raises(client.TooLong):
            await gather(stream.lines(), [])
    assert seen == (["ok", line, "last"] if is_taken else ["ok"])


@pytest.mark.parametrize("size, is_taken", [(4, True), (5, False)])
async def test_the_last_line_has_the_same_limit(answered: Answered, size: int, is_taken: bool) -> None:
    async with answered(CHUNKED, *chunks(b"x" * size), LAST) as stream:
        with nullcontext() if is_taken else pytest.raises(client.TooLong):
            assert await anext(stream.lines(max_characters=4)) == "xxxx"


async def test_a_line_without_an_end_is_not_held_beyond_the_limit(answered: Answered) -> None:
    async with answered(CHUNKED, *chunks(b"x" * 6), end="hold") as stream:
        with pytest.raises(client.TooLong):
            await anext(stream.lines(max_characters=4))


@pytest.mark.parametrize("bom, charset", [(b"", "utf-16"), (b"\xff\xfe", "utf-16"), (b"", "punycode"), (b"", "hex")])
async def test_any_charset_gives_lines(answered: Answered, bom: bytes, charset: str) -> None:
    text = "zwölf €\nx".encode("utf-16-le" if charset == "utf-16" else "utf-8")
    head = CHUNKED.replace(b"text/plain", f"text/plain; charset={charset}".encode())
    pieces = (text[n : n + 3] for n in range(0, len(text), 3))
    async with answered(head, *chunks(*filter(None, (bom, *pieces))), LAST) as stream:
        assert [line async for line in stream.lines()] == ["zwölf €", "x"]


async def test_an_event_that_is_too_long_comes_after_those_before_it_and_resumes_nothing(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunkwire.client.views.SseDecoder", partial(SseDecoder, max_event_octets=20))
    seen: list[object] = []
    run = origin.text([octets(EVENTS + encode_chunk(b"retry: 0\nid: 1\ndata: a\n\ndata: " + b"x" * 20) + LAST)])
    async with client.open("GET", run.url) as stream:
        for _ in range(2):
            with pytest.raises(client.EventTooLong):
                await gather(stream.events(resume=True), seen)
    assert len(seen) == 1
    assert len(run.requests) == 1


async def test_an_id_that_no_field_can_carry_is_not_resumed(origin: Origin) -> None:
    run = origin.text([octets(EVENTS + encode_chunk(b"retry: 0\nid: \x01\ndata: a\n\n"))])
    async with client.open("GET", run.url) as stream:
        with pytest.raises(IncompleteBody):
            await gather(stream.events(resume=True), [])


class Paced:
    """A view whose items come a second apart, and which ends in an error."""

    def __init__(self, *, items: int, error: Exception) -> None:
        self._left = items
        self._error = error
        self._begun = trio.current_time()
        self._given = 0

    async def __anext__(self) -> int:
        if self._given == self._left:
            raise self._error
        await trio.sleep_until(self._begun + self._given)
        self._given += 1
        return self._given


async def test_a_throttled_view_gives_batches_and_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    times, batches = [], []
    async for batch in client.throttled(Paced(items=10, error=StopAsyncIteration()), every=3.5):
        times.append(trio.current_time())
        batches.append(batch)
    assert [item for batch in batches for item in batch] == list(range(1, 11))
    assert batches[0] == [1]
    assert all(later - earlier >= 3.5 for earlier, later in pairwise(times[:-1]))


async def test_a_throttled_list_has_a_most(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where a fast stream is gathered without end: what comes above the limit stays with the sender."""
    monkeypatch.setattr("chunkwire.client.views.MAX_GATHERED", 3)
    for items, lists in ((4, [[1], [2, 3, 4]]), (5, [[1], [2, 3, 4], [5]])):
        began = trio.current_time()
        view = client.throttled(Paced(items=items, error=StopAsyncIteration()), every=10)
        assert [batch async for batch in view] == lists
        assert trio.current_time() - began >= 10


async def test_a_view_that_is_throttled_for_ever_gives_a_list_whenever_one_is_full(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunkwire.client.views.MAX_GATHERED", 3)
    view = client.throttled(Paced(items=8, error=StopAsyncIteration()), every=math.inf)
    with trio.fail_after(60):
        assert [batch async for batch in view] == [[1], [2, 3, 4], [5, 6, 7], [8]]


async def test_a_throttled_step_that_is_cancelled_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    view = client.throttled(Paced(items=10, error=StopAsyncIteration()), every=5)
    assert await view.__anext__() == [1]
    with trio.move_on_after(2.5) as limit:
        await view.__anext__()
    assert limit.cancelled_caught
    assert [item async for batch in view for item in batch] == list(range(2, 11))


async def test_an_error_comes_after_the_batch_before_it(autojump_clock: trio.testing.MockClock) -> None:
    batches: list[list[int]] = []
    with pytest.raises(ZeroDivisionError):
        await gather(client.throttled(Paced(items=3, error=ZeroDivisionError()), every=60), batches)
    assert batches == [[1], [2, 3]]


async def test_a_stream_is_throttled_by_the_frame(answered: Answered) -> None:
    async with answered(CHUNKED, *chunks(b"a", b"b", b"c"), LAST) as stream:
        batches = [batch async for batch in client.throttled(stream.frames(), every=0.01)]
    assert b"".join(frame.raw for batch in batches for frame in batch) == b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"
