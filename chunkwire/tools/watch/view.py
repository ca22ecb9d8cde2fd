"""Records of one stream to lines for a person.

The rule here: pure. A batch of records in, lines out. A batch is what one receive brought, so that its frames can be
joined by a bracket.

    time ms     gap  read   size  data
      251.3  +150.2    3 /    12  data: {"t":", "}..
      251.3       .    3 \\    13  data: {"t":"wor"}..

`>` marks what was sent, `<` what was received, `*` what is said about it; those lines are messages, the rows are data.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.record.values import (
    DataRecord,
    EndRecord,
    FrameRecord,
    HeadRecord,
    Record,
    RequestRecord,
    TextFields,
    TrailersRecord,
)
from chunkwire.tools.paint import PLAIN, Paint, number, wrapped
from chunkwire.tools.watch.content import MAX_SHOWN_OCTETS, Content, Undeclared
from chunkwire.tools.watch.hexdump import dump, dump_head
from chunkwire.wire import abnf
from chunkwire.wire.errors import quoted

# Fields of a head that decide or explain how the body is sent; the others are for --verbose.
_FRAMING_FIELDS: Final = frozenset(
    ("transfer-encoding", "content-length", "trailer", "content-encoding", "location", "proxy-status")
)
_FRAMINGS: Final = frozenset(("transfer-encoding", "content-length"))
_DATA_COLUMN: Final = 33
_TIME_COLUMNS: Final = 25  # of these: time, gap, read and bracket, which a file of octets does not have
_WAITED_COLUMNS: Final = 8  # more, where the kernel stamped a frame
_MIN_DATA_WIDTH: Final = 12
_MAX_ERROR_OCTETS: Final = 512  # of an error response that is shown whole: a line of text, no page
_MAX_EXT: Final = 40  # columns of a chunk-ext in a row; the octets are in --hex, --json and --raw
_UPLOADS_AT: Final = "client.sent"  # what a client of ours sent itself; the end of the exchange is the response's
_ANSWERS: Final[Mapping[str | None, tuple[str, str]]] = {
    "complete": ("good", "the stream's own last event came: the answer is complete"),
    "incomplete": ("bad", "the stream's own last event never came: the answer is incomplete"),
    "empty": ("bad", "the stream's own last event came, and the answer has nothing in it"),
}
_LEFT: Final = ("timeout", "stopped")  # the watcher ended it: what would have come is unknown
_PLAIN_SIZE: Final = re.compile(r"[0-9A-Fa-f]{1,16}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line to print: a row of data, or a message about it."""

    text: str
    is_message: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """How to show a stream."""

    width: int | None = None  # columns of the terminal; None does not cut lines
    message_width: int | None = None  # columns of the terminal that shows the messages; None does not wrap them
    paint: Paint = PLAIN
    message_paint: Paint = PLAIN  # of the messages, which may go elsewhere
    is_timed: bool = True  # False for octets out of a file, which have neither times nor reads
    is_hex: bool = False  # each octet of each frame below its row; with is_verbose of the heads too
    has_data: bool = True
    is_verbose: bool = False  # all field lines of the heads


class WatchView:
    """The lines of one stream, in the order of its records."""

    def __init__(self, options: ViewOptions) -> None:
        self._options = options
        self._paint = options.paint
        self._message_paint = options.message_paint
        self._has_header = False
        self._shared_reads = 0
        self._shared_chunks = 0
        self._early_chunks = 0
        self._was_early = False
        self._lenient_lines = 0
        self._stamped = 0
        self._content = Content(())
        self._undeclared = Undeclared()
        self._is_error = False

    def show(self, batch: Sequence[Record]) -> list[Line]:
        """Return the lines of a batch: the records that one receive brought, or one record of another kind."""
        rows = [record for record in batch if isinstance(record, FrameRecord | DataRecord)]
        whole = sum(1 for row in rows if isinstance(row, FrameRecord) and row.size and not row.partial)
        is_early = bool(rows) and not rows[0].read
        if is_early:
            self._early_chunks += whole
        elif whole > 1 and rows[0].point != _UPLOADS_AT:
            self._shared_reads += 1
            self._shared_chunks += whole
        marks = iter([""] * len(rows) if is_early else brackets(len(rows)))
        lines: list[Line] = []
        for place, record in enumerate(batch):
            match record:
                case RequestRecord():
                    lines += self._request(record)
                case HeadRecord():
                    lines += self._head(record)
                case FrameRecord() | DataRecord():
                    if isinstance(record, DataRecord) and record.point != _UPLOADS_AT:
                        self._undeclared.take(record)
                    lines += self._row(record, next(marks), batch[place + 1 :])
                case TrailersRecord():
                    lines += self._trailers(record)
                case EndRecord():
                    lines += self._end(record)
        return lines

    def _request(self, record: RequestRecord) -> list[Line]:
        start = self._message_paint.text(f"{record.method} {record.target} HTTP/1.1")
        shown = () if record.point == _UPLOADS_AT else self._explaining(record.fields)
        if self._options.is_verbose:
            shown = record.fields
        self._undeclared = Undeclared(record.fields)
        octets = self._head_octets(record) if record.point != _UPLOADS_AT else []
        return [*self._message(">", "sent", start), *self._fields(">", "sent", shown), *octets]

    def _head(self, record: HeadRecord) -> list[Line]:
        role = "bad" if 400 <= record.status < 600 else "good"
        shown = record.fields if self._options.is_verbose else self._explaining(record.fields)
        lines = self._message("<", "received", self._message_paint(role, self._message_paint.text(record.status_line)))
        lines += [*self._fields("<", "received", shown), *self._head_octets(record)]
        self._content, self._is_error = Content(record.fields), role == "bad"
        self._undeclared = Undeclared(record.fields)
        if self._content.error is not None:
            lines += self._message("*", "mark", self._content.error)
        return lines

    def _explaining(self, fields: TextFields) -> TextFields:
        names = {name.lower() for name, _ in fields}
        # Without another framing, the end of the connection is the end of the body (RFC 9112 §6.3).
        names_shown = _FRAMING_FIELDS if names & _FRAMINGS else {*_FRAMING_FIELDS, "connection"}
        return tuple((name, value) for name, value in fields if name.lower() in names_shown)

    def _head_octets(self, record: RequestRecord | HeadRecord) -> list[Line]:
        if not (self._options.is_hex and self._options.is_verbose):
            return []
        return [Line(f"    {text}") for text in dump_head(record, self._paint, self._options.width)]

    def _fields(self, mark: str, role: str, fields: TextFields) -> list[Line]:
        return [
            line
            for name, value in fields
            for line in self._message(mark, role, self._message_paint.text(f"{name}: {value}"))
        ]

    def note(self, text: str) -> list[Line]:
        """Return the lines of a remark that is in no record."""
        return self._message("*", "mark", self._message_paint.text(text))

    def _message(self, mark: str, role: str, text: str) -> list[Line]:
        """Return a message, wrapped at blanks to the width of the terminal."""
        pieces = [text]
        if self._options.message_width is not None:
            room = max(20, self._options.message_width - 2)
            pieces = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines = [f"{self._message_paint(role, mark)} {pieces[0]}", *[f"  {piece}" for piece in pieces[1:]]]
        return [Line(line, is_message=True) for line in lines]

    @property
    def _data_column(self) -> int:
        if not self._options.is_timed:
            return _DATA_COLUMN - _TIME_COLUMNS
        return _DATA_COLUMN + (_WAITED_COLUMNS if self._stamped else 0)

    def _row(self, record: FrameRecord | DataRecord, bracket: str, after: Sequence[Record]) -> list[Line]:
        if record.kernel is not None:
            self._has_header = self._has_header and self._stamped > 0  # the rows that follow have a column more
            self._stamped += 1
        lines = [] if self._has_header else [Line(self._header(is_chunked=isinstance(record, FrameRecord)))]
        self._has_header = True
        size, ext = self._size(record)
        before = self._content.error
        data, *more = [""] if self._options.is_hex else self._error_text(record) or [self._data(record)]
        lines.append(Line(f"{self._when(record, bracket)}{size}{ext}  {data}".rstrip()))
        lines += [Line(" " * self._data_column + text) for text in more]
        if self._options.is_hex:
            lines += [Line(f"    {text}") for text in dump(record, after, self._paint, self._options.width)]
        if self._content.error is not None and before is None:
            lines += self._message("*", "bad", self._message_paint.text(self._content.error))
        return lines

    def _header(self, *, is_chunked: bool) -> str:
        size = "  size" if is_chunked else "octets"
        when = "   time ms     gap  read " if self._options.is_timed else ""
        when += f"{'waited':>{_WAITED_COLUMNS}}" if self._stamped and self._options.is_timed else ""
        data = f"  data, {self._content.name} decoded" if self._content.name else "  data"
        return self._paint("quiet", f"{when}{size}" + ("" if self._options.is_hex else data))

    def _when(self, record: FrameRecord | DataRecord, bracket: str) -> str:
        if not self._options.is_timed:
            return ""
        if not record.read:
            self._was_early = True
            return self._paint("quiet", f"{'before':>10}") + f"{'':>8}{'-':>5}  " + self._waited(record)
        is_first = bracket in ("", "/")
        is_timed = record.gap is not None and not self._was_early
        self._was_early = False
        gap = "" if not is_timed else f"+{(record.gap or 0) * 1000:.1f}" if is_first else "."
        is_sent = record.point == _UPLOADS_AT
        read = self._paint("sent", f"{'>':>5}") if is_sent else f"{record.read:5}"
        return (
            self._paint("quiet", f"{record.t * 1000:10.1f}")
            + f"{gap:>8}{read} "
            + (self._paint("mark", bracket) or " ")
            + self._waited(record)
        )

    def _waited(self, record: FrameRecord | DataRecord) -> str:
        """Return the ms between the arrival of a frame's last packet and its receive."""
        if not self._stamped:
            return ""
        waited = "" if record.kernel is None else f"{(record.t - record.kernel) * 1000:.3f}"
        return f"{waited:>{_WAITED_COLUMNS}}"

    def _size(self, record: FrameRecord | DataRecord) -> tuple[str, str]:
        """Return the size as on the wire (octets of a read in decimal) and the chunk-ext."""
        if isinstance(record, DataRecord):
            return f"{record.size:6}", ""
        digits, semicolon, rest = record.line.partition(";")
        ext = self._paint.text(semicolon + rest, _MAX_EXT)
        if is_lenient_line(record.line):
            self._lenient_lines += 1
            ext = f" lenient: {quoted(record.line.encode('latin-1'), 20)}"
            digits = digits.strip().lstrip("0")[-16:] or "0"
        return f"{digits:>6}", self._paint("mark", ext)

    def _data(self, record: FrameRecord | DataRecord) -> str:
        if isinstance(record, FrameRecord) and not record.size:
            return self._paint("quiet", "last-chunk")
        data = record.data if self._options.has_data and record.data is not None else b""
        ext = len(record.line.partition(";")[2]) + 1 if isinstance(record, FrameRecord) and ";" in record.line else 0
        width = self._options.width and max(_MIN_DATA_WIDTH, self._options.width - self._data_column)
        if self._content.name:
            data = self._content.shown(record, 4 * (width or MAX_SHOWN_OCTETS))
            if not data:
                return self._paint("quiet", "(nothing to decode yet)")
        if width is not None:
            width = max(_MIN_DATA_WIDTH, width - min(ext, _MAX_EXT))
        if isinstance(record, FrameRecord) and record.partial:
            least = "at least " if record.cut or record.data is None else ""
            note = f"  ({least}{len(record.data or b'')} of {number(record.size, 'octet')} came)"
            room = width and max(_MIN_DATA_WIDTH, width - len(note))
            return self._paint.octets(data, room) + self._paint("bad", note)
        return self._paint.octets(data, width)

    def _error_text(self, record: FrameRecord | DataRecord) -> list[str]:
        """Return the content of an error response in lines, which says what is wrong; nothing if it is long."""
        is_plain = isinstance(record, DataRecord) or not (record.partial or ";" in record.line)
        is_shown = is_plain and self._is_error and self._options.has_data and not self._content.name
        if not is_shown or self._options.width is None or not 0 < len(record.data or b"") <= _MAX_ERROR_OCTETS:
            return []
        room = max(_MIN_DATA_WIDTH, self._options.width - self._data_column)
        return wrapped("", PLAIN.octets(record.data or b""), room)

    def _trailers(self, record: TrailersRecord) -> list[Line]:
        if self._options.is_hex:
            return []  # among the octets of the last-chunk
        return [Line(" " * self._data_column + self._paint.text(f"{name}: {value}")) for name, value in record.fields]

    def _end(self, record: EndRecord) -> list[Line]:
        if record.point == _UPLOADS_AT:
            return []
        role = {"complete": "good", "stopped": "mark"}.get(record.framing, "bad")
        lines = self._message("*", role, self._message_paint(role, record.framing) + ": " + self._counts(record))
        if record.error is not None:
            lines += self._message("*", role, self._message_paint.text(record.error))
        if record.data:
            lines += self._message("*", role, "not taken: " + self._message_paint.octets(record.data, 48))
        if self._stamped:
            lines += self.note(
                f"waited: ms from the kernel's stamp of a frame to its receive, of {number(self._stamped, 'frame')}"
            )
        if self._lenient_lines:
            count = number(self._lenient_lines, "size line")
            lines += self.note(f"lenient: {count} taken that a strict reader refuses: blanks, or more than 16 digits")
        if (undeclared := self._undeclared.describe()) is not None:
            lines += self.note(undeclared)
        if record.framing == "complete" and (cut := self._content.end_of_input()) is not None:
            lines += self._message("*", "bad", self._message_paint.text(cut))
        if record.application == "incomplete" and record.framing != "complete":
            if record.framing not in _LEFT:  # such content may have no last event of its own
                lines += self._message("*", "bad", "the answer is incomplete")
        elif record.application in _ANSWERS:
            lines += self._message("*", *_ANSWERS[record.application])
        return lines

    def _counts(self, record: EndRecord) -> str:
        parts = [] if record.octets == record.wire_octets else [number(record.chunks, "chunk")]
        if record.events is not None:
            parts.append(number(record.events, "event"))
        octets = number(record.octets, "octet")
        parts.append(f"{octets} ({record.wire_octets} on the wire)" if record.wire_octets != record.octets else octets)
        if self._options.is_timed:
            parts.append(number(record.reads, "read"))
        text = ", ".join(parts)
        if not self._options.is_timed:
            return text
        if self._early_chunks:
            was = "was" if self._early_chunks == 1 else "were"
            text += f"; {number(self._early_chunks, 'chunk')} {was} there before watch started"
        if self._shared_reads:
            shared = "one read" if self._shared_reads == 1 else f"{self._shared_reads} reads"
            text += f"; {self._shared_chunks} chunks came in {shared}"
        return text


def is_lenient_line(line: str) -> bool:
    """Say whether only a lenient reader takes this size line: blanks in it, or more digits than a 64-bit size needs."""
    if _PLAIN_SIZE.fullmatch(line):
        return False
    found = abnf.size_line(False, False).fullmatch(line.encode("latin-1") + b"\r\n")
    return found is None or found["size"] is None or len(found["size"]) > 16


def brackets(rows: int) -> list[str]:
    """Return the marks that join the rows of one read: none for a row alone."""
    return [""] * rows if rows < 2 else ["/", *["|"] * (rows - 2), "\\"]


def streams(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the records of a recording stream by stream, each named by its number and where it was seen.

    What a client or an origin sent and received are two sides of one stream; a gateway's two sides are two places.
    """
    found: dict[str, list[Record]] = {}
    for record in records:
        place = record.point if record.point.startswith("gateway") else record.point.partition(".")[0]
        hop = f" {record.hop}" if record.hop else ""
        found.setdefault(f"stream {record.stream} at {place}{hop}", []).append(record)
    return found


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records of a recording as they were read: those that one receive brought together."""
    batch: list[Record] = []
    for record in records:
        if batch and _receive_of(record) != _receive_of(batch[-1]):
            yield batch
            batch = []
        batch.append(record)
    if batch:
        yield batch


def _receive_of(record: Record) -> object:
    if isinstance(record, FrameRecord | DataRecord | TrailersRecord):
        return (record.stream, record.hop, record.point, record.way, record.read)
    return record  # a head or an end stands alone
