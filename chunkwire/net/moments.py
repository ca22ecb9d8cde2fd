"""A clock for trio that sleeps to planned moments itself (Linux).

A timerfd that a task waits for costs each moment a turn of trio's loop: a task woken, the timer read and set, trio's
epoll set changed. But trio asks its clock how long it may sleep, whenever it has nothing to run. This clock sleeps
then, on trio's own set, which wakes it for everything that concerns trio; it sleeps by select(2), which counts
microseconds where epoll counts milliseconds. Whoever's moment has come is in the turn that follows. An awakening has
a cost of its own, a sleep above all: where moments lie close, one serves all that came within `BATCH_SECONDS`, in a
crowd all that came within `CROWD_SECONDS`. Before a moment that stands alone the clock stays awake for a short while.

The rule here: nothing of trio's is touched; the clock is the one given to `trio.run`. Not guaranteed: that
`trio.testing.wait_all_tasks_blocked` returns while somebody waits for a moment, as trio does not sleep then.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import random
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from time import monotonic
from typing import Final

import trio
from trio.lowlevel import current_task, reschedule, wait_task_rescheduled

from chunkwire.net.parking import find_trio_epoll

BATCH_SECONDS: Final = 250e-6  # between two awakenings for moments, at least, for each task that the first one woke
CROWD_SECONDS: Final = 1e-3  # but no longer: what epoll(7) counts in, and so what other servers' timers are late by
AWAKE_SECONDS: Final = 400e-6  # before a lone moment: a machine in a deep sleep wakes up 0.3 ms late
AWAKE_SHARE: Final = 0.05  # of the time slept; what this may cost of a core
_FD_SETSIZE: Final = 1024  # select(2) takes descriptors below it
_PR_SET_TIMERSLACK: Final = 29  # prctl(2)
_PR_GET_TIMERSLACK: Final = 30


class MomentClock(trio.abc.Clock):
    """A clock to run trio with, and a pacer in that run once `find_epoll` has been called."""

    def __init__(self) -> None:
        self._offset = random.uniform(10_000, 1_000_000)  # as trio's own: its times compare with nothing else
        self._heap: list[tuple[float, int]] = []  # moments, and the tickets of those who wait
        self._tasks: dict[int, trio.lowlevel.Task] = {}  # by ticket; who was cancelled is not in it
        self._next = math.inf  # the first of them
        self._rest = 0.0  # no moment wakes us before this
        self._tickets = itertools.count()
        self._watched: tuple[int, ...] = ()  # trio's set

    async def find_epoll(self) -> bool:
        """Prepare to sleep on trio's set; False where that cannot be done."""
        if not self._watched:
            found = await find_trio_epoll()
            if found is not None and found < _FD_SETSIZE:
                self._watched = (found,)
        return bool(self._watched)

    # ---- the pacer -------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return monotonic()

    async def wait_until(self, moment: float) -> None:
        """Wait for `moment`; one that has passed is only a checkpoint."""
        if moment <= monotonic():
            await trio.lowlevel.checkpoint()
            return
        task = current_task()
        ticket = task.custom_sleep_data = next(self._tickets)  # trio forgets it when the task is woken or cancelled
        self._tasks[ticket] = task
        heappush(self._heap, (moment, ticket))
        if moment < self._next:
            self._next = moment
        try:
            await wait_task_rescheduled(_give_up)
        except BaseException:
            self._tasks.pop(ticket, None)
            raise

    # ---- trio's clock ----------------------------------------------------------------------------------------

    def start_clock(self) -> None:
        """Do nothing: CLOCK_MONOTONIC runs."""

    def current_time(self) -> float:
        """Return trio's time; trio asks in each turn, before it runs tasks, and so those whose moment has come run."""
        now = monotonic()
        if now >= self._next:
            self._wake_due(now)
        return now + self._offset

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Sleep in trio's place while somebody waits for a moment; then trio only looks for events."""
        now = monotonic()
        seconds = deadline - self._offset - now
        if self._next == math.inf or not self._watched:
            return seconds
        until_moment = max(self._next, self._rest) - now
        if seconds <= until_moment:
            self._sleep(seconds)
        elif until_moment <= CROWD_SECONDS:
            self._sleep(until_moment)
        else:
            awake = min(AWAKE_SECONDS, until_moment * AWAKE_SHARE)
            if not self._sleep(until_moment - awake):
                self._stay_awake(now + until_moment)
        return 0.0

    def _sleep(self, seconds: float) -> bool:
        """Say whether trio's set became ready within this time; if not, sleep that long."""
        return seconds > 0 and bool(select.select(self._watched, (), (), seconds)[0])

    def _stay_awake(self, until: float) -> None:
        while monotonic() < until and not select.select(self._watched, (), (), 0)[0]:
            continue

    def _wake_due(self, now: float) -> None:
        heap, tasks, woken = self._heap, self._tasks, 0
        while heap and (heap[0][0] <= now or heap[0][1] not in tasks):
            ticket = heappop(heap)[1]
            task = tasks.pop(ticket, None)
            if task is not None and task.custom_sleep_data == ticket:
                reschedule(task)
                woken += 1
        self._next = heap[0][0] if heap else math.inf
        self._rest = now + min(woken * BATCH_SECONDS, CROWD_SECONDS)


def _give_up(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED


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
