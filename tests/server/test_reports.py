"""What a server reports of its exchanges: journal, records, metrics."""

import json
import re
import time

import pytest

from chunkwire.net.heads import Request
from chunkwire.record.values import EndRecord, FrameRecord, HeadRecord, RequestRecord
from chunkwire.server.admin import admin_resources
from chunkwire.server.journal import Ended, JournalEntry
from chunkwire.server.metrics import Histogram, Metrics
from chunkwire.server.settings import ServerSettings
from tests.server.peer import GatePacer, body_of, connect, get, resource, serving, two_chunks


async def test_the_journal_has_no_octet_that_a_terminal_obeys() -> None:
    async with serving() as running:
        await running.ask(b"\x9b31m\x1b[31m\r\n\r\n")
        (entry,) = await running.journal()
    assert (entry.isascii(), json.loads(entry)["target"]) == (True, "\x9b31m\x1b[31m")


async def test_the_journal_says_how_a_request_arrived_and_ended() -> None:
    began = time.time_ns()
    async with serving() as running:
        await running.ask(get("/generate?n=2&nonce=run1", b"Via: 1.1 proxy", b"TE: trailers", b"Cookie: secret"))
        (entry,) = map(json.loads, await running.journal("run1"))
    assert entry["target"] == "/generate?n=2&nonce=run1"
    assert entry["version"] == "1.1"
    assert ["Via", "1.1 proxy"] in entry["fields"]
    assert ["TE", "trailers"] in entry["fields"]
    assert "secret" not in json.dumps(entry)
    assert (entry["status"], entry["frames"], entry["ended_by"]) == (200, 2, "complete")
    assert began <= entry["began_ns"] <= entry["first_frame_ns"] <= entry["last_frame_ns"] <= entry["ended_ns"]


async def test_a_nonce_may_hold_any_character() -> None:
    async with serving() as running:
        await running.get("/generate?n=1&nonce=a%2Bb+%C3%A9")
        (line,) = await running.journal("a%2Bb+%C3%A9")
    assert json.loads(line)["nonce"] == "a+b é"


async def test_the_journal_holds_a_stream_that_still_runs() -> None:
    async with serving(pacer=GatePacer()) as running, connect(running.port, get("/generate?n=2")) as client:
        await client.read_until(b"\r\n\r\n")
        (entry,) = map(json.loads, await running.journal())
    assert entry["ended_by"] is None
    assert entry["frames"] == 0


async def test_the_journal_says_that_a_client_left() -> None:
    pacer = GatePacer()
    async with serving(pacer=pacer) as running:
        async with connect(running.port, get("/generate?n=100&nonce=left")) as client:
            await client.read_until(b"\r\n\r\n")
            client.reset()
        await running.wait_ended()
        (entry,) = map(json.loads, await running.journal("left"))
    assert entry["ended_by"] == "client-gone"
    assert entry["frames"] == 0


async def test_the_journal_forgets_the_oldest() -> None:
    async with serving(settings=ServerSettings(journal_entries=2)) as running:
        for n in (1, 2, 3):
            await running.get(f"/stream-bytes/{n}")
        lines = await running.journal()
    assert [json.loads(line)["target"] for line in lines] == ["/stream-bytes/2", "/stream-bytes/3"]


async def test_the_journal_keeps_no_key_of_an_api() -> None:
    async with serving() as running:
        await running.get("/stream/1?key=secret&a=1")
        text = b"".join(await running.journal()).decode()
    assert "secret" not in text
    assert "a=1" in text


async def test_the_journal_names_the_rule_of_a_refusal() -> None:
    async with serving() as running:
        await running.ask(b"\x00garbage\r\n\r\n")
        (entry,) = map(json.loads, await running.journal())
    assert entry["status"] == 400
    assert entry["rule"] == "bad-start-line"


async def test_records_have_each_frame_as_written() -> None:
    async with serving(record=True) as running:
        await running.get("/frames?plan=3:a=1@0,2@5,0@9&trailer=X-T:1")
    kinds = [type(record) for record in running.records]
    assert kinds[:2] == [RequestRecord, HeadRecord]
    frames = [record for record in running.records if isinstance(record, FrameRecord)]
    assert [(frame.line, frame.data, frame.read) for frame in frames] == [
        ("3;a=1", b"abc", 1),
        ("2", b"de", 2),
        ("0", b"", 3),
    ]
    assert [round(frame.t, 6) for frame in frames] == [0.0, 0.005, 0.009]
    assert {record.point for record in running.records} == {"origin.sent"}


@pytest.mark.parametrize(
    "target, framing, chunks",
    [
        ("/generate?n=2", "complete", 2),
        ("/frames?plan=1@0", "cut", 1),
        ("/fault/cut?n=2", "cut", 1),
        ("/fault/reset?n=2", "reset", 1),
        ("/fault/bad-size?n=2", "malformed", 1),
        ("/fault/stall-in-size?n=2", "cut", 1),
        ("/nowhere", "complete", 0),
    ],
)
async def test_the_end_record_gives_the_verdict_of_a_strict_reader(target: str, framing: str, chunks: int) -> None:
    async with serving(record=True) as running, connect(running.port, get(target, b"Connection: close")):
        await running.wait_ended()
    end = running.records[-1]
    assert isinstance(end, EndRecord)
    assert (end.framing, end.chunks) == (framing, chunks)


async def test_records_of_http_1_0_are_data() -> None:
    async with serving(resource(two_chunks), record=True) as running:
        await running.ask(b"GET /x HTTP/1.0\r\n\r\n")
    assert [record.kind for record in running.records] == ["request", "head", "data", "data", "end"]


async def test_metrics_count_streams_chunks_and_refusals() -> None:
    async with serving() as running:
        await running.get("/generate?n=3&interval=200ms")
        await running.get("/frames?plan=1@0")
        await running.get("/generate?n=x")
        text = running.origin.metrics.to_text()
    assert 'chunkwire_streams_open{server="server"} 0\n' in text
    assert 'chunkwire_chunks_total{server="server"} 4\n' in text
    assert 'chunkwire_ends_total{server="server",verdict="complete"} 2\n' in text
    assert 'chunkwire_ends_total{server="server",verdict="cut"} 1\n' in text
    assert 'chunkwire_refusals_total{server="server",rule="parameter"} 1\n' in text
    assert 'chunkwire_gap_seconds_bucket{server="server",le="0.3"} 3\n' in text


def test_a_histogram_is_cumulative() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(seconds)
    lines = list(histogram.lines("h", 'a="b"'))
    assert lines[:3] == ['h_bucket{a="b",le="0.1"} 2', 'h_bucket{a="b",le="1"} 3', 'h_bucket{a="b",le="+Inf"} 4']
    assert lines[3:] == ['h_sum{a="b"} 7.650000', 'h_count{a="b"} 4']


class SevenChunks:
    """An exchange that has sent something."""

    chunks = 7
    octets = 700


def test_metrics_count_what_runs_while_it_runs() -> None:
    """The text is made of the counters of those that run and of those that ended; no count is made twice."""
    metrics, exchange = Metrics("server"), SevenChunks()
    metrics.begin(exchange)
    running = metrics.to_text()
    metrics.end(exchange, "complete")
    ended = metrics.to_text()
    assert 'chunkwire_streams_open{server="server"} 1\n' in running
    assert 'chunkwire_streams_open{server="server"} 0\n' in ended
    for text in (running, ended):
        assert 'chunkwire_chunks_total{server="server"} 7\n' in text
        assert 'chunkwire_octets_total{server="server"} 700\n' in text


def test_durations_that_are_alike_are_counted_at_once() -> None:
    histogram = Histogram((0.1, 1.0))
    histogram.observe(0.5, 3)
    histogram.observe(0.0, 0)
    lines = list(histogram.lines("h", 'a="b"'))
    assert lines[1:3] == ['h_bucket{a="b",le="1"} 3', 'h_bucket{a="b",le="+Inf"} 3']
    assert lines[3:] == ['h_sum{a="b"} 1.500000', 'h_count{a="b"} 3']


def test_each_frame_that_an_origin_writes_but_the_first_has_a_gap() -> None:
    """Frames of one write are 0 apart; the last-chunk is a frame, and no chunk."""
    metrics = Metrics("server")
    entry = JournalEntry(1, Request(b"GET", b"/"), peer="-", now=0.0, metrics=metrics)
    metrics.begin(entry)
    for moment, chunks in ((1.0, 3), (2.0, 1), (2.5, 0)):
        entry.note_frame(moment, chunks, 10 * chunks, 15 * chunks)
    text = metrics.to_text()
    assert 'chunkwire_chunks_total{server="server"} 4\n' in text
    assert 'chunkwire_octets_total{server="server"} 40\n' in text
    assert 'chunkwire_gap_seconds_bucket{server="server",le="0.0001"} 2\n' in text
    assert 'chunkwire_gap_seconds_count{server="server"} 4\n' in text
    assert 'chunkwire_gap_seconds_sum{server="server"} 1.500000\n' in text


async def test_the_admin_resources_are_prometheus_text_and_a_health_check() -> None:
    metrics = Metrics("server")
    metrics.end(SevenChunks(), "complete")
    async with serving(*admin_resources(metrics.read)) as running:
        answer = await running.get("/metrics")
        health = await running.get("/healthz")
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in answer
    sample = re.compile(rb'[a-z_]+(\{([a-z]+="[^"]*",?)*\})? -?[0-9.e+-]+')
    for line in body_of(answer).splitlines():
        assert line.startswith((b"# HELP ", b"# TYPE ")) or sample.fullmatch(line)
    assert b'chunkwire_chunks_total{server="server"} 7' in answer
    assert body_of(health) == b"ok\n"


async def test_ended_says_error_for_a_responder_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        await running.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz")
        assert running.ended[0].ended_by is Ended.ERROR
        assert running.ended[0].rule == "chunk-size"


async def test_the_journal_keeps_little_of_a_large_head() -> None:
    """A thousand of the largest heads would be 64 MiB: what is kept of each is cut to size."""
    async with serving() as running:
        target = f"/stream/1?nonce={3_000 * 'n'}&a={10_000 * 'a'}"
        await running.ask(get(target, b"X-Mine: " + 20_000 * b"b", b"Via: " + 9_000 * b"c"))
        (entry,) = await running.journal(3_000 * "n")
    assert len(entry) < 4000
    assert b"ccc" in entry
    assert b"bbb" not in entry
