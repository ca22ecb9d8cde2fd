"""Hints at the likely mistake, for a body that breaks off or breaks the grammar."""

import pytest

from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.mistakes import (
    AS_TEXT,
    BLANK_IN_DATA,
    ENDS_BLANK,
    LETTER_O,
    NO_BLANK,
    NO_PREFIX,
    SIZE_COUNTS,
    LatestChunk,
)
from chunkwire.wire.scanner import ChunkedScanner
from tests.wire.relay import octet_by_octet

DOUBTED = f"; the chunk before said 8, which may be wrong: {SIZE_COUNTS}"


def hint_at_end_of(pieces: list[bytes]) -> str:
    """Return the hint for the error of a body, which ends with these reads."""
    feed, chunk = Feed(ChunkedScanner()), LatestChunk()
    for piece in pieces:
        events: list[Event] = []
        feed.take(piece, events)
        chunk.take(events)
    if feed.error is not None:
        return chunk.hint_at(feed.error)
    with pytest.raises(IncompleteBody) as cut:
        feed.scanner.end_of_input()
    return chunk.hint_at(cut.value)


@pytest.mark.parametrize(
    "body, hint",
    [
        (b"4\r\nhello\r\n", f"; {SIZE_COUNTS}"),
        (b"6\r\nhello\r\n0\r\n", f"; {SIZE_COUNTS}"),
        (b"5\r\nhello\n", f"; {SIZE_COUNTS}"),
        (b"5\nhello\n", ""),
        (b"8\r\nhello\r\n0\r\n\r\n", DOUBTED),
        (b"08;a=1\r\nhello\r\n0\r\n\r\n", DOUBTED.replace("said 8", "said 08")),
        (b"a\r\nhello\r\n0\r\n\r\n", DOUBTED.replace("said 8", "said a (hex for 10)")),
        (b"f\r\nhello\r\n0\r\n\r\n", f"; the size may be wrong: {SIZE_COUNTS}"),
        (b"5\r\nhello\r\n", ""),
        (b"5\r\nhel", ""),
        (b"hello\r\n", ""),
        (b"5\r\n\r\nhello\r\n0\r\n\r\n", f"; {BLANK_IN_DATA}"),
        (b"\r\n5\r\nhello\r\n", f"; {NO_BLANK}"),
        (b"5\\r\\nhello\\r\\n0", f"; {AS_TEXT}"),
        (b"5\\nhello", f"; {AS_TEXT}"),
        (b"\\x35", f"; {AS_TEXT}"),
        (b"0x5\r\nhello", f"; {NO_PREFIX}"),
        (b"0X5\r\nhello", f"; {NO_PREFIX}"),
        (b"5\r\nhello\r\nO\r\n\r\n", f"; {LETTER_O}"),
        (b"1o\r\n", f"; {LETTER_O}"),
        (b"0x5;a=1\r\n", f"; {NO_PREFIX}"),
        (b"8\r\nhello\r\n0\r\n\r\nOPTIONS", DOUBTED),
        (b"5\r\nhello\r\n\r\n0\r\n\r\n", f"; {NO_BLANK}"),
        (b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", f"; {ENDS_BLANK}"),
        (b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", ""),
    ],
)
def test_the_likely_mistake_is_named_however_the_body_was_read(body: bytes, hint: str) -> None:
    assert hint_at_end_of([body]) == hint
    assert hint_at_end_of(octet_by_octet(body)) == hint


@pytest.mark.parametrize("body", [b"Once\r\n", b"foo\r\n", b"xml\r\n", b"axis x"])
def test_a_word_in_place_of_a_size_is_no_slip_of_a_letter(body: bytes) -> None:
    """Fails where an answer that curl decoded is taken for a size with a wrong digit."""
    assert hint_at_end_of([body]) == ""


def test_the_hint_is_no_part_of_the_error() -> None:
    feed = Feed(ChunkedScanner())
    feed.take(b"4\r\nhello\r\n", [])
    assert isinstance(feed.error, FramingError)
    assert SIZE_COUNTS not in str(feed.error)
