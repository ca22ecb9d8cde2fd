"""The clock of a bench: many open streams, each receive timed at once, and read apart only when nothing is waiting.

The rule here: between an arrival and the reading of the clock lies one receive and nothing else: a loop in a thread of
its own sees to it (trio would add a task switch to each arrival). TLS streams, and systems without epoll, are read by
trio's tasks instead: timed a little later.

Open loop: the origin's plan decides when frames are due, never what has arrived; a stream that ends, or fails, is
followed by another until the time is over. After a failure the next one waits, so that a broken target is not flooded.
"""

from __future__ import annotations

import gc
import math
import select
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from chunkwire.client.request import build_request
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError, Url, dial
from chunkwire.net.ends import ClientConnection, IncompleteHead
from chunkwire.net.heads import Response, response_framing
from chunkwire.net.tls import make_tls
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.tools.bench.loop import POLL_SECONDS, Loop, handed_over
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import StreamSampler, Window
from chunkwire.tools.bench.saturation import trend_of
from chunkwire.wire.errors import ChunkwireError

STALLED: Final = "stalled"

MAX_PATIENCE_SECONDS: Final = 30.0
"""How long a stream may take to bring its first frame, at most; and without a time of sampling, any next one."""

MIN_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 1.0
"""Before the next stream after one that failed, doubled for each in a row: 10 slots ask a broken target 10 times a
second in the end. After one that did not fail, no two begin closer than the first: an answer that is no stream, and
over at once, is not asked for as often as it will go."""


MAX_ROUND_SECONDS: Final = 0.5
MIN_ROUNDS: Final = 20
"""A run is cut into at least so many rounds, of so many s each at most."""


class NotOpened(ChunkwireError):
    """The target does not answer with the stream; `status` is what it answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"expected 200 from the target, got {status} {reason}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a bench puts on a target.

    Attributes:
        streams: open at once.
        total: streams in all; None: as many as the time takes.
        seconds: of sampling; inf with a total: until all have ended.
        warmup: s after every stream's first frame, before a sample counts.
        patience: s that a stream may take to bring its first frame.
        max_time: s that a stream may take in all.
        spread: s over which the streams are opened, so that they are not due at one moment.
        must_open: raise if the very first stream gets no connection, or another status than 200.
    """

    url: Url
    streams: int = 1
    total: int | None = None
    seconds: float = 10.0
    warmup: float = 1.0
    patience: float = MAX_PATIENCE_SECONDS
    max_time: float = math.inf
    must_open: bool = True
    spread: float = 0.0
    method: str = "GET"
    fields: tuple[tuple[str | bytes, str | bytes], ...] = ()
    body: bytes | None = None
    tls: ssl.SSLContext | None = None
    record_to: Callable[[Record], None] | None = None


@dataclass(slots=True)
class _Slot:
    """One of the streams that are open at once, and those that follow it.

    Attributes:
        answered: the first of them has a head, or failed.
        sampler: of the latest; None before its head.
        number: of the latest, from 1 over all slots; 0 before any was asked for.
        asked_ns: when that was asked for.
        is_done: none will follow.
    """

    answered: trio.Event = field(default_factory=trio.Event)
    sampler: StreamSampler | None = None
    number: int = 0
    asked_ns: int = 0
    has_failed: bool = False
    is_done: bool = False

    @property
    def is_settled(self) -> bool:
        """Say whether a frame has come on it, or a stream of it has ended."""
        sampler = self.sampler
        return self.is_done or self.has_failed or (sampler is not None and (sampler.has_begun or sampler.is_over))


def kind_of(error: ChunkwireError) -> str:
    """Return in few words how a stream failed that brought no head."""
    if isinstance(error, DialError):
        return f"no connection ({error.kind})"
    if isinstance(error, NotOpened):
        return f"status {error.status}"
    if isinstance(error, IncompleteHead):
        return "closed within the head" if error.octets else "closed before the head"
    return "reset" if isinstance(error, PeerGone) else "malformed head"


class Meter:
    """Runs one load, once; what it gathered is whole once `run` is over, also where that was cancelled."""

    def __init__(self, load: Load, *, report_progress: Callable[[Gathered], None] | None = None) -> None:
        self.gathered = Gathered(width=min(MAX_ROUND_SECONDS, load.seconds / MIN_ROUNDS))
        self.window = Window()
        self._load = load
        self._report_progress = report_progress
        self._slots = [_Slot() for _ in range(min(load.streams, load.total or load.streams))]
        self._begun: list[StreamSampler] = []
        self._waited = 0.0
        self._busy: float | None = None
        self._tls = (load.tls or make_tls()) if load.url.scheme == "https" else None
        is_looped = self._tls is None and hasattr(select, "epoll")
        self._loop = Loop(trio.lowlevel.current_trio_token()) if is_looped else None

    async def run(self) -> None:
        """Open the streams, warm up and sample.

        Raises:
            ChunkwireError: the very first stream could not be opened, where the load says that it must.
        """
        was_collecting = gc.isenabled()
        gc.disable()  # a collection in the middle would be a pause of ours
        try:
            async with trio.open_nursery() as nursery:
                if self._loop is not None:
                    nursery.start_soon(trio.to_thread.run_sync, self._loop.run, name="loop")
                try:
                    async with trio.open_nursery() as streams:
                        if await self._open(streams):
                            await self._sample()
                        if math.isfinite(self._load.seconds):
                            self._close_window()
                            streams.cancel_scope.cancel()
                finally:
                    self._close_window()
                    if self._loop is not None:
                        self._loop.is_over.set()
        finally:
            if was_collecting:
                gc.enable()
            self._finish()

    async def _open(self, streams: trio.Nursery) -> bool:
        """Open one stream after another, each once the one before has its head; wait for what becomes of them.

        Returns:
            False where no frame came in time.
        """
        load = self._load
        if math.isinf(load.seconds) and not load.warmup:
            self._open_window()
        give_up = trio.current_time() + load.patience
        for number, slot in enumerate(self._slots, 1):
            streams.start_soon(self._keep_open, slot, name=f"stream {number}")
            with trio.move_on_at(give_up):
                await slot.answered.wait()
                await trio.sleep(load.spread / load.streams)
        while trio.current_time() < give_up and not all(slot.is_settled for slot in self._slots):  # noqa: ASYNC110
            await trio.sleep(POLL_SECONDS)  # what is waited for happens in the loop's thread
        return trio.current_time() < give_up or any(sampler.has_begun for sampler in self._begun)

    async def _sample(self) -> None:
        """Warm up, and sample until the time is over or every stream that was asked for has ended."""
        await trio.sleep(self._load.warmup)
        self._open_window()
        if math.isinf(self._load.seconds):
            return  # until the last stream has ended
        end = trio.current_time() + self._load.seconds
        while trio.current_time() < end and not all(slot.is_done for slot in self._slots):
            await trio.sleep(min(0.5, max(0.0, end - trio.current_time())))
            if self._report_progress is not None:
                self._report_progress(self.gathered)

    def _open_window(self) -> None:
        if math.isinf(self.window.opens_ns):
            self.window.began_ns = self.window.opens_ns = time.time_ns()
            self._waited = self._loop.waited if self._loop is not None else 0.0

    def _close_window(self) -> None:
        if math.isfinite(self.window.closes_ns):
            return
        self.window.closes_ns = time.time_ns()
        seconds = (self.window.closes_ns - self.window.opens_ns) / 1e9
        if self._loop is not None and seconds > 0:
            self._busy = 1 - (self._loop.waited - self._waited) / seconds

    def _finish(self) -> None:
        """Make the figures that only whole streams give, once nothing more is read."""
        closes_ns, seconds = self.window.closes_ns, (self.window.closes_ns - self.window.opens_ns) / 1e9
        for slot in self._slots:
            if slot.is_done:
                continue
            if slot.sampler is not None and slot.sampler.is_stalled(closes_ns):
                slot.sampler.failure = STALLED
            elif slot.number and not slot.is_settled and closes_ns - slot.asked_ns >= self._load.patience * 1e9:
                self._fail(slot, self._no_frame())
        for sampler in self._begun:
            sampler.finish()
        if seconds > 0:
            late, added = (
                [one.samples[name] for one in self.gathered.rounds if name in one.samples] for name in ("late", "added")
            )
            self.gathered.trends.append(trend_of(late, added, seconds=seconds, busy=self._busy))

    def _no_frame(self) -> str:
        return f"no frame within {self._load.patience:g} s"

    def _fail(self, slot: _Slot, kind: str) -> None:
        """Count a failure, by the stream's own account where it has one already."""
        if slot.sampler is None:
            self.gathered.fail(kind)
        else:
            slot.sampler.failure = slot.sampler.failure or kind

    async def _keep_open(self, slot: _Slot) -> None:
        """Keep one stream open, and open another when it ends, as long as the load says."""
        pause = 0.0
        try:
            while self._load.total is None or self.gathered.streams < self._load.total:
                kind = await self._attempt(slot)
                slot.answered.set()
                pause = min(MAX_PAUSE_SECONDS, 2 * pause or MIN_PAUSE_SECONDS) if kind else 0.0
                took = (time.time_ns() - slot.asked_ns) / 1e9
                await trio.sleep(pause or max(0.0, MIN_PAUSE_SECONDS - took))
            slot.is_done = True
        finally:
            slot.answered.set()

    async def _attempt(self, slot: _Slot) -> str:
        """Run one stream, and count it; return how it failed, empty for not."""
        self.gathered.streams += 1
        slot.number = self.gathered.streams
        slot.sampler, slot.asked_ns, kind = None, time.time_ns(), ""
        try:
            with trio.move_on_after(self._load.max_time) as whole:
                kind = await self._one(slot)
            if whole.cancelled_caught:
                kind = f"not over within {self._load.max_time:g} s"
        except ChunkwireError as error:
            if slot.number == 1 and self._load.must_open and isinstance(error, DialError | NotOpened):
                raise
            kind = kind_of(error)
        if kind:
            slot.has_failed = True
            self._fail(slot, kind)
        return kind

    async def _one(self, slot: _Slot) -> str:
        load, connection = self._load, None
        give_up = trio.current_time() + load.patience
        try:
            with trio.move_on_at(give_up):
                connection = await dial(load.url.host, load.url.port, tls=self._tls)
                slot.sampler = await self._ask(connection, slot.number)
            if connection is None or slot.sampler is None:
                return self._no_frame()
            self._begun.append(slot.sampler)
            slot.answered.set()
            return await self._read(connection, slot.sampler, give_up)
        finally:
            if connection is not None:
                connection.reset()

    async def _read(self, connection: ClientConnection, sampler: StreamSampler, give_up: float) -> str:
        if self._loop is None:
            return await self._until_over(partial(_read_by_trio, connection, sampler), sampler, give_up)
        leftover = bytes(connection.leftover)
        if leftover and not sampler.take(time.time_ns(), leftover):
            return sampler.failure
        with handed_over(connection, sampler, self._loop) as ended:
            return await self._until_over(ended.wait, sampler, give_up)

    async def _until_over(self, wait: Callable[[], Awaitable[None]], sampler: StreamSampler, give_up: float) -> str:
        """Wait until a stream is over, or silent for longer than may be; return how it failed, empty for not."""
        while True:
            seen = sampler.reads
            with trio.move_on_at(give_up):
                await wait()
                return sampler.failure
            if not sampler.has_begun:
                return self._no_frame()
            if math.isfinite(self._load.seconds):
                give_up = math.inf  # a silence is judged when the time is over
            elif sampler.reads == seen:
                return STALLED
            else:
                give_up = trio.current_time() + MAX_PATIENCE_SECONDS

    async def _ask(self, connection: ClientConnection, number: int) -> StreamSampler:
        """Send the request, receive the head, and return what takes the body."""
        load = self._load
        request = build_request(load.method, load.url, fields=load.fields, body=load.body)
        sent_ns = time.time_ns()
        await connection.send_request(request)
        if load.body:
            await connection.send_all(load.body)
        response = await connection.receive_response()
        while response.status < 200:
            response = await connection.receive_response()
        if response.status != 200:
            raise NotOpened(response.status, response.reason.decode("latin-1"))
        recorder = self._recorder(number, sent_ns, request.target, request.fields, response)
        return StreamSampler(
            self.gathered,
            self.window,
            framing=response_framing(response, load.method.encode()),
            coding=(response.get(b"content-encoding") or b"").decode("latin-1"),
            sent_ns=sent_ns,
            recorder=recorder,
        )

    def _recorder(
        self, number: int, sent_ns: int, target: bytes, fields: tuple[tuple[bytes, bytes], ...], response: Response
    ) -> Recorder | None:
        load = self._load
        if load.record_to is None:
            return None
        sent = Recorder(load.record_to, stream=number, point="client.sent", way="request")
        sent.request(0.0, load.method.encode(), target, fields, sent_ns / 1e9)
        recorder = Recorder(load.record_to, stream=number, point="client.received")
        recorder.head((time.time_ns() - sent_ns) / 1e9, response.start_line, response.fields)
        return recorder


async def _read_by_trio(connection: ClientConnection, sampler: StreamSampler) -> None:
    while True:
        octets: bytes | None
        try:
            octets = await connection.receive_some()
        except PeerGone:
            octets = None
        if not sampler.take(time.time_ns(), octets):
            return
