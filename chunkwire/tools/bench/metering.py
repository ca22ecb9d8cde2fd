"""The clock of a bench: many open streams, each receive timed at once, and read apart only when nothing is waiting.

The rule here: between an arrival and the reading of the clock lies one receive and nothing else: a loop in a thread of
its own sees to it (trio would add a task switch to each arrival). TLS streams, and systems without epoll, are read by
trio's tasks instead: timed a little later.

Open loop: the origin's plan decides when frames are due, never what has arrived. Either so many streams are kept open:
one that ends, or fails, is followed by another until the time is over. After a failure the next one waits, so that a
broken target is not flooded. Or streams begin at a rate, whatever has become of those before.
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
from typing import Final

import trio

from chunkwire.net.stamps import clock_offset_ns
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.hops import read_stamps
from chunkwire.tools.bench.intervals import warmup_rounds
from chunkwire.tools.bench.load import Arrivals, Load, Opening
from chunkwire.tools.bench.loop import POLL_SECONDS, Loop
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import Window
from chunkwire.tools.bench.saturation import trend_of
from chunkwire.tools.bench.segments import TIMER, HopStamps
from chunkwire.tools.bench.streams import Slot, StreamRunner

MIN_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 1.0
"""Before the next stream after one that failed, doubled for each in a row: 10 slots ask a broken target 10 times a
second in the end. After one that did not fail, no two begin closer than the first: an answer that is no stream, and
over at once, is not asked for as often as it will go."""

SWITCH_SECONDS: Final = 0.0001
"""How long the loop's thread waits at most until another gives the interpreter up; Python's is 5 ms."""

MAX_OPEN: Final = 10_000
"""Streams that a rate may have open at once; one more is a failure, and is not begun."""

TIMER_SECONDS: Final = 0.02
"""Between two timers of this process whose lateness is measured."""

FIRST_LOOK_SECONDS: Final = 3.0
LOOK_GROWTH: Final = 1.25
"""When `is_enough` is asked: after so many s of sampling, and then each time that they have grown so much. Each look is
one more chance to end on a lucky interval, so that there are few."""


def has_epoll() -> bool:
    """Say whether streams can be read by one loop, which can read the kernel's stamps; else trio reads them."""
    return hasattr(select, "epoll")


class Meter:
    """Runs one load, once; what it gathered is whole once `run` is over, also where that was cancelled.

    Attributes:
        offsets_ns: CLOCK_REALTIME less CLOCK_MONOTONIC, at the beginning and at the end.
    """

    def __init__(self, load: Load, *, report_progress: Callable[[Gathered], None] | None = None) -> None:
        self.window = Window()
        self._load = load
        self._report_progress = report_progress
        is_looped = load.url.scheme != "https" and has_epoll()
        self._loop = Loop(trio.lowlevel.current_trio_token()) if is_looped else None
        self._runner = StreamRunner(load, self.window, self._loop)
        self._slots = [] if load.arrivals else [Slot() for _ in range(min(load.streams, load.total or load.streams))]
        self._has_begun_all = load.arrivals is None
        self._waited = 0.0
        self._late_timers = DurationHistogram()
        self._hop_stamps: list[dict[int, HopStamps]] = []
        self.offsets_ns = (0, 0)
        self._busy: float | None = None

    @property
    def gathered(self) -> Gathered:
        """What was gathered so far."""
        return self._runner.gathered

    async def run(self) -> None:
        """Open the streams, warm up and sample.

        Raises:
            ChunkwireError: the very first stream could not be opened, where the load says that it must; or a hop says
                nothing of stamps.
        """
        for hop in self._load.hops:
            await read_stamps(hop, self._runner.run_id)
        was_collecting, interval = gc.isenabled(), sys.getswitchinterval()
        gc.disable()  # a collection in the middle would be a pause of ours
        sys.setswitchinterval(SWITCH_SECONDS)
        began_ns = clock_offset_ns()
        try:
            async with trio.open_nursery() as nursery:
                if self._loop is not None:
                    nursery.start_soon(trio.to_thread.run_sync, self._loop.run, name="loop")
                await self._run_streams()
            self._hop_stamps = [await read_stamps(hop, self._runner.run_id) for hop in self._load.hops]
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
        """Take note of how late this process is where it waits for a moment."""
        while True:
            due = trio.current_time() + TIMER_SECONDS
            await trio.sleep_until(due)
            self._note_timer(due)

    def _note_timer(self, due: float) -> None:
        if math.isfinite(self.window.opens_ns) and math.isinf(self.window.closes_ns):
            self._late_timers.record(round((trio.current_time() - due) * 1e9))

    async def _open(self, streams: trio.Nursery) -> bool:
        """Open the first streams and wait for what becomes of them; at a rate, wait for nothing.

        Returns:
            False where no frame came in time.
        """
        load = self._load
        if math.isinf(load.seconds) and not load.warmup:
            self._open_window()
        if load.arrivals is not None:
            streams.start_soon(self._begin_at_rate, load.arrivals, streams, name="arrivals")
            return True
        give_up = trio.current_time() + load.patience
        for number, slot in enumerate(self._slots, 1):
            streams.start_soon(self._keep_open, slot, name=f"stream {number}")
            if load.opening is Opening.STAGGERED:
                with trio.move_on_at(give_up):
                    await slot.answered.wait()
                    await trio.sleep(load.spread / load.streams)
        while trio.current_time() < give_up and not all(slot.is_settled for slot in self._slots):  # noqa: ASYNC110
            await trio.sleep(POLL_SECONDS)  # what is waited for happens in the loop's thread
        return trio.current_time() < give_up or self.gathered.has_seen("first")

    async def _begin_at_rate(self, arrivals: Arrivals, streams: trio.Nursery) -> None:
        """Begin streams when they are due, whatever has become of those before."""
        chance, due = random.Random(), trio.current_time()
        offset_ns = time.time_ns() - round(due * 1e9)
        for begun in itertools.count():
            if begun == self._load.total:
                break
            due += arrivals.gap(chance)
            await trio.sleep_until(due)
            self._note_timer(due)  # one that is more than it can begin is its own delay, not the target's
            if len(self._slots) < MAX_OPEN:
                self._slots.append(slot := Slot())
                streams.start_soon(self._run_once, slot, round(due * 1e9) + offset_ns, name="stream")
            else:
                self.gathered.streams += 1
                self.gathered.fail(f"not begun, since {MAX_OPEN} were open")
        self._has_begun_all = True

    async def _run_once(self, slot: Slot, due_ns: int) -> None:
        await self._runner.run(slot, due_ns=due_ns)
        slot.is_done = True
        self._slots.remove(slot)

    async def _sample(self) -> None:
        """Warm up, and sample until the time is over or every stream that was asked for has ended."""
        load = self._load
        await trio.sleep(load.warmup or 0.0)
        self._open_window()
        if math.isinf(load.seconds):
            return  # until the last stream has ended
        began = trio.current_time()
        end, look = began + load.seconds, began + FIRST_LOOK_SECONDS
        while (now := trio.current_time()) < end and not self._is_over():
            await trio.sleep(min(0.5, max(0.0, end - now)))
            if self._report_progress is not None:
                self._report_progress(self.gathered)
            if load.is_enough is not None and trio.current_time() >= look:
                if self._looks_enough(load.is_enough):
                    return
                look = began + (trio.current_time() - began) * LOOK_GROWTH

    def _is_over(self) -> bool:
        return self._has_begun_all and all(slot.is_done for slot in self._slots)

    def _looks_enough(self, is_enough: Callable[[Gathered], bool]) -> bool:
        """Ask while no frame counts: what is computed meanwhile would delay the loop."""
        self.window.closes_ns = time.time_ns()
        found = is_enough(self.gathered)
        if not found:
            self.window.opens_ns, self.window.closes_ns = time.time_ns(), math.inf
        return found

    def _open_window(self) -> None:
        if math.isinf(self.window.opens_ns):
            self.window.began_ns = self.window.opens_ns = time.time_ns()
            self._waited = self._loop.waited if self._loop is not None else 0.0

    def _close_window(self) -> None:
        if math.isfinite(self.window.closes_ns):
            return
        self.window.closes_ns = time.time_ns()
        seconds = (self.window.closes_ns - self.window.began_ns) / 1e9
        if self._loop is not None and seconds > 0:
            self._busy = 1 - (self._loop.waited - self._waited) / seconds

    def _finish(self) -> None:
        """Make the figures that only whole streams give, once nothing more is read."""
        self._runner.finish(self._slots, self.window.closes_ns)
        if self._runner.segments is not None:
            self._runner.segments.finish(self.gathered, self._hop_stamps or [{} for _ in self._load.hops])
        if self._load.warmup is None:
            self.gathered.leave_out(warmup_rounds(self.gathered.rounds))
        if self.gathered.rounds and self._late_timers.n:
            self.gathered.rounds[0].samples[TIMER] = self._late_timers
        seconds = (self.window.closes_ns - self.window.began_ns) / 1e9
        if seconds > 0:
            late, added = (
                [one.samples[name] for one in self.gathered.rounds if name in one.samples] for name in ("late", "added")
            )
            self.gathered.trends.append(trend_of(late, added, seconds=seconds, busy=self._busy))

    async def _keep_open(self, slot: Slot) -> None:
        """Keep one stream open, and open another when it ends, as long as the load says."""
        pause = 0.0
        try:
            while self._load.total is None or self.gathered.streams < self._load.total:
                kind = await self._runner.run(slot)
                slot.answered.set()
                pause = min(MAX_PAUSE_SECONDS, 2 * pause or MIN_PAUSE_SECONDS) if kind else 0.0
                took = (time.time_ns() - slot.asked_ns) / 1e9
                await trio.sleep(pause or max(0.0, MIN_PAUSE_SECONDS - took))
            slot.is_done = True
        finally:
            slot.answered.set()
