"""Work that a run does in small steps while nothing else is ready.

The rule here: the sleeper calls `use` after each batch of events and moments, and blocks at most until `next_at`. What
this module must not know: how a run of trio blocks.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

import trio
from trio.lowlevel import current_task, reschedule, wait_task_rescheduled

SPARE_EVERY: Final = 8  # after so many batches in a row a step is done although the run is busy

Step: TypeAlias = Callable[[], float | None]
"""Does some 10 µs of work; returns after how many seconds it is to be called again, 0.0 for at once, None for never."""


class _Work:
    """The work of one caller."""

    __slots__ = ("error", "is_over", "step", "task")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.task = current_task()
        self.is_over = False
        self.error: Exception | None = None


class SpareTime:
    """The work that waits for spare time.

    Attributes:
        ready: work whose next step may be done at once.
        next_at: when work that pauses becomes ready, on the sleeper's clock; `math.inf` for never.
    """

    def __init__(self) -> None:
        self.ready: deque[_Work] = deque()
        self.next_at = math.inf
        self._pausing: list[tuple[float, int, _Work]] = []  # a heap
        self._tickets = itertools.count()  # of works that pause until the same moment
        self._batches = 0  # in a row, since a step was last done
        self._has_cancelled = False  # since the latest step began

    async def wait(self, step: Step) -> None:
        """Return once `step`, which `use` calls, has returned None; raise what it raises. A cancel ends the calls."""
        work = _Work(step)

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._drop(work)
            return trio.lowlevel.Abort.SUCCEEDED

        self.ready.append(work)
        await wait_task_rescheduled(give_up)
        if work.error is not None:
            raise work.error

    def use(self, now: float, *, is_busy: bool) -> bool:
        """Do one step, unless this batch is busy and not the last of `SPARE_EVERY`; return whether a task was woken."""
        while now >= self.next_at:
            self.ready.append(heappop(self._pausing)[2])
            self._look_ahead()
        self._batches = self._batches + 1 if is_busy else 0
        if not self.ready or self._batches % SPARE_EVERY:
            return False
        work = self.ready.popleft()
        seconds = None
        self._has_cancelled = False
        try:
            seconds = work.step()
        except Exception as error:  # noqa: BLE001 - raised by `wait`, in the task
            work.error = error
        if work.is_over:  # the step cancelled its own caller
            return True
        if seconds is None:
            work.is_over = True
            reschedule(work.task)
            return True
        if seconds:
            heappush(self._pausing, (now + seconds, next(self._tickets), work))
            self._look_ahead()
        else:
            self.ready.append(work)
        return self._has_cancelled  # another caller

    def _drop(self, work: _Work) -> None:
        work.is_over = self._has_cancelled = True
        if work in self.ready:
            self.ready.remove(work)
        self._pausing = [each for each in self._pausing if each[2] is not work]
        heapify(self._pausing)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self.next_at = self._pausing[0][0] if self._pausing else math.inf
