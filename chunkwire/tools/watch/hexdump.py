r"""The octets of a frame or a head, part by part: offset, hex, the name of the part, text.

    000000  31 33                    size         13
    000002  3b 74 3d 34              extension    ;t=4
    000006  0d 0a                    CRLF         \r\n
    000008  68 65 6c 6c 6f           data         hello

The rule here: pure, and the offset is the one in the body (for a head: in the head), in hex: "at 118" in an error is
000076. CR, LF and HTAB are shown as escapes, other octets that are not printable ASCII as dots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.record.values import DataRecord, FrameRecord, HeadRecord, Record, RequestRecord, TrailersRecord
from chunkwire.tools.paint import Paint, number

Part = tuple[str, bytes]
"""A name, and the octets that have it."""

_CRLF: Final = b"\r\n"
_WIDE: Final = 16  # octets per line
_NARROW: Final = 8  # where the terminal has fewer than `_WIDE_COLUMNS`
_WIDE_COLUMNS: Final = 112  # sixteen octets and their text take 107 at most, with the indent of `view`
_SHOWN: Final = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t"}


def dump(
    record: FrameRecord | DataRecord, after: Sequence[Record], paint: Paint, width: int | None = None
) -> Iterator[str]:
    """Yield the lines of a frame's octets; `after` are the records that follow it in its read."""
    yield from _lines(_parts_of(record, after), record.offset, paint, width)
    if record.cut and isinstance(record, FrameRecord) and record.partial:
        yield "…  more octets, of unknown number"
    elif record.cut:
        yield f"…  {number(record.size - len(record.data or b''), 'more octet')}"
    elif record.data is None and record.size:
        yield "…  data left out of the recording"
    if _lacks_trailers(record, after):
        yield "…  trailer section left out of the recording, or redacted"


def dump_head(record: RequestRecord | HeadRecord, paint: Paint, width: int | None = None) -> Iterator[str]:
    """Yield the lines of a head's octets; made from its fields where the record does not have it as written."""
    if record.data is not None:
        yield from _lines(_parts_of_head(record.data, is_response=isinstance(record, HeadRecord)), 0, paint, width)
        return
    if isinstance(record, HeadRecord):
        name, start = "status-line", record.status_line
    else:
        name, start = "request-line", f"{record.method} {record.target} HTTP/1.1"
    lines = [(name, start), *[("field", f"{name}: {value}") for name, value in record.fields]]
    parts = [part for what, line in lines for part in ((what, line.encode("latin-1", "replace")), ("CRLF", _CRLF))]
    yield from _lines([*parts, ("CRLF", _CRLF)], 0, paint, width)


def _lacks_trailers(record: FrameRecord | DataRecord, after: Sequence[Record]) -> bool:
    is_last = isinstance(record, FrameRecord) and not record.size
    return is_last and bool(after) and isinstance(after[0], TrailersRecord) and after[0].data is None


def _parts_of_head(octets: bytes, *, is_response: bool) -> list[Part]:
    parts: list[Part] = []
    for place, line in enumerate(octets.splitlines(keepends=True)):
        text = line.rstrip(_CRLF)
        name = "field" if place else "status-line" if is_response else "request-line"
        end = line[len(text) :]
        parts += [(name, text), ("CRLF" if end == _CRLF else "LF", end)]
    return parts


def _lines(parts: Sequence[Part], offset: int, paint: Paint, width: int | None) -> Iterator[str]:
    row = _WIDE if width is None or width >= _WIDE_COLUMNS else _NARROW
    for name, octets in parts:
        role = "" if name in ("data", "field") else "mark"
        for start in range(0, len(octets), row):
            some = octets[start : start + row]
            cells = [f"{octet:02x}" for octet in some] + ["  "] * (row - len(some))
            text = "".join([_SHOWN.get(octet) or (chr(octet) if 0x20 <= octet < 0x7F else ".") for octet in some])
            grouped = "  ".join(" ".join(cells[at : at + 8]) for at in range(0, row, 8))
            hexed = paint(role, grouped) if role else grouped
            yield f"{paint('quiet', f'{offset + start:06x}')}  {hexed}  {name:<13}{text}".rstrip()
        offset += len(octets)


def _parts_of(record: FrameRecord | DataRecord, after: Sequence[Record]) -> list[Part]:
    """Return a frame's octets as far as they were recorded."""
    data = record.data or b""
    if isinstance(record, DataRecord):
        return [("data", data)]
    size, semicolon, rest = record.line.encode("latin-1").partition(b";")
    parts = [("size" if record.size else "last-chunk", size), ("extension", semicolon + rest), ("CRLF", _CRLF)]
    if _lacks_trailers(record, after):
        return parts  # the offset of what follows is not known
    if not record.size:
        trailers = after[0].data if after and isinstance(after[0], TrailersRecord) else b""
        for line in (trailers or b"").splitlines(keepends=True):
            parts += [("trailer", line.removesuffix(_CRLF)), ("CRLF", _CRLF)]
        return [*parts, ("CRLF", _CRLF)]
    is_whole = not (record.partial or record.cut) and record.data is not None
    return [*parts, ("data", data), *([("CRLF", _CRLF)] if is_whole else [])]
