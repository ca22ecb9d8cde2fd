"""Message heads as values, and their checks (RFC 9112).

The rule here: the octets of a head are checked. h11 0.16 accepts fifteen things that a gateway must not accept (bare
LF, folded lines, control octets, `Transfer_Encoding`, two lengths …); each is refused, here, in `framing` or in
`targets`, with a rule name and the status of RFC 9110. Pure: no I/O, no h11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from chunkwire.net.protocols import name_protocol
from chunkwire.wire.abnf import TCHAR, TOKEN
from chunkwire.wire.errors import ChunkwireError, quoted
from chunkwire.wire.limits import HeadLimits
from chunkwire.wire.mistakes import AS_TEXT

Field: TypeAlias = tuple[bytes, bytes]

# Methods whose requests may be repeated: several have the same effect as one (RFC 9110 §9.2.2).
IDEMPOTENT_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})

# Field-value octets (RFC 9110 §5.5) are HTAB, SP, VCHAR and obs-text. No CTL, no DEL.
_FIELD_LINE = re.compile(TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r?\n")
# Of a valid field line: the name, and the value without the blanks around it (RFC 9112 §5.1).
_NAME_AND_VALUE = re.compile(rb"([^:]++):[\t ]*+((?>(?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?))[\t ]*+\r?\n")
_FIELD_BLOCK = re.compile(rb"(?>(?:" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r?\n)*)\r?\n")

# request-line = method SP request-target SP HTTP-version (RFC 9112 §3). `targets` checks the octets of a target.
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]++) HTTP/(\d)\.(\d)\r?\n")
# status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 §4). Old servers omit the SP if there is no
# reason: this is accepted, and never written.
_STATUS_LINE = re.compile(rb"HTTP/(\d)\.(\d) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*+))?\r?\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
# A size line of a chunked body, for hints: no head has one.
_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,8}[ \t]*(?:;.*)?")
_HEAD_END = re.compile(rb"\n\r?\n")

MAX_METHOD_OCTETS: Final = 32  # the longest registered method has 17 (UPDATEREDIRECTREF); RFC 9112 §3: 501


class HeadError(ChunkwireError):
    """A head that is refused.

    Attributes:
        status: what a server answers (400, 414, 421, 431, 501, 505). A gateway answers 502 for an upstream's head.
        rule: a stable kebab-case name.
        first_line: the start-line as received, see `unread.first_line`; set by `ServerConnection`.
    """

    def __init__(self, status: int, rule: str, message: str) -> None:
        super().__init__(message)
        self.first_line = b""
        self.status = status
        self.rule = rule


class _Fields:
    """The common part of requests and responses: field lines in order, names in the case received."""

    __slots__ = ()
    version: bytes
    fields: tuple[Field, ...]
    _by_name: dict[bytes, list[bytes]] | None

    @property
    def by_name(self) -> Mapping[bytes, Sequence[bytes]]:
        """The values of lines of one name in their order, by name in lower case; made at the first use."""
        by_name = self._by_name
        if by_name is None:
            by_name = {}
            for key, value in self.fields:
                by_name.setdefault(key.lower(), []).append(value)
            object.__setattr__(self, "_by_name", by_name)
        return by_name

    def lines(self, name: bytes) -> Sequence[bytes]:
        """Return the values of the lines with this name, in their order. `name` is lower case."""
        return (self._by_name or self.by_name).get(name, ())

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field, lines of one name joined by `, `; None if absent. `name` is lower case."""
        values = (self._by_name or self.by_name).get(name)
        return b", ".join(values) if values else None

    def tokens(self, name: bytes) -> list[bytes]:
        """Return the members of a list field in lower case."""
        value = self.get(name)
        return [token.strip(b" \t").lower() for token in value.split(b",") if token.strip(b" \t")] if value else []

    def has_token(self, name: bytes, token: bytes) -> bool:
        """Say whether a list field contains this token, given in lower case."""
        return token in self.tokens(name)

    @property
    def keeps_alive(self) -> bool:
        """The connection may be used for another request (RFC 9112 §9.3); never with HTTP/1.0."""
        return self.version != b"1.0" and not self.has_token(b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Request(_Fields):
    """A request head; `target` is as received until `targets.normalize_target`."""

    method: bytes
    target: bytes
    version: bytes = b"1.1"
    fields: tuple[Field, ...] = ()
    _by_name: dict[bytes, list[bytes]] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def start_line(self) -> bytes:
        """The request-line without its CRLF."""
        return b"%b %b HTTP/%b" % (self.method, self.target, self.version)


@dataclass(frozen=True, slots=True)
class Response(_Fields):
    """A response head, 1xx included."""

    status: int
    reason: bytes = b""
    version: bytes = b"1.1"
    fields: tuple[Field, ...] = ()
    _by_name: dict[bytes, list[bytes]] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def start_line(self) -> bytes:
        """The status-line without its CRLF."""
        return b"HTTP/%b %d %b" % (self.version, self.status, self.reason)


def is_event_stream(head: Response) -> bool:
    """Say whether a response declares server-sent events."""
    return (head.get(b"content-type") or b"").partition(b";")[0].strip().lower() == b"text/event-stream"


def find_head_end(buffer: bytearray, start: int) -> int | None:
    """Return the offset after the empty line that ends a head, or None; octets before `start` were searched already."""
    found = _HEAD_END.search(buffer, max(0, start - 3))
    return found.end() if found else None


def check_partial_head(buffer: bytearray, limits: HeadLimits, *, is_request: bool) -> None:
    """Refuse a head that cannot become valid, without waiting for its end (RFC 9112 §2.2, §3).

    Raises:
        HeadError: 400 for octets that are not HTTP/1.1 and for a status-line that is too long; 414 for a request-line
            that is, 501 for a method that is, 431 for a head that is; 505 for another major version.
    """
    line_end = buffer.find(b"\n")
    if line_end < 0:
        _check_unfinished_line(buffer, limits, is_request=is_request)
    else:
        _check_start_line(bytes(buffer[: line_end + 1]), limits, is_request=is_request)
    if len(buffer) > limits.max_head_octets:
        raise _too_large(limits)


def check_head(head: bytes, limits: HeadLimits, *, is_request: bool, bare_lf: bool) -> None:
    """Check a whole head, with its empty line, more strictly than h11 does; a gateway needs that.

    Args:
        bare_lf: accept a head whose lines all end in LF alone; False refuses it.

    Raises:
        HeadError: for the first fault found, with the status of RFC 9112 or RFC 9110.
    """
    line_end = head.index(b"\n") + 1
    _check_start_line(head[:line_end], limits, is_request=is_request)
    if len(head) > limits.max_head_octets:
        raise _too_large(limits)
    _check_line_ends(head, head[:line_end], bare_lf=bare_lf)
    if not _FIELD_BLOCK.fullmatch(head, line_end):
        raise _bad_field_line(head, line_end)
    if head.count(b"\n") - 2 > limits.max_fields:
        raise HeadError(431, "too-many-fields", f"expected at most {limits.max_fields} field lines")


def _check_line_ends(head: bytes, start_line: bytes, *, bare_lf: bool) -> None:
    """Refuse LF alone, except at the end of all lines if `bare_lf`: two parsers may split a mixed head differently."""
    if bare_lf and not start_line.endswith(b"\r\n"):
        if (at := head.find(b"\r\n")) >= 0:
            message = f"expected LF at the end of each line, as the first line has it, got CRLF at {at}"
            raise HeadError(400, "mixed-line-ends", message)
    elif head.count(b"\n") != head.count(b"\r\n") and (found := _BARE_LF.search(head)):
        message = f"expected CRLF at the end of each line, got LF alone at {found.start()}"
        raise HeadError(400, "bare-lf-in-head", message)


def _check_unfinished_line(buffer: bytearray, limits: HeadLimits, *, is_request: bool) -> None:
    if is_request and buffer == b"\r":
        return  # may become an empty line, which the caller drops
    if buffer and not re.match(TCHAR, buffer):
        got = name_protocol(bytes(buffer[:64])) or quoted(bytes(buffer[:16]))
        raise HeadError(400, "not-http", f"expected an HTTP/1.1 message, got {got}")
    method = buffer[: MAX_METHOD_OCTETS + 1].partition(b" ")[0]
    _check_lengths(len(method), len(buffer), limits, is_request=is_request)


def _check_start_line(line: bytes, limits: HeadLimits, *, is_request: bool) -> None:
    found = (_REQUEST_LINE if is_request else _STATUS_LINE).fullmatch(line)
    if not found:
        shown = line.removesuffix(b"\n").removesuffix(b"\r")
        wanted = "METHOD TARGET HTTP/1.1" if is_request else "HTTP/1.1 STATUS REASON"
        hint = _hint_at_request_line(shown) if is_request else ""
        raise HeadError(
            400, "bad-start-line", f"expected `{wanted}`, got {name_protocol(line) or _around_control(shown)}{hint}"
        )
    _check_lengths(len(found[1]), len(line), limits, is_request=is_request)
    major = found[3] if is_request else found[1]
    if major != b"1":
        raise HeadError(
            505, "http-version", f"expected HTTP/1.1 or HTTP/1.0, got {name_protocol(line) or quoted(line.rstrip())}"
        )


def _hint_at_request_line(line: bytes) -> str:
    if re.fullmatch(rb"[A-Z]+ \S+", line):
        return " (the version is missing)"
    if b"\\r" in line or b"\\n" in line:
        return f" ({AS_TEXT})"
    if _SIZE_LINE.fullmatch(line):
        return " (a size line? The body before it has ended, or its head lacks Transfer-Encoding: chunked)"
    return ""


def _around_control(line: bytes) -> str:
    """Return a refused line for a message; from 40 octets before its first control octet, if it has one."""
    found = re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line)
    start = max(0, found.start() - 40) if found else 0
    return ("…" if start else "") + quoted(line[start:])


def _check_lengths(method_octets: int, line_octets: int, limits: HeadLimits, *, is_request: bool) -> None:
    if is_request and method_octets > MAX_METHOD_OCTETS:
        raise HeadError(501, "unknown-method", f"expected a method of at most {MAX_METHOD_OCTETS} octets")
    if line_octets > limits.max_start_line_octets:
        limit = f"of at most {limits.max_start_line_octets} octets"
        if is_request:
            raise HeadError(414, "long-target", f"expected a request-line {limit}")
        raise HeadError(400, "long-status-line", f"expected a status-line {limit}")


def _too_large(limits: HeadLimits) -> HeadError:
    return HeadError(431, "large-head", f"expected a head of at most {limits.max_head_octets} octets")


def _bad_field_line(head: bytes, start: int) -> HeadError:
    """Return the error for the first malformed field line (RFC 9112 §5)."""
    while found := _FIELD_LINE.match(head, start):
        start = found.end()
    end = head.index(b"\n", start)
    line = head[start:end].removesuffix(b"\r")
    shown = f"{_around_control(line)} at {start}"
    if line[:1] in (b" ", b"\t"):
        return HeadError(400, "folded-line", f"expected a field line, got a folded one: {shown}")
    if b"\r" in line:
        return HeadError(400, "bare-cr", f"expected no CR inside a line, got {shown}")
    name, colon, _ = line.partition(b":")
    if not colon:
        hint = " (a size line? An empty line ends the head before it)" if _SIZE_LINE.fullmatch(line) else ""
        return HeadError(400, "no-colon", f"expected `Name: value`, got {shown}{hint}")
    if name.rstrip(b" \t") != name:
        return HeadError(400, "blank-before-colon", f"expected no blank before the colon, got {shown}")
    if not re.fullmatch(TOKEN, name):
        return HeadError(400, "bad-field-name", f"expected a token, without blanks, as the field name, got {shown}")
    return HeadError(400, "control-in-value", f"expected no control octet in a field value, got {shown}")


def read_request(head: bytes) -> Request:
    """Return the request of a head that `check_head` accepts, with its fields as written."""
    found = _REQUEST_LINE.match(head)
    assert found
    return Request(found[1], found[2], _known_version(found[4]), tuple(_NAME_AND_VALUE.findall(head, found.end())))


def read_response(head: bytes) -> Response:
    """Return the response of a head that `check_head` accepts, with its fields as written."""
    found = _STATUS_LINE.match(head)
    assert found
    fields = tuple(_NAME_AND_VALUE.findall(head, found.end()))
    return Response(int(found[3]), found[4] or b"", _known_version(found[2]), fields)


def _known_version(minor: bytes) -> bytes:
    """Return the version that a message is handled as: HTTP/1.9 as 1.1 (RFC 9110 §2.5)."""
    return b"1.0" if minor == b"0" else b"1.1"
