"""Verdicts by order: what had come when each frame was acknowledged, and no time at all."""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from chunkwire.record.recorder import Recorder
from chunkwire.record.values import AckRecord, Record, to_json
from chunkwire.tools.probe.arrival import Run, read_run, read_runs
from chunkwire.tools.probe.captures import read_recording
from chunkwire.tools.probe.exports import gate_line, github_lines, json_lines, junit
from chunkwire.tools.probe.holding import ORDER_REQUESTS, Shape, observe
from chunkwire.tools.probe.judge import Hop, judge_chain, judge_hop
from chunkwire.tools.probe.page import page_of, to_html
from chunkwire.tools.probe.result import out_of_order
from chunkwire.tools.probe.verdict import HopVerdict, Kind, Proof
from chunkwire.tools.probe.view import lines_of
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import ChunkedScanner
from tests.tools.synthesis import Path, Probe, hop_of, result_on, unstamped
from tests.tools.synthesis import to_end as held_to_end

# Of frame k with these octets, 1 being the first: how many frames had come when it was acknowledged, and how many
# requests were answered before.
Hold = Callable[[int, int], tuple[int, int]]


def streams(k: int, _: int) -> tuple[int, int]:
    return k, 0


def to_end(k: int, _: int) -> tuple[int, int]:
    return 0, ORDER_REQUESTS if k < 4 else 3


def late(k: int, _: int) -> tuple[int, int]:
    return k, ORDER_REQUESTS


def octets(size: int) -> Hold:
    return lambda k, each: (k * each // size * size // each, ORDER_REQUESTS if k < 4 else 3)


def once(k: int, _: int) -> tuple[int, int]:
    """One frame of them all does not come before the next one: a thread that waits for a core."""
    return (k, 0) if k != 5 else (4, ORDER_REQUESTS)


def ordered(hold: Hold, *, size: int = 0, end: str = "complete", has_head: bool = True, method: bytes = b"GET") -> Run:
    records = recorded(hold, size=size, end=end, has_head=has_head, method=method)
    return replace(read_run(records, "hop"), clock="here", our_delay=9.9)


def recorded(
    hold: Hold, *, size: int = 0, end: str = "complete", has_head: bool = True, method: bytes = b"GET"
) -> list[Record]:
    probe = Probe(n=10, interval=0.01, size=size)
    records: list[Record] = []
    sent = Recorder(records.append, stream=1, point="client.sent", way="request")
    got = Recorder(records.append, stream=1, point="client.received")
    sent.request(0.0, method, probe.target + b"&barrier=0123456789abcdef&ack_head=1", ((b"Host", b"x"),), 1.8e9)
    events = [event for _, event in probe.written(lambda _: 0.0)]
    scanner, come, t = ChunkedScanner(), 0, 0.0
    got.head(0.0, b"HTTP/1.1 200 OK", ((b"Content-Type", b"text/event-stream"),))
    records.append(AckRecord(1, "client.received", 0.0, 0, 0 if has_head else ORDER_REQUESTS, 0, 0, has_head))
    for k in range(1, 11):
        whole, answered = hold(k, len(events[0]))
        t += 0.3 if answered and whole == k else 0.01
        come = _arrive(got, scanner, t, events[come:whole], come)
        count = sum(len(event) for event in events[:whole])
        records.append(AckRecord(1, "client.received", t, k, answered, count, whole, whole >= k))
    last = [*events[come:], b""] if end == "complete" else []
    _arrive(got, scanner, t, last, come)
    got.end(t, end)
    return records


def _arrive(got: Recorder, scanner: ChunkedScanner, t: float, events: list[bytes], come: int) -> int:
    frames = b"".join(encode_chunk(event) if event else encode_last_chunk() for event in events)
    found: list[Event] = []
    scanner.scan(frames, len(frames), found)
    got.body(t, found, come + 1)
    return come + len(events)


def judged(*runs: Run) -> HopVerdict:
    return judge_hop(Hop("hop", runs))


def test_frames_that_came_before_the_next_was_written_are_proved_to_stream_on_however_busy_a_machine() -> None:
    verdict = judged(ordered(streams))
    assert (verdict.kind, verdict.proof, verdict.line) == (Kind.STREAMS, Proof.PROVED, "streams")


def test_frames_that_do_not_come_while_requests_are_answered_are_held_by_order() -> None:
    verdict = judged(ordered(to_end), ordered(to_end, size=16384))
    assert (verdict.kind, verdict.proof) == (Kind.TO_END, Proof.BY_ORDER)


def test_one_frame_that_comes_late_decides_nothing() -> None:
    assert judged(ordered(once)).kind is Kind.UNSURE


@pytest.mark.parametrize("frames, is_unsure", [(1, True), (2, False)])
def test_an_order_needs_two_frames(frames: int, is_unsure: bool) -> None:
    run = ordered(streams)
    verdict = judged(replace(run, acks=run.acks[: 1 + frames]))
    assert (verdict.kind is Kind.UNSURE) is is_unsure
    assert ("only one frame" in verdict.line) is is_unsure


@pytest.mark.parametrize(
    "holds, kind", [((once, to_end), Kind.TO_END), ((once, once), Kind.UNSURE), ((streams, once), Kind.UNSURE)]
)
def test_a_recording_of_a_probe_that_asked_again_is_judged_by_what_it_then_saw(
    holds: tuple[Hold, ...], kind: Kind
) -> None:
    runs = [[each._replace(stream=n) for each in recorded(hold)] for n, hold in enumerate(holds, 1)]
    text = "\n".join(to_json(record) for records in runs for record in records)
    assert [judge_hop(hop).kind for hop in read_recording(text, name="runs.jsonl")] == [kind]


def test_frames_that_come_by_themselves_are_held_for_a_time_and_say_how_long() -> None:
    verdict = judged(ordered(late))
    assert (verdict.kind, verdict.proof) == (Kind.FOR_TIME, Proof.BY_ORDER)
    assert verdict.seconds == pytest.approx(0.3)


def test_the_time_between_two_frames_that_the_origin_plans_is_no_hold() -> None:
    run = ordered(late)
    assert run.request is not None
    slower = run.request._replace(target=run.request.target.replace("interval=10ms", "interval=250ms"))
    apart = [ack._replace(t=0.25 * (ack.n - 1) + 0.2) if ack.n else ack for ack in run.acks]
    verdict = judged(replace(run, request=slower, acks=tuple(apart)))
    assert verdict.kind is Kind.FOR_TIME
    assert verdict.seconds == pytest.approx(0.2)


@pytest.mark.parametrize("size", [1024, 4096])
def test_frames_that_come_with_later_ones_are_held_to_a_size(size: int) -> None:
    verdict = judged(ordered(octets(size)), ordered(octets(size), size=512))
    assert (verdict.kind, verdict.proof) == (Kind.TO_OCTETS, Proof.BY_ORDER)
    assert verdict.octets is not None
    assert size / 2 <= verdict.octets <= size * 2


@pytest.mark.parametrize("answered, shape", [(ORDER_REQUESTS - 1, Shape.UNDECIDED), (ORDER_REQUESTS, Shape.TO_END)])
def test_a_hold_needs_the_full_number_of_answered_requests(answered: int, shape: Shape) -> None:
    assert observe(ordered(lambda k, _: (0, answered if k < 4 else 0))).shape is shape


@pytest.mark.parametrize(
    "answered, frames, shape",
    [(3, 10, Shape.IN_BURSTS), (2, 10, Shape.ON_TIME), (3, 6, Shape.UNDECIDED), (3, 2, Shape.ON_TIME)],
)
def test_a_few_answers_before_most_frames_show_a_short_hold(answered: int, frames: int, shape: Shape) -> None:
    assert observe(ordered(lambda k, _: (k, answered if k <= frames else 0))).shape is shape


def application(frames: list[bytes], coding: bytes = b"identity") -> Run:
    """Return the run of an application's frames behind a barrier, each with its client before the next was written."""
    records: list[Record] = []
    sent = Recorder(records.append, stream=1, point="client.sent", way="request")
    got = Recorder(records.append, stream=1, point="client.received")
    sent.request(0.0, b"GET", b"/chat", ((b"Host", b"x"),), 1.8e9)
    got.head(0.0, b"HTTP/1.1 200 OK", ((b"Content-Type", b"text/event-stream"), (b"Content-Encoding", coding)))
    scanner = ChunkedScanner()
    for k, frame in enumerate(frames, 1):
        _arrive(got, scanner, k / 10, [frame], k - 1)
        records.append(AckRecord(1, "client.received", k / 10, k, 0, len(frame), k, True))
    got.end(1.0, "complete")
    return replace(read_run(records, "app"), clock="here")


EVENTS = [b"data: %d\n\n" % k for k in range(12)]


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_an_application_whose_events_are_all_in_one_frame_writes_in_bursts(coding: str) -> None:
    coder = zlib.compressobj(wbits=31)
    frames = [coder.compress(b"".join(EVENTS)), coder.flush()] if coding == "gzip" else [b"".join(EVENTS)]
    app = Hop("app:1", (application(frames, coding.encode()),))
    verdict, behind = judge_chain([app, Hop("b:2", app.runs)])
    assert verdict.line == "the origin itself bursts: 12 events in one frame" + (", gzip" if coding == "gzip" else "")
    assert (verdict.proof, behind.kind) == (Proof.BY_ORDER, Kind.NOT_JUDGED)
    assert not result_on(verdict, behind).assumed_order
    assert "through a compressor too" in gate_line(result_on(verdict), is_passed=False)


def test_an_application_that_flushes_its_compressor_streams() -> None:
    coder = zlib.compressobj(wbits=31)
    flushed = [coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH) for event in EVENTS]
    for frames, coding in ((flushed, b"gzip"), (EVENTS, b"identity")):
        assert judged(application(frames, coding)).kind is Kind.STREAMS


def test_a_hop_without_an_order_is_compared_with_an_application_that_has_one() -> None:
    app = Hop("app:1", (application([b"data: %d\n\n" % k for k in range(20)]),))
    held = unstamped(hop_of(Path(hold=held_to_end, fields=((b"Content-Type", b"text/event-stream"),))))
    verdict = judge_chain([app, held])[1]
    assert verdict.line == "HOLDS to the end; by comparison with the hop before"


def proved(name: str, kind: Kind = Kind.STREAMS, proof: Proof = Proof.PROVED) -> HopVerdict:
    return HopVerdict(hop=name, kind=kind, proof=proof)


@pytest.mark.parametrize(
    "inner, outer, why",
    [
        (proved("a", Kind.TO_END, Proof.BY_ORDER), proved("b"), "a holds what b streams"),
        (proved("a", Kind.TO_END, Proof.BY_TIME), proved("b"), ""),
        (proved("a"), proved("b", Kind.TO_END, Proof.BY_ORDER), ""),
        (proved("a", Kind.SUSPECT), proved("b"), "a has at once what b streams"),
    ],
)
def test_hops_that_are_named_from_the_outside_in_are_noticed(inner: HopVerdict, outer: HopVerdict, why: str) -> None:
    assert out_of_order([inner, outer]).startswith(why)
    assert bool(out_of_order([inner, outer])) is bool(why)
    result = result_on(inner, outer)
    assert any(line.startswith("The hops may not be named from the inside out") for line in lines_of(result)) is bool(
        why
    )
    assert bool(json.loads(list(json_lines(result))[-1])["out_of_order"]) is bool(why)
    assert ("The hops may not be named from the inside out" in to_html(list(page_of(result, made="")))) is bool(why)


@pytest.mark.parametrize(
    "first, second, told",
    [
        (to_end, late, "The hops may not be named from the inside out, .*: a holds to the end what b passes on sooner"),
        (to_end, to_end, "  taken as inner first: a, then b; nothing here shows that order"),
        (late, to_end, "  taken as inner first: a, then b; nothing here shows that order"),
        (streams, to_end, ""),
    ],
)
def test_the_order_that_a_blame_rests_on_is_told(first: Hold, second: Hold, told: str) -> None:
    result = result_on(*judge_chain(Hop(name, (ordered(hold),)) for name, hold in (("a", first), ("b", second))))
    lines = list(lines_of(result))
    page = to_html(list(page_of(result, made="")))
    assert [line for line in lines if re.match("The hops may|  taken as", line)] == [
        line for line in lines if told and re.match(told, line)
    ]
    assert any(re.match(told, line) for line in lines)
    assert ("nothing here shows that order" in page) is told.endswith("shows that order")


def test_what_never_comes_is_not_held() -> None:
    assert judged(ordered(to_end, end="client-gone")).kind is Kind.UNSURE


@pytest.mark.parametrize(
    "hold, kind, proof", [(streams, Kind.STREAMS, Proof.PROVED), (to_end, Kind.TO_END, Proof.BY_ORDER)]
)
@pytest.mark.parametrize("has_answer", [True, False])
def test_a_stream_that_we_left_is_judged_by_its_first_frames(
    hold: Hold, kind: Kind, proof: Proof, has_answer: bool
) -> None:
    run = ordered(hold, end="stopped")
    verdict = judged(run if has_answer or hold is streams else replace(run, head=None, units=(), pieces=()))
    assert (verdict.kind, verdict.proof) == (kind, proof)
    seen = "by" if hold is streams else "HOLDS all of"
    assert f"{seen} its first 10 frames, its end not awaited" in verdict.line


def test_a_hop_that_holds_the_head_too_is_said_to_give_no_name() -> None:
    run = replace(ordered(to_end, end="stopped"), head=None, units=(), pieces=())
    assert "nothing names its software" in "".join(lines_of(result_on(judged(run))))


def test_only_the_hop_nearest_to_the_origin_is_said_to_ask_it_in_http_1_0() -> None:
    hops = [Hop(name, (ordered(hold),), arrived="HTTP/1.0") for name, hold in (("a", streams), ("b", to_end))]
    told = [
        "it asks the origin in HTTP/1.0" in "".join(lines_of(result_on(*judge_chain(some))))
        for some in (hops, hops[1:])
    ]
    assert told == [False, True]


def test_a_head_that_waits_for_the_first_frame_is_held() -> None:
    assert judged(ordered(streams, has_head=False)).kind is Kind.HEAD_HELD


def test_a_post_that_streams_shows_that_a_get_is_held() -> None:
    assert judged(ordered(to_end), ordered(streams, method=b"POST")).kind is Kind.GET_ONLY


def with_codings(run: Run, accepted: str, coding: str) -> Run:
    assert run.request is not None
    assert run.head is not None
    request = run.request._replace(fields=(("Accept-Encoding", accepted),))
    return replace(run, request=request, head=run.head._replace(fields=(("Content-Encoding", coding),)))


@pytest.mark.parametrize(
    "coded, plain, kind",
    [
        (octets(300), late, Kind.COMPRESSED),
        (to_end, late, Kind.COMPRESSED),
        (octets(300), octets(300), Kind.TO_OCTETS),
        (to_end, to_end, Kind.TO_END),
        (late, late, Kind.FOR_TIME),
    ],
)
def test_what_waits_for_more_with_a_coding_and_for_a_time_without_is_compressed(
    coded: Hold, plain: Hold, kind: Kind
) -> None:
    runs = with_codings(ordered(coded), "gzip", "gzip"), with_codings(ordered(plain), "", "")
    assert judge_hop(Hop("hop", runs)).kind is kind


def test_a_hop_that_compresses_and_waits_is_given_a_change_for_each() -> None:
    """HAProxy makes both holds, so it is guessed before Node, which makes one."""
    verdict = judged(with_codings(ordered(to_end), "gzip", "gzip"), with_codings(ordered(late), "", ""))
    assert "; without the coding still 300 ms" in verdict.line
    verdict = replace(verdict, remaining=0.2)  # as HAProxy does
    assert (
        result_on(verdict)
        .message_of(verdict)
        .endswith("; guess: compression type without text/event-stream, if this is HAProxy")
    )
    passed_on = replace(verdict, passed_on="nginx/1.22.1")
    told = list(lines_of(result_on(passed_on)))
    assert "  guess: compression type without text/event-stream, if this is HAProxy" in told[3]
    assert any(line.startswith("  then guess: option http-no-delay") for line in told)
    told = list(lines_of(result_on(replace(verdict, software="nginx/1.22.1"))))  # of the server behind HAProxy
    assert told[3] == "  guess: compression type without text/event-stream, if this is HAProxy"
    assert told[4].startswith("  try: ")
    assert "against the hold that remains" in to_html(list(page_of(result_on(verdict), made="")))
    assert '"is_second":true' in next(json_lines(result_on(verdict)))
    timed = judged(with_codings(ordered(late), "gzip", "gzip"), with_codings(ordered(late), "", ""))
    assert timed.line == "HOLDS 300 ms; it also compresses (gzip), which may hold more once this is mended"
    alone = judged(with_codings(ordered(to_end), "gzip", "gzip"), with_codings(ordered(streams), "", ""))
    assert not any("then guess" in line for line in lines_of(result_on(alone)))


def test_a_hop_further_in_without_a_run_compares_with_nothing() -> None:
    assert judge_hop(Hop("hop", (ordered(streams),)), inner=Hop("gone", error="refused")).kind is Kind.STREAMS


def test_a_gate_passes_proofs_only() -> None:
    good, bad = Hop("a:1", (ordered(streams),)), Hop("b:2", (ordered(to_end),))
    by_time = Hop("c:3", (replace(ordered(streams), acks=(), our_delay=0.0),), unproved="nobody answers")
    assert gate_line(result_on(*judge_chain([good])), is_passed=True).startswith("probe: passed: a:1: ")
    held = result_on(*judge_chain([good, bad]))
    assert gate_line(held, is_passed=False).startswith("probe: failed: b:2: HOLDS to the end")
    assert [line.partition(" ")[0] for line in github_lines(held, is_gate=True)] == ["::error"]
    assert 'tests="2" failures="1" errors="0"' in junit(held, is_gate=True)
    timed = result_on(*judge_chain([by_time]))
    assert "undecided" in gate_line(timed, is_passed=False)
    assert "nobody answers" in gate_line(timed, is_passed=False)
    assert 'failures="0" errors="1"' in junit(timed, is_gate=True)
    assert 'failures="0" errors="0" skipped="0"' in junit(result_on(*judge_chain([good])), is_gate=True)


@pytest.mark.parametrize("is_gate, errors, skipped", [(False, 0, 1), (True, 1, 0)])
def test_junit_skips_a_hop_that_is_not_judged_unless_a_gate_needs_it(is_gate: bool, errors: int, skipped: int) -> None:
    hops = Hop("b:2", (ordered(to_end),)), Hop("c:3", (ordered(to_end),))
    text = junit(result_on(*judge_chain(hops)), is_gate=is_gate)
    assert f'tests="2" failures="1" errors="{errors}" skipped="{skipped}"' in text
    assert ("<skipped message=" in text) is bool(skipped)


@pytest.mark.parametrize("read, kind, reason", [(0, Kind.UNSURE, "10 frames were there before"), (1, Kind.SUSPECT, "")])
def test_what_was_there_before_the_recording_began_came_at_no_known_time(read: int, kind: Kind, reason: str) -> None:
    records: list[Record] = []
    got = Recorder(records.append, stream=1, point="client.received")
    got.head(0.0, b"HTTP/1.1 200 OK", ())
    for number in range(10):
        _arrive(got, ChunkedScanner(), 0.5, [b"%d" % number], read - 1)
    got.end(0.5, "complete")
    verdict = judge_hop(Hop("hop", tuple(read_runs(records, hop="hop"))))
    assert verdict.kind is kind
    assert reason in verdict.reason


def test_answers_of_other_lengths_are_not_re_framed_and_a_hop_that_splits_frames_is() -> None:
    """Fails where the numbers of chunks of two answers are compared."""
    run = ordered(streams)
    runs = (
        run,
        replace(run, chunks=4, acks=run.acks[:5]),
        replace(run, chunks=20),
        replace(run, chunks=8, acks=run.acks[:5]),
    )
    found = judge_chain(Hop(f"hop{n}", (each,)) for n, each in enumerate(runs))
    assert [verdict.line for verdict in found] == [
        "streams",
        "streams",
        "streams; re-framed: 10 chunks became 20",
        "streams",
    ]
