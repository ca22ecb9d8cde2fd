"""Hints for people about a malformed message in a capture, or a body typed by hand: the likely mistake, in a few words.

The rule here: a hint is added to the message of the error, and never replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chunkwire.net.heads import HeadError, find_head_end
from chunkwire.net.protocols import name_protocol
from chunkwire.wire.abnf import OWS
from chunkwire.wire.errors import FramingError, IncompleteBody, Rule, quoted
from chunkwire.wire.frames import Data, Event, SizeLine
from chunkwire.wire.scanner import BodyScanner

DECODED: Final = "is the framing still there? `curl -i` takes it off unless --raw is given"
MAX_SLIP: Final = 4
"""So many wrong octets in a size line are taken for a slip, such as `0x5` or `5,a=1`, and more for decoded content."""
WITHOUT_CR: Final = (
    "no line has a CR: a program on the way turned CRLF into LF, as telnet does; use nc or curl -i --raw"
)

SIZE_COUNTS: Final = "a size counts the octets of chunk-data alone: not its characters, and not the CRLF after it"
_TOO_MUCH: Final = re.compile(rb"\r\n[0-9A-Fa-f]{1,16}(?:\r\n){0,2}\Z")
"""The end of chunk-data that seems to hold the next size line, or the end of the body."""
_TAIL_OCTETS: Final = 22  # the longest match of _TOO_MUCH
_CODING: Final = rb"transfer-encoding"
_LINES: Final = {
    "length-and-coding": _CODING + rb"|content-length",
    "two-lengths": rb"content-length",
    "bad-length": rb"content-length",
    "framing-look-alike": rb"transfer_encoding|content_length",
    "coding-in-1xx": _CODING,
    "coding-in-http-1.0": _CODING,
    "chunked-twice": _CODING,
    "unknown-coding": _CODING,
}
"""The names of the field lines that break a rule of `net.framing`, whose messages have no place."""


class LatestChunk:
    """The latest chunk of a body; its data shows whether its size may be wrong."""

    def __init__(self) -> None:
        self._digits = ""
        self._size = 0
        self._tail = b""

    def take(self, events: Iterable[Event]) -> None:
        """Process the events of a body, in their order."""
        for event in events:
            if isinstance(event, SizeLine):
                self._digits = event.line.partition(b";")[0].strip(OWS).decode("ascii")
                self._size, self._tail = event.size, b""
            elif isinstance(event, Data):
                self._tail = (self._tail + event.octets[-_TAIL_OCTETS:])[-_TAIL_OCTETS:]

    def hint_at(self, error: FramingError | IncompleteBody) -> str:
        """Return the hint that a size may be wrong, which goes at the end of the message; "" for no hint."""
        if isinstance(error, IncompleteBody):
            return self.doubt(is_named=error.section == "chunk-data")
        # A bare LF without a hint comes after chunk-data. The message says that the size may be wrong.
        if error.rule is Rule.CHUNK_DATA_END or (error.rule is Rule.BARE_LF and not error.hint):
            return f"; {SIZE_COUNTS}"
        return self.doubt() if error.rule is Rule.CHUNK_SIZE else ""

    def doubt(self, *, is_named: bool = False) -> str:
        """Return the hint that this chunk has too much data; "" if it does not look so.

        Args:
            is_named: the message has the size.
        """
        if not self._digits or not _TOO_MUCH.search(self._tail):
            return ""
        said = self._digits + (f" (hex for {self._size})" if self._size > 9 else "")
        what = "the size" if is_named else f"the chunk before said {said}, which"
        return f"; {what} may be wrong: {SIZE_COUNTS}"


def describe_bad_head(error: HeadError, octets: bytes) -> str:
    """Return what is wrong with a head, given its octets and those that have come after them."""
    if (known := name_protocol(octets)) is not None:
        return f"expected an HTTP/1.1 message, got {known}"
    if error.rule == "bare-lf-in-head" and b"\r" not in octets:
        return f"{error}; {WITHOUT_CR}"
    return f"{error}{_places(_LINES[error.rule], octets)}" if error.rule in _LINES else str(error)


def _places(names: bytes, octets: bytes) -> str:
    """Return where the field lines of these names begin: `, at 17 and 37`."""
    lines = re.compile(rb"(?im)^(?:" + names + rb"):")
    places = [str(found.start()) for found in lines.finditer(octets, 0, find_head_end(bytearray(octets), 0) or 0)]
    return f", at {' and '.join(places)}"


def hint_at(error: FramingError, *, is_first: bool, is_typed: bool, is_lenient: bool) -> str:
    """Return the hint for a malformed body, which goes at the end of its message; "" for no hint.

    Args:
        is_first: the error is in the first size line of a response.
        is_typed: a person may have typed the body: it is a request's, or has no head.
        is_lenient: padded sizes are accepted already.
    """
    blank = error.octets[:1] in (b" ", b"\t")
    after = error.octets.strip(b" \t")[:1]
    is_padded = error.rule is Rule.CHUNK_SIZE_DIGITS or (blank and (error.rule is Rule.CHUNK_SIZE or after in b";"))
    if error.hint:
        return f". {error.hint}" if is_typed else ""  # a sentence; the others are not
    if is_padded and not is_lenient:
        return "; --lenient takes it"
    if is_first and len(error.octets) > MAX_SLIP and error.rule in (Rule.CHUNK_SIZE, Rule.BAD_WHITESPACE):
        return f"; {DECODED}"
    return ""


def describe_no_message(octets: bytes, scanner: BodyScanner) -> str | None:
    """Return what is wrong with octets that contain no message; None if this scanner accepts them as a whole body."""
    if (known := name_protocol(octets)) is not None:
        return f"expected an HTTP/1.1 message, got {known}"
    if octets.startswith(b"HTTP"):
        return f"expected `HTTP/1.1 STATUS REASON`, got {quoted(octets, 16)}"
    try:
        scanner.scan(octets, len(octets))
        scanner.end_of_input()
    except (FramingError, IncompleteBody) as error:
        return f"{error}; {DECODED}"
    return None
