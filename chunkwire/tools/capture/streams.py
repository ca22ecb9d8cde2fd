"""TCP connections of a capture: each direction's octets in order, when they were in order, and which are missing.

The rule here: octets have the time at which all octets before them had been seen, as a receiver's socket gives them.
Octets that were sent again are taken once. Octets that the receiver acknowledged and the capture lacks are missing: the
capture dropped them, the network did not. So are those that are lacking before others at the end of the capture, and
those that a packet was captured without. Pure: segments in, pieces out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from chunkwire.tools.capture.packets import ACK, FIN, RST, SYN, Segment, TcpEnd

_MODULUS: Final = 1 << 32
_HALF: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class TcpPiece:
    """Octets of one direction that came at once; or a gap in it, or its end."""

    t_ns: int
    is_from_client: bool  # the direction
    octets: bytes = b""
    missing: int = 0  # octets here that the capture lacks; then `octets` is empty
    end: str = ""  # "FIN" or "RST" if the direction ends here, else empty; a RST is the end of both


@dataclass(slots=True)
class _Direction:
    """One direction: what is expected next, and what came too early."""

    next_seq: int | None = None
    taken: int = 0  # octets in front of `next_seq`
    # a heap: place in the direction, the longer segments first, then their order in the capture
    early: list[tuple[int, int, int, Segment]] = field(default_factory=list)
    fin_seq: int | None = None
    is_over: bool = False
    _kept: int = 0

    def expect(self, seq: int) -> None:
        """Expect this octet next; it may come before the one expected so far."""
        if self.next_seq is not None:
            self.taken += _distance(self.next_seq, seq)
        self.next_seq = seq

    def keep(self, segment: Segment) -> None:
        """Keep a segment until it is in order; `next_seq` is known."""
        self._kept += 1
        place = self.taken + _distance(self.next_seq or 0, segment.seq)
        heappush(self.early, (place, -segment.length, self._kept, segment))

    def skip(self, octets: int) -> None:
        """Expect the octets after so many."""
        self.taken += octets
        self.next_seq = ((self.next_seq or 0) + octets) % _MODULUS


@dataclass(slots=True)
class TcpConnection:
    """One connection; its pieces are in the order of their times."""

    client: TcpEnd
    server: TcpEnd
    is_decrypted: bool = False  # the octets are the content of TLS, by a key log
    pieces: list[TcpPiece] = field(default_factory=list)
    _up: _Direction = field(default_factory=_Direction)
    _down: _Direction = field(default_factory=_Direction)
    _last_ns: int = 0

    def take(self, segment: Segment) -> None:
        """Take the next segment of the capture."""
        is_up = segment.source == self.client
        self._last_ns = segment.t_ns
        ours, theirs = (self._up, self._down) if is_up else (self._down, self._up)
        if segment.flags & SYN:
            ours.expect((segment.seq + 1) % _MODULUS)
        elif not ours.is_over:
            self._data(segment, ours, is_up)
        if segment.flags & ACK and not segment.flags & RST:
            self._acknowledged(segment, theirs, not is_up)
        if segment.flags & RST and not self._up.is_over | self._down.is_over:
            ours.is_over = theirs.is_over = True
            self.pieces.append(TcpPiece(segment.t_ns, is_up, end="RST"))

    def _data(self, segment: Segment, way: _Direction, is_up: bool) -> None:
        if segment.flags & FIN:
            way.fin_seq = (segment.seq + segment.length) % _MODULUS
        if segment.length and way.next_seq is None:
            way.next_seq = segment.seq  # the capture began in the middle of it
        if segment.length:
            way.keep(segment)
        self._flush(way, segment.t_ns, is_up)

    def _flush(self, way: _Direction, t_ns: int, is_up: bool) -> None:
        while way.early and way.early[0][0] <= way.taken and not way.is_over:
            place, _, _, segment = heappop(way.early)
            known = way.taken - place
            if known < segment.length:
                self._add(TcpPiece(t_ns, is_up, segment.data[known:]))
                lost = segment.length - max(known, len(segment.data))
                self._add(TcpPiece(t_ns, is_up, missing=lost))  # the capture kept only the first octets
                way.skip(segment.length - known)
        if way.fin_seq is not None and way.next_seq in (way.fin_seq, None) and not way.is_over:
            way.is_over = True
            self.pieces.append(TcpPiece(t_ns, is_up, end="FIN"))

    def _add(self, piece: TcpPiece) -> None:
        if piece.octets or piece.missing:
            self.pieces.append(piece)

    def _acknowledged(self, segment: Segment, way: _Direction, is_up: bool) -> None:
        """Count as missing what the receiver has and the capture has not."""
        if way.next_seq is None or way.is_over:
            return
        limit = segment.ack if way.fin_seq is None or segment.ack != (way.fin_seq + 1) % _MODULUS else way.fin_seq
        while (lacking := _distance(way.next_seq, limit)) > 0:
            self._miss(way, segment.t_ns, is_up, lacking)

    def _miss(self, way: _Direction, t_ns: int, is_up: bool, most: int = _MODULUS) -> None:
        """Report as missing the octets before those that came too early, at most `most` of them."""
        missing = min([most] + [early[0] - way.taken for early in way.early[:1] if not way.is_over])
        self._add(TcpPiece(t_ns, is_up, missing=missing))
        way.skip(missing)
        self._flush(way, t_ns, is_up)

    def end(self) -> None:
        """Add what is left at the end of the capture: octets after a gap."""
        for way, is_up in ((self._up, True), (self._down, False)):
            while way.early and not way.is_over:
                self._miss(way, self._last_ns, is_up)


def _distance(a: int, b: int) -> int:
    """Return how many octets b comes after a, negative if before it (RFC 9293 §3.4: modulo 2^32)."""
    return (b - a + _HALF) % _MODULUS - _HALF


def read_connections(segments: Iterable[Segment]) -> list[TcpConnection]:
    """Return the connections that segments are of, in the order of their first ones."""
    running: dict[frozenset[TcpEnd], TcpConnection] = {}
    found: list[TcpConnection] = []
    for segment in segments:
        key = frozenset((segment.source, segment.target))
        is_syn = segment.flags & (SYN | ACK) == SYN
        connection = running.get(key)
        if connection is None or (is_syn and connection.pieces):  # the same ports again
            connection = running[key] = _begin(segment)
            found.append(connection)
        connection.take(segment)
    for connection in found:
        connection.end()
    return found


def _begin(segment: Segment) -> TcpConnection:
    """Return a new connection, for its first segment in the capture.

    Without a SYN, the server is who sends a status-line, or without data has the lower port.
    """
    is_from_server = segment.flags & (SYN | ACK) == SYN | ACK
    if not segment.flags & SYN:
        is_from_server = segment.data.startswith(b"HTTP/1.") or (
            not segment.data and segment.source.port < segment.target.port
        )
    ends = (segment.target, segment.source) if is_from_server else (segment.source, segment.target)
    return TcpConnection(*ends)
