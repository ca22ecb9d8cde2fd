"""Runs one load: opens streams, times what they receive, and gathers the samples.

The rule here: only one receive lies between an arrival and the reading of the clock. So a loop in its own thread
(`loop`) does both; a trio task would add a task switch to each arrival. On a system without epoll, trio's tasks read,
and streams are timed slightly later.

The load is an open loop: frames are due when the origin's plan says, whether earlier ones have arrived or not. Either
a number of streams is kept open, and one that ends or fails is followed by another; after a failure the next one waits,
so that a broken target is not flooded. Or streams begin at a rate, whether earlier ones have ended or not.
"""

from __future__ import annotations

import gc
import itertools
import math
import random
import select
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import trio

from chunkwire import client
from chunkwire.net.dial import Url
from chunkwire.net.listen import raise_file_limit
from chunkwire.net.stamps import clock_offset_ns
from chunkwire.server.stampdesk import STAMPS_PATH
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.intervals import warmup_rounds
from chunkwire.tools.bench.load import Arrivals, Load, Opening
from chunkwire.tools.bench.loop import POLL_SECONDS, Loop
from chunkwire.tools.bench.rounds import Gathered, trend_of
from chunkwire.tools.bench.samples import Window
from chunkwire.tools.bench.segments import TIMER, HopStamps, along_way, parse_stamps
from chunkwire.tools.bench.streams import Slot, StreamRunner
from chunkwire.wire.errors import ChunkwireError, LocalError

MIN_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 1.0
"""Pause after a stream that failed, doubled with each failure in a row: 10 slots then send a broken target 10 requests
a second, and fewer where it answers with Retry-After. After one that did not fail, the next begins at least
`MIN_PAUSE_SECONDS` after it began: short answers are not requested in a busy loop."""

SWITCH_SECONDS: Final = 0.0001
"""The interpreter's switch interval: how long the loop's thread waits for the other one. Python's default is 5 ms."""

MAX_OPEN: Final = 10_000
"""Streams that may be open at once at a rate; a further one is not begun and counts as a failure."""

TIMER_SECONDS: Final = 0.02
"""Interval of the timers whose lateness is measured."""

HOP_SECONDS: Final = 30.0
"""Limit on a hop's answer with its stamps, which has some 60 octets a frame."""

FIRST_LOOK_SECONDS: Final = 3.0
"""Sampling before the first call of `is_enough`."""
LOOK_GROWTH: Final = 1.25
"""Factor of the sampled time, or of the turns, from one call to the next. Each call is a chance to end on a lucky
interval, so few are made."""


def has_epoll() -> bool:
    """Say whether the system has epoll, so that `loop` can read streams and their kernel stamps."""
    return hasattr(select, "epoll")


class Meter:
    """Runs one load, once; `gathered` is complete when `run` has ended, also where it was cancelled.

    Attributes:
        offsets_ns: CLOCK_REALTIME less CLOCK_MONOTONIC, at the beginning and at the end.
        known_hops: the hops that have stamps of this load's streams, once it has run, as `along_way` gives them.
    """

    def __init__(self, load: Load, *, report_progress: Callable[[Gathered], None] | None = None) -> None:
        self.window = Window()
        self._load = load
        self._report_progress = report_progress
        self._loop = Loop(trio.lowlevel.current_trio_token()) if has_epoll() else None
        self._runner = StreamRunner(load, self.window, self._loop)
        self.gathered = self._runner.gathered
        self._slots = [] if load.arrivals else [Slot() for _ in range(min(load.streams, load.total or load.streams))]
        self._has_begun_all = load.arrivals is None
        self._has_begun_total = trio.Event()  # no slot will open another stream
        self._waited = 0.0
        self._late_timers = DurationHistogram()
        self._hop_stamps: dict[Url, dict[int, HopStamps]] = {}
        self.known_hops: list[tuple[str, Url]] = []
        self.offsets_ns = (0, 0)
        self._busy: float | None = None
        self._due, self._behind = math.inf, 0.0  # of the latest stream at a rate: its planned beginning; s behind it

    async def run(self) -> None:
        """Open the streams, warm up and sample.

        Raises:
            ChunkwireError: the first stream could not be opened although it must be (in an exception group), or a hop
                does not answer with stamps.
        """
        raise_file_limit()
        for hop in self._load.hops:
            await read_stamps(hop, self._runner.run_id)
        was_collecting, interval = gc.isenabled(), sys.getswitchinterval()
        gc.disable()  # a collection would delay the loop
        sys.setswitchinterval(SWITCH_SECONDS)
        began_ns = clock_offset_ns()
        try:
            async with trio.open_nursery() as nursery:
                if self._loop is not None:
                    nursery.start_soon(trio.to_thread.run_sync, self._loop.run, name="loop")
                await self._run_streams()
            self._hop_stamps = {hop: await read_stamps(hop, self._runner.run_id) for hop in self._load.hops}
            self.known_hops = along_way(self._hop_stamps)
        finally:
            self.offsets_ns = (began_ns, clock_offset_ns())
            sys.setswitchinterval(interval)
            if was_collecting:
                gc.enable()
            self._finish()

    async def _run_streams(self) -> None:
        try:
            async with trio.open_nursery() as beside:
                beside.start_soon(self._time_timers, name="timers")
                async with trio.open_nursery() as streams:
                    if await self._open(streams):
                        await self._sample()
                    if math.isfinite(self._load.seconds):
                        self._close_window()
                        streams.cancel_scope.cancel()
                beside.cancel_scope.cancel()
        finally:
            self._close_window()
            if self._loop is not None:
                self._loop.is_over.set()

    async def _time_timers(self) -> None:
        while True:
            due = trio.current_time() + TIMER_SECONDS
            await trio.sleep_until(due)
            self._note_timer(due)

    def _note_timer(self, due: float) -> None:
        if math.isfinite(self.window.opens_ns) and math.isinf(self.window.closes_ns):
            self._late_timers.record(round((trio.current_time() - due) * 1e9))

    async def _open(self, streams: trio.Nursery) -> bool:
        """Open the first streams and wait until each has had a frame or has failed; at a rate, do not wait.

        Returns:
            False where `Load.patience` passed without a frame of any.
        """
        load = self._load
        if math.isinf(load.seconds) and not load.warmup:
            self._open_window()
        if load.arrivals is not None:
            streams.start_soon(self._begin_at_rate, load.arrivals, streams, name="arrivals")
            return True
        give_up = trio.current_time() + load.patience
        for number, slot in enumerate(self._slots, 1):
            if trio.current_time() >= give_up and not self.gathered.has("first"):
                return False
            streams.start_soon(self._keep_open, slot, name=f"stream {number}")
            if load.opening is Opening.STAGGERED:
                with trio.move_on_at(give_up):
                    await slot.answered.wait()
                    await trio.sleep(load.spread / load.streams)
        while trio.current_time() < give_up and not all(slot.is_settled for slot in self._slots):  # noqa: ASYNC110
            await trio.sleep(POLL_SECONDS)  # the loop's thread receives frames
        return trio.current_time() < give_up or self.gathered.has("first")

    async def _begin_at_rate(self, arrivals: Arrivals, streams: trio.Nursery) -> None:
        """Begin streams when they are due, whether earlier ones have ended or not."""
        chance, due = random.Random(), trio.current_time()
        offset_ns = time.time_ns() - round(due * 1e9)
        for begun in itertools.count():
            if begun == self._load.total:
                break
            due = self._due = due + arrivals.gap(chance)
            await trio.sleep_until(due)
            self._note_timer(due)  # `first` counts from `due`, so the lateness of this task is in it
            self._behind = trio.current_time() - due
            if len(self._slots) < MAX_OPEN:
                self._slots.append(slot := Slot(due_ns=round(due * 1e9) + offset_ns))
                streams.start_soon(self._run_once, slot, name="stream")
            else:
                self.gathered.streams += 1
                self.gathered.failures[f"not begun, since {MAX_OPEN} were open"] += 1
        self._has_begun_all = True

    async def _run_once(self, slot: Slot) -> None:
        await self._runner.run(slot)
        slot.is_done = True
        self._slots.remove(slot)

    async def _sample(self) -> None:
        """Warm up, then sample until the time is over, all `total` streams have ended, or it is enough."""
        load = self._load
        await trio.sleep(load.warmup or 0.0)
        self._open_window()
        if math.isinf(load.seconds):
            return  # the streams' nursery waits until the last one has ended
        began = trio.current_time()
        end, look = began + load.seconds, began + FIRST_LOOK_SECONDS
        while (now := trio.current_time()) < end and not self._is_over():
            await trio.sleep(min(0.5, max(0.0, end - now)))
            if self._report_progress is not None:
                self._report_progress(self.gathered)
            if load.is_enough is not None and trio.current_time() >= look:
                self.window.closes_ns = time.time_ns()  # no frame counts meanwhile: the computation delays the loop
                is_enough = load.is_enough(self.gathered)
                self.window.opens_ns, self.window.closes_ns = time.time_ns(), math.inf
                if is_enough:
                    return
                look = began + (trio.current_time() - began) * LOOK_GROWTH

    def _is_over(self) -> bool:
        return self._has_begun_all and all(slot.is_done for slot in self._slots)

    def _open_window(self) -> None:
        if math.isinf(self.window.opens_ns):
            self.window.began_ns = self.window.opens_ns = time.time_ns()
            self._waited = self._loop.waited if self._loop is not None else 0.0

    def _close_window(self) -> None:
        if math.isfinite(self.window.closes_ns):
            return
        self.window.closes_ns = time.time_ns()
        if not self._has_begun_all:
            self._behind = max(self._behind, trio.current_time() - self._due)
        seconds = (self.window.closes_ns - self.window.began_ns) / 1e9
        if self._loop is not None and seconds > 0:
            self._busy = 1 - (self._loop.waited - self._waited) / seconds

    def _finish(self) -> None:
        """Compute what needs whole streams, once nothing more is read."""
        self._runner.finish(self._slots, self.window.closes_ns)
        if self._runner.segments is not None:
            self._runner.segments.finish(self.gathered, [self._hop_stamps[hop] for _, hop in self.known_hops])
        if self._load.warmup is None:
            self.gathered.leave_out(warmup_rounds(self.gathered.rounds))
        if math.isfinite(self.window.began_ns):
            self.gathered.began = self.window.began_ns / 1e9 + self.gathered.warmup
        if self.gathered.rounds and self._late_timers.n:
            self.gathered.rounds[0].samples[TIMER] = self._late_timers
        seconds = (self.window.closes_ns - self.window.began_ns) / 1e9
        if seconds > 0:
            late, added = (
                [one.samples[name] for one in self.gathered.rounds if name in one.samples] for name in ("late", "added")
            )
            trend = trend_of(late, added, seconds=seconds, busy=self._busy)
            self.gathered.trends.append(replace(trend, behind_rate=self._behind, warmup=self.gathered.warmup))

    async def _keep_open(self, slot: Slot) -> None:
        """Keep one stream open: open the next when one ends, until `total` streams have been opened."""
        pause = 0.0
        try:
            while not self._has_begun_total.is_set():
                if self.gathered.streams + 1 == self._load.total:
                    self._has_begun_total.set()
                kind = await self._runner.run(slot)
                slot.answered.set()
                pause = min(MAX_PAUSE_SECONDS, 2 * pause or MIN_PAUSE_SECONDS) if kind else 0.0
                took = (time.time_ns() - slot.asked_ns) / 1e9
                with trio.move_on_after(max(pause, slot.wait) or max(0.0, MIN_PAUSE_SECONDS - took)):
                    await self._has_begun_total.wait()
            slot.is_done = True
        finally:
            slot.answered.set()


async def read_stamps(hop: Url, run_id: str) -> dict[int, HopStamps]:
    """Return a hop's stamps of a run's bodies, by the number of the stream.

    Args:
        hop: its `--admin` address.

    Raises:
        LocalError: it does not answer, or not with stamps.
    """
    where = f"--hop {hop.authority.decode('ascii')}"
    url = replace(hop, target=b"%b?run=%b" % (STAMPS_PATH, run_id.encode("ascii")))
    try:
        async with client.open("GET", url, total_timeout=HOP_SECONDS) as stream:
            status, text = stream.head.status, await stream.text()
    except ChunkwireError as error:
        raise LocalError(f"{where}: {error}") from error
    if status != 200:
        raise LocalError(f"{where}: expected the --admin address of serve or forward --stamps, got {status} there")
    return parse_stamps(text, where=where)
