"""Each class of a verdict on its example, and beside it the nearest example that is not of the class."""

import pytest

from chunkwire.record.values import EndRecord, FrameRecord, Record, to_json
from chunkwire.tools.probe.arrival import read_runs
from chunkwire.tools.probe.captures import read_recording
from chunkwire.tools.probe.judge import Hop, judge_chain, judge_hop
from chunkwire.tools.probe.verdict import DEFECTS, HopVerdict, Kind
from tests.tools.synthesis import (
    Holding,
    Path,
    Probe,
    close_behind,
    for_time,
    hop_of,
    later,
    on_time,
    records_of,
    run_of,
    to_end,
    to_octets,
)

LARGER = tuple(Probe(size=size) for size in (512, 2048, 8192, 16384))


def judged(path: Path, *probes: Probe, inner: Hop | None = None) -> HopVerdict:
    return judge_hop(hop_of(path, *probes, clock="here"), inner=inner)


def stall(writes: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """Hold what comes while the machine stands still, once."""
    return [(max(t, 0.42) if 0.28 < t < 0.42 else t, octets) for t, octets in writes]


def halve(writes: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """Split each event."""
    return [(t + k * 1e-6, octets[k * 40 : k * 40 + 40]) for t, octets in writes for k in range(len(octets) // 40 + 1)]


@pytest.mark.parametrize("path", [Path(), Path(jitter=0.015), Path(hold=stall), Path(coding="gzip", is_lazy=False)])
def test_what_arrives_when_it_was_written_streams_and_jitter_one_stall_and_flushed_codings_are_no_hold(
    path: Path,
) -> None:
    verdict = judged(path)
    assert (verdict.kind, verdict.line) == (Kind.STREAMS, "streams")


def test_what_is_held_to_the_end_is_said_to_be() -> None:
    verdict = judged(Path(hold=to_end), Probe(), *LARGER)
    assert (verdict.kind, verdict.line) == (Kind.TO_END, "HOLDS to the end; 20 chunks became 1")
    assert verdict.evidence.octets_held > 256 * 1024
    assert verdict.evidence.longest_hold == pytest.approx(0.95)


def test_what_leaves_early_when_events_are_larger_was_held_to_a_size() -> None:
    verdict = judged(Path(hold=to_octets(4096)), Probe(), *LARGER)
    assert (verdict.kind, verdict.octets) == (Kind.TO_OCTETS, 4096)
    assert verdict.line == "HOLDS to 4096 octets; 20 chunks became 1"


def test_events_larger_than_the_buffer_do_not_hide_it() -> None:
    verdict = judged(Path(hold=to_octets(4096)), Probe(size=8192), Probe(size=512))
    assert (verdict.kind, verdict.octets) == (Kind.TO_OCTETS, 4096)


@pytest.mark.parametrize("seconds", [0.06, 0.1, 0.2, 0.4])
def test_what_waits_as_long_at_another_rate_is_held_for_a_time(seconds: float) -> None:
    verdict = judged(Path(hold=for_time(seconds)), Probe(), Probe(size=1024))
    assert verdict.kind is Kind.FOR_TIME
    assert verdict.seconds == pytest.approx(seconds, abs=0.05)


def test_one_rate_alone_cannot_tell_a_size_from_a_time() -> None:
    verdict = judged(Path(hold=for_time(0.2)))
    assert verdict.kind is Kind.HOLDS
    assert verdict.line.startswith("HOLDS in bursts of ")


BETWEEN_WRITES = for_time(0.27)


def test_a_run_of_the_same_request_that_is_on_time_does_not_make_a_timer_a_buffer() -> None:
    held = [run_of(Probe(size=size), Path(hold=BETWEEN_WRITES)) for size in (0, 0, 1024)]
    verdict = judge_hop(Hop("hop", (*held[:2], run_of(Probe(), Path()), held[2])))
    assert verdict.kind is Kind.FOR_TIME
    assert verdict.seconds == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize("hold, bound", [(BETWEEN_WRITES, "octets or time"), (to_octets(600), "octets")])
def test_larger_events_that_are_on_time_show_a_size_and_rule_out_no_time(hold: Holding, bound: str) -> None:
    runs = (run_of(Probe(), Path(hold=hold)), run_of(Probe(size=1024), Path()))
    assert judge_hop(Hop("hop", runs)).bound == bound


def test_a_constant_hold_shows_against_the_hop_before() -> None:
    inner = hop_of(Path(), clock="here")
    assert judged(Path(hold=later(0.04)), inner=inner).kind is Kind.FOR_TIME
    assert judged(Path(hold=later(0.04))).kind is Kind.STREAMS
    assert judged(Path(hold=later(0.015)), inner=inner).kind is Kind.STREAMS
    assert judged(Path(hold=later(0.04)), inner=hop_of(Path(), clock="there")).kind is Kind.STREAMS


def test_a_recording_does_not_say_how_far_away_its_hops_were() -> None:
    near, far = (
        [record._replace(hop=name, stream=stream) for record in records_of(Probe(), Path(hold=hold))]
        for stream, (name, hold) in enumerate((("near", on_time), ("far", later(0.04))), 1)
    )
    text = "\n".join(map(to_json, (*near, *far)))
    assert [verdict.kind for verdict in judge_chain(read_recording(text, name="runs.jsonl"))] == [Kind.STREAMS] * 2


def test_frames_close_behind_others_may_be_the_only_ones_held() -> None:
    path = Path(hold=close_behind(0.04))
    paced, pairs = Probe(), Probe(n=12, interval=0.06, burst=3)
    assert judged(path, paced).kind is Kind.STREAMS
    verdict = judged(path, paced, pairs)
    assert verdict.kind is Kind.FOR_TIME
    assert verdict.line == "HOLDS 40 ms what follows close behind another frame"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_lazy_coding_that_the_hop_added_is_named(coding: str) -> None:
    verdict = judged(Path(coding=coding), inner=hop_of(Path()))
    assert verdict.kind is Kind.COMPRESSED
    assert verdict.line.startswith(f"COMPRESSED ({coding}), and then HOLDS to the end")


def test_a_hop_that_holds_without_a_coding_too_is_not_put_down_to_it() -> None:
    plain = Probe(accept=b"")
    coded = (run_of(Probe(), Path(coding="gzip")), run_of(plain, Path(hold=to_end)))
    freed = (run_of(Probe(), Path(coding="gzip")), run_of(plain, Path()))
    assert judge_hop(Hop("hop", coded)).kind is Kind.TO_END
    assert judge_hop(Hop("hop", freed)).kind is Kind.COMPRESSED


def test_a_hop_that_streams_a_post_holds_only_the_get() -> None:
    runs = (run_of(Probe(), Path(hold=to_end)), run_of(Probe(method=b"POST"), Path()))
    verdict = judge_hop(Hop("hop", runs))
    assert verdict.kind is Kind.GET_ONLY
    assert verdict.line == "HOLDS a GET to the end, streams a POST; 20 chunks became 1"


def test_a_head_that_waits_for_the_body_is_told_apart_from_a_held_body() -> None:
    delayed = Probe(n=3, delay=0.3)
    verdict = judged(Path(head_with_body=True), Probe(), delayed)
    assert verdict.kind is Kind.HEAD_HELD
    assert verdict.is_streaming
    assert judged(Path(), Probe(), delayed).kind is Kind.STREAMS


def test_a_head_that_was_held_before_is_not_this_hops_doing() -> None:
    delayed = Probe(n=3, delay=0.3)
    inner = hop_of(Path(head_with_body=True), Probe(), delayed)
    assert judged(Path(head_with_body=True), Probe(), delayed, inner=inner).kind is Kind.STREAMS


@pytest.mark.parametrize(
    "path, expected",
    [
        (Path(keeps_marks=False), "streams; re-framed: extensions lost, trailer lost"),
        (Path(chunks=False), "streams; re-framed: no longer chunked"),
        (Path(hold=close_behind(0.0)), "streams"),
        (Path(hold=halve, keeps_marks=False), "streams; re-framed: 20 chunks became 60, extensions lost, trailer lost"),
    ],
)
def test_what_the_framing_lost_is_said_though_it_streams(path: Path, expected: str) -> None:
    assert judged(path, Probe(), Probe(n=3, interval=0.02, mark=True)).line == expected


def test_what_was_lost_further_in_is_not_lost_here() -> None:
    marked = Probe(n=3, interval=0.02, mark=True)
    inner = hop_of(Path(keeps_marks=False), Probe(), marked)
    assert judged(Path(keeps_marks=False), Probe(), marked, inner=inner).kind is Kind.STREAMS


def test_an_origin_that_writes_late_is_named_as_the_cause() -> None:
    verdict = judged(Path(lateness=lambda k: 0.25 - k % 5 * 0.05))
    assert (verdict.kind, verdict.line) == (Kind.ORIGIN_BURSTS, "the origin itself bursts")


@pytest.mark.parametrize(
    "holds, line",
    [
        ((to_end, on_time, on_time), "unsure: held in 1 of 3 runs"),
        ((to_octets(600), on_time, on_time), "unsure: held in 1 of 3 runs"),
        ((for_time(0.2), on_time, on_time), "unsure: held in 1 of 3 runs"),
        ((to_end, on_time), "unsure: held in 1 of 2 runs"),
        ((to_end, on_time, to_end), "HOLDS to the end; 20 chunks became 1"),
    ],
)
def test_more_than_half_of_the_runs_must_agree(holds: tuple[Holding, ...], line: str) -> None:
    runs = tuple(run_of(Probe(), Path(hold=hold)) for hold in holds)
    assert judge_hop(Hop("hop", runs)).line == line


def test_holds_while_our_own_timer_was_late_do_not_count() -> None:
    busy = run_of(Probe(), Path(hold=for_time(0.2)), our_delay=0.09)
    verdict = judge_hop(Hop("hop", (busy, busy)))
    assert verdict.line == "unsure: this machine was too busy: its own timer was 90 ms late"


@pytest.mark.parametrize(
    "path, unproved",
    [
        (Path(), "nobody answers"),
        (Path(status_line=b"HTTP/1.1 404 Not Found", fields=()), ""),
        (Path(nonce="another"), ""),
        (Path(cut=5), ""),
    ],
)
def test_only_what_rests_on_times_is_judged_by_time(path: Path, unproved: str) -> None:
    verdict = judge_hop(Hop("hop", (run_of(Probe(), path),), unproved="nobody answers"))
    assert (verdict.unproved, verdict.kind in DEFECTS) == (unproved, not unproved)


def test_a_hop_without_a_run_had_no_answer() -> None:
    verdict = judge_hop(Hop("hop", error="127.0.0.1:1 refused the connection"))
    assert (verdict.kind, verdict.line) == (Kind.UNREACHABLE, "no answer: 127.0.0.1:1 refused the connection")


@pytest.mark.parametrize("data, cut", [(b"x" * 70000, False), (b"x" * 65536, True), (None, False)])
def test_the_octets_of_a_chunk_that_ended_early_are_those_that_came(data: bytes | None, cut: bool) -> None:
    """Fails where only the octets count that the recording keeps of it."""
    at = "client.received"
    records: list[Record] = [
        FrameRecord(1, at, 0.1, 1, None, 1, 0, "5", 5, b"hello"),
        FrameRecord(1, at, 0.2, 2, 0.1, 2, 10, "fffff", 0xFFFFF, data, cut, True),
        EndRecord(1, at, 0.2, "cut", "unknown", 1, None, 2, 70005, 70017, ""),
    ]
    assert [run.octets for run in read_runs(records)] == [70005]
    assert [run.octets for run in read_runs(records[:-1])] == [5 + len(data or b"")]
