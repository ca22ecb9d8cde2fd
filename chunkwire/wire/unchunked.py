"""Scanners of bodies without chunks: with Content-Length, or delimited by close (RFC 9112 §6.2 and §6.3).

The rule here: that of `scanner`, whose protocol they have. All octets are approved as they come, and the only event is
`Data`. What this module must not know: sockets, time, and who watches.
"""

from __future__ import annotations

from typing import Final

from chunkwire.wire.errors import IncompleteBody, LocalError
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.lines import Buffer
from chunkwire.wire.scanner import NO_LIMIT


class _ContentScanner:
    is_behind: Final = False

    __slots__ = ("_length", "chunks", "is_complete", "octets", "wire_octets")

    def __init__(self, length: int) -> None:
        self.wire_octets = self.octets = self.chunks = 0
        self.is_complete = length == 0
        self._length = length

    def scan(self, buffer: Buffer, end: int, events: list[Event] | None = None, most: int = NO_LIMIT) -> int:
        """Return n so that buffer[:n] is approved: all octets, up to the end of the body."""
        taken = min(end, self._length - self.octets)
        if events is not None and taken:
            events.append(Data(self.wire_octets, bytes(memoryview(buffer)[:taken])))
        self.wire_octets += taken
        self.octets += taken
        self.is_complete = self.octets == self._length
        return taken


class LengthScanner(_ContentScanner):
    """Scans a body with Content-Length (RFC 9112 §6.2); see `BodyScanner`.

    Raises:
        LocalError: length is negative.
    """

    __slots__ = ()

    def __init__(self, length: int) -> None:
        if length < 0:
            raise LocalError(f"expected a length of 0 or more, got {length}")
        super().__init__(length)

    def end_of_input(self) -> None:
        """Raise IncompleteBody unless all the octets came (RFC 9112 §6.3)."""
        if not self.is_complete:
            raise IncompleteBody(self.wire_octets, f"content of {self._length} octets")


class CloseScanner(_ContentScanner):
    """Scans a body that is delimited by close (RFC 9112 §6.3); see `BodyScanner`."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(NO_LIMIT)

    def end_of_input(self) -> None:
        """Complete the body. It cannot be known whether the sender had finished (RFC 9112 §8)."""
        self._length = self.octets
        self.is_complete = True
