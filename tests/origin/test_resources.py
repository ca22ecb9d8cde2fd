"""The resources, octet for octet where they are fixed, and at their planned moments."""

import json
import random
import re

import pytest
import trio
import trio.testing

import chunkwire
from chunkwire.origin.resources import origin_resources
from chunkwire.record.values import FrameRecord
from chunkwire.server.journal import Ended
from chunkwire.wire.frames import Chunk, LastChunk
from tests.server.peer import GatePacer, LeapPacer, ask, body_of, connect, fetch, get, post, serving, status_of

RESOURCES = origin_resources()
OTHERS = 2  # the paths below /v1 and /v1beta that are not mocked, which have no example
FURTHER_LINE = re.compile(r"(?: \\)?\n {8}")  # of a summary, of parameters or of a command


def chunks_of(response: bytes) -> list[bytes]:
    """Return the chunk-data of each chunk of a response, which must be complete."""
    frames = chunkwire.decode(body_of(response))
    assert isinstance(frames[-1], LastChunk)
    return [frame.data for frame in frames if isinstance(frame, Chunk)]


async def test_the_list_names_every_resource_with_its_parameters_and_an_example() -> None:
    text = FURTHER_LINE.sub(" ", body_of(await fetch("/")).decode())
    for resource in RESOURCES:
        assert f"{' '.join(resource.methods)} {resource.path}\n    {resource.summary}\n" in text
    assert text.count("    curl -sN ") == len(RESOURCES) - OTHERS
    assert "    parameters: at, duration, interval, n\n    curl -sN --raw 'http://x/fault/cut" in text


async def test_every_example_of_the_list_is_answered() -> None:
    async with serving() as running:
        text = FURTHER_LINE.sub(" ", body_of(await running.get("/")).decode())
        listed = re.findall(r"^([A-Z ]+) /\S*\n.*\n(?:    parameters: .*\n)?.*http://x(/[^' \n]*)", text, re.MULTILINE)
        assert len(listed) == len(RESOURCES) - OTHERS
        for methods, target in listed:
            expected = 426 if target.startswith("/ws") else 200 if "GET" in methods else 405
            expected = 404 if target.startswith("/probe/state") else expected  # no stream has that barrier open
            assert status_of(await running.get(target)) == expected


async def test_generate_numbers_and_stamps_its_chunks() -> None:
    chunks = chunks_of(await fetch("/generate?n=3&interval=10ms"))
    assert len(chunks) == 3
    for number, data in enumerate(chunks, 1):
        assert re.fullmatch(rb"Chunk %d \[\d\d:\d\d:\d\d\.\d{3}\]\n" % number, data)


async def test_generate_defaults_to_100_chunks_a_tenth_of_a_second_apart() -> None:
    pacer = LeapPacer()
    assert len(chunks_of(await fetch("/generate", pacer=pacer))) == 100
    assert [round(moment - 1000, 6) for moment in pacer.moments[-3:]] == [9.7, 9.8, 9.9]


class LatePacer(LeapPacer):
    """Wakes 30 ms after every moment, as a busy machine would."""

    async def wait_until(self, moment: float) -> None:
        await super().wait_until(moment)
        self.pass_by(0.03)


async def test_lateness_does_not_add_up() -> None:
    """Fails where a frame is planned from the one before."""
    pacer = LatePacer()
    await fetch("/generate?n=5&interval=100ms", pacer=pacer)
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [0.0, 0.1, 0.2, 0.3, 0.4]


async def test_stream_sends_json_lines_about_the_request() -> None:
    async with serving() as running:
        lines = [json.loads(data) for data in chunks_of(await running.get("/stream/3?a=1&a=2"))]
    assert [line["id"] for line in lines] == [0, 1, 2]
    assert lines[0]["args"] == {"a": ["1", "2"]}
    assert lines[0]["headers"]["Host"] == ["x"]
    assert lines[0]["url"] == "http://x/stream/3?a=1&a=2"
    assert lines[0]["origin"] == "127.0.0.1"


async def test_stream_bytes_keeps_to_its_chunk_size_and_seed() -> None:
    async with serving() as running:
        by_40 = chunks_of(await running.get("/stream-bytes/100?chunk_size=40&seed=7"))
        by_7 = chunks_of(await running.get("/stream-bytes/100?chunk_size=7&seed=7"))
        other = chunks_of(await running.get("/stream-bytes/100?seed=8"))
    assert [len(data) for data in by_40] == [40, 40, 20]
    assert b"".join(by_40) == b"".join(by_7)
    assert [len(data) for data in other] == [100]
    assert b"".join(other) != b"".join(by_40)


async def test_stream_bytes_spans_the_blocks_it_draws() -> None:
    chunks = chunks_of(await fetch("/stream-bytes/200000?chunk_size=70000&seed=7"))
    assert [len(data) for data in chunks] == [70000, 70000, 60000]


async def test_random_octets_of_a_large_chunk_are_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where each block that is drawn is appended to those before it: 16 MiB would take seconds."""

    class Drawn(bytes):
        def __radd__(self, before: bytes) -> bytes:
            raise AssertionError(f"copied {len(before)} octets")

    def draw(source: random.Random, octets: int) -> bytes:
        return Drawn(source.getrandbits(8 * octets).to_bytes(octets, "little"))

    monkeypatch.setattr(random.Random, "randbytes", draw)
    (chunk,) = chunks_of(await fetch("/stream-bytes/1000000?chunk_size=1000000"))
    assert len(chunk) == 1_000_000


async def test_drip_spreads_its_octets_after_a_delay() -> None:
    pacer = LeapPacer()
    answer = await fetch("/drip?numbytes=5&duration=2s&delay=1s&code=503", pacer=pacer)
    assert status_of(answer) == 503
    assert chunks_of(answer) == 5 * [b"*"]
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [1.0, 1.0, 1.5, 2.0, 2.5, 3.0]


async def test_drip_holds_its_head_back_for_the_delay() -> None:
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port, get("/drip?numbytes=1&delay=1s")) as client:
        await pacer.waiting.acquire()
        assert running.origin.metrics.octets == 0
        assert next(iter(running.origin.journal)).status == 0
        pacer.open()
        await client.read_until(b"\r\n\r\n")


async def test_trailers_that_http_1_0_cannot_carry_stand_in_the_content_alone() -> None:
    async with serving() as running:
        answer = await running.ask(b"GET /trailers?X-A=1 HTTP/1.0\r\n\r\n")
    assert b"\r\nTrailer:" not in answer
    assert body_of(answer) == b"1 trailers are not sent: HTTP/1.0 has no chunks\nX-A: 1\n"


async def test_trailers_come_back_as_trailers() -> None:
    answer = await fetch("/trailers?X-A=1&X-B=two%20words&X-A=3")
    assert b"Trailer: X-A, X-B, X-A\r\n" in answer
    assert answer.endswith(b"0\r\nX-A: 1\r\nX-B: two words\r\nX-A: 3\r\n\r\n")


async def test_frames_follow_their_plan() -> None:
    pacer = LeapPacer()
    target = "/frames?plan=5@0,6:a=1;b=%22x,y%22@100,0:end@200&trailer=X-T:1&trailer=X-U:%202&text=hello+world!"
    body = body_of(await fetch(target, pacer=pacer))
    assert body == b'5\r\nhello\r\n6;a=1;b="x,y"\r\n world\r\n0;end\r\nX-T: 1\r\nX-U: 2\r\n\r\n'
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [0.0, 0.1, 0.2]


async def test_a_plan_without_a_last_chunk_ends_in_a_cut() -> None:
    async with serving() as running:
        body = body_of(await running.get("/frames?plan=3@0,2@5"))
        assert running.ended[0].ended_by is Ended.CUT
    assert body == b"3\r\nabc\r\n2\r\nde\r\n"


async def test_nothing_is_served_after_a_cut() -> None:
    async with serving() as running:
        answer = await running.ask(get("/frames?plan=3@0") + get("/frames?plan=2@0"))
    assert body_of(answer) == b"3\r\nabc\r\n"
    assert len(running.ended) == 1


async def test_the_text_of_a_plan_repeats_and_counts_octets() -> None:
    body = body_of(await fetch("/frames?plan=3@0,4@0,0@0&text=%C3%A9!"))
    assert body == b"3\r\n\xc3\xa9!\r\n4\r\n\xc3\xa9!\xc3\r\n0\r\n\r\n"


async def test_echo_sends_each_chunk_back_before_the_next_is_sent() -> None:
    """The barrier test of flushing, both ways."""
    async with serving() as running, connect(running.port, post("/echo", b"")) as client:
        for chunk in (b"5\r\nhello\r\n", b"0001;a=1\r\n!\r\n"):
            await client.send(chunk)
            assert (await client.read_until(chunk)).endswith(chunk)
        end = b"0;z\r\nX-T: 1\r\n\r\n"
        await client.send(end)
        assert await client.read_until(end) == end


async def test_echo_sends_chunks_that_came_together_in_one_send() -> None:
    """Suites: echo in one send. Fails where each chunk is a send of its own: 100,000 of one octet take seconds."""
    body = 5000 * b"1;a\r\nx\r\n" + b"0\r\n\r\n"
    async with serving(record=True) as running:
        answer = await running.ask(post("/echo", body, b"Connection: close"))
        frames = [record for record in running.records if isinstance(record, FrameRecord)]
    assert body_of(answer) == body
    assert len(frames) == 5001
    assert len({frame.read for frame in frames}) <= 200  # a send for each turn of the feed, and it takes many chunks
    assert (running.ended[0].chunks, running.ended[0].octets) == (5000, 5000)


async def test_echo_sends_a_long_chunk_back_before_it_is_whole() -> None:
    async with serving() as running, connect(running.port, post("/echo", b"20000\r\n" + 100_000 * b"x")) as client:
        await client.read_until(60_000 * b"x")
        await client.send(31_072 * b"x" + b"\r\n0\r\n\r\n")
        await client.read_until(b"x\r\n0\r\n\r\n")
        assert await running.wait_ended() is Ended.COMPLETE
        assert running.ended[0].octets == 0x20000


async def test_echo_of_a_content_length_body_is_chunked() -> None:
    async with serving() as running, connect(running.port) as client:
        await client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Type: a/b\r\n\r\nhello")
        head = await client.read_until(b"5\r\nhello\r\n")
        await client.send(b"world")
        await client.read_until(b"5\r\nworld\r\n0\r\n\r\n")
    assert b"Content-Type: a/b\r\n" in head


async def test_echo_of_nothing_is_nothing() -> None:
    answer = await ask(b"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert body_of(answer) == b"0\r\n\r\n"


async def test_probe_events_carry_number_nonce_and_both_times() -> None:
    pacer = LatePacer()
    answer = await fetch("/probe?n=3&interval=50ms&nonce=run1", pacer=pacer)
    assert b"Content-Type: text/event-stream\r\n" in answer
    events = [json.loads(data.removeprefix(b"data: ")) for data in chunks_of(answer)]
    assert [(event["n"], event["of"], event["nonce"]) for event in events] == [(n, 3, "run1") for n in (1, 2, 3)]
    planned = [event["planned_ns"] - events[0]["planned_ns"] for event in events]
    assert planned == pytest.approx([0, 50_000_000, 100_000_000], abs=1000)
    assert [event["actual_ns"] - event["planned_ns"] for event in events] == pytest.approx(3 * [30_000_000], abs=1000)


async def test_a_gigabyte_is_offered_without_being_held() -> None:
    """A slow reader stops the writer: nothing piles up in the origin."""
    async with serving() as running, connect(running.port, get("/stream-bytes/1073741824?chunk_size=65536")) as client:
        await client.read_until(b"\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert running.origin.metrics.octets < 64 << 20
