"""What a person can do about a captured body that is broken: the likely mistake, in a few words.

The rule here: said beside what the scanner says, never in its place.
"""

from __future__ import annotations

from typing import Final

from chunkwire.net.protocols import name_protocol
from chunkwire.wire.errors import BARE_LF_HINT, FramingError, IncompleteBody, Rule
from chunkwire.wire.scanner import BodyScanner

DECODED: Final = "is the framing still there? `curl -i` takes it off unless --raw is given"


def hint_at(error: FramingError, *, is_first: bool, is_typed: bool, is_lenient: bool) -> str | None:
    """Return the hint that goes with a broken body.

    Args:
        is_first: it is the first size line that broke.
        is_typed: a person may have typed it: it is of a request, or has no head.
        is_lenient: padded sizes are taken already.
    """
    blank = error.octets[:1] in (b" ", b"\t")
    after = error.octets.strip(b" \t")[:1]
    is_padded = error.rule is Rule.CHUNK_SIZE_DIGITS or (blank and (error.rule is Rule.CHUNK_SIZE or after in b";"))
    if error.rule is Rule.BARE_LF:
        return BARE_LF_HINT if is_typed else None
    if is_padded and not is_lenient:
        return "--lenient takes it"
    if is_first and error.rule in (Rule.CHUNK_SIZE, Rule.BAD_WHITESPACE):
        return DECODED
    return None


def describe_no_message(octets: bytes, scanner: BodyScanner) -> str | None:
    """Return what is wrong with octets that hold no message; None where this scanner takes them for a whole body."""
    if (known := name_protocol(octets)) is not None:
        return f"expected an HTTP/1.1 message, got {known}"
    try:
        scanner.scan(octets, len(octets))
        scanner.end_of_input()
    except (FramingError, IncompleteBody) as error:
        return f"{error}; {DECODED}"
    return None
