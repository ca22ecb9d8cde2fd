"""Whole frames: from pieces, before an error, and from one whole body."""

import pytest

from chunkwire.wire.errors import FramingError, IncompleteBody, LocalError
from chunkwire.wire.frames import Chunk, LastChunk
from chunkwire.wire.limits import Limits
from chunkwire.wire.reader import FrameReader, decode
from tests.wire.relay import octet_by_octet

BODY = b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
FRAMES = [
    Chunk(0, b"5;a=b", 5, b";a=b", b"hello"),
    LastChunk(14, b"0", b"", ((b"X-Sum", b"1"),), b"0\r\nX-Sum: 1\r\n\r\n"),
]


def test_reader_gives_a_frame_with_its_last_octet() -> None:
    reader = FrameReader()
    fed = [reader.feed(octet) for octet in octet_by_octet(BODY)]
    assert [n for n, frames in enumerate(fed, 1) if frames] == [14, len(BODY)]
    assert [frame for frames in fed for frame in frames] == FRAMES
    assert reader.is_complete
    reader.end_of_input()


def test_reader_keeps_what_follows_the_body_apart() -> None:
    reader = FrameReader()
    assert reader.feed(BODY + b"HTTP") == FRAMES
    assert reader.feed(b"/1.1") == []
    assert reader.leftover == b"HTTP/1.1"


def test_reader_keeps_the_frames_before_an_error() -> None:
    reader = FrameReader()
    with pytest.raises(FramingError):
        reader.feed(b"5;a=b\r\nhello\r\nzz\r\n")
    assert reader.frames == FRAMES[:1]
    with pytest.raises(FramingError):
        reader.feed(b"0\r\n\r\n")
    assert reader.frames == []


def test_reader_that_is_cut_gives_the_data_of_the_cut_chunk() -> None:
    reader = FrameReader()
    reader.feed(b"2\r\nab\r\n5\r\nhel")
    with pytest.raises(IncompleteBody) as cut:
        reader.end_of_input()
    assert (cut.value.offset, cut.value.received) == (13, b"hel")


def test_decode_of_a_cut_body_raises_with_all_its_content() -> None:
    with pytest.raises(IncompleteBody) as cut:
        decode(b"2\r\nab\r\n5\r\nhel")
    assert cut.value.received == b"abhel"


def test_decode_of_more_than_one_body_is_our_own_error() -> None:
    with pytest.raises(LocalError, match="4 octets after it"):
        decode(BODY + b"more")


def test_decode_keeps_to_the_limits_given() -> None:
    assert decode(b"4\r\nabcd\r\n0\r\n\r\n", Limits(max_chunk_size=4))
    with pytest.raises(FramingError):
        decode(b"5\r\nabcde\r\n0\r\n\r\n", Limits(max_chunk_size=4))
