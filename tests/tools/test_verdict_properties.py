"""What holds for every buffer, every delay and every stream, not only for the examples."""

import json

from hypothesis import given
from hypothesis import strategies as st

from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.tools.probe.arrival import read_runs
from chunkwire.tools.probe.judge import Hop, judge_hop
from chunkwire.tools.probe.verdict import HOLDING, Kind
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import ChunkedScanner
from tests.tools.synthesis import Path, Probe, for_time, hop_of, later, to_end, to_octets

LARGER = tuple(Probe(size=size) for size in (512, 2048, 8192, 16384))
TRIED_OCTETS = 20 * 16384


@given(size=st.integers(600, TRIED_OCTETS))
def test_a_buffer_of_any_size_is_found(size: int) -> None:
    verdict = judge_hop(hop_of(Path(hold=to_octets(size)), Probe(), *LARGER))
    assert verdict.kind in (Kind.TO_OCTETS, Kind.TO_END if size > TRIED_OCTETS * 0.9 else Kind.TO_OCTETS)
    assert verdict.octets is None or size / 2 <= verdict.octets <= size * 2


@given(seconds=st.floats(0.06, 0.5))
def test_any_time_is_told_from_a_size(seconds: float) -> None:
    verdict = judge_hop(hop_of(Path(hold=for_time(seconds)), Probe(), Probe(size=1024)))
    assert verdict.kind is Kind.FOR_TIME
    assert abs((verdict.seconds or 0.0) - seconds) <= 0.05


@given(seconds=st.floats(0.0, 3600.0), jitter=st.floats(0.0, 0.018), n=st.integers(4, 40))
def test_a_long_way_and_some_jitter_are_never_a_hold(seconds: float, jitter: float, n: int) -> None:
    verdict = judge_hop(hop_of(Path(hold=later(seconds), jitter=jitter), Probe(n=n)))
    assert verdict.is_streaming


@given(n=st.integers(4, 60), interval=st.floats(0.04, 0.5))
def test_what_is_held_to_the_end_is_found_at_any_pace(n: int, interval: float) -> None:
    assert judge_hop(hop_of(Path(hold=to_end), Probe(n=n, interval=interval))).kind in HOLDING


@st.composite
def content(draw: st.DrawFn) -> bytes:
    """Draw chunk-data that is noise, text that looks like a stamp, or one of ours."""
    number = st.integers(-(10**20), 10**20)
    stamp = st.fixed_dictionaries({"n": number, "of": number, "nonce": st.text(max_size=3), "actual_ns": number})
    lines = st.one_of(
        st.binary(min_size=1, max_size=20),
        st.builds(lambda about: f"data: {json.dumps(about)}\n\n".encode(), stamp),
        st.just(b"T1234567890123456789P1234567890123456789\n"),
    )
    return draw(lines)


@given(
    reads=st.lists(st.tuples(st.floats(0.0, 2.0), content()), max_size=12),
    status=st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.1 100 Continue", "HTTP/1.0 500 x", "HTTP/1.1 200"]),
    coding=st.sampled_from([b"", b"gzip", b"br", b"identity"]),
    ending=st.sampled_from(["complete", "cut", "reset", "timeout", None]),
)
def test_whatever_was_recorded_there_is_a_verdict(
    reads: list[tuple[float, bytes]], status: str, coding: bytes, ending: str | None
) -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="client.received")
    recorder.head(0.0, status.encode(), ((b"Content-Encoding", coding),) if coding else ())
    scanner = ChunkedScanner()
    for number, (t, data) in enumerate(sorted(reads, key=lambda read: read[0]), 1):
        events: list[Event] = []
        frame = encode_chunk(data)
        scanner.scan(frame, len(frame), events)
        recorder.body(t, events, number)
    if ending:
        recorder.end(2.0, ending)
    assert judge_hop(Hop("hop", tuple(read_runs(records)))).line
