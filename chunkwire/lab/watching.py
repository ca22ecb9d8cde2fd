"""Records on their way to a page: numbered by exchange, put on one clock, sent as server-sent events.

The rule here: a record is kept for each watcher as it came and made text when its turn comes, so that a relay never
waits for a page. What a slow page does not take is dropped, oldest first, and the page gets the count.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import trio

from chunkwire.net.heads import Request
from chunkwire.record.values import DataRecord, FrameRecord, Record, to_json
from chunkwire.server.refusal import Refusal
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.tap import RecordFor

MAX_KEPT: Final = 20_000  # records a watcher may be behind: some 10 s of 1000 frames a second at two points
MAX_WATCHERS: Final = 16  # pages of one learner
MAX_SHOWN_OCTETS: Final = 4096  # of one frame's data; a page shows no more
BATCH_SECONDS: Final = 0.04  # records are sent together: 25 times a second looks continuous
TURN_RECORDS: Final = 12  # made text in one turn, in some 0.2 ms: a relay in this process has its turn in between
HEARTBEAT_SECONDS: Final = 15.0  # proxies end connections that are silent for a minute


class Noted(NamedTuple):
    """A record, the exchange it belongs to, where that was seen, and when, in s on this process's clock."""

    record: Record
    exchange: int
    place: str
    at: float

    def line(self) -> str:
        """Return the record as JSON, with three members of the lab's."""
        text = to_json(self.record)
        return f'{text[:-1]},"x":{self.exchange},"place":{json.dumps(self.place)},"at":{self.at:.6f}}}'


class Watcher:
    """One page's event stream: what it has not been sent yet."""

    def __init__(self) -> None:
        self.kept: deque[Noted] = deque(maxlen=MAX_KEPT)
        self.dropped = 0
        self.has_more = trio.Event()

    def note(self, noted: Noted) -> None:
        """Keep a record until it is sent."""
        if len(self.kept) == MAX_KEPT:
            self.dropped += 1
        self.kept.append(noted)
        self.has_more.set()

    def take(self) -> bytes:
        """Return some of what is kept as one event, preceded by what was dropped."""
        dropped, self.dropped = self.dropped, 0
        lines = [self.kept.popleft().line() for _ in range(min(TURN_RECORDS, len(self.kept)))]
        said = f"event: dropped\ndata: {dropped}\n\n" if dropped else ""
        return (said + "".join(f"data: {line}\n" for line in lines) + "\n").encode("ascii")


class Watchers:
    """Who watches one learner's exchanges."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._numbers = itertools.count(1)

    def record_for(self, place: str, also: Callable[[Record], None] | None = None) -> RecordFor:
        """Return what picks who takes the records of an exchange at a place: nobody unless somebody watches.

        Args:
            place: names it to the page, such as "origin" or "gateway buffer".
            also: takes them all the same.
        """

        def choose(_: Request) -> Callable[[Record], None] | None:
            return self.recorder(place, also) if self._watchers else also

        return choose

    def recorder(self, place: str, also: Callable[[Record], None] | None = None) -> Callable[[Record], None]:
        """Return what takes the records of one exchange."""
        number = next(self._numbers)
        began = math.inf

        def take(record: Record) -> None:
            nonlocal began
            if also is not None:
                also(record)
            # A record comes when its moment has passed, however late: so the least of these is nearest to the request.
            began = min(began, time.monotonic() - record.t)
            if record.point == "gateway.received" and record.way == "response":
                return  # what it received is what its upstream wrote
            if isinstance(record, FrameRecord | DataRecord) and len(record.data or b"") > MAX_SHOWN_OCTETS:
                record = record._replace(data=(record.data or b"")[:MAX_SHOWN_OCTETS], cut=True)
            noted = Noted(record, number, place, began + record.t)
            for watcher in self._watchers:
                watcher.note(noted)

        return take

    async def send_to(self, response: Responder) -> None:
        """Send records as they come, until the client leaves.

        Raises:
            Refusal: 503, so many watch already.
        """
        if len(self._watchers) >= MAX_WATCHERS:
            raise Refusal(503, "watchers", f"expected at most {MAX_WATCHERS} pages to watch one learner's streams")
        watcher = Watcher()
        self._watchers.add(watcher)
        fields = (EVENT_STREAM, (b"Cache-Control", b"no-store"))
        try:
            async with response.chunked(fields=fields) as body:
                await body.send_chunk(b"retry: 500\nevent: hello\ndata: {}\n\n")
                while True:
                    with trio.move_on_after(HEARTBEAT_SECONDS):
                        await watcher.has_more.wait()
                        await trio.sleep(BATCH_SECONDS)
                    watcher.has_more = trio.Event()
                    if not watcher.kept:
                        await body.send_chunk(b": heartbeat\n\n")
                    while watcher.kept:
                        await body.send_chunk(watcher.take())
        finally:
            self._watchers.discard(watcher)
