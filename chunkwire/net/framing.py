"""The framing that a head declares: how the end of its body is found (RFC 9112 §6.3).

The rule here: a framing that two recipients may read differently is refused. Pure: no I/O, no h11.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.wire.abnf import QUOTED_STRING, TOKEN
from chunkwire.wire.errors import quoted
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner

# Content-Length = 1*DIGIT (RFC 9110 §8.6). Leading zeros are refused as well: some parsers read octal.
_CONTENT_LENGTH = re.compile(rb"0|[1-9]\d{0,17}")
# transfer-coding = token *( OWS ";" OWS transfer-parameter )           RFC 9112 §7
# transfer-parameter = token BWS "=" BWS ( token / quoted-string ). An empty member is refused, though a recipient
# should ignore a few (RFC 9110 §5.6.1.2): two hops that read such a list differently would frame the body differently.
_PARAMETER = rb"[\t ]*+;[\t ]*+%b[\t ]*+=[\t ]*+(?:%b|%b)" % (TOKEN, TOKEN, QUOTED_STRING)
_CODING = re.compile(rb"%b(?>(?:%b)*)" % (TOKEN, _PARAMETER))
_CODINGS = re.compile(rb"(?:%b)(?>(?:[\t ]*+,[\t ]*+(?:%b))*)" % (_CODING.pattern, _CODING.pattern))

# Servers that map field names to environment variables read `Transfer_Encoding` as Transfer-Encoding.
_LOOK_ALIKES: Final = (b"transfer_encoding", b"content_length")


class BodyKind(enum.Enum):
    """How the end of a body is found (RFC 9112 §6.3)."""

    NONE = "none"
    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Framing:
    """The framing of a body; `length` in octets, for LENGTH only."""

    kind: BodyKind
    length: int | None = None

    def scanner(self, limits: Limits = DEFAULT_LIMITS, *, forbidden: frozenset[bytes] = frozenset()) -> BodyScanner:
        """Return a new scanner for this body; see `ChunkedScanner` for `forbidden`."""
        if self.kind is BodyKind.CHUNKED:
            return ChunkedScanner(limits, forbidden=forbidden)
        if self.kind is BodyKind.CLOSE:
            return CloseScanner()
        return LengthScanner(self.length or 0)

    @property
    def is_empty(self) -> bool:
        """The body has no octets."""
        return self.kind is BodyKind.NONE or (self.kind is BodyKind.LENGTH and not self.length)


def describe_end(framing: Framing) -> str:
    """Return why a body has ended, for a message about octets after it; one without framing is a request's."""
    if framing.kind is BodyKind.CHUNKED:
        return "the message before ended with its last-chunk"
    if framing.kind is BodyKind.LENGTH:
        return f"the message before ended with its Content-Length: {framing.length}"
    return "a request has a body only if its head says Transfer-Encoding: chunked or Content-Length"


def request_framing(request: Request) -> Framing:
    """Return the framing of a request body (RFC 9112 §6.3).

    Raises:
        HeadError: 400 for Content-Length and Transfer-Encoding together, a Content-Length that is repeated or invalid,
            a field name that looks like one of them, a Transfer-Encoding in HTTP/1.0, one that is invalid, has chunked
            twice or does not end in it; 501 for another coding before chunked.
    """
    codings, length = _framing_fields(request)
    if codings:
        _check_codings(codings, length, request.version)
        return Framing(BodyKind.CHUNKED)
    return Framing(BodyKind.NONE) if length is None else Framing(BodyKind.LENGTH, length)


def response_framing(response: Response, method: bytes) -> Framing:
    """Return the framing of a response body (RFC 9112 §6.3); `method` is the request's.

    If the status or the request's method rules out a body, there is none, whatever the codings are (rule 1).

    Raises:
        HeadError: as `request_framing`; and for a 1xx that carries Transfer-Encoding (RFC 9112 §6.1).
    """
    codings, length = _framing_fields(response)
    if codings and response.status < 200:
        raise HeadError(400, "coding-in-1xx", f"expected no Transfer-Encoding in a {response.status}")
    if method == b"HEAD" or response.status < 200 or response.status in (204, 304):
        return Framing(BodyKind.NONE)
    if codings:
        _check_codings(codings, length, response.version)
        return Framing(BodyKind.CHUNKED)
    return Framing(BodyKind.CLOSE) if length is None else Framing(BodyKind.LENGTH, length)


def _framing_fields(head: Request | Response) -> tuple[Sequence[bytes], int | None]:
    """Return the Transfer-Encoding lines and the Content-Length; refuse look-alikes and a second Content-Length."""
    by_name = head.by_name
    for name in _LOOK_ALIKES:
        if name in by_name:
            raise HeadError(400, "framing-look-alike", f"expected no field named {quoted(name)}")
    codings, lengths = by_name.get(b"transfer-encoding", ()), by_name.get(b"content-length", ())
    if len(lengths) > 1:
        raise HeadError(400, "two-lengths", "expected one Content-Length, got two")
    if lengths and not _CONTENT_LENGTH.fullmatch(lengths[0]):
        raise HeadError(400, "bad-length", f"expected Content-Length in decimal digits, got {quoted(lengths[0])}")
    return codings, int(lengths[0]) if lengths else None


def _check_codings(codings: Sequence[bytes], length: int | None, version: bytes) -> None:
    """Refuse any codings other than `chunked` alone; several lines are one list (RFC 9110 §5.3)."""
    value = b", ".join(codings)
    if version == b"1.0":
        raise HeadError(400, "coding-in-http-1.0", "expected no Transfer-Encoding in an HTTP/1.0 message")
    if value.lower() != b"chunked":
        raise _bad_codings(value)
    if length is not None:
        raise HeadError(400, "length-and-coding", "expected Content-Length or Transfer-Encoding, got both")


def _bad_codings(value: bytes) -> HeadError:
    """Return the error for this list of codings: 501 only for a valid one that ends in chunked, once."""
    names = [coding.lower() for coding in _CODING.findall(value)] if _CODINGS.fullmatch(value) else []
    if names.count(b"chunked") > 1:
        return HeadError(400, "chunked-twice", f"expected chunked to be applied once, got {quoted(value)}")
    status = 501 if names and names[-1] == b"chunked" else 400
    return HeadError(status, "unknown-coding", f"expected `Transfer-Encoding: chunked`, got {quoted(value)}")
