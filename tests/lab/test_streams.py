"""The lab's streams: through real exchanges of the gateway, by hand, paused and stepped; and the feed of them."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.lowlevel

from chunkwire.lab.control import RunControl, RunPacer
from chunkwire.lab.hand import TypedBody
from chunkwire.lab.watching import BATCH_SECONDS, MAX_KEPT, MAX_KEPT_OCTETS, MAX_LATER, Watcher, Watchers
from chunkwire.net.heads import Request
from chunkwire.net.listen import Address
from chunkwire.record.values import FrameRecord, RequestRecord
from chunkwire.server.responder import Responder
from chunkwire.wire.limits import DEFAULT_LIMITS
from chunkwire.wire.mistakes import SIZE_COUNTS
from chunkwire.wire.scanner import ChunkedScanner
from tests.lab.serving import act, answer, get, lab_running
from tests.net.peer import reset
from tests.server.peer import TrioPacer, body_of, status_of

NOBODY = cast(Responder, None)  # for a watcher that nothing is sent to


@pytest.mark.parametrize(
    "mode, body",
    [
        ("exact", b"2\r\nab\r\n1;x=1\r\nc\r\n0\r\nX-T: 1\r\n\r\n"),
        ("buffer", b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"),
        ("slice=1", b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n"),
        ("exact,fault=no-terminator=1", b"2\r\nab\r\n"),
    ],
)
async def test_a_path_names_the_mode_that_a_stream_is_relayed_in(mode: str, body: bytes) -> None:
    async with lab_running() as (_, where):
        target = f"/via/{mode}/frames?plan=2@0,1:x=1@1,0@2&text=abc&trailer=X-T:1"
        assert body_of(await answer(where, get(target))) == body


@pytest.mark.parametrize("mode", ["wrong", "slice=0", "exact,fault=none-such"])
async def test_a_wrong_mode_is_refused_in_a_line(mode: str) -> None:
    async with lab_running() as (_, where):
        response = await answer(where, get(f"/via/{mode}/generate"))
        assert status_of(response) == 400
        assert body_of(response).count(b"\n") == 1


@pytest.mark.parametrize(
    "octets, state, words",
    [
        (
            b"A\r\nhello\r\n0\r\n\r\n",
            "valid",
            "has not come; the chunk before said A (hex for 10), which may be wrong: ",
        ),
        (b"7\r\nhello\r\n0\r\n\r\n", "malformed", "the size line said 7, which is wrong, or the CRLF is missing; "),
    ],
)
def test_a_typed_size_that_may_be_wrong_is_named_with_what_it_counts(octets: bytes, state: str, words: str) -> None:
    body = TypedBody(DEFAULT_LIMITS)
    for place in range(len(octets)):
        body.take(octets[place : place + 1])
    verdict = body.judge()
    assert (verdict.state, verdict.text.endswith(words + SIZE_COUNTS)) == (state, True), verdict


async def test_typed_octets_are_on_the_wire_as_typed() -> None:
    async with lab_running() as (lab, where), await trio.open_tcp_stream(where.host, where.port) as stream:
        await stream.send_all(get("/direct/hand") + b"\r\n")
        assert (await stream.receive_some()).endswith(b"\r\n\r\n")
        verdicts = []
        for typed in (b"5;a=1\r\nhello\r\n", b"4\r\nwrong\n"):
            said = json.loads(body_of(await answer(where, act(lab, "/lab/type"), typed)))
            assert (said["streams"], said["octets"]) == (1, len(typed))
            assert await stream.receive_some() == typed
            verdicts.append((said["verdict"]["state"], said["verdict"]["offset"]))
        assert verdicts == [("valid", None), ("malformed", 14 + 7)]
        await answer(where, act(lab, "/lab/type?end=fin"))
        assert await stream.receive_some() == b""


async def test_what_a_run_types_does_not_reach_the_streams_of_another_run() -> None:
    async with lab_running() as (lab, where), AsyncExitStack() as stack:
        streams = []
        for field in (b"Chunkwire-Run: r1.a\r\n", b"Chunkwire-Run: r2.a\r\n", b""):
            stream = await stack.enter_async_context(await trio.open_tcp_stream(where.host, where.port))
            await stream.send_all(get("/via/exact/hand") + field + b"\r\n")
            assert (await stream.receive_some()).endswith(b"\r\n\r\n")
            streams.append(stream)
        said = json.loads(body_of(await answer(where, act(lab, "/lab/type?run=r1"), b"5\r\nhello\r\n")))
        assert said["streams"] == 2
        await answer(where, act(lab, "/lab/type?run=r1&end=fin"))
        had = [b"".join([octets async for octets in stream]) for stream in (streams[0], streams[2])]
        assert had == [b"5\r\nhello\r\n"] * 2
        assert lab.seat.hands.reached() == 1
        await answer(where, act(lab, "/lab/type"), b"0\r\n\r\n")
        assert b"".join([octets async for octets in streams[1]]) == b"0\r\n\r\n"


async def test_a_last_chunk_is_sent_though_octets_before_it_still_wait() -> None:
    async with lab_running() as (lab, where), await trio.open_tcp_stream(where.host, where.port) as stream:
        await stream.send_all(get("/direct/hand") + b"\r\n")
        assert (await stream.receive_some()).endswith(b"\r\n\r\n")
        for typed in (b"5\r\nhello\r\n", b"0\r\n\r\n"):
            lab.seat.hands.write(typed)
        assert b"".join([octets async for octets in stream]) == b"5\r\nhello\r\n0\r\n\r\n"


async def test_a_stepped_stream_goes_on_frame_by_frame(autojump_clock: trio.testing.MockClock) -> None:
    control = RunControl()
    control.set(is_paused=True)
    pacer = RunPacer(TrioPacer(), control)
    start, passed = pacer.now(), []

    async def stream() -> None:
        for n in range(3):
            await pacer.wait_until(start + n)
            passed.append((n, trio.current_time() - began))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream, name="stream")
        await trio.sleep(10)
        assert passed == []
        control.set(steps=1)
        await trio.sleep(10)
        assert passed == [(0, 10.0)]
        control.set(is_paused=False, rate=0.5)
    assert passed == [(0, 10.0), (1, 22.0), (2, 24.0)]


async def test_a_change_of_pace_holds_at_once(autojump_clock: trio.testing.MockClock) -> None:
    control = RunControl()
    pacer = RunPacer(TrioPacer(), control)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pacer.wait_until, pacer.now() + 10, name="stream")
        await trio.sleep(5)
        control.set(rate=5.0)
    assert trio.current_time() - began == pytest.approx(6.0)


async def test_the_feed_has_what_origin_and_gateway_sent() -> None:
    async with lab_running() as (_, where), await trio.open_tcp_stream(where.host, where.port) as feed:
        await feed.send_all(get("/lab/feed") + b"\r\n")
        await _until(feed, b"event: hello")
        await answer(where, get("/via/buffer/frames?plan=2@0,1@1,0@2&text=abc", "Chunkwire-Run: r1"))
        seen = _records(await _until(feed, b'"kind":"end"', times=2))
    lines: dict[str, list[str]] = {}
    for each in seen:
        assert isinstance(each["at"], float)
        if each["kind"] == "frame":
            lines.setdefault(each["point"], []).append(each["line"])
    assert lines == {"origin.sent": ["2", "1", "0"], "gateway.sent": ["3", "0"]}
    runs = [each for each in seen if each["kind"] == "request" and ["Chunkwire-Run", "r1"] in each["fields"]]
    assert {each["place"] for each in runs} == {"origin", "gateway buffer"}


async def test_a_page_that_reads_late_gets_every_record() -> None:
    async with lab_running() as (_, where), await trio.open_tcp_stream(where.host, where.port) as feed:
        await feed.send_all(get("/lab/feed") + b"\r\n")
        octets = await _until(feed, b"event: hello")
        for _ in range(2):  # the second one comes to a page whose task sends
            await answer(where, get("/via/exact/frames?plan=" + ",".join(["4000@0"] * 300)))
        octets += await _until(feed, b'"kind":"end"', times=4)
    assert b"event: dropped" not in octets
    body = octets.partition(b"\r\n\r\n")[2]
    assert ChunkedScanner().scan(body, len(body)) > 0.99 * len(body)
    frames: dict[int, list[int]] = {}
    for each in _records(octets):
        if (each.get("kind"), each.get("point")) == ("frame", "origin.sent"):
            frames.setdefault(each["x"], []).append(each["n"])
    assert list(frames.values()) == [[*range(1, 301)]] * 2


async def test_a_page_whose_socket_is_full_is_sent_the_rest_while_records_are_made() -> None:
    steps, most, done = 0, 10_000, trio.Event()
    async with lab_running() as (lab, where), _feed(where):
        watchers = lab.seat.watchers
        (watcher,) = watchers._watchers
        token = trio.lowlevel.current_trio_token()

        def work() -> bool:
            nonlocal steps
            steps += 1
            watchers.note(f'"{"x" * 65536}"')
            if steps < most and not watcher._response._is_writing:
                return True
            token.run_sync_soon(done.set)
            return False

        watchers.later(work)
        await done.wait()
    assert steps < most


async def test_records_that_a_page_began_to_make_are_made_for_the_others_when_it_leaves() -> None:
    began, has_left = trio.Event(), False
    async with lab_running() as (lab, where):
        watchers, token = lab.seat.watchers, trio.lowlevel.current_trio_token()

        def work() -> bool:
            token.run_sync_soon(began.set)
            if has_left:
                watchers.note('{"kind":"last"}')
            return not has_left

        async with _feed(where) as first:
            watchers.later(work)
            await began.wait()
            async with _feed(where) as second:
                reset(first)
                while len(watchers._watchers) > 1:
                    await trio.lowlevel.checkpoint()
                has_left = True
                await _until(second, b'{"kind":"last"}')


async def test_a_record_has_its_moment_however_late_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    watchers, watcher = Watchers(), Watcher(NOBODY)
    watchers._watchers.add(watcher)
    monkeypatch.setattr("chunkwire.lab.watching.time.monotonic", lambda: 20.0)
    monkeypatch.setattr("chunkwire.lab.watching.time.time", lambda: 105.0)
    take = watchers.record_for("origin")(Request(b"GET", b"/"))
    assert take is not None
    take(RequestRecord(1, "origin.sent", 0.5, "GET", "/", (), wall=100.0))
    take(FrameRecord(1, "origin.sent", 2.5, 1, None, 1, 0, "1", 1, b"x"))
    assert [each["at"] for each in _records(watcher.take())] == [15.0, 17.0]


async def test_the_makers_of_records_pause_once_and_then_wait_where_nothing_is_due() -> None:
    watchers = Watchers()
    watchers.note("{}")
    assert [watchers._make_or_send() for _ in range(3)] == [BATCH_SECONDS, None, None]


async def test_a_record_has_its_moment_where_the_request_came_while_no_page_watched() -> None:
    watchers = Watchers()
    watchers._watchers.add(Watcher(NOBODY))
    take = watchers.record_for("origin")(Request(b"GET", b"/"))
    assert take is not None
    watchers._watchers.clear()
    take(RequestRecord(1, "gateway.received", 0.0, "GET", "/", (), wall=time.time()))
    watchers._watchers.add(watcher := Watcher(NOBODY))
    take(FrameRecord(1, "gateway.sent", 0.5, 1, None, 1, 0, "1", 1, b"x"))
    assert [each["at"] > 0.5 for each in _records(watcher.take())] == [True]


@pytest.mark.parametrize("beyond", [0, 1])
async def test_what_a_slow_page_does_not_take_is_dropped_and_counted(beyond: int) -> None:
    watcher = Watcher(NOBODY)
    for number in range(MAX_KEPT + beyond):
        watcher.note(str(number))
    said = b"event: dropped\ndata: 1\n\n" if beyond else b""
    assert watcher.take().startswith(said + b"data: %d\n" % beyond)
    assert b"dropped" not in watcher.take()


@pytest.mark.parametrize("beyond", [0, 1])
async def test_what_is_kept_for_a_slow_page_is_bounded_in_octets_too(beyond: int) -> None:
    watcher = Watcher(NOBODY)
    for _ in range(2):
        for _ in range(16 + beyond):
            watcher.note("x" * (MAX_KEPT_OCTETS // 16 - len("data: \n")))
        assert len(watcher.kept) == 16
        assert (b"event: dropped\ndata: 1\n\n" in watcher.take()) == bool(beyond)


async def test_records_are_made_at_once_where_no_page_waits() -> None:
    done: list[int] = []
    watchers = Watchers()
    watchers._watchers.add(Watcher(NOBODY))
    watchers.later(lambda: done.append(1))
    assert done == []
    watchers._watchers.clear()
    watchers.later(lambda: done.append(2))
    assert done == [1, 2]


@pytest.mark.parametrize("beyond", [0, 1])
async def test_the_oldest_records_are_made_at_once_where_too_many_wait(beyond: int) -> None:
    made: list[int] = []
    watchers = Watchers()
    watchers._watchers.add(Watcher(NOBODY))
    for number in range(MAX_LATER + beyond):
        watchers.later(partial(made.append, number))
    assert made == [*range(beyond)]


@asynccontextmanager
async def _feed(where: Address) -> AsyncIterator[trio.SocketStream]:
    """Open the feed of a lab, and give it after its first event."""
    async with await trio.open_tcp_stream(where.host, where.port) as stream:
        await stream.send_all(get("/lab/feed") + b"\r\n")
        await _until(stream, b"event: hello")
        yield stream


async def _until(stream: trio.SocketStream, mark: bytes, times: int = 1) -> bytes:
    octets = b""
    while octets.count(mark) < times:
        octets += await stream.receive_some()
    return octets


def _records(feed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in feed.split(b"\n") if line.startswith(b"data: {")]
