"""Feed a body to its scanner: keep the octets that it does not approve yet, and pass them again before the next ones.

The rule here: all movers, readers and tools use this class for it. A malformed body does not raise here: its valid
prefix is approved first, and `error` has the error. What this module must not know: sockets, time, and what is done
with the octets.
"""

from __future__ import annotations

from typing import Final

from chunkwire.wire.errors import FramingError
from chunkwire.wire.frames import Event
from chunkwire.wire.lines import Buffer
from chunkwire.wire.scanner import NO_LIMIT, BodyScanner

TURN_OCTETS: Final = 2048
"""Octets of framing that are scanned of one body before other tasks run, counted as `most` of `BodyScanner.scan`: some
200 to 300 size lines with a chunk-ext, or 3000 without, which take 1 to 2 ms."""

WATCHED_TURN_OCTETS: Final = 512
"""The same if events are built: processing a frame's events takes several times as long as scanning it."""


class Feed:
    """Feeds the octets of one body to its scanner.

    Args:
        takes_turns: each call scans about one turn at most (`TURN_OCTETS`, `WATCHED_TURN_OCTETS`); `is_behind` then
            says that another call needs no new octets. For servers, where one peer must not delay others; a tool with
            one stream needs no turns.

    Attributes:
        held: octets that are not approved. After a complete body: the octets that follow it (RFC 9112 §6.3), except
            after `take_from`, whose caller has them in its buffer.
        error: why the body is malformed; None while it is valid. After an error no octets are approved.
        is_behind: another call without new octets may approve held ones.
    """

    __slots__ = ("_takes_turns", "error", "held", "is_behind", "scanner")

    def __init__(self, scanner: BodyScanner, *, takes_turns: bool = False) -> None:
        self.scanner = scanner
        self.held = b""
        self.error: FramingError | None = None
        self.is_behind = False
        self._takes_turns = takes_turns

    def take(self, octets: bytes, events: list[Event] | None = None) -> memoryview:
        """Return the approved octets, of those held and these; pass `b""` to continue if `is_behind`.

        Args:
            events: the events of the returned octets are appended to it; None builds no events.
        """
        buffer = self.held + octets if self.held else octets
        view = memoryview(buffer)
        taken = self.take_from(buffer, view, len(buffer), events)
        if self.scanner.is_complete:
            self.held = bytes(view[taken:])
        return view[:taken]

    def take_from(self, buffer: Buffer, view: memoryview, end: int, events: list[Event] | None = None) -> int:
        """Return n so that buffer[:n] is approved; for a buffer that many bodies share.

        Args:
            buffer: begins with the held octets, followed by new ones; octets from `end` on are ignored.
            view: of this buffer.
            events: as in `take`.
        """
        scanner = self.scanner
        before = scanner.wire_octets
        most = NO_LIMIT
        if self._takes_turns:
            most = TURN_OCTETS if events is None else WATCHED_TURN_OCTETS
        try:
            taken = scanner.scan(buffer, end, events, most)
        except FramingError as error:
            taken = scanner.wire_octets - before
            self.error = error
        self.is_behind = scanner.is_behind
        self.held = bytes(view[taken:end]) if taken < end and not scanner.is_complete else b""
        return taken
