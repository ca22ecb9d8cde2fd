"""One end of a connection: heads as raw octets, bodies with the framing of RFC 9112 §6.3.

The rule here: nothing is refused and nothing is repaired. The octets of the peer are kept, and their properties are
computed from them. What this module must not know: which side of the proxy it is on, and any row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.heads import find_head_end
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event, LastChunk, SizeLine, Trailers
from chunkwire.wire.limits import LENIENT_LIMITS
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner

MAX_KEPT_OCTETS: Final = 16384  # of each direction, for the scorecard; most rows exchange fewer
MAX_HEAD_OCTETS: Final = 1 << 18
MAX_CONTENT_OCTETS: Final = 1 << 20  # kept of one body; the rest is only counted

_VERSION: Final = re.compile(rb"HTTP/(\d+\.\d+)")
_STATUS: Final = re.compile(rb"HTTP/\d+\.\d+[ \t]+(\d{3})\b")
_LENGTH: Final = re.compile(rb"\d{1,18}")


@dataclass(frozen=True, slots=True)
class RawHead:
    """A head as octets, with its empty line."""

    octets: bytes

    @property
    def lines(self) -> list[bytes]:
        """The lines without their ends: the start-line and the field lines."""
        return [line.removesuffix(b"\r") for line in self.octets.split(b"\n") if line not in (b"\r", b"")]

    @property
    def start_line(self) -> bytes:
        """The first line."""
        return self.lines[0] if self.lines else b""

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The field lines: all octets before the colon, in lower case, and the value without OWS."""
        pairs = (line.partition(b":") for line in self.lines[1:])
        return [(name.lower(), value.strip(b" \t")) for name, _, value in pairs]

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the lines of a field; `name` is in lower case."""
        return [value for own, value in self.fields if own == name]

    def members(self, name: bytes) -> list[bytes]:
        """Return the members of a list field in lower case, from all its lines."""
        joined = b",".join(self.values(name))
        return [member.strip(b" \t").lower() for member in joined.split(b",") if member.strip(b" \t")]

    @property
    def version(self) -> bytes:
        """The version in the start-line, such as `1.1`; b"" for none."""
        found = _VERSION.search(self.start_line)
        return found[1] if found else b""

    @property
    def status(self) -> int:
        """The status code; 0 for none."""
        found = _STATUS.match(self.start_line)
        return int(found[1]) if found else 0

    @property
    def is_chunked(self) -> bool:
        """Chunked is the final coding."""
        return self.members(b"transfer-encoding")[-1:] == [b"chunked"]


def scanner_of(head: RawHead, *, method: bytes | None = None) -> BodyScanner | None:
    """Return the scanner of the body after a head (RFC 9112 §6.3); None if its length cannot be determined.

    Args:
        method: of the request that a response answers; None if the head is that of a request.
    """
    is_request = method is None
    if not is_request and (method == b"HEAD" or head.status < 200 or head.status in (204, 304)):
        return LengthScanner(0)
    if head.values(b"transfer-encoding"):
        if head.is_chunked:
            return ChunkedScanner(LENIENT_LIMITS)
        return None if is_request else CloseScanner()
    lengths = set(head.members(b"content-length"))
    if lengths:
        length = lengths.pop()
        return LengthScanner(int(length)) if not lengths and _LENGTH.fullmatch(length) else None
    return LengthScanner(0) if is_request else CloseScanner()


class RawEnd:
    """One end of a connection.

    Attributes:
        sent, received: the first octets of each direction.
        pending: octets received, and not yet read as a head or body.
        is_over: the peer has ended its direction; `how` is FIN or RST.
        is_kept: our direction has not been ended, so that the connection may be used for another exchange.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sent = bytearray()
        self.received = bytearray()
        self.pending = bytearray()
        self.is_over = False
        self.is_kept = True
        self.how = ""

    async def send(self, octets: bytes) -> None:
        """Send octets.

        Raises:
            PeerGone: the peer closed the connection.
        """
        self.sent += octets[: MAX_KEPT_OCTETS - len(self.sent)]
        await self.connection.send_all(octets)

    async def offer(self, octets: bytes) -> bool:
        """Send octets; False if the peer has closed the connection, as it may after its answer."""
        try:
            await self.send(octets)
        except PeerGone:
            return False
        return True

    async def receive(self) -> bool:
        """Append the octets of one receive to `pending`; False at the end."""
        if self.is_over:
            return False
        try:
            octets = await self.connection.receive_some()
        except PeerGone:
            octets, self.how = b"", "RST"
        if not octets:
            self.is_over, self.how = True, self.how or "FIN"
            return False
        self.received += octets[: MAX_KEPT_OCTETS - len(self.received)]
        self.pending += octets
        return True

    async def read_head(self) -> RawHead | None:
        """Return the next head, without empty lines before it.

        None: the connection ended first, or more than `MAX_HEAD_OCTETS` came.
        """
        searched = 0
        while True:
            while self.pending.startswith((b"\r", b"\n")):
                del self.pending[:1]
            end = find_head_end(self.pending, searched)
            if end is not None:
                head = RawHead(bytes(self.pending[:end]))
                del self.pending[:end]
                return head
            searched = len(self.pending)
            if len(self.pending) > MAX_HEAD_OCTETS or not await self.receive():
                return None

    async def wait_over(self) -> str:
        """Receive and keep octets until the peer ends its direction; return FIN or RST."""
        while await self.receive():
            pass
        return self.how

    def reset(self) -> None:
        """End with RST."""
        self.is_kept = False
        self.connection.reset()

    async def finish(self) -> None:
        """Send a FIN, after all octets sent."""
        self.is_kept = False
        await self.connection.send_eof()

    def close(self) -> None:
        """Close; the kernel sends a RST if octets of the peer are unread."""
        self.connection.close_nowait()


class RawBody:
    """A body as it is received.

    Attributes:
        content: the first `MAX_CONTENT_OCTETS` octets of content.
        octets: of content, in all.
        lines: the size lines as written, including that of the last-chunk; empty if it is not chunked.
        trailers: of the trailer section.
        problem: why it can never be complete; "" while it can.
    """

    def __init__(self, end: RawEnd, scanner: BodyScanner | None) -> None:
        self._end = end
        self._feed = Feed(scanner) if scanner is not None else None
        self.content = bytearray()
        self.octets = 0
        self.lines: list[bytes] = []
        self.trailers: Trailers = ()
        self.problem = "" if scanner is not None else "its length cannot be determined (RFC 9112 §6.3)"
        self._take()

    @property
    def is_whole(self) -> bool:
        """The body is complete by its framing."""
        return self._feed is not None and not self.problem and self._feed.scanner.is_complete

    async def more(self) -> bool:
        """Receive once; False if the body is complete or cannot become complete."""
        if self.is_whole or self.problem or self._feed is None:
            return False
        if await self._end.receive():
            self._take()
            return True
        if self._end.how == "RST":
            self.problem = "cut by RST"
            return False
        try:
            self._feed.scanner.end_of_input()
        except IncompleteBody as error:
            self.problem = f"cut by FIN: {error}"
        return False

    async def until(self, octets: int) -> bool:
        """Read until there are so many octets of content; False if the body ends before."""
        while self.octets < octets:
            if not await self.more():
                return False
        return True

    async def rest(self) -> bool:
        """Read to the end; say whether the body is complete."""
        while await self.more():
            pass
        return self.is_whole

    def _take(self) -> None:
        if self._feed is None:
            return
        events: list[Event] = []
        self._feed.take(bytes(self._end.pending), events)
        self._end.pending.clear()
        for event in events:
            if isinstance(event, SizeLine | LastChunk):
                self.lines.append(event.line)
            if isinstance(event, LastChunk):
                self.trailers = event.trailers
            if isinstance(event, Data):
                self.content += event.octets[: MAX_CONTENT_OCTETS - len(self.content)]
        scanner = self._feed.scanner
        self.octets = scanner.octets
        if self._feed.error is not None:
            self.problem = f"broken framing: {self._feed.error}"
        if scanner.is_complete:
            self._end.pending += self._feed.held
