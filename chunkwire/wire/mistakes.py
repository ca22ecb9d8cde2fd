"""The likely mistake in a chunked body, as far as its latest chunk shows: hints for people who write one by hand.

The rule here: a hint is added to the message of an error, and never replaces it. Every reader of bodies uses these
words, so that the same mistake is explained in the same way by a server, in a capture, and on the lab's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chunkwire.wire.abnf import OWS
from chunkwire.wire.errors import FramingError, IncompleteBody, Rule
from chunkwire.wire.frames import CRLF, Data, Event, SizeLine

SIZE_COUNTS: Final = "a size counts the octets of chunk-data alone: not its characters, and not the CRLF after it"
_DOUBT: Final = f"may be wrong: {SIZE_COUNTS}"
BLANK_IN_DATA: Final = "the line after the size line is empty, and its CRLF counts as data"
AS_TEXT: Final = r"an escape such as \r\n came as text: send it with printf"
NO_PREFIX: Final = "hex digits stand without 0x"
LETTER_O: Final = "zero is the digit 0, not the letter O"
NO_BLANK: Final = "no empty line comes before a size line"
ENDS_BLANK: Final = (
    "after the last-chunk come trailer fields, as in `Name: value`, and the empty line that ends the body"
)
_IN_SIZE: Final = (
    (re.compile(rb"\r"), NO_BLANK),
    (re.compile(rb"\\"), AS_TEXT),
    (re.compile(rb"[xX][0-9A-Fa-f]*(?![^;\s])"), NO_PREFIX),
    (re.compile(rb"[oO][0-9A-Fa-f]*(?![^;\s])"), LETTER_O),
)
"""The mistakes in a chunk-size, by its octets from the first one that is no hex digit; other letters make it a word."""
_TOO_MUCH: Final = re.compile(rb"\r\n[0-9A-Fa-f]{1,16}(?:\r\n){0,2}\Z")
"""The end of chunk-data that seems to hold the next size line, or the end of the body."""
_WITH_SIZE: Final = ("chunk-data", "CRLF after chunk-data")  # sections whose message has the size of the chunk
_TAIL_OCTETS: Final = 22  # the longest match of _TOO_MUCH


def size_of(line: bytes) -> tuple[str, int]:
    """Return the chunk-size of a size line in words, "17 (hex for 23)", or alone if it is below 10; and its value."""
    digits = line.partition(b";")[0].strip(OWS).decode("ascii")
    size = int(digits, 16)
    return (f"{digits} (hex for {size})" if size > 9 else digits), size


class LatestChunk:
    """The latest chunk of a body; its data shows whether its size may be wrong."""

    def __init__(self) -> None:
        self._line: SizeLine | None = None
        self._begin = b""
        self._tail = b""

    def take(self, events: Iterable[Event]) -> None:
        """Process the events of a body, in their order."""
        for event in events:
            if isinstance(event, SizeLine):
                self._line, self._begin, self._tail = event, b"", b""
            elif isinstance(event, Data):
                self._begin = (self._begin + event.octets[:2])[:2]
                self._tail = (self._tail + event.octets[-_TAIL_OCTETS:])[-_TAIL_OCTETS:]

    def hint_at(self, error: FramingError | IncompleteBody) -> str:
        """Return the hint for an error of the body, which goes at the end of its message; "" for no hint."""
        if isinstance(error, IncompleteBody):
            # Data that ends with CRLF, and no CRLF after it: the size seems to count that CRLF.
            is_counted = error.section == "CRLF after chunk-data" and self._tail.endswith(CRLF)
            return f"; the size {_DOUBT}" if is_counted else self.doubt(is_named=error.section in _WITH_SIZE)
        # A bare LF without a hint comes after chunk-data. The message says that the size may be wrong.
        if error.rule is Rule.CHUNK_DATA_END or (error.rule is Rule.BARE_LF and not error.hint):
            return f"; {BLANK_IN_DATA if self._begin == CRLF else SIZE_COUNTS}"
        if error.rule is Rule.CHUNK_SIZE:
            return self.doubt() or next((f"; {said}" for form, said in _IN_SIZE if form.match(error.octets)), "")
        return f"; {ENDS_BLANK}" if error.rule is Rule.TRAILER_FIELD else ""

    def doubt(self, *, is_named: bool = False) -> str:
        """Return the hint that this chunk has too much data; "" if it does not look so.

        Args:
            is_named: the message has the size.
        """
        line = self._line
        if line is None or not _TOO_MUCH.search(self._tail):
            return ""
        what = "the size" if is_named else f"the chunk before said {size_of(line.line)[0]}, which"
        return f"; {what} {_DOUBT}"
