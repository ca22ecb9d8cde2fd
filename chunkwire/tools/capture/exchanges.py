"""The HTTP/1.1 exchanges of a capture, as records: what the client of each connection sent and received.

The rule here: both directions of a connection are read together, because a response depends on its request. Octets that
the capture lacks end their message as `missing`, whatever the server did, and the next head begins the next message. A
connection that is no HTTP/1.1 is one exchange too, which names its protocol.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final

from chunkwire.client.capture import CaptureReader
from chunkwire.client.sniff import find_head
from chunkwire.net.protocols import MAX_NAME_OCTETS, name_protocol
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import (
    UNKNOWN,
    DataRecord,
    EndRecord,
    FrameRecord,
    HeadRecord,
    Record,
    RequestRecord,
    TrailersRecord,
)
from chunkwire.tools.capture.streams import TcpConnection, TcpPiece
from chunkwire.tools.capture.tls import is_tls, offers_h2, record_sizes
from chunkwire.tools.paint import number

POINT: Final = "client.received"
_TLS_READS: Final = (
    "TLS: a read is shown for each of its records, with its size, and no frames and no content; --keylog FILE decrypts "
    "it if tshark is installed"
)
_NO_KEYS: Final = "TLS without its keys: the end of the body is not known"
_MAX_LINE_OCTETS: Final = 65536
"""Octets of a line after a gap that are kept while searching for a head."""


@dataclass(slots=True)
class CapturedExchange:
    """One request and its response, as the capture shows them."""

    n: int
    client: str
    hop: str  # the server's address
    began_ns: int  # of its first record, usually the request's head; ns since the epoch
    records: list[Record]  # with times in s since then
    notes: list[str] = field(default_factory=list)  # what no record says
    is_decrypted: bool = False  # it was in TLS, and a key log was given for it

    @property
    def request(self) -> RequestRecord | None:
        """The head of the request."""
        return next((each for each in self.records if isinstance(each, RequestRecord)), None)

    @property
    def head(self) -> HeadRecord | None:
        """The last response head, mostly that of the final response; None for none."""
        heads = [each for each in self.records if isinstance(each, HeadRecord)]
        return heads[-1] if heads else None

    @property
    def end(self) -> EndRecord | None:
        """How the response ended; None if there is none."""
        ends = [each for each in self.records if isinstance(each, EndRecord) and each.way == "response"]
        return ends[-1] if ends else None


@dataclass(slots=True)
class MessageRecords:
    """The records of one message, and the notes about it."""

    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Messages:
    """The messages of one direction: a `CaptureWatcher` that keeps them all."""

    def __init__(self) -> None:
        self.all = [MessageRecords()]

    def record(self, record: Record) -> None:
        """Keep a record of the message that is being read."""
        self.all[-1].records.append(record)

    def note(self, text: str) -> None:
        """Keep one line about it."""
        self.all[-1].notes.append(text)

    def begin(self, title: str) -> None:
        """Begin the next message, unless this one has no record yet."""
        if self.all[-1].records:
            self.all.append(MessageRecords())


class _DirectionReader:
    """One direction, read up to each gap, and from the next head on."""

    def __init__(self, asked: deque[bytes]) -> None:
        self.messages = Messages()
        self._asked = asked
        self._reader = self._new_reader()
        self._is_lost = False
        self._held = b""
        self._reads = 0

    def _new_reader(self) -> CaptureReader:
        reader = CaptureReader(self.messages)
        reader.asked = self._asked
        return reader

    def take(self, piece: TcpPiece, t: float) -> None:
        """Take octets, a gap, or a FIN."""
        if piece.missing:
            self._lose(piece.missing, t)
        elif piece.octets:
            self._reads += 1
            self._feed(piece.octets, t)
        elif piece.end:
            self.end(t, "cut")

    def _feed(self, octets: bytes, t: float) -> None:
        if self._is_lost:
            self._held += octets
            place = find_head(self._held)
            if place is None:
                line = max(0, self._held.rfind(b"\n"))  # the LF before it is kept: a head begins after one
                self._held = self._held[line:][-_MAX_LINE_OCTETS:]
                return
            octets, self._held, self._is_lost = self._held[place:], b"", False
            self.messages.begin("")
            self._reader = self._new_reader()
        self._reader.feed(octets, t=t, read=self._reads)

    def _lose(self, count: int, t: float) -> None:
        if not self._is_lost:
            self._reader.end(t, "missing", f"{number(count, 'octet is', 'octets are')} not in the capture")
        self._is_lost, self._held = True, b""

    def end(self, t: float, framing: str, error: str | None = None) -> None:
        """End an open message, with this verdict and reason; see `CaptureReader.end`."""
        if not self._is_lost:
            self._reader.end(t, framing, error)
            self._is_lost = True


def exchanges_of(connections: Iterable[TcpConnection]) -> list[CapturedExchange]:
    """Return the exchanges of connections, in the order in which they began."""
    found = [exchange for connection in connections for exchange in _read(connection)]
    found.sort(key=lambda exchange: exchange.began_ns)
    return [_numbered(exchange, n) for n, exchange in enumerate(found, 1)]


def _numbered(exchange: CapturedExchange, n: int) -> CapturedExchange:
    records = [record._replace(stream=n, hop=exchange.hop) for record in exchange.records]
    return replace(exchange, n=n, records=records)


def _read(connection: TcpConnection) -> Iterator[CapturedExchange]:
    pieces = connection.pieces
    if not any(piece.octets for piece in pieces):
        return
    other = _other_protocol(pieces)
    if other is not None:
        yield _named(connection, other)
        return
    began_ns = pieces[0].t_ns
    asked: deque[bytes] = deque()
    up, down = _DirectionReader(asked), _DirectionReader(asked)
    for piece in pieces:
        t = (piece.t_ns - began_ns) / 1e9
        if piece.end != "RST":
            (up if piece.is_from_client else down).take(piece, t)
            continue
        up.end(t, "reset", "the connection was reset")
        if piece.is_from_client:
            down.end(t, "client-gone", "the client reset the connection")
        else:
            down.end(t, "reset", "the connection was reset")
    for way in (up, down):
        way.end((pieces[-1].t_ns - began_ns) / 1e9, "missing", "the capture ends before the body does")
    yield from _paired(connection, up.messages, down.messages, began_ns)


def _other_protocol(pieces: Sequence[TcpPiece]) -> str | None:
    """Return the protocol of a connection that is no HTTP/1.1; None for one that may be."""
    for is_from_client in (True, False):
        first = b""
        for piece in pieces:
            if piece.is_from_client is is_from_client:
                first += piece.octets
            if len(first) >= MAX_NAME_OCTETS:
                break
        known = name_protocol(first)
        if known is not None and not first.startswith(b"HTTP/1."):
            return known
    return None


def _named(connection: TcpConnection, known: str) -> CapturedExchange:
    """Return the exchange that stands for a connection of another protocol."""
    records: list[Record] = []
    pieces = connection.pieces
    recorder = Recorder(records.append, stream=1, point=POINT)
    began_ns, notes = pieces[0].t_ns, list[str]()
    end = (pieces[-1].t_ns - began_ns) / 1e9
    if is_tls(pieces):
        reads = list(_tls_reads(pieces, began_ns))
        octets = sum(read.size for read in reads)
        nothing = hashlib.sha256().hexdigest()
        records += reads
        records.append(
            EndRecord(1, POINT, end, "missing", UNKNOWN, 0, None, len(reads), octets, octets, nothing, _NO_KEYS)
        )
        notes.append(_TLS_READS)
        if offers_h2(pieces):
            notes.append("the client offered h2: it may be HTTP/2")
    else:
        known = known.replace(" in clear", "") if connection.is_decrypted else known
        recorder.end(end, "malformed", error=f"expected HTTP/1.1, got {known}")
    return CapturedExchange(0, str(connection.client), str(connection.server), began_ns, records, notes)


def _tls_reads(pieces: Sequence[TcpPiece], began_ns: int) -> Iterator[DataRecord]:
    """Yield a read for each TLS record of application data that the server sent, without content."""
    last, offset = None, 0
    for n, (t_ns, size) in enumerate(record_sizes(pieces), 1):
        t = (t_ns - began_ns) / 1e9
        yield DataRecord(1, POINT, t, n, None if last is None else t - last, n, offset, size, None)
        last, offset = t, offset + size


def _paired(connection: TcpConnection, up: Messages, down: Messages, began_ns: int) -> Iterator[CapturedExchange]:
    """Yield the n-th request with the n-th response; either may be missing. Messages without a record are left out."""
    requests, responses = ([message for message in way.all if message.records] for way in (up, down))
    for asked, answered in zip_longest(requests, responses, fillvalue=MessageRecords()):
        first = (asked.records or answered.records)[0]
        wall_ns = began_ns + round(first.t * 1e9)
        # A request's body stays out: the records are of one response, as a client of ours makes them.
        heads = [each._replace(wall=wall_ns / 1e9) for each in asked.records if isinstance(each, RequestRecord)]
        records = [each._replace(t=max(0.0, each.t - first.t)) for each in (*heads, *_with_own_reads(answered.records))]
        client, server = str(connection.client), str(connection.server)
        yield CapturedExchange(
            0, client, server, wall_ns, records, [*asked.notes, *answered.notes], connection.is_decrypted
        )


def _with_own_reads(records: Sequence[Record]) -> Iterator[Record]:
    """Yield the records of a response with its own reads, numbered from 1."""
    reads: dict[int, int] = {}
    for record in records:
        if isinstance(record, FrameRecord | DataRecord | TrailersRecord):
            yield record._replace(read=reads.setdefault(record.read, len(reads) + 1))
        else:
            yield record
