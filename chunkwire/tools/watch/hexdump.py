"""The octets of one frame, sixteen a line: offset, hex, text; framing told from data by its colour.

The rule here: pure, and the offset is the one in the body, so that an error's "at 118" can be found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.record.values import DataRecord, FrameRecord, Record, TrailersRecord
from chunkwire.tools.paint import Paint

_ROW: Final = 16
_CRLF: Final = b"\r\n"


def dump(record: FrameRecord | DataRecord, after: Sequence[Record], paint: Paint) -> Iterator[str]:
    """Yield the lines of a frame's octets; `after` are the records that follow it in its read."""
    octets, data_start, data_end = _octets_of(record, after)
    for start in range(0, len(octets), _ROW):
        row = octets[start : start + _ROW]
        cells = [
            f"{o:02x}" if data_start <= start + n < data_end else paint("mark", f"{o:02x}") for n, o in enumerate(row)
        ]
        cells += ["  "] * (_ROW - len(row))
        text = "".join([chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row])
        offset = paint("quiet", f"{record.offset + start:06x}")
        yield f"{offset}  {' '.join(cells[:8])}  {' '.join(cells[8:])}  {text}"
    if record.cut:
        yield f"…  {record.size - len(record.data or b'')} octets more"


def _octets_of(record: FrameRecord | DataRecord, after: Sequence[Record]) -> tuple[bytes, int, int]:
    """Return a frame's octets as far as they were recorded, and where its data stands among them."""
    data = record.data or b""
    if isinstance(record, DataRecord):
        return data, 0, len(data)
    line = record.line.encode("latin-1") + _CRLF
    if not record.size:
        trailers = after[0].data if after and isinstance(after[0], TrailersRecord) else b""
        return line + (trailers or b"") + _CRLF, 0, 0
    is_whole = not (record.partial or record.cut) and record.data is not None
    return line + data + (_CRLF if is_whole else b""), len(line), len(line) + len(data)
