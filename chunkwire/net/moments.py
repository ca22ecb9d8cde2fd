"""A clock for trio that sleeps to planned moments itself (Linux).

A timerfd that a task waits for costs each moment a turn of trio's loop: a task woken, the timer read and set, trio's
epoll set changed. But trio asks its clock how long it may sleep, whenever it has nothing to run. This clock sleeps
then, on trio's own set, which wakes it for everything that concerns trio; it sleeps by select(2), which counts
microseconds where epoll counts milliseconds. Whoever's moment has come is in the turn that follows. An awakening has
a cost of its own: where moments lie close, one serves all that came within `BATCH_SECONDS`.

The rule here: nothing of trio's is touched; the clock is the one given to `trio.run`. Not guaranteed: that
`trio.testing.wait_all_tasks_blocked` returns while somebody waits for a moment, as trio does not sleep then.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import math
import random
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from chunkwire.net.parking import find_trio_epoll

BATCH_SECONDS: Final = 250e-6  # between two awakenings for moments, at least: under load one serves several
_FD_SETSIZE: Final = 1024  # select(2) takes descriptors below it
_PR_SET_TIMERSLACK: Final = 29  # prctl(2)
_PR_GET_TIMERSLACK: Final = 30


class _Wait:
    """One task that waits for a moment; without a task it has been cancelled."""

    __slots__ = ("task",)

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self.task: trio.lowlevel.Task | None = task

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class MomentClock(trio.abc.Clock):
    """A clock to run trio with, and a pacer in that run once `find_epoll` has been called."""

    def __init__(self) -> None:
        self._offset = random.uniform(10_000, 1_000_000)  # as trio's own: its times compare with nothing else
        self._heap: list[tuple[float, int, _Wait]] = []
        self._next = math.inf  # the first of them
        self._woken = 0.0  # when a moment woke us last
        self._order = itertools.count()
        self._epoll: int | None = None

    async def find_epoll(self) -> bool:
        """Prepare to sleep on trio's set; False where that cannot be done."""
        if self._epoll is None:
            found = await find_trio_epoll()
            if found is not None and found < _FD_SETSIZE:
                self._epoll = found
        return self._epoll is not None

    # ---- the pacer -------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    async def wait_until(self, moment: float) -> None:
        """Wait for `moment`; one that has passed is only a checkpoint."""
        if moment <= time.monotonic():
            await trio.lowlevel.checkpoint()
            return
        wait = _Wait(trio.lowlevel.current_task())
        heapq.heappush(self._heap, (moment, next(self._order), wait))
        if moment < self._next:
            self._next = moment
        await trio.lowlevel.wait_task_rescheduled(wait.abandon)

    # ---- trio's clock ----------------------------------------------------------------------------------------

    def start_clock(self) -> None:
        """Do nothing: CLOCK_MONOTONIC runs."""

    def current_time(self) -> float:
        """Return trio's time; trio asks in each turn, before it runs tasks, and so those whose moment has come run."""
        now = time.monotonic()
        if now >= self._next:
            self._wake_due(now)
        return now + self._offset

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Sleep in trio's place while somebody waits for a moment; then trio only looks for events."""
        now = time.monotonic()
        seconds = deadline - self._offset - now
        if self._next == math.inf or self._epoll is None:
            return seconds
        seconds = min(seconds, max(self._next, self._woken + BATCH_SECONDS) - now)
        if seconds > 0:
            select.select((self._epoll,), (), (), seconds)
        return 0.0

    def _wake_due(self, now: float) -> None:
        self._woken = now
        heap = self._heap
        while heap and (heap[0][0] <= now or heap[0][2].task is None):
            task = heapq.heappop(heap)[2].task
            if task is not None:
                trio.lowlevel.reschedule(task)
        self._next = heap[0][0] if heap else math.inf


@contextmanager
def close_timers() -> Iterator[None]:
    """Let this thread's sleeps end within 1 ns of their time, as far as the kernel can, instead of 50 µs."""
    if sys.platform != "linux":
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    slack = prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, max(1, slack), 0, 0, 0)
