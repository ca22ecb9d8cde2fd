"""The stamps inside the content of a stream: when each event was planned and written.

The rule here: content in, in pieces of any size, stamps out. When octets arrived is known to the caller, not here. Two
forms are read: the JSON of our `/probe`, and `T` + 19 digits, perhaps followed by `P` + 19 digits (planned), of an
origin that `bench` measures. All are ns since the epoch on the origin's clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.jsontext import load_json

_MAX_LINE_OCTETS: Final = 1 << 21  # twice the largest event of a probe, 1 MiB; a longer line is skipped
_METER_STAMP: Final = re.compile(rb"(?<![0-9A-Za-z])T(\d{19})(?:P(\d{19}))?(?!\d)")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The stamp of one event.

    Attributes:
        n: its number in the stream, from 1; None where it has none.
        of: number of events in the stream; None where it is not given.
        nonce: of the run; empty where it is not given.
        planned_ns: when it was due; None where it is not given.
        actual_ns: taken just before its write.
    """

    n: int | None
    of: int | None
    nonce: str
    planned_ns: int | None
    actual_ns: int


def read_stamp(line: bytes) -> Stamp | None:
    """Return the stamp in a line of content; None in a line without one."""
    text = line.removeprefix(b"data:").strip()
    if text.startswith(b"{") and b'"actual_ns"' in text:
        return _read_json(text)
    found = _METER_STAMP.search(text)
    if found is None:
        return None
    return Stamp(None, None, "", int(found[2]) if found[2] else None, int(found[1]))


def _read_json(text: bytes) -> Stamp | None:
    try:
        about = load_json(text)
        of, planned = about.get("of"), about.get("planned_ns")
        return Stamp(
            _number(about["n"]),
            None if of is None else _number(of),
            str(about.get("nonce", "")),
            None if planned is None else _number(planned),
            _number(about["actual_ns"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None  # JSON that only has a member of that name, or is broken


def _number(value: str | float) -> int:
    """Return a whole number of 0 or more that fits 63 bits, so that a difference of two fits 64."""
    if not 0 <= (number := int(value)) < 1 << 63:
        raise ValueError("expected a number of 63 bits")
    return number


class ContentReader:
    """Finds stamps and the ends of events in content, which is fed in pieces.

    Args:
        coding: the value of Content-Encoding, empty for none.
        kept_octets: of the content that is kept, at most.

    Attributes:
        octets: octets of decoded content so far.
        beginning: of the decoded content, at most `kept_octets`, and no more after a gap.
    """

    def __init__(self, coding: str = "", *, kept_octets: int = 0) -> None:
        self.octets = 0
        self.beginning = bytearray()
        self._room = kept_octets
        self._decoder = ContentDecoder(coding)
        self._is_lost = False  # octets of a coding are missing
        self._line = bytearray()
        self._has_data = False  # a line of the current event begins with "data"
        self._skips = False  # the rest of the current line is dropped

    @property
    def is_readable(self) -> bool:
        """Say whether further content can be read: it has no coding, or a known one without error or gap so far."""
        return self.error is None and not self._is_lost

    @property
    def error(self) -> str | None:
        """Why the content coding is not decoded, or not any more; None while it is, or where there is none."""
        return self._decoder.error

    def feed(self, octets: bytes) -> tuple[list[Stamp], int]:
        """Take content; return the stamps of the lines, and the number of SSE events, that it completes.

        A last line without its LF is not read. Where content is not readable, nothing comes and `octets` stays.
        """
        stamps: list[Stamp] = []
        events = sum(self._read(piece, stamps) for piece in self._decoder.feed(octets)) if self.is_readable else 0
        return stamps, events

    def _read(self, octets: bytes, stamps: list[Stamp]) -> int:
        """Take decoded content; add the stamps of the lines that it completes, return the number of events."""
        self.octets += len(octets)
        if self._room:
            self.beginning += octets[: self._room]
            self._room = max(0, self._room - len(octets))
        self._line += octets
        events = 0
        if b"\n" in octets:  # a long line is not copied again for each of its pieces
            *lines, rest = bytes(self._line).split(b"\n")
            self._line = bytearray(rest)
            events = sum(self._end_line(line, stamps) for line in lines)
        if len(self._line) > _MAX_LINE_OCTETS:
            self._line, self._skips = bytearray(), True
        return events

    def _end_line(self, line: bytes, stamps: list[Stamp]) -> bool:
        """Take a complete line; add its stamp, and say whether it ends an event."""
        is_skipped, self._skips = self._skips or len(line) > _MAX_LINE_OCTETS, False
        if is_skipped:
            return False
        if line in (b"", b"\r"):
            ended, self._has_data = self._has_data, False
            return ended
        self._has_data = self._has_data or line.startswith(b"data")
        if (stamp := read_stamp(line)) is not None:
            stamps.append(stamp)
        return False

    def lose(self) -> None:
        """Handle octets that a record or a capture lacks: skip the rest of the line; a coding cannot go on."""
        self._line, self._skips = bytearray(), True
        self._room = 0
        self._is_lost = self._is_lost or bool(self._decoder.codings)
