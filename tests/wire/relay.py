"""A mover without sockets: it shows a scanner what a peer sent, and keeps what the scanner lets pass."""

from collections.abc import Iterable

from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner

BEYOND = b"\n\r\n0\r\n\r\n"
"""What lies in memory after the octets shown: it would change most verdicts if it were read."""


class Relay:
    """Hold what was not approved and show it again in front of what comes next, as `BodyScanner.scan` asks."""

    def __init__(self, scanner: BodyScanner | None = None, *, is_watched: bool = True) -> None:
        self.scanner = ChunkedScanner() if scanner is None else scanner
        self.sent = b""
        self.held = b""
        self.shown = 0
        self.events: list[Event] | None = [] if is_watched else None
        self.error: FramingError | None = None

    def show(self, octets: bytes) -> None:
        """Show octets as one read brought them; an error is kept, not raised."""
        self.shown += len(octets)
        buffer = self.held + octets
        before = self.scanner.wire_octets
        try:
            taken = self.scanner.scan(bytearray(buffer + BEYOND), len(buffer), self.events)
        except FramingError as error:
            self.error = error
            taken = self.scanner.wire_octets - before
        else:
            assert taken == self.scanner.wire_octets - before
        self.sent += buffer[:taken]
        self.held = buffer[taken:]

    def show_all(self, reads: Iterable[bytes]) -> "Relay":
        """Show reads until the body is complete or refused."""
        for octets in reads:
            self.show(octets)
            if self.verdict != "incomplete":
                break
        return self

    @property
    def verdict(self) -> str:
        """Return what is known so far, in the words of the vectors."""
        if self.error is not None:
            return "reject"
        return "accept" if self.scanner.is_complete else "incomplete"

    @property
    def raw(self) -> bytes:
        """Return the octets of all events, joined."""
        return b"".join(event.raw for event in self.events or ())


def octet_by_octet(octets: bytes) -> list[bytes]:
    return [octets[n : n + 1] for n in range(len(octets))]


def relay(*reads: bytes, scanner: BodyScanner | None = None) -> Relay:
    """Return the relay after these reads, or as many as it took."""
    return Relay(scanner).show_all(reads)


def refusal(octets: bytes, scanner: BodyScanner | None = None) -> FramingError:
    """Return the error that a body ends in, shown whole."""
    error = relay(octets, scanner=scanner).error
    assert error is not None
    return error


def is_cut(scanner: BodyScanner) -> bool:
    """Say whether the end of input is an error now, and that one: the body is incomplete."""
    try:
        scanner.end_of_input()
    except IncompleteBody:
        return True
    return False
