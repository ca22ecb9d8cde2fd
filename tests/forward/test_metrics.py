"""What metrics know of bodies: read from the scanner's counters, while they run too, without an event."""

import re

import pytest

from chunkwire.forward.tap import Gaps
from chunkwire.net import framing
from chunkwire.server.metrics import Histogram
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.lines import Buffer
from chunkwire.wire.scanner import NO_LIMIT, ChunkedScanner
from tests.forward.wire import chunked, forwarding, get
from tests.net.carry import MakeMover

FRAME = b"5;a=1\r\nhello\r\n"
END = b"0\r\n\r\n"


class UnwatchedScanner(ChunkedScanner):
    """Refuses to build events."""

    def scan(self, buffer: Buffer, end: int, events: list[Event] | None = None, most: int = NO_LIMIT) -> int:
        assert events is None
        return super().scan(buffer, end, None, most)


async def test_metrics_alone_build_no_event(make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "ChunkedScanner", UnwatchedScanner)
    async with forwarding(make_mover) as gateway:
        _, got = await gateway.relay(get(), chunked(FRAME + FRAME + END))
        assert got.endswith(FRAME + FRAME + END)
        await gateway.wait_ended()
        assert gateway.metrics.chunks == 2


async def test_a_tap_gets_its_events_beside_the_metrics() -> None:
    async with forwarding(record=True) as gateway:
        await gateway.relay(get(), chunked(FRAME + FRAME + END))
        await gateway.wait_ended()
        assert [record.kind for record in gateway.records].count("frame") >= 4  # two chunks at two points
        assert gateway.metrics.chunks == 2
        assert "chunkwire_gap_seconds_count" in gateway.metrics.to_text()


async def test_a_stream_is_counted_while_it_runs() -> None:
    async with forwarding() as gateway, gateway.exchange(get()) as (client, upstream):
        await upstream.send(chunked(FRAME + FRAME))
        await client.read_until(FRAME + FRAME)
        metrics = gateway.metrics
        assert (metrics.streams_open, metrics.chunks, metrics.octets) == (1, 2, 10)
        await upstream.send(FRAME + END)
        await client.read_until(END)
        await gateway.wait_ended()
        assert (metrics.streams_open, metrics.chunks, metrics.octets) == (0, 3, 15)


async def test_content_that_is_not_chunked_has_octets_and_no_gaps() -> None:
    async with forwarding() as gateway:
        await gateway.relay(get(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await gateway.wait_ended()
        assert (gateway.metrics.chunks, gateway.metrics.octets) == (0, 5)
        assert re.search(r"gap_seconds_count\{.*\} 0\b", gateway.metrics.to_text())


def gaps_of(*reads: list[bytes]) -> tuple[int, int]:
    """Return how many gaps are counted, and how many of them are 0, for what each turn of each receive brought."""
    histogram, feed = Histogram((0.0, 60.0)), Feed(ChunkedScanner())
    gaps = Gaps(histogram, feed.scanner)
    for number, turns in enumerate(reads, 1):
        for turn in turns:
            feed.take(turn)
            gaps.note(number)
    zero, _, count, _, total = list(histogram.lines("h", ""))
    assert count.split()[1] == total.split()[1]
    return int(total.split()[1]), int(zero.split()[1])


def test_each_frame_but_the_first_has_a_gap_and_frames_of_one_receive_are_0_apart() -> None:
    assert gaps_of([FRAME]) == (0, 0)
    assert gaps_of([FRAME, FRAME]) == (1, 1)
    assert gaps_of([FRAME * 3]) == (2, 2)
    assert gaps_of([FRAME], [FRAME]) == (1, 0)
    assert gaps_of([FRAME * 3], [FRAME * 2 + END]) == (5, 4)
    assert gaps_of([FRAME * 3], [FRAME, FRAME + END]) == (5, 4)


def test_a_receive_that_completes_no_frame_has_no_gap() -> None:
    assert gaps_of([FRAME], [FRAME[:3]], [FRAME[3:]]) == (1, 0)
    assert gaps_of([b""], [FRAME]) == (0, 0)
