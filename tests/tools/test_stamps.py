"""What a stream says of its own time, whatever else is in it."""

import zlib

import pytest

from chunkwire.tools.stamps import ContentReader, Stamp, read_stamp

STAMPED = b'data: {"n":1,"of":2,"nonce":"x","planned_ns":3,"actual_ns":4}'
STAMP = Stamp(1, 2, "x", 3, 4)


def test_a_probe_event_bears_a_stamp() -> None:
    assert read_stamp(STAMPED) == STAMP


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"actual_ns":4}',
        b'data: {"n":1,"actual_ns":1e999}',
        b'data: {"n":1,"actual_ns":"soon"}',
        b'data: {"n":1,"actual_ns":9223372036854775808}',
        b'data: {"n":1,"actual_ns":-1}',
        b'data: {"actual_ns":' + b"[" * 100_000,
    ],
    ids=["no number", "endless", "a word", "more than 63 bits", "negative", "deep"],
)
def test_a_broken_stamp_is_ignored(line: bytes) -> None:
    assert read_stamp(line) is None


@pytest.mark.parametrize("coding", ["deflate", "gzip, deflate", "br", "gzip"])
def test_a_coding_is_taken_off_or_the_content_cannot_be_read(coding: str) -> None:
    octets = STAMPED + b"\n\n"
    for name in coding.split(", "):
        coder = zlib.compressobj(wbits=31 if name == "gzip" else 15)
        octets = coder.compress(octets) + coder.flush()
    reader = ContentReader(coding)
    assert reader.feed(octets) == (([], 0) if coding == "br" else ([STAMP], 1))
    assert reader.is_readable is (coding != "br")


@pytest.mark.parametrize("size", [1 << 16, 1 << 22], ids=["in pieces", "in one piece"])
def test_a_line_beyond_2_mib_is_skipped_and_no_other(size: int) -> None:
    for blanks, events in ((0, 3), (1, 2)):
        long = STAMPED + b" " * ((1 << 21) - len(STAMPED) + blanks)
        content = b"\n\n".join((STAMPED, long, STAMPED, b""))
        reader, stamps, ended = ContentReader(), list[Stamp](), 0
        for at in range(0, len(content), size):
            found, n = reader.feed(content[at : at + size])
            stamps, ended = stamps + found, ended + n
        assert (len(stamps), ended) == (events, events)


def test_a_line_is_read_whose_piece_also_begins_a_line_that_is_too_long() -> None:
    reader = ContentReader()
    assert reader.feed(STAMPED + b"\n" + b" " * (1 << 22)) == ([STAMP], 0)
    assert reader.feed(STAMPED + b"\n") == ([], 0)


@pytest.mark.parametrize("coding, is_readable", [("", True), ("gzip", False)])
def test_octets_that_are_missing_end_a_coding_and_skip_a_line_of_plain_content(coding: str, is_readable: bool) -> None:
    reader = ContentReader(coding)
    reader.lose()
    assert reader.is_readable is is_readable
    assert reader.feed(STAMPED + b"\n" + STAMPED + b"\n") == ([STAMP] if is_readable else [], 0)


@pytest.mark.parametrize("kept_octets, kept", [(0, b""), (5, b"hello"), (99, b"hello world")])
def test_no_more_content_is_kept_than_was_asked_for(kept_octets: int, kept: bytes) -> None:
    """Fails where each stream of a bench keeps the beginning of its content, which nothing reads there."""
    reader = ContentReader(kept_octets=kept_octets)
    for octets in (b"hel", b"lo wo", b"rld"):
        reader.feed(octets)
    assert reader.beginning == kept
