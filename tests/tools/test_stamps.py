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


@pytest.mark.parametrize("coding, is_readable", [("", True), ("gzip", False)])
def test_octets_that_are_missing_end_a_coding_and_skip_a_line_of_plain_content(coding: str, is_readable: bool) -> None:
    reader = ContentReader(coding)
    reader.lose()
    assert reader.is_readable is is_readable
    assert reader.feed(STAMPED + b"\n" + STAMPED + b"\n") == ([STAMP] if is_readable else [], 0)
