"""Moments to segments: what is known of each, and what hops add."""

import json
from collections import Counter
from itertools import permutations

import pytest

from chunkwire.net.framing import BodyKind, Framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import FrameRecord, Record
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered, Round, Trend
from chunkwire.tools.bench.samples import StreamSampler, Window
from chunkwire.tools.bench.saturation import own_line, step_line, void_reasons
from chunkwire.tools.bench.segments import TIMER, WAKE, FrameMoments, Segments, along_way, names_of, parse_stamps
from chunkwire.tools.bench.view import lines, segment_table
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError

US = 1000
NOW = 1_800_000_000 * 10**9


def frame(**moments: int) -> FrameMoments:
    """Return a frame of stream 1 that ends at octet 100, its moments in µs after `NOW`."""
    known = {name: NOW + us * US for name, us in moments.items()}
    parts = [known.get(name, 0) for name in ("planned", "written", "arrived", "read")]
    return FrameMoments(0.0, 1, 100, *parts)


def stamps_line(point: str, reads: object = (), writes: object = (), *, queued: bool = False) -> str:
    about = {"v": 1, "kind": "stamps", "id": "run-1", "point": point, "queued": queued, "base_ns": NOW}
    return json.dumps({**about, "reads": reads, "writes": writes})


def recorded(*frames: FrameMoments, hops: tuple[str, ...] = ()) -> Gathered:
    gathered, segments = Gathered(), Segments(bool(hops))
    for one in frames:
        segments.take(gathered.at(0.0), one)
    found = {number: parse_stamps(text, where="hop") for number, text in enumerate(hops)}
    segments.finish(gathered, [found[number] for _, number in along_way(found)])
    return gathered


def known(gathered: Gathered) -> dict[str, tuple[int | None, int, int]]:
    """Return of each segment its largest sample in µs, None without any, and how many are known of how many."""
    figures = {name: gathered.quantity(name) for name in names_of(gathered)}
    return {
        name: (one.samples.largest // US if one.known else None, one.known, one.of) for name, one in figures.items()
    }


def test_a_frame_without_hops_has_three_segments_and_one_without_stamps_one() -> None:
    assert known(recorded(frame(planned=0, written=5, arrived=9, read=20))) == {
        "planned → written": (5, 1, 1),
        "written → arrived": (4, 1, 1),
        WAKE: (11, 1, 1),
    }
    assert known(recorded(frame(arrived=9, read=20))) == {WAKE: (11, 1, 1)}


def test_unknown_segments_are_counted() -> None:
    gathered = recorded(frame(written=5, read=20), frame(written=5, arrived=8, read=20))
    assert known(gathered) == {"written → arrived": (3, 1, 2), WAKE: (12, 1, 2)}
    assert not list(segment_table(gathered))  # `added` and the meter's own error say the same
    assert "segment" not in "\n".join(lines(BenchResult(url="", gathered=gathered, conditions={})))
    gateway = stamps_line("gateway", reads=[[100, US, 2 * US]], writes=[[100, 3 * US, 4 * US, None]])
    gathered = recorded(frame(read=20), frame(arrived=8, read=20), hops=(gateway,))
    assert "1 of 2" in [line.split("known")[1].strip() for line in segment_table(gathered) if "known" in line]
    note = "* a segment has no percentiles where fewer than 99 % of its frames are known"
    assert note in lines(BenchResult(url="", gathered=gathered, conditions={}))


def test_hops_are_in_the_order_of_the_way_whatever_order_they_are_given_in() -> None:
    texts = {
        "origin": stamps_line("origin", writes=[[100, 0, 1000, None]]),
        "near": stamps_line("gateway", writes=[[100, 20 * US, 22 * US, None]]),
        "far": stamps_line("gateway", writes=[[100, 30 * US, 32 * US, None]]),
        "elsewhere": "",
    }
    found = {name: parse_stamps(text, where=name) for name, text in texts.items()}
    wanted = [("origin", "origin"), ("gw1", "near"), ("gw2", "far")]
    for names in permutations(texts):
        assert along_way({name: found[name] for name in names}) == wanted
    assert along_way({"far": found["far"]}) == [("gw1", "far")]
    assert along_way({}) == []


def test_segments_of_hops_lie_between_plan_and_client_in_their_order() -> None:
    origin = stamps_line("origin", writes=[[40, 0, 1000, None], [100, 6 * US, 7 * US, None]])
    gateway = stamps_line(
        "gateway", reads=[[100, 10 * US, 15 * US]], writes=[[100, 20 * US, 22 * US, 21 * US]], queued=True
    )
    found = known(recorded(frame(planned=0, written=5, arrived=30, read=50), hops=(origin, gateway)))
    assert found == {
        "planned → written": (6, 1, 1),
        "written → left": (1, 1, 1),
        "left → arrived gw1": (3, 1, 1),
        "arrived gw1 → read gw1": (5, 1, 1),
        "read gw1 → passed on gw1": (5, 1, 1),
        "passed on gw1 → queued gw1": (1, 1, 1),
        "queued gw1 → left gw1": (1, 1, 1),
        "left gw1 → arrived": (8, 1, 1),
        WAKE: (20, 1, 1),
    }


def test_a_stamp_of_a_call_that_ended_after_the_frame_is_not_the_frames() -> None:
    for end, is_known in ((100, 1), (101, 0)):
        gateway = stamps_line("gateway", reads=[[end, US, 2 * US]], writes=[[end, 3 * US, 4 * US, None]])
        found = known(recorded(frame(arrived=9, read=20), hops=(gateway,)))
        assert found["arrived gw1 → read gw1"][1:] == found["left gw1 → arrived"][1:] == (is_known, 1)
        assert found["read gw1 → passed on gw1"] == (1, 1, 1)


def test_a_body_without_stamps_at_a_hop_is_unknown_there() -> None:
    another = stamps_line("gateway").replace("run-1", "run-2")
    found = known(recorded(frame(arrived=9, read=20), hops=(another,)))
    assert found["passed on gw1 → left gw1"] == (None, 0, 1)
    assert found[WAKE] == (11, 1, 1)


def test_a_hop_without_stamps_of_the_run_is_not_on_the_way() -> None:
    gateway = stamps_line("gateway", reads=[[100, US, 2 * US]], writes=[[100, 3 * US, 4 * US, None]])
    found = known(recorded(frame(arrived=9, read=20), hops=("", gateway)))
    assert found["read gw1 → passed on gw1"] == (1, 1, 1)
    assert not any("gw2" in name for name in found)
    assert known(recorded(frame(written=5, arrived=9, read=20), hops=("",))) == {
        "written → arrived": (4, 1, 1),
        WAKE: (11, 1, 1),
    }


def segment_rounds(*largest_us: int) -> Gathered:
    """Return ten rounds of a segment: 1 to so many µs, in each of the rounds in turn."""
    name = "read gw1 → passed on gw1"
    rounds = [Round(1.0, samples={name: DurationHistogram(range(US, us * US, US))}) for us in largest_us]
    return Gathered(rounds * (10 // len(rounds)))


def test_a_segment_of_both_targets_has_its_difference_or_a_tilde() -> None:
    rows = list(segment_table(segment_rounds(400), segment_rounds(200)))
    assert [row.split()[0] for row in rows] == ["segment", "read", "base", "diff", "±"]
    assert rows[3].split()[1].startswith("+")
    equal = list(segment_table(segment_rounds(200, 400), segment_rounds(400, 200)))
    assert equal[3].split()[:2] == ["diff", "~"]
    assert len(list(segment_table(segment_rounds(200), recorded()))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "[]",
        "[" * 5000,
        '{"v":2,"kind":"stamps"}',
        stamps_line("gateway", reads=[[1, 2]]),
        stamps_line("gateway", writes=[[1, "x", 2, 3]]),
        stamps_line("origin").replace("run-1", "run"),
    ],
)
def test_an_answer_without_stamps_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(LocalError, match=r"^--hop x: expected the answer of /stamps of a --stamps server"):
        parse_stamps(text, where="--hop x")


# ---- the client's side -------------------------------------------------------------------------------------------


def stamped_chunk(us: int) -> bytes:
    return encode_chunk(b"T%019dP%019d\n" % (NOW + us * US, NOW + us * US))


def sampled(*reads: tuple[int, bytes, int], is_kernel: bool = True) -> Gathered:
    """Return what reads gather, each at so many µs, with the kernel's stamp of its last octet in µs, 0 for none."""
    gathered = Gathered()
    stream = StreamSampler(
        gathered,
        Window(NOW, NOW, NOW * 2),
        framing=Framing(BodyKind.CHUNKED),
        coding="",
        sent_ns=NOW,
        is_kernel=is_kernel,
        segments=Segments(),
    )
    for us, octets, arrived_us in reads:
        stream.take(NOW + us * US, octets, NOW + arrived_us * US if arrived_us else 0)
    stream.finish()
    return gathered


def figure(gathered: Gathered, name: str) -> tuple[int, int, int]:
    """Return the largest sample in µs, the number of samples, and how many of them are inexact."""
    one = gathered.quantity(name)
    return one.samples.largest // US, one.known, one.inexact


def test_the_kernels_stamp_is_the_arrival_of_a_frame() -> None:
    reads = (50, stamped_chunk(10), 20), (150, stamped_chunk(100), 110)
    gathered = sampled(*reads)
    assert figure(gathered, "added") == figure(gathered, "late") == (10, 2, 0)
    assert figure(gathered, "gap") == (90, 1, 0)
    assert figure(gathered, "first") == (20, 1, 0)
    assert figure(gathered, WAKE) == (40, 2, 0)
    by_process = sampled(*reads, is_kernel=False)
    assert figure(by_process, "added") == (50, 2, 0)
    assert figure(by_process, WAKE) == (40, 2, 0)


def test_frames_in_one_read_count_as_arrived_with_its_last_one_and_without_a_stamp_when_they_were_read() -> None:
    gathered = sampled((50, stamped_chunk(9) + stamped_chunk(11), 20), (90, stamped_chunk(85), 0))
    assert figure(gathered, "added") == (11, 3, 2)
    assert figure(gathered, "hold") == (6, 3, 2)
    assert figure(gathered, "gap") == (70, 2, 2)
    assert figure(gathered, "first") == figure(gathered, "ttft") == (20, 1, 1)
    assert figure(gathered, "itl") == (35, 1, 1)


def test_a_packet_that_came_before_the_read_of_the_frame_ahead_is_no_negative_gap() -> None:
    assert figure(sampled((50, stamped_chunk(10), 0), (90, stamped_chunk(20), 40)), "gap") == (0, 1, 1)


def test_a_frame_has_the_stamp_of_the_last_chunk_behind_it_but_not_that_of_another_frame() -> None:
    assert figure(sampled((50, stamped_chunk(10) + encode_last_chunk(), 20)), "added") == (10, 1, 0)
    assert figure(sampled((50, stamped_chunk(10) + b"5", 20)), "added") == (10, 1, 1)


def test_a_record_has_the_kernels_moment_of_the_frame_that_ended_its_read() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="client.received")
    stream = StreamSampler(
        Gathered(),
        Window(),
        framing=Framing(BodyKind.CHUNKED),
        coding="",
        sent_ns=NOW,
        recorder=recorder,
        is_kernel=True,
    )
    stream.take(NOW + 50 * US, encode_chunk(b"a") + encode_chunk(b"b"), NOW + 20 * US)
    stream.take(NOW + 90 * US, encode_chunk(b"c"), 0)
    seen = [(record.t, record.kernel) for record in records if isinstance(record, FrameRecord)]
    assert seen == [(50e-6, None), (50e-6, 20e-6), (90e-6, None)]


# ---- the meter's own error ---------------------------------------------------------------------------------------


def measured(**names: int) -> Gathered:
    """Return 2000 equal samples, in µs, of each quantity; `wake` is `WAKE`."""
    gathered = Gathered()
    for name, us in names.items():
        for _ in range(2000):
            gathered.at(0.0).record(WAKE if name == "wake" else name, us * US)
    return gathered


def test_a_late_read_of_more_than_half_of_a_figure_is_reported_and_half_is_not() -> None:
    over, half = measured(added=100, wake=52), measured(added=100, wake=50)
    (line,) = void_reasons(over, by_process="no epoll", has_rate=False)
    assert line.endswith("it reads frames 0.052 ms late at p50 (no epoll: frames are timed after their read)")
    assert not list(void_reasons(half, by_process="no epoll", has_rate=False))
    assert not list(void_reasons(over, by_process="", has_rate=False))


def test_late_timers_are_reported_for_first_at_a_rate() -> None:
    gathered = measured(first=1000, added=100, timer=600)
    assert "first p50" in next(void_reasons(gathered, by_process="", has_rate=True))
    assert not list(void_reasons(gathered, by_process="", has_rate=False))


@pytest.mark.parametrize("streams, failed, is_reported", [(10, 9, True), (10, 10, False)])
def test_a_missed_rate_is_reported_unless_all_streams_failed(streams: int, failed: int, is_reported: bool) -> None:
    gathered = Gathered(
        streams=streams, failures=Counter({"no connection": failed}), trends=[Trend(seconds=1.0, behind_rate=0.9)]
    )
    assert bool(list(void_reasons(gathered, by_process="", has_rate=True))) is is_reported
    assert not list(void_reasons(gathered, by_process="", has_rate=False))


def test_without_kernel_stamps_late_timers_are_reported() -> None:
    gathered = measured(added=100, timer=90)
    assert "its timers are " in next(void_reasons(gathered, by_process="TLS", has_rate=False))


def test_a_figure_is_reported_once_although_it_is_compared_twice() -> None:
    gathered = measured(first=1000, timer=600)
    assert len(list(void_reasons(gathered, by_process="TLS", has_rate=True))) == 1


def test_the_own_error_is_one_line_and_none_where_nothing_was_measured() -> None:
    assert own_line(measured(wake=50, timer=90)).startswith("this meter's own error: it read frames 0.05")
    assert own_line(measured(added=1)) == own_line(Gathered()) == ""
    assert TIMER not in names_of(measured(timer=90))


def test_the_own_error_says_of_how_many_frames_it_is_not_known() -> None:
    """Fails where its percentiles seem to be of all frames, although those that the meter read late are not in them."""
    gathered, unknown = measured(wake=50), Gathered()
    for found in (gathered, unknown):
        found.at(0.0).unknown[WAKE] = 40
    known = "this meter's own error: it read 2000 of 2040 frames 0.050 ms (p50), 0.050 ms (p99) after they arrived; "
    assert own_line(gathered) == f"{known}how late it read 40 of 2040, which came with later ones, is not known"
    assert own_line(unknown).endswith("how late it read 40 of 40, which came with later ones, is not known")


def test_a_clock_that_was_set_voids_a_run_and_one_that_was_read_does_not() -> None:
    assert "by -2.000 ms" in step_line(-2_000_000)
    assert step_line(10_001)
    assert step_line(10_000) == step_line(-10_000) == ""
