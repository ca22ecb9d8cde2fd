"""The tasks of a run that wait for planned moments, and when to wake up for them.

The rule here: the sleeper reads `wake_at`, blocks at most until then, and calls `wake` if `first` is due. What this
module must not know: how a run of trio blocks.
"""

from __future__ import annotations

import itertools
import math
from heapq import heappop, heappush
from typing import Final

import trio
from trio.lowlevel import current_task, reschedule, wait_task_rescheduled

PAUSE_SECONDS: Final = 250e-6  # the pause after a wake-up for moments, for each task that was woken
MAX_PAUSE_SECONDS: Final = 1e-3  # the longest one: the resolution of epoll(7), and so of other servers' timers


class Moments:
    """The tasks that wait for moments, and when to wake up for them.

    Each wake-up has a cost. So after one that woke N tasks, `wake_at` is not before a pause of N * `PAUSE_SECONDS`, at
    most `MAX_PAUSE_SECONDS`, and one wake-up then serves all moments that are due. A process that is awake for another
    reason serves due moments at once.

    Attributes:
        first: the earliest moment, that of a cancelled task included; `math.inf` for none.
        wake_at: when to wake up: `first`, or the end of the pause if that is later.
    """

    def __init__(self) -> None:
        self.first = math.inf
        self.wake_at = math.inf
        self._pause_until = 0.0
        self._heap: list[tuple[float, int]] = []  # moments, each with the ticket of its task
        self._tasks: dict[int, trio.lowlevel.Task] = {}  # by ticket; a cancelled one is removed when it runs
        self._tickets = itertools.count()

    async def wait(self, moment: float) -> None:
        """Wait until `wake` is called with that moment or a later one; `moment` is on the sleeper's clock, in s."""
        task = current_task()
        # trio sets custom_sleep_data to None when the task is woken or cancelled.
        ticket = task.custom_sleep_data = next(self._tickets)
        self._tasks[ticket] = task
        heappush(self._heap, (moment, ticket))
        if moment < self.first:
            self._look_ahead()
        try:
            await wait_task_rescheduled(_give_up)
        except BaseException:
            self._tasks.pop(ticket, None)
            raise

    def wake(self, now: float) -> int:
        """Reschedule the tasks whose moments are due; return how many."""
        heap, tasks, woken = self._heap, self._tasks, 0
        while heap and (heap[0][0] <= now or heap[0][1] not in tasks):
            ticket = heappop(heap)[1]
            task = tasks.pop(ticket, None)
            if task is not None and task.custom_sleep_data == ticket:
                reschedule(task)
                woken += 1
        self._pause_until = now + min(woken * PAUSE_SECONDS, MAX_PAUSE_SECONDS)
        self._look_ahead()
        return woken

    def _look_ahead(self) -> None:
        self.first = self._heap[0][0] if self._heap else math.inf
        self.wake_at = max(self.first, self._pause_until)


def _give_up(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED
