"""Hints for people about a malformed body in a capture: the likely mistake, in a few words.

The rule here: a hint is added to the scanner's message, and never replaces it.
"""

from __future__ import annotations

from typing import Final

from chunkwire.net.heads import HeadError
from chunkwire.net.protocols import name_protocol
from chunkwire.wire.errors import FramingError, IncompleteBody, Rule, quoted
from chunkwire.wire.scanner import BodyScanner

DECODED: Final = "is the framing still there? `curl -i` takes it off unless --raw is given"
MAX_SLIP: Final = 4
"""So many wrong octets in a size line are taken for a slip, such as `0x5` or `5,a=1`, and more for decoded content."""
WITHOUT_CR: Final = (
    "no line has a CR: a program on the way turned CRLF into LF, as telnet does; use nc or curl -i --raw"
)


def describe_bad_head(error: HeadError, octets: bytes) -> str:
    """Return what is wrong with a head, given its octets and those that have come after them."""
    if (known := name_protocol(octets)) is not None:
        return f"expected an HTTP/1.1 message, got {known}"
    return f"{error}; {WITHOUT_CR}" if error.rule == "bare-lf-in-head" and b"\r" not in octets else str(error)


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
