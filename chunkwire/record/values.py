"""Timed observations of the wire as values, and as lines of JSON.

The rule here: a record says what happened at one point, as on the wire. Known credentials are redacted in heads and
trailers, not in bodies. `record.schema.json` beside this file is the published schema; readers ignore unknown kinds and
members. What this module must not know: who makes records (`recorder`), files, clocks, sockets.

Records are named tuples, as frames are (`wire.frames`), because one is made for each recorded frame.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import IO, Any, AnyStr, Final, NamedTuple, TypeAlias, get_args, get_type_hints

from chunkwire.record import members
from chunkwire.wire import abnf
from chunkwire.wire.errors import LocalError, quoted
from chunkwire.wire.jsontext import load_json

RECORD_VERSION: Final = 1

POINTS: Final = ("origin.sent", "origin.received", "gateway.received", "gateway.sent", "client.received", "client.sent")
WAYS: Final = ("request", "response")

FRAMING_VERDICTS: Final = ("complete", "cut", "reset", "malformed", "timeout", "client-gone", "stopped", "missing")
"""How a body ended on the wire: complete; cut by FIN or by RST; malformed framing; our timeout; the client left; the
watcher stopped; unknown, as octets are missing in a capture. Readers map values of later versions to `UNKNOWN`."""

UNKNOWN: Final = "unknown"

APPLICATION_VERDICTS: Final = ("complete", "incomplete", "empty", "unknown")
"""Whether the stream's own terminal event was seen, such as [DONE]: "empty" if it was, and the answer of a language
model had nothing in it; "unknown" if the content was not read."""

TextFields: TypeAlias = tuple[tuple[str, str], ...]
"""Field lines in their order, octets 0x80-0xFF as Latin-1."""


class RequestRecord(NamedTuple):
    """A request head.

    Attributes:
        stream: number of the exchange at this observer, from 1.
        point: where it was observed, one of `POINTS`.
        t: s since the request, on a monotonic clock of the observer.
        target, fields: as sent; credentials redacted.
        wall: s since the epoch at t, the only wall-clock time of a stream.
        way: one of `WAYS`: the message it belongs to. An origin records the request's head with its response.
        hop: which of several hops, such as "nginx:8080"; None if there is only one.
        data: the head as written, with its empty line; None if it was not kept, or a part was redacted.
    """

    stream: int
    point: str
    t: float
    method: str
    target: str
    fields: TextFields
    wall: float
    way: str = "response"
    hop: str | None = None
    kind: str = "request"
    data: bytes | None = None


class HeadRecord(NamedTuple):
    """A response head; `status_line` is without its CRLF, the rest as in `RequestRecord`. Clients record 1xx too."""

    stream: int
    point: str
    t: float
    status_line: str
    fields: TextFields
    way: str = "response"
    hop: str | None = None
    kind: str = "head"
    data: bytes | None = None

    @property
    def status(self) -> int:
        """The status code; 0 where the line has none of three digits."""
        word = "".join(self.status_line.split(" ", 2)[1:2])
        return (abnf.number_of(word) or 0) if len(word) == 3 else 0


class FrameRecord(NamedTuple):
    """A chunk, or the last-chunk (size 0), at the time of its last octet; for a partial one, of the last that came.

    Attributes:
        n: number of the frame in its body, from 1.
        gap: s since the previous frame at this point; None for the first one.
        read: number of the receive that brought its last octet, from 1, or at a point of what was sent, of the write;
            0 for octets that were there before the observer began, whose time is unknown.
        offset: of its first octet in the body on the wire.
        line: its size line as written, without CRLF, Latin-1; b"12;t=4" is "12;t=4".
        size: its chunk-size.
        data: its chunk-data; None if the recording omits data.
        cut: data has only the first octets, as the observer keeps no more.
        partial: the body ended or became malformed inside this chunk.
        kernel: when the kernel received the packet with its last octet, in s since the request; None if unknown.

    The other members are as in `RequestRecord`.
    """

    stream: int
    point: str
    t: float
    n: int
    gap: float | None
    read: int
    offset: int
    line: str
    size: int
    data: bytes | None
    cut: bool = False
    partial: bool = False
    way: str = "response"
    hop: str | None = None
    kind: str = "frame"
    kernel: float | None = None


class DataRecord(NamedTuple):
    """Octets of one read, or of one write, of a body that is not chunked; attributes as in `FrameRecord`."""

    stream: int
    point: str
    t: float
    n: int
    gap: float | None
    read: int
    offset: int
    size: int
    data: bytes | None
    cut: bool = False
    way: str = "response"
    hop: str | None = None
    kind: str = "data"
    kernel: float | None = None


class TrailersRecord(NamedTuple):
    """The trailer section, if it has field lines; the `FrameRecord` of its last-chunk comes directly before.

    Attributes:
        data: the section as written, without the final CRLF; None if data is omitted or a field was redacted.
    """

    stream: int
    point: str
    t: float
    read: int
    fields: TextFields
    data: bytes | None
    way: str = "response"
    hop: str | None = None
    kind: str = "trailers"


class EndRecord(NamedTuple):
    """The end of a body.

    Attributes:
        framing: one of `FRAMING_VERDICTS`; `UNKNOWN` for another one in a record of a later version.
        application: one of `APPLICATION_VERDICTS`.
        chunks: whole chunks, without the last-chunk.
        events: server-sent events; None if they were not counted.
        reads: receives, or at a point of what was sent writes, that made the valid prefix of the body longer.
        octets, wire_octets: of content, and of the body as on the wire; of its valid prefix.
        sha256: of these wire octets, in hex.
        error: one line; None for no error.
        data: the first octets after the valid prefix, such as a size line that was cut; None for none.
    """

    stream: int
    point: str
    t: float
    framing: str
    application: str
    chunks: int
    events: int | None
    reads: int
    octets: int
    wire_octets: int
    sha256: str
    error: str | None = None
    data: bytes | None = None
    way: str = "response"
    hop: str | None = None
    kind: str = "end"


class AckRecord(NamedTuple):
    """The client of a barrier has acknowledged a frame to its origin, which then writes the next one.

    Attributes:
        n: number of the frame, from 1; 0 is the head.
        answered: requests that were answered through the same hop after frame n was written, and before it was received
            or acknowledged.
        octets: of content received by then.
        whole: whole frames received by then.
        came: this frame, or the head, was among them.
    """

    stream: int
    point: str
    t: float
    n: int
    answered: int
    octets: int
    whole: int
    came: bool = False
    way: str = "response"
    hop: str | None = None
    kind: str = "ack"


Record: TypeAlias = RequestRecord | HeadRecord | FrameRecord | DataRecord | TrailersRecord | EndRecord | AckRecord

_KINDS: Final[dict[str, type[Record]]] = {
    "request": RequestRecord,
    "head": HeadRecord,
    "frame": FrameRecord,
    "data": DataRecord,
    "trailers": TrailersRecord,
    "end": EndRecord,
    "ack": AckRecord,
}

# The order of the members in a line: place and time first.
_ORDER: Final = (
    *("stream", "point", "hop", "way", "n", "t", "kernel", "gap", "wall", "read", "offset", "line", "size"),
    *("answered", "whole", "came", "method", "target", "status_line", "fields"),
    *("framing", "application", "chunks", "events", "reads", "octets"),
    *("wire_octets", "sha256", "error", "cut", "partial", "data"),
)
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    kind: tuple(sorted(set(record._fields) - {"kind"}, key=_ORDER.index)) for kind, record in _KINDS.items()
}
_MEMBERS: Final = {kind: attrgetter(*names) for kind, names in _NAMES.items()}
_TYPES: Final[dict[str, Any]] = {
    name: hint | int if float in (hint, *get_args(hint)) else hint  # JSON writes 1.0 as 1 too
    for record in _KINDS.values()
    for name, hint in get_type_hints(record).items()
}

_RECORDING: Final = "JSON lines, as `chunkwire watch URL --save FILE` writes them"
_ONE_OF: Final = {"point": POINTS, "way": WAYS}

MAX_LINE: Final = 1 << 24
"""The most octets of a line, or characters of a `str`, before its end: 64 KiB are kept of a frame, perhaps escaped."""

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_quote: Final = json.encoder.encode_basestring_ascii
_TRUE: Final = {name: ("", f',"{name}":true') for name in ("cut", "partial")}


def to_json(record: Record, with_data: bool = True) -> str:
    """Return the record as one line of JSON, in ASCII, without its newline.

    UTF-8 content is in `data`, other content in `data_b64`; times have microseconds.

    Args:
        with_data: False omits `data` and `data_b64`.
    """
    if isinstance(record, FrameRecord) and with_data and record.kernel is None:
        return _frame_json(record)
    return _record_json(record, with_data)


def _frame_json(frame: FrameRecord) -> str:
    """Return the same as `_record_json`, for the most frequent kind, in less time."""
    hop = "" if frame.hop is None else f',"hop":{_quote(frame.hop)}'
    gap = "" if frame.gap is None else f',"gap":{round(frame.gap, 6)!r}'
    ends = f"{_TRUE['cut'][frame.cut]}{_TRUE['partial'][frame.partial]}"
    data = ""
    if frame.data is not None:
        try:
            data = f',"data":{_quote(frame.data.decode())}'
        except UnicodeDecodeError:
            data = f',"data_b64":"{base64.b64encode(frame.data).decode()}"'
    return (
        f'{{"v":{RECORD_VERSION},"kind":"frame","stream":{frame.stream},"point":{_quote(frame.point)}{hop}'
        f',"way":{_quote(frame.way)},"n":{frame.n},"t":{round(frame.t, 6)!r}{gap},"read":{frame.read}'
        f',"offset":{frame.offset},"line":{_quote(frame.line)},"size":{frame.size}{ends}{data}}}'
    )


def _record_json(record: Record, with_data: bool) -> str:
    line: dict[str, object] = {"v": RECORD_VERSION, "kind": record.kind}
    for name, value in zip(_NAMES[record.kind], _MEMBERS[record.kind](record), strict=True):
        if value is None or value is False:
            continue
        if isinstance(value, float):
            value = round(value, 6)
        elif isinstance(value, bytes):
            if not with_data:
                continue
            try:
                value = value.decode()
            except UnicodeDecodeError:
                name, value = "data_b64", base64.b64encode(value).decode()
        line[name] = value
    return _ENCODER.encode(line)


def from_json(line: str | bytes) -> Record | None:
    """Return the record in a line of JSON; None for an unknown kind.

    Unknown members are ignored; an unknown verdict becomes `UNKNOWN`.

    Raises:
        LocalError: the line is too long, not JSON, not a record of version 1, or a member is missing or not valid.
    """
    if line[MAX_LINE:] not in ("", b"", "\n", b"\n", "\r", b"\r", "\r\n", b"\r\n"):
        raise LocalError(f"expected a record of at most {MAX_LINE >> 20} MiB, got a longer line, {_quoted_line(line)}")
    try:
        given = load_json(line)
    except UnicodeDecodeError as error:
        raise LocalError(f"expected a record in JSON, got {_quoted_line(line)}") from error
    except ValueError as error:
        raise LocalError(f"expected a record in JSON, got {_quoted_line(line)}: {error}") from error
    if not isinstance(given, dict) or given.get("v") != RECORD_VERSION or not isinstance(given.get("kind"), str):
        raise LocalError(f'expected a record, an object with "v":{RECORD_VERSION} and "kind", got {_quoted_line(line)}')
    kind = given["kind"]
    if kind not in _KINDS:
        return None
    values: dict[str, Any] = {}
    for name in _NAMES[kind]:
        if name == "data":
            values[name] = members.data_of(given)
        elif name == "fields":
            values[name] = members.fields_of(given)
        elif name in given:
            values[name] = _known(name, _checked(name, given[name]))
        elif name in ("gap", "events"):
            values[name] = None
    try:
        return _KINDS[kind](**values)
    except TypeError as error:
        raise LocalError(
            f"expected every member of a record of kind {kind}, got {', '.join(sorted(given)):.200}"
        ) from error


def lines_of(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield the lines of a file; one that is too long for a record comes in parts, of which the first is refused."""
    while line := file.readline(MAX_LINE + 2):  # the end of a line may be CRLF
        yield line


def read_records(lines: Iterable[str | bytes], name: str = "") -> Iterator[Record]:
    """Yield the records of a recording; skip empty lines and unknown kinds.

    Args:
        name: of the recording, for errors; "" if `lines` do not begin with its first one.

    Raises:
        LocalError: a line is no record; with its number if there is a name, except where no recording begins.
    """
    for number, line in enumerate(lines, 1):
        try:
            record = from_json(line) if line.strip() else None
        except LocalError as error:
            if name and number == 1 and line.lstrip()[:1] not in ("{", b"{"):
                raise LocalError(f"{name}: expected a recording ({_RECORDING}), got {_quoted_line(line)}") from error
            raise LocalError(f"{name}, line {number}: {error}" if name else str(error)) from error
        if record is not None:
            yield record


def _quoted_line(line: str | bytes) -> str:
    octets = line.encode(errors="surrogatepass") if isinstance(line, str) else line
    try:
        codecs.utf_8_decode(octets)  # a line that is too long may be cut inside a character
    except UnicodeDecodeError:
        return "octets that are no text"
    return quoted(octets)


def _known(name: str, value: Any) -> Any:
    known = {"framing": FRAMING_VERDICTS, "application": APPLICATION_VERDICTS}.get(name)
    return value if known is None or value in known else UNKNOWN


def _checked(name: str, value: Any) -> Any:
    if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and _TYPES[name] is not bool):
        raise LocalError(f'expected another type of "{name}" in a record, got {value!r:.64}')
    if isinstance(value, int | float):
        members.check_number(name, value)
    if name in _ONE_OF and value not in _ONE_OF[name]:
        raise LocalError(f'expected one of {", ".join(_ONE_OF[name])} as "{name}" in a record, got {value!r:.64}')
    if name in members.OCTETS:
        members.check_octets(name, value)
    return value
