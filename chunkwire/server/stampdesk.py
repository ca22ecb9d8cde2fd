"""Keeps the kernel's stamps of response bodies, and serves them as `/stamps` of the `--admin` address.

The protocol: the request field `Chunkwire-Stamps: RUN-NUMBER`, RUN of letters and digits, NUMBER a whole number, asks
each server with `--stamps` on the way to keep the stamps of the response's body. `GET /stamps?run=RUN` answers with a
JSON line for each of these bodies:

    {"v":1,"kind":"stamps","id":"RUN-1","point":"gateway","queued":false,"base_ns":1764…,
     "reads":[[END,ARRIVED,READ],…],"writes":[[END,WRITTEN,LEFT,QUEUED],…]}

END is the number of octets of the body, as on the wire, up to the end of that receive or write. The others are moments
on CLOCK_REALTIME in ns from `base_ns`, negative before it, null if they are not known. ARRIVED is the kernel's stamp of
the last octet of the receive, LEFT and QUEUED those of the last octet of the write (see `net.stamps`). READ and WRITTEN
are when this process ended the receive and began the write. An origin has no reads. Unless a gateway rewrites a body,
its octets are the same at each hop.

Not guaranteed: that a body is there; the oldest are dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from chunkwire.net.connection import Connection
from chunkwire.net.heads import Request
from chunkwire.net.stamps import OctetLog, SocketStamps
from chunkwire.server.query import bad_value
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import JSON_LINES, Responder
from chunkwire.server.routes import Resource

STAMPS_PATH: Final = b"/stamps"
STAMPS_FIELD: Final = b"Chunkwire-Stamps"
MAX_BODIES: Final = 20_000
"""Bodies whose stamps are kept: as many as a server accepts connections."""
MAX_KEPT: Final = 4_000_000
"""Receives and writes of ended bodies that are kept: 120 MB."""
NOTHING_RECEIVED: Final = OctetLog(3)
_ID: Final = re.compile(rb"[0-9A-Za-z]{1,64}-[0-9]{1,9}")


class StampSheet:
    """The stamps of one response's body at this server.

    Attributes:
        kept: number of receives and writes; 0 until the body has ended.
    """

    def __init__(self, name: str, sink: SocketStamps, *, queued: bool) -> None:
        self.kept = 0
        self.name = name
        self._queued = queued
        self._sink = sink
        sink.start_sending(queued=queued)
        self._writes, self._reads = sink.sent, NOTHING_RECEIVED

    def receive_from(self, source: Connection) -> None:
        """Add the stamps of the upstream connection that carries the body."""
        if source.stamps is not None:
            self._reads = source.stamps.received

    def end(self) -> None:
        """Stop stamping; the stamps so far are kept."""
        self._sink.stop()
        self.kept = len(self._reads) + len(self._writes)

    def line(self, point: str) -> str:
        """Return the stamps so far as a line of JSON."""
        if self._sink.sent is self._writes:
            self._sink.drain()
        reads, writes = list(self._reads.rows()), list(self._writes.rows())
        base = min([row[1] for row in writes[:1]] + [row[2] for row in reads[:1]], default=0)
        rows = {"reads": _relative(reads, base), "writes": _relative(writes, base)}
        about = {"v": 1, "kind": "stamps", "id": self.name, "point": point, "queued": self._queued, "base_ns": base}
        return json.dumps({**about, **rows}, separators=(",", ":")) + "\n"


def _relative(rows: Iterable[tuple[int, ...]], base: int) -> list[list[int | None]]:
    return [[end, *(ns - base if ns else None for ns in moments)] for end, *moments in rows]


class StampDesk:
    """Keeps the sheets of the bodies that were asked for; the oldest are dropped if there are too many.

    Args:
        point: "origin" or "gateway".
        queued: also stamp when a write was queued.
    """

    def __init__(self, point: str, *, queued: bool = False) -> None:
        self._point = point
        self._queued = queued
        self._sheets: dict[str, StampSheet] = {}
        self._kept = 0

    def open(self, connection: Connection, request: Request) -> StampSheet | None:
        """Return the sheet of a request's response; None if none is asked for, or the connection has no stamps."""
        name = request.get(STAMPS_FIELD.lower())
        if name is None or connection.stamps is None or not _ID.fullmatch(name):
            return None
        sheet = StampSheet(name.decode("ascii"), connection.stamps, queued=self._queued)
        if sheet.name in self._sheets:
            self._drop(sheet.name)
        self._sheets[sheet.name] = sheet
        while len(self._sheets) > MAX_BODIES or self._kept > MAX_KEPT:
            self._drop(next(iter(self._sheets)))
        return sheet

    def close(self, sheet: StampSheet) -> None:
        """End a body's sheet; call it before the connection carries another body."""
        sheet.end()
        if self._sheets.get(sheet.name) is sheet:
            self._kept += sheet.kept

    def _drop(self, name: str) -> None:
        self._kept -= self._sheets.pop(name).kept

    def lines(self, run: str) -> Iterator[str]:
        """Yield a line of JSON for each body of a run."""
        for name, sheet in tuple(self._sheets.items()):
            if name.startswith(f"{run}-"):
                yield sheet.line(self._point)

    def resource(self) -> Resource:
        """Return the resource `/stamps`."""

        async def stamps(request: IncomingRequest, response: Responder) -> None:
            run = request.query.text("run")
            if not _ID.fullmatch(f"{run}-1".encode()):
                raise bad_value("run", "letters and digits, at most 64", run)
            async with response.chunked(fields=(JSON_LINES,)) as body:  # they may be 100 MB
                for line in self.lines(run):
                    await body.send_chunk(line.encode("ascii"))

        return Resource(
            STAMPS_PATH.decode("ascii"),
            stamps,
            "when the octets of a run's bodies arrived, were read, written and left (kernel stamps)",
            "'{origin}/stamps?run=0123456789abcdef'",
            parameters=frozenset({"run"}),
        )
