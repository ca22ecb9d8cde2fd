"""What the scanner promises beside its verdicts: how much may go when, its counts, its events, its stickiness."""

import pytest

from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk, SizeLine
from chunkwire.wire.limits import Limits
from chunkwire.wire.scanner import ChunkedScanner
from tests.wire.relay import Relay, relay

BODY = b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
END = b"0\r\n\r\n"


def test_bytes_and_bytearray_give_the_same() -> None:
    expected, events = relay(BODY).events, list[Event]()
    assert ChunkedScanner().scan(BODY, len(BODY), events) == len(BODY)
    assert events == expected
    assert all(type(event.raw) is bytes for event in events)


@pytest.mark.parametrize("takes_events", [False, True])
def test_octets_past_the_end_are_ignored(*, takes_events: bool) -> None:
    """Fails where an older read in the same buffer completes what was received."""
    events: list[Event] | None = [] if takes_events else None
    for octets, approved in ((b"5", 0), (b"5\r", 0), (b"5\r\nhello", 8), (b"5\r\nhello\r\n", 10), (b"0\r\n", 0)):
        assert ChunkedScanner().scan(octets + 4 * b"\r\n", len(octets), events) == approved
    with pytest.raises(FramingError):
        ChunkedScanner().scan(b"5\r\nhelloXX" + 4 * b"\r\n", 10, events)


def test_a_whole_body_has_all_its_events() -> None:
    assert relay(BODY).events == [
        SizeLine(0, b"5;a=b", 5, b";a=b"),
        Data(7, b"hello"),
        DataEnd(12),
        SizeLine(14, b"6", 6, b""),
        Data(17, b" world"),
        DataEnd(23),
        LastChunk(25, b"0", b"", ((b"X-Sum", b"1"),), b"0\r\nX-Sum: 1\r\n\r\n"),
    ]


def test_data_of_a_chunk_over_several_reads_comes_in_several_events() -> None:
    assert relay(b"5\r\nhe", b"llo\r\n").events == [
        SizeLine(0, b"5", 5, b""),
        Data(3, b"he"),
        Data(5, b"llo"),
        DataEnd(8),
    ]


@pytest.mark.parametrize("size", [1, 5, 15, 16, 300])
def test_a_lone_chunk_is_taken_by_one_call_and_counted(size: int) -> None:
    scanner, octets = ChunkedScanner(), b"%x\r\n%b\r\n" % (size, b"x" * size)
    for times in (1, 2):
        assert scanner.take_lone_chunk(octets + b"older", len(octets))
        counts = (scanner.chunks, scanner.octets, scanner.wire_octets)
        assert counts == (times, times * size, times * len(octets))
    assert not scanner.is_behind


@pytest.mark.parametrize(
    "octets",
    [b"\r\n", b"5", b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhelloXX", b"5\r\nhello\r\n1", b"5;a\r\nhello\r\n", END],
    ids=str,
)
def test_other_octets_than_a_lone_chunk_change_nothing(octets: bytes) -> None:
    scanner = ChunkedScanner()
    assert not scanner.take_lone_chunk(octets, len(octets))
    assert (scanner.chunks, scanner.octets, scanner.wire_octets, scanner.is_behind) == (0, 0, 0, False)


def test_no_lone_chunk_is_taken_inside_a_chunk() -> None:
    scanner = ChunkedScanner()
    scanner.scan(b"5\r\n", 3)
    assert not scanner.take_lone_chunk(b"1\r\nx\r\n", 6)


def test_counts_follow_what_was_approved() -> None:
    counts = []
    slow = Relay()
    for read in (b"5;a=b\r\nhel", b"lo\r", b"\n6\r\n world\r\n0\r\n", b"\r\n"):
        slow.show(read)
        counts.append((slow.scanner.wire_octets, slow.scanner.octets, slow.scanner.chunks))
    assert counts == [(10, 3, 0), (12, 5, 0), (25, 11, 2), (30, 11, 2)]


def test_error_is_raised_again_and_the_valid_prefix_counted_once() -> None:
    scanner = ChunkedScanner()
    body = b"5\r\nhello\r\nzz\r\n"
    with pytest.raises(FramingError) as first:
        scanner.scan(body, len(body))
    assert scanner.wire_octets == 10
    with pytest.raises(FramingError) as again:
        scanner.scan(b"0\r\n\r\n", 5)
    assert again.value is first.value
    assert (scanner.wire_octets, scanner.octets, scanner.chunks) == (10, 5, 1)


@pytest.mark.parametrize(
    "octets, section",
    [
        (b"", "a size line"),
        (b"5\r", "a size line"),
        (b"5;a\r\nhel", "chunk-data"),
        (b"5\r\nhello\r", "CRLF after chunk-data"),
        (b"5\r\nhello\r\n", "a size line"),
        (b"0\r\n", "the trailer section"),
        (b"0\r\nX-Sum: 1\r\n", "the trailer section"),
    ],
)
def test_end_of_input_names_what_was_cut(octets: bytes, section: str) -> None:
    scanner = ChunkedScanner()
    scanner.scan(octets, len(octets))
    with pytest.raises(IncompleteBody) as cut:
        scanner.end_of_input()
    assert (cut.value.section, cut.value.offset, cut.value.received) == (section, len(octets), b"")
    hints = {
        "chunk-data": ": the size line said 5, 3 of 5 octets came",
        "CRLF after chunk-data": ": the size line said 5",
        "the trailer section": ": the empty line that ends the body is missing",
    }
    if octets[-2:] in (b"", b"\r\n"):
        hints["a size line"] = ": the last-chunk, 0 and an empty line, has not come"
    assert str(cut.value) == f"expected {section} at {len(octets)}, got the end of input{hints.get(section, '')}"


def test_an_end_of_input_before_any_octet_is_an_error() -> None:
    with pytest.raises(IncompleteBody, match=r"^expected a size line at 0, got the end of input: the last-chunk, .*"):
        ChunkedScanner().end_of_input()


def test_a_cut_in_chunk_data_reports_how_much_of_the_chunk_size_came() -> None:
    scanner = ChunkedScanner()
    scanner.scan(b"1F;a\r\nhel", 9)
    with pytest.raises(IncompleteBody, match=r": the size line said 1F \(hex for 31\), 3 of 31 octets came$"):
        scanner.end_of_input()


def test_more_size_lines_than_are_remembered_are_all_read() -> None:
    body = b"".join(b"%0*x\r\n%b\r\n" % (n % 10, n // 10, bytes(n // 10)) for n in range(10, 5000)) * 2 + b"0\r\n\r\n"
    done = relay(body)
    assert (done.sent, done.scanner.chunks) == (body, 9980)


def test_size_lines_that_one_stream_has_taken_are_no_leave_for_one_with_narrower_limits() -> None:
    body = b"100\r\n" + bytes(256) + b"\r\n0\r\n\r\n"
    assert relay(body).verdict == "accept"
    narrow = relay(body, scanner=ChunkedScanner(Limits(max_chunk_size=255)))
    assert (narrow.verdict, narrow.sent) == ("reject", b"")
