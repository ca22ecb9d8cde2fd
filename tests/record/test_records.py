"""Records: what the recorder makes of events, what it keeps, and what it never shows."""

import hashlib

import pytest

from chunkwire.record.recorder import MAX_DATA_OCTETS, Recorder
from chunkwire.record.values import (
    DataRecord,
    EndRecord,
    FrameRecord,
    HeadRecord,
    Record,
    RequestRecord,
    TrailersRecord,
    from_json,
    to_json,
)
from chunkwire.wire.errors import LocalError
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import LengthScanner
from tests.wire.relay import Relay


def recorded(*reads: bytes, scanner: BodyScanner | None = None, framing: str = "complete") -> list[Record]:
    """Return the records of a body that came in these reads, a quarter of a second apart."""
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="client.received")
    seen = Relay(scanner or ChunkedScanner())
    for read, octets in enumerate(reads, 1):
        seen.events = []
        seen.show(octets)
        recorder.body(read / 4, seen.events, read)
    recorder.end(1.0, framing, held=seen.held)
    return records


def frames(records: list[Record]) -> list[FrameRecord]:
    return [record for record in records if isinstance(record, FrameRecord)]


def ending(records: list[Record]) -> EndRecord:
    end = records[-1]
    assert isinstance(end, EndRecord)
    return end


def test_chunk_is_recorded_with_its_place_line_and_data() -> None:
    first, *_ = recorded(b"12;t=4\r\ndata: 0123456789\n\n\r\n", b"0\r\n\r\n")
    assert first == FrameRecord(
        stream=1,
        point="client.received",
        way="response",
        t=0.25,
        n=1,
        gap=None,
        read=1,
        offset=0,
        line="12;t=4",
        size=18,
        data=b"data: 0123456789\n\n",
    )


def test_frame_over_several_reads_is_one_record_when_its_last_octet_is_in() -> None:
    whole, last = frames(recorded(b"5\r\nh", b"ello\r", b"\n0\r\n", b"\r\n"))
    assert (whole.data, whole.t, whole.read) == (b"hello", 0.75, 3)
    assert (last.size, last.line, last.data, last.read, last.offset) == (0, "0", b"", 4, 10)


def test_gap_is_since_the_frame_before() -> None:
    gaps = [frame.gap for frame in frames(recorded(b"1\r\na\r\n1\r\nb\r\n", b"1\r\n", b"c\r\n0\r\n\r\n"))]
    assert gaps == [None, 0.0, 0.5, 0.0]


def test_trailers_follow_the_frame_of_the_last_chunk() -> None:
    last, trailers, _ = recorded(b"0\r\nX-Sum:1\r\nX-Empty: \r\n\r\n")
    assert isinstance(last, FrameRecord)
    assert isinstance(trailers, TrailersRecord)
    assert trailers.fields == (("X-Sum", "1"), ("X-Empty", ""))
    assert trailers.data == b"X-Sum:1\r\nX-Empty: \r\n"


def test_end_has_all_counts_and_the_hash_of_the_wire_octets() -> None:
    body = b"5;a\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"
    end = ending(recorded(body[:9], body[9:20], body[20:]))
    assert (end.framing, end.application, end.events) == ("complete", "unknown", None)
    assert (end.chunks, end.reads, end.octets, end.wire_octets) == (2, 3, 6, len(body))
    assert end.sha256 == hashlib.sha256(body).hexdigest()
    assert (end.error, end.data) == (None, None)


def test_read_that_brought_no_whole_piece_is_not_counted() -> None:
    assert ending(recorded(b"5", b"\r\nhello\r\n0\r\n\r", b"\n")).reads == 2


def test_body_without_chunks_is_recorded_read_by_read() -> None:
    first, second, end = recorded(b"hel", b"lo", scanner=LengthScanner(5))
    assert isinstance(first, DataRecord)
    assert isinstance(second, DataRecord)
    assert (first.n, first.gap, first.offset, first.size, first.data) == (1, None, 0, 3, b"hel")
    assert (second.n, second.gap, second.offset, second.read) == (2, 0.25, 3, 2)
    assert isinstance(end, EndRecord)
    assert (end.chunks, end.octets, end.wire_octets) == (0, 5, 5)


def test_chunk_that_a_cut_left_unfinished_is_recorded_as_partial() -> None:
    partial, end = recorded(b"5\r\nhel", framing="cut")
    assert isinstance(partial, FrameRecord)
    assert (partial.partial, partial.size, partial.data, partial.read) == (True, 5, b"hel", 1)
    assert isinstance(end, EndRecord)
    assert (end.framing, end.chunks, end.octets, end.wire_octets) == ("cut", 0, 3, 6)


def test_a_partial_chunk_has_the_time_of_its_last_octet_and_not_of_the_end() -> None:
    records = recorded(b"5\r\nh", b"el", framing="cut")
    assert [record.t for record in records] == [0.5, 1.0]


def test_octets_that_were_never_approved_stand_in_the_end() -> None:
    assert ending(recorded(b"5\r\nhello\r\nzz\r\n", framing="malformed")).data == b"zz\r\n"


@pytest.mark.parametrize("octets, is_cut", [(MAX_DATA_OCTETS, False), (MAX_DATA_OCTETS + 1, True)])
def test_data_of_a_partial_chunk_is_marked_cut_where_more_came_than_is_kept(octets: int, is_cut: bool) -> None:
    """Fails where the chunk-size decides: it says more than what came."""
    [record] = frames(recorded(b"%x\r\n%b" % (2 * octets, b"x" * octets), framing="cut"))
    assert (record.cut, record.partial, len(record.data or b"")) == (is_cut, True, MAX_DATA_OCTETS)


@pytest.mark.parametrize("octets, is_cut", [(MAX_DATA_OCTETS, False), (MAX_DATA_OCTETS + 1, True)])
def test_data_is_kept_up_to_its_limit_and_then_marked_cut(octets: int, is_cut: bool) -> None:
    body = b"%x\r\n%b\r\n" % (octets, bytes(octets))
    chunk = frames(recorded(body[:1000], body[1000:-3], body[-3:]))[0]
    content = recorded(bytes(octets), scanner=LengthScanner(octets))[0]
    assert isinstance(content, DataRecord)
    for record in (chunk, content):
        assert (record.cut, record.size, len(record.data or b"")) == (is_cut, octets, MAX_DATA_OCTETS)


def heads(target: bytes, *fields: tuple[bytes, bytes]) -> tuple[RequestRecord, HeadRecord]:
    records: list[Record] = []
    recorder = Recorder(records.append, stream=7, point="gateway.sent", way="request", hop="nginx:8080")
    recorder.request(0.0, b"GET", target, fields, 1767225600.5)
    recorder.head(0.1, b"HTTP/1.1 200 OK", fields)
    request, head = records
    assert isinstance(request, RequestRecord)
    assert isinstance(head, HeadRecord)
    return request, head


def test_heads_are_recorded_with_wall_clock_hop_and_fields() -> None:
    request, head = heads(b"/sse", (b"Host", b"x"), (b"X-Name", b"\xe9"))
    assert (request.method, request.target, request.wall, request.hop) == ("GET", "/sse", 1767225600.5, "nginx:8080")
    assert (head.status_line, head.t, head.stream, head.way) == ("HTTP/1.1 200 OK", 0.1, 7, "request")
    assert request.fields == head.fields == (("Host", "x"), ("X-Name", "é"))


@pytest.mark.parametrize(
    "name",
    [b"Authorization", b"Proxy-Authorization", b"Cookie", b"Set-Cookie", b"X-API-Key", b"api_key", b"x-goog-api-key"],
)
def test_credentials_never_enter_a_record(name: bytes) -> None:
    request, head = heads(b"/", (name, b"Bearer s3cret"), (b"X-Name", b"shown"))
    assert request.fields == head.fields == ((name.decode(), "[redacted]"), ("X-Name", "shown"))


@pytest.mark.parametrize(
    "target, shown",
    [
        (b"/a?key=s3cret&alt=sse", "/a?key=[redacted]&alt=sse"),
        (b"/a?alt=sse&API_KEY=s3cret", "/a?alt=sse&API_KEY=[redacted]"),
        (b"/a?X-Amz-Signature=s3cret", "/a?X-Amz-Signature=[redacted]"),
        (b"http://me:s3cret@x/a", "http://[redacted]@x/a"),
        (b"/a?monkey=1&keys=2", "/a?monkey=1&keys=2"),
        (b"/a@b?to=me@x", "/a@b?to=me@x"),
    ],
)
def test_secrets_in_a_target_or_location_never_enter_a_record(target: bytes, shown: str) -> None:
    request, head = heads(target, (b"Location", target), (b"X-Name", target))
    assert request.target == shown
    assert head.fields == (("Location", shown), ("X-Name", target.decode()))


def test_redacted_trailer_is_not_shown_as_written_either() -> None:
    _, trailers, _ = recorded(b"0\r\nX-Api-Key: s3cret\r\n\r\n")
    assert isinstance(trailers, TrailersRecord)
    assert (trailers.fields, trailers.data) == ((("X-Api-Key", "[redacted]"),), None)


def test_unknown_point_way_or_verdict_is_our_own_error() -> None:
    with pytest.raises(LocalError, match=r"expected one of origin\.sent, .*, got 'somewhere'"):
        Recorder(print, stream=1, point="somewhere")
    with pytest.raises(LocalError, match="got 'sideways'"):
        Recorder(print, stream=1, point="client.received", way="sideways")
    recorder = Recorder(print, stream=1, point="client.received")
    with pytest.raises(LocalError, match="got 'fine'"):
        recorder.end(0.0, "fine")
    with pytest.raises(LocalError, match="got 'fine'"):
        recorder.end(0.0, "complete", "fine")


@pytest.mark.parametrize(
    "target, fields, is_kept",
    [
        (b"/", ((b"A", b"b"),), True),
        (b"/", ((b"Authorization", b"Bearer x"),), False),
        (b"/?key=secret", ((b"A", b"b"),), False),
    ],
)
def test_a_head_as_written_is_kept_only_where_nothing_in_it_is_redacted(
    target: bytes, fields: tuple[tuple[bytes, bytes], ...], is_kept: bool
) -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="client.received")
    recorder.request(0.0, b"GET", target, fields, 0.0, octets=b"as written")
    assert isinstance(records[0], RequestRecord)
    assert records[0].data == (b"as written" if is_kept else None)
    assert from_json(to_json(records[0])) == records[0]
    assert "as written" not in to_json(records[0], with_data=False)
