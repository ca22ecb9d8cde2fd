"""Two recordings of one stream, frame by frame.

The rule here: pure. Frames are equal when their size lines and their data are. Times count only if asked for, because
no two runs take the same time. If data of any frame was not recorded, only size lines are compared, and a note says so.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chunkwire.record.values import DataRecord, EndRecord, FrameRecord, HeadRecord, Record, TextFields, TrailersRecord
from chunkwire.tools.paint import PLAIN, Paint, number, wrapped
from chunkwire.wire.errors import LocalError

# Beyond this many unlike frames on a side, they are paired by position: finding the best alignment is quadratic.
_MAX_ALIGNED: Final = 2000
_CONTEXT: Final = 2  # equal rows shown around a difference
_SHORT: Final = 16  # rows of a comparison of which none is left out

Mark: TypeAlias = Literal["=", "~", "<", ">"]


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A frame as it is compared; `digest` is of its data as far as recorded, None if none was."""

    n: int
    line: str
    size: int
    gap: float | None
    digest: str | None
    preview: bytes

    @property
    def key(self) -> tuple[str, int, str | None]:
        """What makes two frames the same."""
        return (self.line, self.size, self.digest)


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream of a recording: its frames (or the reads of a body without chunks), trailers and end."""

    name: str
    point: str
    rows: tuple[FrameRow, ...]
    trailers: TextFields
    end: EndRecord | None
    content: str | None
    """SHA-256 of all its data, None where some was not recorded."""
    streams: int
    """The number of responses in the file; 0 if another one than the first was chosen."""
    coding: str
    """Its content coding; empty for none."""
    first: float | None
    """When its first frame came, in s since the request; None without one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison: frames that are equal, unlike, or only on one side."""

    mark: Mark
    a: FrameRow | None
    b: FrameRow | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparison found; `notes` are sentences about the whole."""

    a: Recording
    b: Recording
    rows: tuple[Row, ...]
    is_same: bool
    notes: tuple[str, ...]


def load(name: str, records: Iterable[Record], *, place: int = 1) -> Recording:
    """Return the response with this number, from 1, among those in a recording.

    Raises:
        LocalError: there is none.
    """
    responses = [record for record in records if record.way == "response"]
    keys = list(dict.fromkeys((record.stream, record.hop, record.point) for record in responses))
    if not 1 <= place <= len(keys):
        found = f"{number(len(keys), 'response')}" if keys else "none"
        raise LocalError(f"{name}: expected the records of response {place}, got {found}")
    key = keys[place - 1]
    chosen = [record for record in responses if (record.stream, record.hop, record.point) == key]
    bodies = [record for record in chosen if isinstance(record, FrameRecord | DataRecord)]
    ends = [record for record in chosen if isinstance(record, EndRecord)]
    trailers = tuple(field for record in chosen if isinstance(record, TrailersRecord) for field in record.fields)
    fields = [field for record in chosen if isinstance(record, HeadRecord) for field in record.fields]
    return Recording(
        name,
        key[2],
        tuple(map(_row_of, bodies)),
        trailers,
        ends[0] if ends else None,
        _content_of(bodies),
        0 if place > 1 else len(keys),
        next((value for name, value in fields if name.lower() == "content-encoding"), ""),
        bodies[0].t if bodies else None,
    )


def compare(a: Recording, b: Recording, *, gap_tolerance: float = math.inf) -> Comparison:
    """Return what differs between two recordings; gaps further apart than `gap_tolerance` s differ too."""
    rows = tuple(_judged(row, gap_tolerance) for row in _aligned(a.rows, b.rows))
    unlike = [row for row in rows if row.mark != "="]
    notes = list(_notes(a, b, rows))
    ends_alike = (a.end and a.end.framing) == (b.end and b.end.framing)
    if not ends_alike:
        notes.append(f"A ended {_ending(a)}, B ended {_ending(b)}")
    if a.trailers != b.trailers:
        notes.append(f"trailers differ: {_fields(a.trailers)} in A, {_fields(b.trailers)} in B")
    is_empty = not rows and a.end is None and b.end is None
    if is_empty:
        notes = ["neither recording has a frame or an end: nothing was compared"]
    is_same = not unlike and ends_alike and a.trailers == b.trailers and not _are_other_octets(a, b)
    return Comparison(a, b, rows, is_same and not is_empty, tuple(notes))


def _row_of(record: FrameRecord | DataRecord) -> FrameRow:
    line = record.line if isinstance(record, FrameRecord) else ""
    digest = None if record.data is None else hashlib.sha256(record.data).hexdigest()
    return FrameRow(record.n, line, record.size, record.gap, digest, (record.data or b"")[:256])


def _content_of(bodies: Sequence[FrameRecord | DataRecord]) -> str | None:
    digest = hashlib.sha256()
    for record in bodies:
        if (record.data is None and record.size) or record.cut:
            return None
        digest.update(record.data or b"")
    return digest.hexdigest()


def _aligned(a: Sequence[FrameRow], b: Sequence[FrameRow]) -> Iterator[Row]:
    """Pair the frames: equal ones with each other, the others by position between them."""
    known = all(row.digest is not None or not row.size for row in (*a, *b))
    keys_a = [row.key if known else row.key[:2] for row in a]
    keys_b = [row.key if known else row.key[:2] for row in b]
    head = _common(keys_a, keys_b)
    tail = _common(keys_a[head:][::-1], keys_b[head:][::-1])
    end_a, end_b = len(a) - tail, len(b) - tail
    yield from (Row("=", *pair) for pair in zip(a[:head], b[:head], strict=True))
    if max(end_a, end_b) - head > _MAX_ALIGNED:
        yield from _by_position(a[head:end_a], b[head:end_b])
    else:
        matcher = difflib.SequenceMatcher(None, keys_a[head:end_a], keys_b[head:end_b], autojunk=False)
        for operation, a1, a2, b1, b2 in matcher.get_opcodes():
            left, right = a[head + a1 : head + a2], b[head + b1 : head + b2]
            if operation == "equal":
                yield from (Row("=", *pair) for pair in zip(left, right, strict=True))
            else:
                yield from _by_position(left, right)
    yield from (Row("=", *pair) for pair in zip(a[end_a:], b[end_b:], strict=True))


def _by_position(a: Sequence[FrameRow], b: Sequence[FrameRow]) -> Iterator[Row]:
    for n in range(max(len(a), len(b))):
        left = a[n] if n < len(a) else None
        right = b[n] if n < len(b) else None
        if left is None or right is None:
            yield Row("<" if right is None else ">", left, right, f"only in {'A' if right is None else 'B'}")
        else:
            yield Row("~", left, right, _difference(left, right))


def _difference(a: FrameRow, b: FrameRow) -> str:
    if a.size != b.size:
        return "size"
    if a.line != b.line:
        digits = (a.line.partition(";")[0], b.line.partition(";")[0])
        return "size digits" if digits[0] != digits[1] else "chunk-ext"
    return "data"


def _judged(row: Row, gap_tolerance: float) -> Row:
    apart = _gap_between(row)
    if row.mark != "=" or apart is None or apart <= gap_tolerance:
        return row
    return Row("~", row.a, row.b, f"gap, by {apart * 1000:.1f} ms")


def _gap_between(row: Row) -> float | None:
    """Return how far the gaps of a pair are apart in s; None where a side has none."""
    if row.a is None or row.b is None or row.a.gap is None or row.b.gap is None:
        return None
    return abs(row.a.gap - row.b.gap)


def _common(a: Sequence[object], b: Sequence[object]) -> int:
    return next((n for n, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


def _notes(a: Recording, b: Recording, rows: Sequence[Row]) -> Iterator[str]:
    for recording in (a, b):
        if recording.streams > 1:
            name = recording.name
            yield f"{name} holds {recording.streams} streams; the first is compared, {name}#2 is the next"
    if a.content is None or b.content is None:
        yield "data was not recorded, or only in part: sizes and recorded data are compared"
        if a.end is not None and b.end is not None:
            are = "differ" if _are_other_octets(a, b) else "are equal"
            yield f"the SHA-256 of all octets on the wire {are}"
    elif beginning := _beginning(rows):
        yield beginning
    elif a.content == b.content and any(row.mark != "=" and _is_framed_differently(row) for row in rows):
        octets = sum(row.size for row in a.rows)
        yield f"the same {number(octets, 'octet')} of content, framed differently: {_chunks(a)} in A, {_chunks(b)} in B"
    elif a.content != b.content:
        codings = f", as coded: {a.coding or 'plain'} in A, {b.coding or 'plain'} in B" if a.coding != b.coding else ""
        yield f"the content differs{codings}"
    apart = sorted(gap for row in rows if (gap := _gap_between(row)) is not None)
    if apart and len(apart) * 2 >= len(rows):
        yield f"gaps are {apart[len(apart) // 2] * 1000:.1f} ms apart at the median, {apart[-1] * 1000:.1f} ms at most"
    elif a.first is not None and b.first is not None and a.point == b.point:  # too few frames are pairs
        yield f"the first frame came after {a.first * 1000:.1f} ms in A, {b.first * 1000:.1f} ms in B"


def _are_other_octets(a: Recording, b: Recording) -> bool:
    return a.end is not None and b.end is not None and a.end.sha256 != b.end.sha256


def _beginning(rows: Sequence[Row]) -> str:
    """Return the sentence about one recording that is the beginning of the other; nothing where neither is."""
    marks = [row.mark for row in rows]
    alike = marks.index("<") if "<" in marks else marks.index(">") if ">" in marks else len(marks)
    rest = set(marks[alike:])
    if set(marks[:alike]) - {"="} or len(rest) != 1:
        return ""
    short, long = ("B", "A") if rest == {"<"} else ("A", "B")
    return f"{short} is the beginning of {long}: {alike} of {number(len(marks), 'frame')}"


def _is_framed_differently(row: Row) -> bool:
    return row.a is None or row.b is None or row.a.line != row.b.line or row.a.size != row.b.size


def _chunks(recording: Recording) -> str:
    is_chunked = any(row.line for row in recording.rows)
    return number(sum(1 for row in recording.rows if row.size), "chunk" if is_chunked else "read")


def _ending(recording: Recording) -> str:
    return recording.end.framing if recording.end is not None else "unseen"


def _fields(fields: TextFields) -> str:
    return ", ".join(f"{name}: {value}" for name, value in fields) or "none"


def render(found: Comparison, *, width: int | None = None, paint: Paint = PLAIN, is_whole: bool = False) -> list[str]:
    """Return the comparison as lines, runs of equal frames left out unless `is_whole`."""
    lines = [*_title("A", found.a, paint, width), *_title("B", found.b, paint, width)]
    lines.append(paint("quiet", "     A     gap  size          B     gap  size        data, or what differs"))
    shown = _shown(found.rows, is_whole=is_whole)
    skipped = 0
    for place, row in enumerate(found.rows):
        if place not in shown:
            skipped += 1
            continue
        lines += _left_out(skipped, paint)
        skipped = 0
        lines.append(_line(row, width, paint))
    lines += _left_out(skipped, paint)
    verdict = paint("good", "same") if found.is_same else paint("bad", "different")
    unlike = sum(1 for row in found.rows if row.mark != "=")
    lines.append(f"* {verdict}: {number(len(found.rows) - unlike, 'frame')} alike, {unlike} not")
    return lines + [line for note in found.notes for line in wrapped("* ", paint.text(note), width)]


def _title(side: str, recording: Recording, paint: Paint, width: int | None) -> list[str]:
    end = recording.end
    counts = f"{end.framing}, {_chunks(recording)}, {number(end.octets, 'octet')}" if end else "no end recorded"
    on_the_wire = f" ({end.wire_octets} on the wire)" if end and end.wire_octets != end.octets else ""
    text = f"{paint.text(recording.name)}: {recording.point}, {counts}{on_the_wire}"
    first, *more = wrapped(f"{side} ", text, width)
    return [paint("strong", side) + first[1:], *more]


def _shown(rows: Sequence[Row], *, is_whole: bool) -> set[int]:
    """Return the places of the rows to show: unlike ones, and some equal ones around them."""
    if is_whole or len(rows) <= _SHORT:
        return set(range(len(rows)))
    centres = [0, len(rows) - 1, *(place for place, row in enumerate(rows) if row.mark != "=")]
    shown = {near for place in centres for near in range(place - _CONTEXT, place + _CONTEXT + 1)}
    return {place for place in range(len(rows)) if place in shown}


def _left_out(rows: int, paint: Paint) -> list[str]:
    return [paint("quiet", f"     … {number(rows, 'frame')} alike")] if rows else []


def _line(row: Row, width: int | None, paint: Paint) -> str:
    role = {"=": "quiet", "~": "mark", "<": "bad", ">": "good"}[row.mark]
    sides = f"{_side(row.a, paint)} {paint(role, row.mark)} {_side(row.b, paint)}"
    if row.why:
        return f"{sides}  {paint(role, row.why)}".rstrip()
    frame = row.a or row.b
    room = None if width is None else max(12, width - 51)
    text = paint.octets(frame.preview, room or 64) if frame is not None else ""
    is_last = frame is not None and not frame.size
    return f"{sides}  {paint('quiet', 'last-chunk') if is_last else text}".rstrip()


def _side(frame: FrameRow | None, paint: Paint) -> str:
    if frame is None:
        return " " * 23
    gap = "" if frame.gap is None else f"+{frame.gap * 1000:.1f}"
    size = frame.line or str(frame.size)
    return f"{frame.n:6}{gap:>8}  {paint.text(size[:7]):<7}"
