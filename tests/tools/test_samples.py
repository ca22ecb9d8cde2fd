"""Reads to samples: what counts, against which moment, and what a stream without stamps still tells."""

import tracemalloc
from collections.abc import Sequence
from functools import partial

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import EndRecord, FrameRecord, Record
from chunkwire.tools.bench.histogram import bounds
from chunkwire.tools.bench.rounds import MAX_ROUNDS, Gathered
from chunkwire.tools.bench.samples import HOLD_FRAMES, NO_FRAME, FrameSample, StreamSampler, Window
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

MS = 1_000_000
CHUNKED = Framing(BodyKind.CHUNKED)
SENT_NS = 1_800_000_000 * 1000 * MS
sampler = partial(StreamSampler, framing=CHUNKED, coding="", sent_ns=SENT_NS)


def stamped(planned_ms: float, actual_ms: float) -> bytes:
    actual, planned = (SENT_NS + round(ms * MS) for ms in (actual_ms, planned_ms))
    return encode_chunk(b"T%019dP%019d\n" % (actual, planned))


def sampled(
    reads: Sequence[tuple[float, bytes | Exception]],
    *,
    opens_ms: float = 0.0,
    closes_ms: float = 1e9,
    framing: Framing = CHUNKED,
) -> Gathered:
    """Return what a stream's reads, at ms since its request, gather."""
    gathered = Gathered()
    window = Window(SENT_NS, SENT_NS + opens_ms * MS, SENT_NS + closes_ms * MS)
    stream = sampler(gathered, window, framing=framing)
    for ms, octets in reads:
        stream.take(SENT_NS + round(ms * MS), octets)
    stream.finish()
    return gathered


def values(gathered: Gathered, name: str) -> list[float]:
    """Return the samples of a quantity in ms, as exact as its histogram is."""
    return [bounds(bucket)[1] / MS for bucket, n in gathered.samples(name).counts() for _ in range(n)]


def ms(*expected: float) -> object:
    return pytest.approx(list(expected), rel=1e-3, abs=1e-6)


def test_late_is_against_the_plan_added_against_the_write() -> None:
    gathered = sampled([(10.5, stamped(8.0, 10.0)), (21.0, stamped(18.0, 20.0))])
    assert values(gathered, "late") == ms(2.5, 3.0)
    assert values(gathered, "added") == ms(0.5, 1.0)
    assert values(gathered, "hold") == ms(0.0, 0.5)
    assert values(gathered, "gap") == ms(10.5)
    assert values(gathered, "first") == ms(10.5)


def test_an_hour_of_many_streams_takes_bounded_memory() -> None:
    """A stream of each kind of delay stands for many: what is kept grows with rounds and buckets, not with frames."""
    gathered, window = Gathered(), Window(SENT_NS, SENT_NS, SENT_NS + 3600 * 1000 * MS)
    tracemalloc.start()
    try:
        for number in range(10):
            stream = sampler(gathered, window)
            for second in range(0, 3600, 4):
                stream.take(
                    SENT_NS + second * 1000 * MS + (3 * MS << number % 5), stamped(second * 1000, second * 1000)
                )
            stream.finish()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert gathered.samples("added").n > 0
    assert len(gathered.rounds) <= MAX_ROUNDS
    assert held < 20e6


def test_a_frame_alone_in_its_stream_has_no_hold() -> None:
    """Fails where streams of one frame have a hold of 0, and so pass any limit on it."""
    assert not sampled([(10.5, stamped(8.0, 10.0))]).has("hold")


def test_another_clock_moves_added_and_leaves_hold_alone() -> None:
    reads = [(10.5, stamped(8.0, 10.0)), (21.0, stamped(18.0, 20.0))]
    shifted = [(at + 5000.0, octets) for at, octets in reads]
    assert values(sampled(shifted), "added")[0] == pytest.approx(5000.5, rel=1e-3)
    assert sampled(shifted).samples("hold") == sampled(reads).samples("hold")


def test_hold_is_against_the_least_delayed_frame_also_where_that_comes_last() -> None:
    held = [(100.0, stamped(at, at)) for at in (0.0, 50.0, 100.0)]
    assert values(sampled(held), "hold") == ms(0.0, 50.0, 100.0)


def test_memory_of_hold_is_bounded_and_a_longer_stream_is_against_the_least_so_far() -> None:
    reads = [(1.0 + k, stamped(k, k)) for k in range(HOLD_FRAMES)]
    later = [(k + 0.5, stamped(k, k)) for k in range(HOLD_FRAMES, HOLD_FRAMES + 2)]
    assert max(values(sampled(reads + later), "hold")) == 0.0
    assert max(values(sampled(reads[1:] + later), "hold")) == pytest.approx(0.5, rel=1e-3)


def test_only_frames_inside_the_window_count_but_each_stream_has_a_first() -> None:
    reads = [(float(ms), stamped(ms, ms)) for ms in (10, 20, 30, 40)]
    gathered = sampled(reads, opens_ms=15.0, closes_ms=35.0)
    assert [gathered.samples(name).n for name in ("added", "gap", "first")] == [2, 1, 1]
    assert gathered.frames == 2


def test_frames_of_one_read_are_one_read_and_no_gap_apart() -> None:
    gathered = sampled([(10.0, stamped(9.0, 9.0) + stamped(10.0, 10.0))])
    assert (gathered.frames, gathered.reads, values(gathered, "gap")) == (2, 1, [0.0])


def test_a_frame_arrives_with_its_last_octet() -> None:
    frame = stamped(9.0, 9.0)
    gathered = sampled([(10.0, frame[:20]), (12.0, frame[20:])])
    assert values(gathered, "first") == ms(12.0)


def test_a_stream_without_stamps_has_first_and_gap_only() -> None:
    gathered = sampled([(10.0, encode_chunk(b"a")), (20.0, encode_chunk(b"b"))])
    assert set(gathered.rounds[0].samples) == {"first", "ttft", "gap", "itl"}
    assert [planned for planned, _ in gathered.shown[0]] == [None, None]


def test_itl_is_over_the_whole_stream() -> None:
    reads = [(10.0, encode_chunk(b"a")), (20.0, encode_chunk(b"b")), (40.0, encode_chunk(b"c"))]
    assert values(sampled(reads), "itl") == ms(15.0)


ROLE = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
WORD = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
USAGE = b'data: {"object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":5}}\n\n'


@pytest.mark.parametrize("last, itl_ms", [(encode_chunk(USAGE), 2.5), (encode_last_chunk(), 10.0)])
def test_ttft_and_itl_are_of_content_alone_and_count_the_providers_tokens(last: bytes, itl_ms: float) -> None:
    gathered = Gathered()
    reader = DIALECTS["openai"].reader()
    stream = sampler(gathered, Window(), reader=reader)
    for at_ms, octets in ((10, encode_chunk(ROLE)), (30, encode_chunk(WORD)), (40, encode_chunk(WORD)), (90, last)):
        stream.take(SENT_NS + at_ms * MS, octets)
    stream.finish()
    assert [values(gathered, name) for name in ("first", "ttft", "itl")] == [ms(10.0), ms(30.0), ms(itl_ms)]


def test_content_has_the_kernel_stamp_of_its_read_although_another_frame_ends_that() -> None:
    gathered, reader = Gathered(), DIALECTS["openai"].reader()
    stream = sampler(gathered, Window(), reader=reader, is_kernel=True)
    stream.take(SENT_NS + 20 * MS, encode_chunk(WORD) + encode_chunk(USAGE), SENT_NS + 10 * MS)
    assert values(gathered, "ttft") == ms(10.0)
    assert [gathered.quantity(name).inexact for name in ("ttft", "first")] == [0, 1]


@pytest.mark.parametrize("frames, inexact", [(1, 0), (2, 2)])
def test_a_frame_that_only_the_last_chunk_follows_in_its_receive_has_its_stamp(frames: int, inexact: int) -> None:
    """Fails where the last gap of each stream, of a server that writes both at once, is inexact."""
    gathered = Gathered()
    stream = sampler(gathered, Window(SENT_NS, SENT_NS, SENT_NS + 1000 * MS), is_kernel=True)
    stream.take(SENT_NS + 11 * MS, encode_chunk(b"a"), SENT_NS + 10 * MS)
    stream.take(SENT_NS + 21 * MS, encode_chunk(b"b"), SENT_NS + 20 * MS)
    stream.take(SENT_NS + 32 * MS, encode_chunk(b"c") * frames + encode_last_chunk(), SENT_NS + 30 * MS)
    assert values(gathered, "gap") == ms(*[0.0] * (frames - 1), 10.0, 10.0)
    assert gathered.quantity("gap").inexact == inexact


@pytest.mark.parametrize("is_whole, inexact, kernel", [(True, 0, [0.01]), (False, 1, [None])])
def test_a_frame_that_a_part_of_a_record_follows_has_no_stamp(
    is_whole: bool, inexact: int, kernel: list[float | None]
) -> None:
    gathered, records = Gathered(), list[Record]()
    recorder = Recorder(records.append, stream=1, point="client.received")
    stream = sampler(gathered, Window(), is_kernel=True, recorder=recorder)
    stream.take(SENT_NS + 11 * MS, encode_chunk(b"a"), SENT_NS + 10 * MS, is_whole=is_whole)
    assert values(gathered, "first") == ms(10.0)
    assert gathered.quantity("first").inexact == inexact
    assert [record.kernel for record in records if isinstance(record, FrameRecord)] == kernel


def test_an_answer_without_content_has_no_ttft() -> None:
    gathered = Gathered()
    reader = DIALECTS["openai"].reader()
    stream = sampler(gathered, Window(), reader=reader)
    stream.take(SENT_NS + 10 * MS, encode_chunk(ROLE))
    stream.finish()
    assert set(gathered.rounds[0].samples) == {"first"}


def test_frames_may_be_reported_one_by_one() -> None:
    frames: list[FrameSample] = []
    window = Window(SENT_NS, SENT_NS + 15 * MS, SENT_NS + 1000 * MS)
    stream = sampler(Gathered(), window, report_frame=frames.append, stream=7)
    stream.take(SENT_NS + 10 * MS, stamped(8.0, 9.0))
    stream.take(SENT_NS + 20 * MS, encode_chunk(b"a"))
    assert frames == [
        FrameSample(7, 1, 10 * MS, 2 * MS, 1 * MS, None, sampled_ns=None, is_exact=True),
        FrameSample(7, 2, 20 * MS, None, None, 10 * MS, sampled_ns=20 * MS, is_exact=True),
    ]


def test_each_event_of_a_merged_chunk_is_reported() -> None:
    """Fails where an event that counts in `late` and `added` is in no row of --csv."""
    frames: list[FrameSample] = []
    window = Window(SENT_NS, SENT_NS, SENT_NS + 1000 * MS)
    stream = sampler(Gathered(), window, report_frame=frames.append)
    first, second = (f"T{SENT_NS + ms * MS:019d}P{SENT_NS + ms * MS:019d}\n".encode() for ms in (1, 2))
    stream.take(SENT_NS + 10 * MS, encode_chunk(first + second))
    assert [(frame.number, frame.late_ns, frame.added_ns, frame.gap_ns, frame.sampled_ns) for frame in frames] == [
        (1, 9 * MS, 9 * MS, None, 10 * MS),
        (None, 8 * MS, 8 * MS, None, 10 * MS),
    ]


def test_a_frame_without_a_stamp_is_reported_as_inexact() -> None:
    frames: list[FrameSample] = []
    window = Window(SENT_NS, SENT_NS, SENT_NS + 1000 * MS)
    stream = StreamSampler(
        Gathered(), window, framing=CHUNKED, coding="", sent_ns=SENT_NS, report_frame=frames.append, is_kernel=True
    )
    for read_ms, arrived_ms in ((10, None), (21, 20), (31, 30)):
        arrived_ns = 0 if arrived_ms is None else SENT_NS + arrived_ms * MS
        stream.take(SENT_NS + read_ms * MS, encode_chunk(b"a"), arrived_ns)
    assert [(frame.arrived_ns, frame.gap_ns, frame.is_exact) for frame in frames] == [
        (10 * MS, None, False),
        (20 * MS, 10 * MS, True),
        (30 * MS, 10 * MS, True),
    ]


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
    stream = sampler(Gathered(), window, recorder=recorder)
    assert stream.take(SENT_NS + 10 * MS, encode_chunk(b"a"))
    assert not stream.take(SENT_NS + 20 * MS, encode_last_chunk())
    assert [record.t for record in records if isinstance(record, FrameRecord)] == pytest.approx([0.01, 0.02])
    assert isinstance(records[-1], EndRecord)


def test_a_stream_at_a_rate_is_timed_from_its_planned_beginning_and_recorded_from_its_request() -> None:
    gathered, records = Gathered(), list[Record]()
    recorder = Recorder(records.append, stream=1, point="client.received")
    stream = sampler(gathered, Window(), sent_ns=SENT_NS + 4 * MS, due_ns=SENT_NS, recorder=recorder)
    stream.take(SENT_NS + 10 * MS, encode_chunk(b"a"))
    assert values(gathered, "first") == values(gathered, "ttft") == ms(10.0)
    assert [record.t for record in records if isinstance(record, FrameRecord)] == pytest.approx([0.006])


def test_rounds_add_up() -> None:
    total = Gathered()
    for _ in range(2):
        one = sampled([(10.0, stamped(9.0, 9.0)), (11.0, b"")])
        one.streams = 1
        total.add(one)
    assert (total.streams, total.samples("first").n, total.frames) == (2, 2, 2)
    assert total.failures == {"cut": 2}


def test_a_reset_and_an_end_without_a_frame_are_failures_of_their_own() -> None:
    assert sampled([(10.0, encode_chunk(b"a")), (20.0, ConnectionResetError())]).failures == {"reset": 1}
    assert sampled([(10.0, encode_last_chunk())]).failures == {NO_FRAME: 1}
    assert sampled([(10.0, b"")], framing=Framing(BodyKind.CLOSE)).failures == {NO_FRAME: 1}


def test_frames_in_the_read_that_breaks_a_stream_count() -> None:
    gathered = sampled([(10.0, encode_chunk(b"a") + encode_chunk(b"b") + b"zz\r\n")])
    assert (gathered.frames, gathered.failures) == (2, {"malformed": 1})


@pytest.mark.parametrize("silent_ms, is_stalled", [(900.0, False), (1001.0, True)])
def test_a_stream_is_stalled_after_a_second_of_silence(silent_ms: float, is_stalled: bool) -> None:
    stream = sampler(Gathered(), Window())
    stream.take(SENT_NS, encode_chunk(b"a"))
    assert stream.is_stalled(SENT_NS + silent_ms * MS) is is_stalled


def test_a_slow_stream_is_stalled_after_ten_of_its_pauses() -> None:
    stream = sampler(Gathered(), Window())
    for seconds in (0, 2):
        stream.take(SENT_NS + seconds * 1000 * MS, encode_chunk(b"a"))
    assert not stream.is_stalled(SENT_NS + 22_000 * MS)
    assert stream.is_stalled(SENT_NS + 22_001 * MS)
