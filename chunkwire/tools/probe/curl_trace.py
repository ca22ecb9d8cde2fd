"""What `curl -sN --raw --trace FILE --trace-time URL` wrote, as records: an observer that needs no Python.

The rule here: text in, records out. A trace has only the time of day, in µs; times are relative to the request, as in
every record. `--trace-ascii` is refused: it does not show which octets it replaced, CR and LF among them.

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

from chunkwire.client.capture import CaptureReader
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import EndRecord, HeadRecord, Record
from chunkwire.tools.capture.exchanges import Messages
from chunkwire.wire.errors import LocalError

USAGE: Final = "curl -sN --raw --http1.1 --trace FILE --trace-time URL"

_TITLE: Final = re.compile(
    r"(?:(\d\d):(\d\d):(\d\d\.\d{1,9}) )?(?:\[[^\]]*\] )?"
    r"(?:== Info: (?P<info>.*)|(?:==|=>|<=) (?P<what>[^,]*?)(?:, (?P<count>\d{1,18}) bytes \(0x[0-9a-f]+\))?)"
)
_DUMP: Final = re.compile(r"[0-9a-f]{4,}: ((?:[0-9a-f]{2} ){1,16})")
_ASCII_DUMP: Final = re.compile(r"[0-9a-f]{4,}: ")
_DAY: Final = 86400.0
_MARKS: Final = ("== Info:", "=> Send ", "<= Recv ")
# How curl says that a body did not come to its end.
_ENDINGS: Final = {b"reset by peer": "reset", b"timed out after": "timeout", b"outstanding read data": "cut"}


@dataclass(frozen=True, slots=True)
class Block:
    """One entry of a trace: octets that curl sent or received, or a remark of curl's."""

    t: float  # s since the trace's first midnight
    kind: str  # such as "Recv data"; "Info" for a remark, whose text is in `octets`
    octets: bytes


@dataclass(frozen=True, slots=True)
class CurlTrace:
    """What a trace holds."""

    records: tuple[Record, ...]  # of all its requests and responses, numbered by stream
    connect: float | None  # s that the last TCP connection took to open; None where the trace does not say


def is_trace(first: str) -> bool:
    """Say whether a file that begins with this line is a trace of curl's, of either form."""
    return any(mark in first[:80] for mark in _MARKS)


def read_trace(text: str) -> CurlTrace:
    """Return the records of a trace; their wall times are since its first midnight, and comparable only within it.

    Raises:
        LocalError: a line is none of a trace or has no time; it is a `--trace-ascii`, is of HTTP/2 or 3, or holds no
            response whose body is as on the wire.
    """
    blocks = list(_blocks([line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]))
    if not any(block.kind == "Recv header" for block in blocks):
        raise LocalError(f"expected a response in the trace, got none; record it with: {USAGE}")
    records: list[Record] = []
    exchanges = _Exchanges(records)
    for block in blocks:
        exchanges.take(block)
    exchanges.finish()
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
            if _ASCII_DUMP.match(line):
                got = "a --trace-ascii, which loses octets"
                raise LocalError(f"expected octets in hex, got {got}; record it with: {USAGE}")
            raise LocalError(f"expected octets in hex in line {number} of the trace, got {line[:60]!r}")
        if title is not None:
            yield Block(title[0], title[1], bytes(octets))
        title, octets = None, bytearray()
        if found := _TITLE.fullmatch(line):
            last = _time(found[1], found[2], found[3], number, last)
            if found["info"] is not None:
                yield Block(last, "Info", found["info"].encode())
            else:
                title = (last, found["what"], int(found["count"] or 0))
        elif number < len(lines):
            raise LocalError(f"expected a line of a curl trace in line {number}, got {line[:60]!r}")
    if title is not None and len(octets) == title[2]:
        yield Block(title[0], title[1], bytes(octets))


def _time(hours: str | None, minutes: str, seconds: str, number: int, last: float) -> float:
    """Return s since the trace's first midnight; a time of day more than 12 h before `last` is of the next day."""
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


class _Exchanges:
    """The exchanges of a trace, one after the other; each is read as a capture is."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self._streams = 0
        self._began = 0.0
        self._sent = b""
        self._reads = 0
        self._last = 0.0
        self._ended = "cut"
        self._messages = Messages()
        self._reader = CaptureReader(self._messages)

    @property
    def _response(self) -> list[Record]:
        return self._messages.all[0].records

    @property
    def _has_head(self) -> bool:
        heads = [record for record in self._response if isinstance(record, HeadRecord)]
        return bool(heads) and heads[-1].status >= 200

    def take(self, block: Block) -> None:
        t = block.t - self._began
        match block.kind:
            case "Send header":
                self.finish()
                self._send(block)
            case "Recv header" if not self._has_head:  # else a trailer, which is among the data too
                if block.octets.startswith((b"HTTP/2", b"HTTP/3")):
                    got = f"{block.octets[:6].decode()}, which has no chunks"
                    raise LocalError(f"expected HTTP/1.1, got {got}; record it with: {USAGE}")
                self._reader.feed(block.octets, t=t, read=0)
            case "Recv data" if self._has_head and not isinstance(self._response[-1], EndRecord):
                self._reads += 1
                self._reader.feed(block.octets, t=t, read=self._reads)
            case "Info":
                self._ended = next((how for word, how in _ENDINGS.items() if word in block.octets), self._ended)
        self._last = t

    def finish(self) -> None:
        """End the open exchange, if there is one, in the way that curl reported; without a report it was cut."""
        if self._response and not isinstance(self._response[-1], EndRecord):
            self._reader.end(self._last, self._ended)
        self._check()
        self._records += [record._replace(stream=self._streams) for record in self._response]
        self._messages, self._reads, self._ended = Messages(), 0, "cut"
        self._reader = CaptureReader(self._messages)

    def _check(self) -> None:
        """Refuse a response that is malformed from the first octet of its head, or of its body: that was decoded."""
        end = self._response[-1] if self._response else None
        if not isinstance(end, EndRecord) or end.framing != "malformed" or end.wire_octets:
            return
        if not self._has_head:
            raise LocalError(f"expected a response head in the trace, got this: {end.error}")
        raise LocalError(f"expected a chunked body as on the wire, got {end.error}; record it with: {USAGE}")

    def _send(self, block: Block) -> None:
        self._sent += block.octets
        if not self._sent.endswith(b"\r\n\r\n"):
            return
        line, *fields = self._sent[:-4].split(b"\r\n")
        self._sent = b""
        method, target = (*line.split(b" "), b"/")[:2]
        if line.endswith((b" HTTP/2", b" HTTP/3")):
            raise LocalError(f"expected HTTP/1.1, got {line.decode('latin-1')!r}; record it with: {USAGE}")
        self._streams += 1
        self._began = block.t
        self._reader.asked.append(method)
        pairs = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
        sent = Recorder(self._records.append, stream=self._streams, point="client.sent", way="request")
        sent.request(0.0, method, target, pairs, block.t)
