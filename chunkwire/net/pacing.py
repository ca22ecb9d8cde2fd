"""Wait for planned moments, closely.

The rule here: a moment is planned from the start of a stream and waited for on one clock, so that lateness
never adds up. trio counts its timeouts in whole milliseconds (epoll does), which is 0.6 to 0.85 ms late at
the median; a timerfd is 0.05 to 0.2 ms late. One timerfd serves the whole process, over a heap of moments.
Where trio runs with a `MomentClock` it does without (`moments`).

`PlainPacer` waits on trio's clock: for other platforms, and for tests that jump the clock.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

import trio

from chunkwire.net.moments import MomentClock, close_timers

_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1


class Pacer(Protocol):
    """A clock and a way to wait for a moment on it."""

    def now(self) -> float:
        """Return this clock's time, in seconds from an arbitrary start; it never steps back."""

    async def wait_until(self, moment: float) -> None:
        """Return at `moment` or as soon after it as the system allows; never before. Always a checkpoint."""


class PlainPacer:
    """A pacer on trio's clock: portable, up to a millisecond late, and moved by an autojump clock."""

    def now(self) -> float:
        """Return `trio.current_time()`."""
        return trio.current_time()

    async def wait_until(self, moment: float) -> None:
        """Sleep until `moment`."""
        await trio.sleep_until(moment)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _Timer:
    """A Linux timerfd. From ctypes: `os.timerfd_create` came with Python 3.13, and 3.11 is our floor."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        # TFD_NONBLOCK and TFD_CLOEXEC are the flags of open(2) by definition.
        self.fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def arm(self, moment: float) -> None:
        """Become readable at `moment` (seconds, CLOCK_MONOTONIC)."""
        nanoseconds = max(1, int(moment * 1e9))
        value = _Timespec(nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000)
        spec = _Itimerspec(_Timespec(0, 0), value)
        if self._settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")


class TimerPacer:
    """A pacer over one timerfd and a heap of moments; `run` must be going while anybody waits."""

    def __init__(self) -> None:
        self._timer = _Timer()
        self._heap: list[tuple[float, int, trio.lowlevel.Task]] = []
        self._order = itertools.count()
        self._waiting: set[int] = set()

    def now(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    async def wait_until(self, moment: float) -> None:
        """Wait for `moment`; one that has passed is only a checkpoint."""
        if moment <= time.monotonic():
            await trio.lowlevel.checkpoint()
            return
        ticket = next(self._order)
        heapq.heappush(self._heap, (moment, ticket, trio.lowlevel.current_task()))
        self._waiting.add(ticket)
        if self._heap[0][1] == ticket:
            self._timer.arm(moment)

        def abandon(_: object) -> trio.lowlevel.Abort:
            self._waiting.discard(ticket)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abandon)

    async def run(self) -> None:
        """Serve the waiting tasks until cancelled."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._timer.fd)
                os.read(self._timer.fd, 8)
                self._wake_due()
        finally:
            trio.lowlevel.notify_closing(self._timer.fd)
            os.close(self._timer.fd)

    def _wake_due(self) -> None:
        now = time.monotonic()
        while self._heap:
            moment, ticket, task = self._heap[0]
            if ticket in self._waiting and moment > now:
                self._timer.arm(moment)
                return
            heapq.heappop(self._heap)
            if ticket in self._waiting:
                self._waiting.discard(ticket)
                trio.lowlevel.reschedule(task)


@asynccontextmanager
async def open_pacer() -> AsyncIterator[Pacer]:
    """Give the closest pacer there is: the run's own `MomentClock` or a timerfd on Linux, trio's clock elsewhere."""
    if sys.platform != "linux":
        yield PlainPacer()
        return
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, MomentClock) and await clock.find_epoll():
        with close_timers():
            yield clock
        return
    pacer = TimerPacer()
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pacer.run, name="pacer")
        try:
            yield pacer
        except Exception as error:  # noqa: BLE001 - raised again where no nursery wraps it in a group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
