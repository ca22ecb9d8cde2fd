"""Reads to samples: what counts, against which moment, and what a stream without stamps still tells."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chunkwire.net.heads import BodyKind, Framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import EndRecord, FrameRecord, Record
from chunkwire.tools.bench.samples import NO_FRAME, Gathered, StreamSampler, Window
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

MS = 1_000_000
CHUNKED = Framing(BodyKind.CHUNKED)
SENT_NS = 1_800_000_000 * 1000 * MS


def stamped(planned_ms: float, actual_ms: float) -> bytes:
    actual, planned = (SENT_NS + round(ms * MS) for ms in (actual_ms, planned_ms))
    return encode_chunk(b"T%019dP%019d\n" % (actual, planned))


def sampled(
    reads: Sequence[tuple[float, bytes | None]],
    *,
    opens_ms: float = 0.0,
    closes_ms: float = 1e9,
    framing: Framing = CHUNKED,
) -> Gathered:
    """Return what a stream's reads, at ms since its request, gather."""
    gathered = Gathered()
    window = Window(SENT_NS + opens_ms * MS, SENT_NS + closes_ms * MS)
    stream = StreamSampler(gathered, window, framing=framing, coding="", sent_ns=SENT_NS)
    for ms, octets in reads:
        stream.take(SENT_NS + round(ms * MS), octets)
    stream.finish()
    return gathered


def test_late_is_against_the_plan_added_against_the_write() -> None:
    gathered = sampled([(10.5, stamped(8.0, 10.0)), (21.0, stamped(18.0, 20.0))])
    assert gathered.late == pytest.approx([0.0025, 0.003])
    assert gathered.added == pytest.approx([0.0005, 0.001])
    assert gathered.hold == pytest.approx([0.0, 0.0005])
    assert gathered.gap == pytest.approx([0.0105])
    assert gathered.first == pytest.approx([0.0105])


def test_another_clock_moves_added_and_leaves_hold_alone() -> None:
    reads = [(10.5, stamped(8.0, 10.0)), (21.0, stamped(18.0, 20.0))]
    shifted = [(ms + 5000.0, octets) for ms, octets in reads]
    assert sampled(shifted).added[0] == pytest.approx(5.0005)
    assert sampled(shifted).hold == pytest.approx(sampled(reads).hold)


def test_only_frames_inside_the_window_count_but_each_stream_has_a_first() -> None:
    reads = [(float(ms), stamped(ms, ms)) for ms in (10, 20, 30, 40)]
    gathered = sampled(reads, opens_ms=15.0, closes_ms=35.0)
    assert (gathered.frames, len(gathered.added), len(gathered.gap), len(gathered.first)) == (2, 2, 1, 1)


def test_frames_of_one_read_are_one_read_and_no_gap_apart() -> None:
    gathered = sampled([(10.0, stamped(9.0, 9.0) + stamped(10.0, 10.0))])
    assert (gathered.frames, gathered.reads, gathered.gap) == (2, 1, [0.0])


def test_a_frame_arrives_with_its_last_octet() -> None:
    frame = stamped(9.0, 9.0)
    gathered = sampled([(10.0, frame[:20]), (12.0, frame[20:])])
    assert gathered.first == pytest.approx([0.012])


def test_a_stream_without_stamps_has_first_and_gap_only() -> None:
    gathered = sampled([(10.0, encode_chunk(b"a")), (20.0, encode_chunk(b"b"))])
    assert (len(gathered.first), len(gathered.gap), gathered.added, gathered.hold) == (1, 1, [], [])
    assert [planned for planned, _ in gathered.shown[0]] == [None, None]


def test_tpot_is_over_the_whole_stream() -> None:
    reads = [(10.0, encode_chunk(b"a")), (20.0, encode_chunk(b"b")), (40.0, encode_chunk(b"c"))]
    assert sampled(reads).tpot == pytest.approx([0.015])


def test_a_body_without_chunks_counts_its_reads() -> None:
    gathered = sampled([(10.0, b"a"), (20.0, b"b")], framing=Framing(BodyKind.CLOSE))
    assert gathered.frames == 2


@pytest.mark.parametrize("end, failed", [(encode_last_chunk(), 0), (b"", 1), (b"zz\r\n", 1)])
def test_a_stream_that_does_not_end_well_is_counted(end: bytes, failed: int) -> None:
    assert sampled([(10.0, encode_chunk(b"a")), (20.0, end)]).failed == failed


def test_what_follows_the_end_counts_no_more() -> None:
    gathered = sampled([(10.0, encode_chunk(b"a") + encode_last_chunk()), (20.0, encode_chunk(b"b")), (30.0, b"")])
    assert (gathered.frames, gathered.failed) == (1, 0)


def test_what_arrives_may_be_recorded() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="client.received")
    window = Window()
    stream = StreamSampler(Gathered(), window, framing=CHUNKED, coding="", sent_ns=SENT_NS, recorder=recorder)
    assert stream.take(SENT_NS + 10 * MS, encode_chunk(b"a"))
    assert not stream.take(SENT_NS + 20 * MS, encode_last_chunk())
    assert [record.t for record in records if isinstance(record, FrameRecord)] == pytest.approx([0.01, 0.02])
    assert isinstance(records[-1], EndRecord)


def test_rounds_add_up() -> None:
    total = Gathered()
    for _ in range(2):
        total.add(replace(sampled([(10.0, stamped(9.0, 9.0)), (11.0, b"")]), streams=1))
    assert (total.streams, len(total.first), total.frames) == (2, 2, 2)
    assert total.failures == {"cut": 2}


def test_a_reset_and_an_end_without_a_frame_are_failures_of_their_own() -> None:
    assert sampled([(10.0, encode_chunk(b"a")), (20.0, None)]).failures == {"reset": 1}
    assert sampled([(10.0, encode_last_chunk())]).failures == {NO_FRAME: 1}
    assert sampled([(10.0, b"")], framing=Framing(BodyKind.CLOSE)).failures == {NO_FRAME: 1}


def test_frames_in_the_read_that_breaks_a_stream_count() -> None:
    gathered = sampled([(10.0, encode_chunk(b"a") + encode_chunk(b"b") + b"zz\r\n")])
    assert (gathered.frames, gathered.failures) == (2, {"malformed": 1})


@pytest.mark.parametrize("silent_ms, is_stalled", [(900.0, False), (1001.0, True)])
def test_a_stream_is_stalled_after_a_second_of_silence(silent_ms: float, is_stalled: bool) -> None:
    stream = StreamSampler(Gathered(), Window(), framing=CHUNKED, coding="", sent_ns=SENT_NS)
    stream.take(SENT_NS, encode_chunk(b"a"))
    assert stream.is_stalled(SENT_NS + silent_ms * MS) is is_stalled


def test_a_slow_stream_is_stalled_after_ten_of_its_pauses() -> None:
    stream = StreamSampler(Gathered(), Window(), framing=CHUNKED, coding="", sent_ns=SENT_NS)
    for seconds in (0, 2):
        stream.take(SENT_NS + seconds * 1000 * MS, encode_chunk(b"a"))
    assert not stream.is_stalled(SENT_NS + 22_000 * MS)
    assert stream.is_stalled(SENT_NS + 22_001 * MS)
