"""Records for a page: numbered by exchange, put on one clock, sent as server-sent events.

The rule here: records are made in batches, in the spare time of this process's streams. What a slow page does not take
is dropped, oldest first, and the page is sent the count.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from chunkwire.net.heads import Request
from chunkwire.net.sleeper import current_sleeper
from chunkwire.record.values import DataRecord, FrameRecord, Record, RequestRecord, to_json
from chunkwire.server.refusal import Refusal
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.tap import RecordFor, Work
from chunkwire.wire.errors import ChunkwireError

MAX_KEPT: Final = 20_000  # unsent records of a watcher: some 10 s of 1000 frames a second at two points
MAX_KEPT_OCTETS: Final = 16 << 20  # the same in octets: records of large frames have some 6 KB
MAX_WATCHERS: Final = 16  # pages of one learner
MAX_SHOWN_OCTETS: Final = 4096  # of one frame's data; a page shows no more
BATCH_SECONDS: Final = 0.04  # records are made and sent together: 25 times a second looks continuous
EVENT_RECORDS: Final = 500  # sent as one event, some 100 KB
HEARTBEAT_SECONDS: Final = 15.0  # proxies end connections that are silent for a minute


class Watcher:
    """One page's event stream: what it has not been sent yet."""

    def __init__(self) -> None:
        self.kept: deque[str] = deque()
        self._octets = 0  # of them
        self.dropped = 0
        self.has_more = trio.Event()

    def note(self, line: str) -> None:
        """Keep a record until it is sent."""
        self.kept.append(line)
        self._octets += len(line)
        while len(self.kept) > MAX_KEPT or self._octets > MAX_KEPT_OCTETS:
            self._pop()
            self.dropped += 1

    def _pop(self) -> str:
        line = self.kept.popleft()
        self._octets -= len(line)
        return line

    def take(self) -> bytes:
        """Return some of what is kept as one event, preceded by what was dropped."""
        dropped, self.dropped = self.dropped, 0
        lines = [self._pop() for _ in range(min(EVENT_RECORDS, len(self.kept)))]
        said = f"event: dropped\ndata: {dropped}\n\n" if dropped else ""
        return (said + "".join(f"data: {line}\n" for line in lines) + "\n").encode("ascii")


class Watched:
    """Takes the records of one exchange."""

    def __init__(self, watchers: Watchers, number: int, place: str) -> None:
        self.later = watchers.later  # queues work that makes records
        self._watchers = watchers
        self._where = f',"x":{number},"place":{json.dumps(place)},"at":'
        self._began = 0.0

    def __call__(self, record: Record) -> None:
        """Keep a record for each watcher, as JSON with the exchange's number, its place and a monotonic time in s."""
        if isinstance(record, RequestRecord):
            # The first record of an exchange: when the request came, however late this is called.
            self._began = time.monotonic() - (time.time() - record.wall) - record.t
        if isinstance(record, FrameRecord | DataRecord) and len(record.data or b"") > MAX_SHOWN_OCTETS:
            record = record._replace(data=(record.data or b"")[:MAX_SHOWN_OCTETS], cut=True)
        self._watchers.note(f"{to_json(record)[:-1]}{self._where}{self._began + record.t:.6f}}}")


class Watchers:
    """The pages that watch one learner's exchanges, and the queue of records to be made for them."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._numbers = itertools.count(1)
        self._later: deque[Work] = deque()
        self._is_due = False
        self._makers = trio.lowlevel.ParkingLot()

    def record_for(self, place: str, also: Callable[[Record], None] | None = None) -> RecordFor:
        """Return a function that chooses what takes the records of an exchange: `also` alone while no page watches.

        Args:
            place: the server's name on the page, such as "origin" or "gateway buffer".
            also: takes them too, each at once; None where nothing else does.
        """

        def choose(_: Request) -> Callable[[Record], None] | None:
            if not self._watchers:
                return also
            watched = Watched(self, next(self._numbers), place)
            if also is None:
                return watched

            def take(record: Record) -> None:
                also(record)
                watched(record)

            return take

        return choose

    def note(self, line: str) -> None:
        """Keep a record for each watcher."""
        for watcher in self._watchers:
            watcher.note(line)
        self._set_due()

    def later(self, work: Work) -> None:
        """Make records later, in the order of the calls; at once where nobody watches any more."""
        self._later.append(work)
        self._set_due()
        while self._later and not self._watchers:
            self._make_some()

    def _set_due(self) -> None:
        if not self._is_due:
            self._is_due = True
            # Often called while the run sleeps, where a task that is unparked would not end the sleep.
            trio.lowlevel.current_trio_token().run_sync_soon(self._makers.unpark_all)

    def _make_some(self) -> bool:
        if self._later and not self._later[0]():
            self._later.popleft()
        return bool(self._later)

    async def _make_records(self) -> None:
        """Make the queued records, in batches at least `BATCH_SECONDS` apart, and have them sent; until cancelled."""
        sleeper = await current_sleeper()
        while True:
            while not self._is_due:
                await self._makers.park()
            await trio.sleep(BATCH_SECONDS)
            self._is_due = False
            await sleeper.in_spare_time(self._make_some)
            for watcher in self._watchers:
                watcher.has_more.set()

    async def send_to(self, response: Responder) -> None:
        """Send records as they come, until the client leaves.

        Raises:
            Refusal: 503, `MAX_WATCHERS` watch already.
            PeerGone: the client has left.
        """
        if len(self._watchers) >= MAX_WATCHERS:
            raise Refusal(503, "watchers", f"expected at most {MAX_WATCHERS} pages to watch one learner's streams")
        watcher = Watcher()
        self._watchers.add(watcher)
        ended: ChunkwireError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._make_records, name="records of a page")
                try:
                    await self._send_all(watcher, response)
                except ChunkwireError as error:
                    ended = error
                nursery.cancel_scope.cancel()
        finally:
            self._watchers.discard(watcher)
            while self._later and not self._watchers:
                self._make_some()
        if ended is not None:
            raise ended

    async def _send_all(self, watcher: Watcher, response: Responder) -> None:
        fields = (EVENT_STREAM, (b"Cache-Control", b"no-store"))
        async with response.chunked(fields=fields) as body:
            await body.send_chunk(b"retry: 500\nevent: hello\ndata: {}\n\n")
            while True:
                with trio.move_on_after(HEARTBEAT_SECONDS):
                    await watcher.has_more.wait()
                watcher.has_more = trio.Event()
                if not watcher.kept:
                    await body.send_chunk(b": heartbeat\n\n")
                while watcher.kept:
                    await body.send_chunk(watcher.take())
