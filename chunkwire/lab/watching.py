"""Records for a page: numbered by exchange, put on one clock, sent as server-sent events.

The rule here: records of bodies are made in batches, while the streams of this process need no CPU; they are made at
once only if another consumer needs them, or too many are due. Records that a slow page does not take are dropped, the
oldest first, and the page is sent their number.
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
from chunkwire.server.body import ChunkedBody
from chunkwire.server.refusal import Refusal
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.tap import RecordFor, Work
from chunkwire.wire.errors import ChunkwireError

MAX_KEPT: Final = 20_000  # unsent records of a watcher: some 10 s of 1000 frames a second at two points
MAX_KEPT_OCTETS: Final = 16 << 20  # the same in octets: records of large frames have some 6 KB
MAX_LATER: Final = 2000  # bodies whose records are still to be made: 1000 streams at two points
MAX_WATCHERS: Final = 16  # pages of one learner
MAX_SHOWN_OCTETS: Final = 4096  # of one frame's data; a page shows no more
BATCH_SECONDS: Final = 0.05  # records are made and sent together: 20 times a second looks continuous
EVENT_RECORDS: Final = 16  # sent as one event, some 4 KB: a send of 20 µs delays other streams little
HEARTBEAT_SECONDS: Final = 15.0  # proxies end connections that are silent for a minute


class Watcher:
    """One page's event stream: the records that it has not been sent yet.

    `send_some` sends in spare time, as long as the socket takes everything. If it does not, the page's task sends the
    rest, in `send_all`.
    """

    def __init__(self, response: Responder) -> None:
        self.kept: deque[str] = deque()  # lines of the event stream
        self._octets = 0  # in `kept`
        self._dropped = 0
        self._response = response
        self._unsent = memoryview(b"")  # of an event of which the socket took a part
        self._has_unsent = trio.Event()
        self._is_sending = True  # the page's task sends, so `send_some` must not

    def note(self, record: str) -> None:
        """Keep a record, as JSON, until it is sent or dropped."""
        line = f"data: {record}\n"
        self.kept.append(line)
        self._octets += len(line)
        while len(self.kept) > MAX_KEPT or self._octets > MAX_KEPT_OCTETS:
            self._pop()
            self._dropped += 1

    def _pop(self) -> str:
        line = self.kept.popleft()
        self._octets -= len(line)
        return line

    def take(self) -> bytes:
        """Return some kept records as one event; before it an event with the number of dropped ones, if any."""
        dropped, self._dropped = self._dropped, 0
        lines = [self._pop() for _ in range(min(EVENT_RECORDS, len(self.kept)))]
        said = f"event: dropped\ndata: {dropped}\n\n" if dropped else ""
        return f"{said}{''.join(lines)}\n".encode("ascii")

    def send_some(self, at_least: int) -> bool:
        """Send one event, or its first part, without blocking, if at least so many records are kept; return whether."""
        if len(self.kept) < at_least or self._is_sending:
            return False
        self._unsent = self._response.send_nowait([self.take()])
        if self._unsent:
            self._is_sending = True
            # A task that is woken in a step would not end the sleep, so it would wait for all spare work.
            trio.lowlevel.current_trio_token().run_sync_soon(self._has_unsent.set)
        return True

    async def send_all(self, body: ChunkedBody) -> None:
        """Send the first event, heartbeats, and the rest that `send_some` leaves, until the client leaves."""
        await body.send_chunk(b"retry: 500\nevent: hello\ndata: {}\n\n")
        while True:
            while self.kept:
                await body.send_chunk(self.take())
            self._is_sending = False
            with trio.move_on_after(HEARTBEAT_SECONDS):
                await self._has_unsent.wait()
            self._is_sending = True
            self._has_unsent = trio.Event()
            if self._unsent:
                await self._response.send_rest(self._unsent)
                self._unsent = memoryview(b"")
            else:
                await body.send_chunk(b": heartbeat\n\n")


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
            # The first record of an exchange. It has the time of the request, as this may be called much later.
            self._began = time.monotonic() - (time.time() - record.wall) - record.t
        if not self._watchers.has_any:
            return  # made although no page watches, as octets of its body were kept; a page may come before the next
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
        """Return a function that returns the consumer of an exchange's records: `also` alone if no page watches.

        Args:
            place: the server's name on the page, such as "origin" or "gateway buffer".
            also: another consumer, called with each record at once; None for none.
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

    @property
    def has_any(self) -> bool:
        """Some page watches."""
        return bool(self._watchers)

    def note(self, line: str) -> None:
        """Keep a record for each watcher."""
        for watcher in self._watchers:
            watcher.note(line)
        self._set_due()

    def later(self, work: Work) -> None:
        """Queue work that makes records; do it at once if nobody watches any more.

        If more than `MAX_LATER` bodies are queued, there is too little spare time: the oldest one's records are made at
        once. Its tap bounds their number (`MAX_NOTED_WRITES`, `MAX_NOTED_OCTETS`).
        """
        self._later.append(work)
        self._set_due()
        while self._later and (not self._watchers or len(self._later) > MAX_LATER):
            self._make_some()

    def _set_due(self) -> None:
        if not self._is_due and self._makers:
            # Often called while the run sleeps, where a task that is unparked would not end the sleep.
            trio.lowlevel.current_trio_token().run_sync_soon(self._makers.unpark_all)
        self._is_due = True

    def _make_some(self) -> bool:
        if self._later and not self._later[0]():
            self._later.popleft()
        return bool(self._later)

    def _make_or_send(self) -> float | None:
        """Send one event, or do one part of the queued work; see `sparetime.Step`."""
        if any(watcher.send_some(EVENT_RECORDS) for watcher in self._watchers):
            return 0.0
        if self._later:
            self._make_some()
            return 0.0
        if any(watcher.send_some(1) for watcher in self._watchers):
            return 0.0
        was_due, self._is_due = self._is_due, False
        return BATCH_SECONDS if was_due else None

    async def _make_records(self) -> None:
        """Until cancelled: make the queued records, in batches at least `BATCH_SECONDS` apart, and send them."""
        sleeper = await current_sleeper()
        while True:
            while not self._is_due:
                await self._makers.park()
            await trio.sleep(BATCH_SECONDS)
            await sleeper.in_spare_time(self._make_or_send)

    async def send_to(self, response: Responder) -> None:
        """Send records in batches, until the client leaves.

        Raises:
            Refusal: 503, `MAX_WATCHERS` watch already.
            PeerGone: the client has left.
            SendTimeout: the client took nothing in time.
        """
        if len(self._watchers) >= MAX_WATCHERS:
            raise Refusal(503, "watchers", f"expected at most {MAX_WATCHERS} pages to watch one learner's streams")
        watcher = Watcher(response)
        self._watchers.add(watcher)
        ended: ChunkwireError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._make_records, name="records of a page")
                try:
                    async with response.chunked(fields=(EVENT_STREAM, (b"Cache-Control", b"no-store"))) as body:
                        await watcher.send_all(body)
                except ChunkwireError as error:
                    ended = error
                nursery.cancel_scope.cancel()
        finally:
            self._watchers.discard(watcher)
            while self._later and not self._watchers:
                self._make_some()
        if ended is not None:
            raise ended
