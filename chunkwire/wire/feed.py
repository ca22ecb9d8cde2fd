"""A body as it comes: what its scanner does not approve yet is kept, and shown again in front of the next octets.

The rule here: the one form of that, for movers, readers and tools alike. A broken body raises nothing here: what was
valid before the break is approved and comes first, and `error` says what broke it. What this module must not know:
sockets, time, and what is done with the octets.
"""

from __future__ import annotations

from typing import Final

from chunkwire.wire.errors import FramingError
from chunkwire.wire.frames import Event
from chunkwire.wire.lines import Buffer
from chunkwire.wire.scanner import NO_LIMIT, BodyScanner

TURN_OCTETS: Final = 2048
"""Octets of framing that one body may have scanned before others get a turn (`BodyScanner.scan`, most): 200 to 300 size
lines with a chunk-ext, or 3000 without, in 1 to 2 ms."""

WATCHED_TURN_OCTETS: Final = 512
"""The same where events are built: what a watcher makes of a frame takes several times as long as scanning it."""


class Feed:
    """The octets of one body on their way through its scanner.

    Args:
        takes_turns: each call takes at most a turn, and `is_behind` says that the next one needs no new octets. For
            a server, where a peer must not keep others waiting; a tool with one stream needs no turns.

    Attributes:
        held: octets not approved. After a complete body: those that follow it, which are not of it (RFC 9112 §6.3);
            after `take_from` they are left to the caller, whose buffer has them.
        error: what broke the body; None while it is valid. After it no octet is taken.
        is_behind: octets that are held may be approved by another call without new ones.
    """

    __slots__ = ("_takes_turns", "error", "held", "is_behind", "scanner")

    def __init__(self, scanner: BodyScanner, *, takes_turns: bool = False) -> None:
        self.scanner = scanner
        self.held = b""
        self.error: FramingError | None = None
        self.is_behind = False
        self._takes_turns = takes_turns

    def take(self, octets: bytes, events: list[Event] | None = None) -> memoryview:
        """Return what may be sent on of the octets held and of these; `b""` brings none, and goes on where `is_behind`.

        Args:
            events: gets the events of what is returned; for None no event is built.
        """
        buffer = self.held + octets if self.held else octets
        view = memoryview(buffer)
        taken = self.take_from(buffer, view, len(buffer), events)
        if self.scanner.is_complete:
            self.held = bytes(view[taken:])
        return view[:taken]

    def take_from(self, buffer: Buffer, view: memoryview, end: int, events: list[Event] | None = None) -> int:
        """Return n, so that buffer[:n] may be sent on: the form for a buffer that many bodies share.

        Args:
            buffer: begins with the octets held, followed by new ones; what lies past `end` is ignored.
            view: of this buffer.
            events: as `take`.
        """
        scanner = self.scanner
        before = scanner.wire_octets
        most = NO_LIMIT
        if self._takes_turns:
            most = TURN_OCTETS if events is None else WATCHED_TURN_OCTETS
        try:
            taken = scanner.scan(buffer, end, events, most)
            self.is_behind = scanner.is_behind
        except FramingError as error:
            taken = scanner.wire_octets - before
            self.error = error
            self.is_behind = False
        self.held = bytes(view[taken:end]) if taken < end and not scanner.is_complete else b""
        return taken
