"""What `curl -sN --raw --trace FILE --trace-time URL` wrote down, as records: a vantage point without Python.

The rule here: text in, records out; the octets are scanned as our own client scans them. A trace has the time of
day only, to the microsecond, so the moment of a record is relative to its request, as everywhere. `--trace-ascii` is
refused: it drops octets that do not print, and with them the framing.

    trace  = *( info / block )
    info   = time "== Info: " text
    block  = time mark " " what ", " count " bytes (0x" hex ")" *dump        mark = "=>" / "<="
    dump   = offset ": " *16( hex hex " " ) text
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import Framing, HeadError, Response, check_head, read_response, response_framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.errors import IncompleteBody, LocalError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, DEFAULT_LIMITS

USAGE: Final = "curl -sN --raw --http1.1 --trace FILE --trace-time URL"

_TITLE: Final = re.compile(
    r"(?:(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d\.\d{1,9}) )?(?:\[[^\]]*\] )?(?P<mark>==|=>|<=) (?P<what>[^,]*?)"
    r"(?:, (?P<count>\d+) bytes \(0x[0-9a-f]+\))?"
)
_INFO: Final = re.compile(r"(?:(\d\d):(\d\d):(\d\d\.\d{1,9}) )?(?:\[[^\]]*\] )?== Info: (.*)")
_DUMP: Final = re.compile(r"[0-9a-f]{4,}: ((?:[0-9a-f]{2} ){1,16})")
_ASCII_DUMP: Final = re.compile(r"[0-9a-f]{4,}: ")
_DAY: Final = 86400.0
_MARKS: Final = ("== Info:", "=> Send ", "<= Recv ")
# How curl says that a body did not come to its end.
_ENDINGS: Final = {b"reset by peer": "reset", b"timed out after": "timeout", b"outstanding read data": "cut"}


@dataclass(frozen=True, slots=True)
class Block:
    """One entry of a trace: octets that curl sent or received, or a line of its own.

    Attributes:
        t: s since midnight, growing past it.
        kind: such as "Recv data"; "Info" for a line, which is in `octets`.
    """

    t: float
    kind: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class CurlTrace:
    """What a trace holds.

    Attributes:
        records: of all its requests and responses, numbered by stream.
        connect: s that the last TCP connection took to open; None where the trace does not say.
    """

    records: tuple[Record, ...]
    connect: float | None


def is_trace(first: str) -> bool:
    """Say whether a file that begins with this line is a trace of curl's, of either form."""
    return any(mark in first[:80] for mark in _MARKS)


def read_trace(text: str, *, midnight: float = 0.0) -> CurlTrace:
    """Return the records of a trace.

    Args:
        midnight: s since the epoch when the trace's day began; without it the request's wall time is only of use
            against other requests of the trace.

    Raises:
        LocalError: it has no times, is a `--trace-ascii`, is of HTTP/2, or holds no response.
    """
    blocks = list(_blocks(text.splitlines()))
    if not any(block.kind == "Recv header" for block in blocks):
        raise LocalError(f"expected a response in the trace, got none; record it with: {USAGE}")
    records: list[Record] = []
    reading = _Reading(records, midnight)
    for block in blocks:
        reading.take(block)
    reading.finish()
    return CurlTrace(tuple(records), _connect(blocks))


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Yield the entries of a trace; its last line may be half written."""
    title: tuple[float, str, int] | None = None
    octets = bytearray()
    last = 0.0
    for number, line in enumerate(lines, 1):
        if title is not None and (dump := _DUMP.match(line)) and len(octets) < title[2]:
            octets += bytes.fromhex(dump[1])
            continue
        if title is not None and len(octets) < title[2]:
            if number == len(lines):
                return
            _refuse_dump(line, number)
        if title is not None:
            yield Block(title[0], title[1], bytes(octets))
        title, octets = None, bytearray()
        if info := _INFO.fullmatch(line):
            last = _time(info[1], info[2], info[3], number, last)
            yield Block(last, "Info", info[4].encode())
        elif found := _TITLE.fullmatch(line):
            last = _time(found["h"], found["m"], found["s"], number, last)
            title = (last, found["what"], int(found["count"] or 0))
        elif number < len(lines):
            raise LocalError(f"expected a line of a curl trace in line {number}, got {line[:60]!r}")
    if title is not None and len(octets) == title[2]:
        yield Block(title[0], title[1], bytes(octets))


def _refuse_dump(line: str, number: int) -> None:
    if _ASCII_DUMP.match(line):
        raise LocalError(f"expected octets in hex, got a --trace-ascii, which loses octets; record it with: {USAGE}")
    raise LocalError(f"expected octets in hex in line {number} of the trace, got {line[:60]!r}")


def _time(hours: str | None, minutes: str, seconds: str, number: int, last: float) -> float:
    """Return s since the trace's first midnight; time of day that goes back by hours has passed another one."""
    if hours is None:
        raise LocalError(f"expected a time in line {number} of the trace; record it with --trace-time: {USAGE}")
    t = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    while t < last - _DAY / 2:
        t += _DAY
    return t


def _connect(blocks: Iterable[Block]) -> float | None:
    tried = connect = None
    for block in blocks:
        if block.kind == "Info" and block.octets.lstrip().startswith(b"Trying "):
            tried = block.t
        elif block.kind == "Info" and tried is not None and b"onnected to " in block.octets:
            connect, tried = block.t - tried, None
    return connect


class _Body:
    """The body of one response, scanned as it was received."""

    def __init__(self, recorder: Recorder, framing: Framing, began: float) -> None:
        self._recorder = recorder
        self._feed = Feed(framing.scanner(DEFAULT_LIMITS))
        self._scanner = self._feed.scanner
        self._began = began
        self._reads = 0
        self._is_over = False

    def take(self, block: Block) -> None:
        if self._is_over:
            return
        t = block.t - self._began
        events: list[Event] = []
        self._reads += 1
        self._feed.take(block.octets, events)
        error = self._feed.error
        if error is not None and not error.offset:
            got = f"expected a chunked body as on the wire, got {error}"
            raise LocalError(f"{got}; record it with: {USAGE}") from error
        self._recorder.body(t, events, self._reads)
        if error is not None:
            self._end(t, "malformed", str(error))
        elif self._scanner.is_complete:
            self._end(t, "complete", None)

    def finish(self, at: float, verdict: str) -> None:
        """End a body that has not come to its own end; `verdict` is how curl said that it ended."""
        if self._is_over:
            return
        error = None
        try:
            if not self._scanner.is_complete:
                self._scanner.end_of_input()
        except IncompleteBody as cut:
            error = str(cut)
            verdict = "cut" if verdict == "complete" else verdict
        self._end(at - self._began, verdict, error)

    def _end(self, t: float, verdict: str, error: str | None) -> None:
        self._is_over = True
        self._recorder.end(t, verdict, error=error, held=b"" if error is None else self._feed.held)


class _Reading:
    """The exchanges of a trace, one after the other."""

    def __init__(self, records: list[Record], midnight: float) -> None:
        self._records = records
        self._midnight = midnight
        self._streams = 0
        self._began = 0.0
        self._last = 0.0
        self._method = b"GET"
        self._sent = b""
        self._lines = b""
        self._ended = "complete"
        self._body: _Body | None = None

    def take(self, block: Block) -> None:
        self._last = block.t
        match block.kind:
            case "Send header":
                self._send_header(block)
            case "Recv header":
                self._receive_header(block)
            case "Recv data" if self._body is not None:
                self._body.take(block)
            case "Info":
                self._ended = next((how for word, how in _ENDINGS.items() if word in block.octets), self._ended)

    def finish(self) -> None:
        """End the exchange that is open, if one is."""
        if self._body is not None:
            self._body.finish(self._last, self._ended)
        self._body, self._lines, self._ended = None, b"", "complete"

    def _send_header(self, block: Block) -> None:
        self.finish()
        self._sent += block.octets
        if not self._sent.endswith(b"\r\n\r\n"):
            return
        line, *fields = self._sent[:-4].split(b"\r\n")
        self._sent = b""
        self._method, target = (*line.split(b" "), b"/")[:2]
        if line.endswith((b" HTTP/2", b" HTTP/3")):
            raise LocalError(f"expected HTTP/1.1, got {line.decode('latin-1')!r}; record it with: {USAGE}")
        self._streams += 1
        self._began = block.t
        pairs = [_field(each) for each in fields]
        sent = Recorder(self._records.append, stream=self._streams, point="client.sent", way="request")
        sent.request(0.0, self._method, target, pairs, self._midnight + block.t)

    def _receive_header(self, block: Block) -> None:
        if self._body is not None:
            return  # a trailer, which curl shows as a header line too; the scanner has had it
        self._lines += block.octets
        if not self._lines.endswith(b"\r\n\r\n"):
            return
        response = _read_head(self._lines)
        self._lines = b""
        recorder = Recorder(self._records.append, stream=self._streams, point="client.received")
        recorder.head(block.t - self._began, response.start_line, response.fields)
        if response.status < 200:
            return
        framing = response_framing(response, self._method)
        self._body = _Body(recorder, framing, self._began)
        if framing.is_empty:
            self._body.finish(block.t, "complete")


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.strip()


def _read_head(head: bytes) -> Response:
    if head.startswith((b"HTTP/2", b"HTTP/3")):
        raise LocalError(f"expected HTTP/1.1, got {head[:6].decode()}, which has no chunks; record it with: {USAGE}")
    try:
        check_head(head, DEFAULT_HEAD_LIMITS, is_request=False, bare_lf=False)
        return read_response(head)
    except HeadError as error:
        raise LocalError(f"expected a response head in the trace, got {error}") from error
