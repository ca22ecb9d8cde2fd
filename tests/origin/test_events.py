"""`/sse` and `/ndjson`: what they send, when, and where a client that comes back begins."""

import json

import pytest

from chunkwire.server.journal import Ended
from chunkwire.wire.frames import Chunk
from chunkwire.wire.reader import FrameReader
from chunkwire.wire.sse import SseComment, SseDecoder, SseEvent
from tests.server.peer import LeapPacer, ask, body_of, fetch, get, serving, status_of


def items_of(response: bytes) -> list[SseEvent | SseComment]:
    """Return the events and comments of a response, which may be cut."""
    frames = FrameReader().feed(body_of(response))
    decoder = SseDecoder()
    items = [decoder.feed_all(frame.data) for frame in frames if isinstance(frame, Chunk)]
    assert all(len(found) == 1 for found in items), "a frame an event"
    return [item for found in items for item in found]


async def sse(target: str, *lines: bytes) -> list[SseEvent]:
    response = await ask(get(target, b"Connection: close", *lines))
    return [item for item in items_of(response) if isinstance(item, SseEvent)]


async def test_events_are_numbered_and_carry_their_number_as_id() -> None:
    events = await sse("/sse?count=3")
    assert [event.id for event in events] == ["1", "2", "3"]
    assert [json.loads(event.data)["n"] for event in events] == [1, 2, 3]
    assert {json.loads(event.data)["of"] for event in events} == {3}
    assert {event.event for event in events} == {"message"}


async def test_count_events_are_spread_over_the_duration_after_the_delay() -> None:
    pacer = LeapPacer()
    await fetch("/sse?count=5&duration=2s&delay=1s", pacer=pacer)
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [1.0, 1.5, 2.0, 2.5, 3.0]


async def test_one_event_needs_no_pause() -> None:
    assert len(await sse("/sse?count=1")) == 1


async def test_retry_is_sent_once_in_milliseconds() -> None:
    assert [event.retry for event in await sse("/sse?count=2&retry=1.5s")] == [1500, None]
    assert [event.retry for event in await sse("/sse?count=2&retry=0")] == [0, None]
    assert [event.retry for event in await sse("/sse?count=2")] == [None, None]


async def test_heartbeats_are_comments_in_the_silence() -> None:
    pacer = LeapPacer()
    items = items_of(await fetch("/sse?count=2&duration=1s&delay=500ms&heartbeat=400ms", pacer=pacer))
    kinds = ["event" if isinstance(item, SseEvent) else "heartbeat" for item in items]
    assert kinds == ["heartbeat", "event", "heartbeat", "heartbeat", "event"]
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [0.4, 0.5, 0.9, 1.3, 1.5]


@pytest.mark.parametrize("last, ids", [(b" 3", ["4", "5"]), (b"", ["1", "2", "3", "4", "5"])])
async def test_last_event_id_resumes_the_stream_after_that_event(last: bytes, ids: list[str]) -> None:
    assert [event.id for event in await sse("/sse?count=5", b"Last-Event-ID:" + last)] == ids


@pytest.mark.parametrize("last", [b"5", b"6"])
async def test_a_client_with_all_events_gets_204_which_stops_its_reconnects(last: bytes) -> None:
    assert status_of(await ask(get("/sse?count=5", b"Last-Event-ID: " + last, b"Connection: close"))) == 204


async def test_an_id_that_was_never_given_is_refused_by_name() -> None:
    response = await ask(get("/sse", b"Last-Event-ID: abc", b"Connection: close"))
    assert (status_of(response), b"Last-Event-ID: expected a number" in response) == (400, True)


async def test_a_cut_stream_can_be_resumed_to_its_end() -> None:
    async with serving() as running:
        first = items_of(await running.get("/sse?count=5&cut=3"))
        assert await running.wait_ended() is Ended.CUT
        again = items_of(await running.ask(get("/sse?count=5", b"Last-Event-ID: 3", b"Connection: close")))
    events = [item for item in first + again if isinstance(item, SseEvent)]
    assert [event.id for event in events] == ["1", "2", "3", "4", "5"]


async def test_a_stream_is_cut_after_its_last_event_and_not_where_fewer_follow() -> None:
    async with serving() as running:
        assert len(items_of(await running.get("/sse?count=2&cut=2"))) == 2
        assert await running.wait_ended() is Ended.CUT
        await running.ask(get("/sse?count=2&cut=2", b"Last-Event-ID: 1", b"Connection: close"))
        assert await running.wait_ended() is Ended.COMPLETE


async def test_ndjson_is_a_line_of_json_a_frame_at_its_moment() -> None:
    pacer = LeapPacer()
    response = await fetch("/ndjson?n=3&interval=200ms", pacer=pacer)
    lines = [frame.data for frame in FrameReader().feed(body_of(response)) if isinstance(frame, Chunk)]
    assert [json.loads(line)["n"] for line in lines] == [1, 2, 3]
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 for line in lines)
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [0.0, 0.2, 0.4]
    assert b"Content-Type: application/x-ndjson" in response
