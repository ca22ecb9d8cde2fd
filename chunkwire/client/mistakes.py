"""Hints for people about a capture: the likely mistake in a malformed message, and why octets belong to no message.

The rule here: a hint is added to the message of the error, and never replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chunkwire.net.framing import BodyKind, Framing, describe_end
from chunkwire.net.heads import HeadError, Request, Response, find_head_end
from chunkwire.net.protocols import name_protocol
from chunkwire.wire.errors import FramingError, IncompleteBody, Rule, quoted
from chunkwire.wire.nearest import near
from chunkwire.wire.scanner import BodyScanner

DECODED: Final = "is the framing still there? `curl -i` takes it off unless --raw is given"
MAX_SLIP: Final = 4
"""So many wrong octets in a size line are taken for a slip, such as `0x5` or `5,a=1`, and more for decoded content."""
WITHOUT_CR: Final = (
    "no line has a CR: a program on the way turned CRLF into LF, as telnet does; use nc or curl -i --raw"
)

_SIZE_LINE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}[ \t]*(?:;|\r?\n)")
_FIELD: Final = "transfer-encoding"
_CODING: Final = _FIELD.encode("ascii")
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


def describe_undeclared(names: Iterable[str]) -> str:
    """Return why a head, with fields of these names, does not declare the chunks that follow it."""
    misspelt = next((name for name in names if name.lower() != _FIELD and near(name, (_FIELD,))), None)
    wrong = f"; {misspelt} is misspelt" if misspelt else ""
    return f"but the head does not say Transfer-Encoding: chunked{wrong}"


def hint_at_strays(octets: bytes, head: Request | Response, framing: Framing) -> str:
    """Return the hint why octets follow a complete message, for the end of the note; "" for no hint.

    Args:
        octets: the first of them.
        head: of the message.
        framing: of its body.
    """
    octets = octets.lstrip(b"\r\n")
    if not octets:
        return ""
    if framing.kind is BodyKind.CHUNKED:
        return f"; {describe_end(framing)}" if _SIZE_LINE.match(octets) else ""
    if framing.kind is BodyKind.LENGTH:
        return f"; {describe_end(framing)}"
    if isinstance(head, Response):
        what = f"a {head.status}" if head.status in (204, 304) else "an answer to HEAD or CONNECT"
        return f"; {what} has no body"
    if _SIZE_LINE.match(octets):
        return f"; they look chunked, {describe_undeclared(name.decode('latin-1') for name, _ in head.fields)}"
    if head.method in (b"POST", b"PUT", b"PATCH"):
        return f"; {describe_end(framing)}"
    return ""
