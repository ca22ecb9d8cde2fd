"""Write heads, from parsed fields, never from received octets.

The rule here: everything is checked before an octet leaves: names are tokens, values have no control octets, and only
this file adds CRLF. Names keep their case, and fields their order, except that Host comes first (RFC 9110 §7.2) and
that a Connection field which this file changes comes last.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

from chunkwire.net.framing import BodyKind, request_framing, response_framing
from chunkwire.net.heads import Field, HeadError, Request, Response
from chunkwire.wire import abnf
from chunkwire.wire.errors import LocalError, quoted

# request-line without its CRLF (RFC 9112 §3).
_REQUEST_LINE: Final = re.compile(abnf.TOKEN + rb" [\x21-\x7e]++ HTTP/1\.[01]")
# reason-phrase = 1*( HTAB / SP / VCHAR / obs-text ) (RFC 9112 §4)
_REASON: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+")
# field-line = field-name ":" OWS field-value OWS (RFC 9112 §5), the first OWS one SP, the second nothing.
_VALUE = rb"(?>(?:(?![\t ])[\t\x20-\x7e\x80-\xff]++(?<![\t ]))?)"
_FIELD_LINES: Final = re.compile(rb"(?>(?:" + abnf.TOKEN + rb": " + _VALUE + rb"\r\n)*)")
_REASONS: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_NAMES: Final = re.compile(rb"(?>(?:" + abnf.TOKEN + rb"\n)*)")


def date_now() -> bytes:
    """Return the value of Date for now (RFC 9110 §6.6.1)."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode("ascii")


def reason_of(status: int) -> bytes:
    """Return the usual reason-phrase of a status, or b"" if it has none."""
    return _REASONS.get(status, b"")


def write_request(request: Request) -> bytes:
    """Return the octets of a request head.

    Raises:
        LocalError: the request-line, a field line or the framing is not legal, or there is not exactly one Host.
    """
    line = request.start_line
    if not _REQUEST_LINE.fullmatch(line):
        raise LocalError(f"expected `METHOD TARGET` without blanks or control octets in them, got {quoted(line)}")
    if len(request.lines(b"host")) != 1:
        raise LocalError(f"expected one Host line (RFC 9112 §3.2), got {len(request.lines(b'host'))}")
    try:
        request_framing(request)
    except HeadError as error:
        raise LocalError(str(error)) from error
    fields = request.fields
    if fields[0][0].lower() != b"host":
        fields = tuple(sorted(fields, key=lambda field: field[0].lower() != b"host"))
    return _head(line, fields)


class Asked(NamedTuple):
    """The facts of a request that its response head depends on."""

    takes_chunks: bool
    keeps_alive: bool
    has_upgrade: bool
    is_head: bool

    @classmethod
    def by(cls, request: Request) -> Asked:
        """Return the facts of a request."""
        has_upgrade = bool(request.lines(b"upgrade"))
        return cls(request.version != b"1.0", request.keeps_alive, has_upgrade, request.method == b"HEAD")


def write_response(response: Response, asked: Asked | None, method: bytes) -> bytes:
    """Return the octets of a final response head.

    `Connection: close` is added if the connection cannot be reused: the request asked for it or is HTTP/1.0, the body
    is delimited by close, or the request could not be parsed (RFC 9112 §9.6).

    Args:
        asked: the facts of the request; None if it could not be parsed.
        method: of the request; if `asked` is None, that of `UnreadRequest`.

    Raises:
        LocalError: a field line is not legal, or the framing is not legal for this client.
    """
    if response.status < 200:
        raise LocalError(f"expected the status of a final response, got {response.status}")
    try:
        kind = response_framing(response, method).kind
    except HeadError as error:
        raise LocalError(str(error)) from error
    if response.status == 204 and (response.lines(b"transfer-encoding") or response.lines(b"content-length")):
        raise LocalError("expected no framing field in a 204 (RFC 9112 §6.1, RFC 9110 §8.6)")
    if kind is BodyKind.CHUNKED and (asked is None or not asked.takes_chunks):
        raise LocalError("expected no Transfer-Encoding to a client that did not say HTTP/1.1 (RFC 9112 §6.1)")
    fields: Sequence[Field] = response.fields
    if kind is BodyKind.CLOSE or asked is None or not asked.keeps_alive:
        fields = _with_close(response)
    return _head(_status_line(response), fields)


def write_informational(response: Response, asked: Asked | None) -> bytes:
    """Return the octets of a 1xx head (RFC 9110 §15.2).

    Raises:
        LocalError: the status or a field line is not legal, or it is a 101 to a client that asked for no upgrade.
    """
    if not 100 <= response.status < 200:
        raise LocalError(f"expected a status of 1xx, got {response.status}")
    if response.lines(b"transfer-encoding") or response.lines(b"content-length"):
        raise LocalError("expected no framing field in a 1xx (RFC 9112 §6.1, RFC 9110 §8.6)")
    if response.status == 101 and (asked is None or not asked.has_upgrade):
        raise LocalError("expected no 101: the client asked for no upgrade (RFC 9110 §7.8)")
    return _head(_status_line(response), response.fields)


def _status_line(response: Response) -> bytes:
    if not 100 <= response.status <= 999 or not _REASON.fullmatch(response.reason):
        got = f"{response.status} {quoted(response.reason)}"
        raise LocalError(f"expected a status of three digits and a reason without control octets, got {got}")
    return b"HTTP/1.1 %d %b" % (response.status, response.reason)


def _with_close(response: Response) -> Sequence[Field]:
    """Return the fields with `close` in Connection, and no `keep-alive`."""
    options = response.tokens(b"connection")
    if options == [b"close"]:
        return response.fields
    kept = [option for option in options if option not in (b"close", b"keep-alive")]
    others = [field for field in response.fields if field[0].lower() != b"connection"]
    return [*others, (b"Connection", b", ".join([b"close", *kept]))]


def _head(line: bytes, fields: Sequence[Field]) -> bytes:
    octets = b"".join([b"%b: %b\r\n" % field for field in fields])
    names = b"".join([b"%b\n" % name for name, _ in fields])
    # If a field contained a line end, there would be more lines than fields, or a name that is no token.
    if not _FIELD_LINES.fullmatch(octets) or octets.count(b"\n") != len(fields) or not _NAMES.fullmatch(names):
        raise LocalError("expected a token as each field name, and values without control octets and blanks around")
    return b"%b\r\n%b\r\n" % (line, octets)
