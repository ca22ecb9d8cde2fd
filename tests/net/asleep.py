"""A sleeper on a clock and an epoll set that the test turns itself."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import trio
import trio.testing

from chunkwire.net.sleeper import Form, Sleeper

TICK = 1e-6  # s; what a poll that does not wait takes here
FAR = 3600.0


class FakeSet:
    """An epoll set on a clock of its own: it says what waits were asked for, and each takes exactly its time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.closed = False
        self.ready: list[tuple[float, int]] = []  # descriptors, and when they become ready; each once
        self.waits: list[tuple[str, float]] = []

    def clock(self) -> float:
        return self.now

    def register(self, descriptor: int, mask: int) -> None: ...

    def poll(self, seconds: float, max_events: int) -> list[tuple[int, int]]:
        self.waits.append(("poll", seconds))
        self._pass(seconds or TICK)
        events = [(descriptor, 1) for moment, descriptor in self.ready if moment <= self.now]
        self.ready = [(moment, descriptor) for moment, descriptor in self.ready if moment > self.now]
        return events

    def wait(self, seconds: float) -> bool:
        self.waits.append(("wait", seconds))
        self._pass(seconds)
        return any(moment <= self.now for moment, _ in self.ready)

    def _pass(self, seconds: float) -> None:
        self.now = max(self.now, min([self.now + seconds, *(moment for moment, _ in self.ready)]))

    def slept(self) -> list[tuple[str, float]]:
        """Return the waits that were for some time, and forget all."""
        waits, self.waits = self.waits, []
        return [(how, round(seconds, 9)) for how, seconds in waits if seconds]


class Asleep:
    """A sleeper on a fake set, and tasks that wait for moments."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.set = FakeSet()
        self.sleeper = Sleeper(cast(select.epoll, self.set), self.set.wait, self.set.clock)
        self.sleeper.form = Form.CLOCK
        self.came: list[float] = []  # when each task was found awake
        self._nursery = nursery

    async def plan(self, *after: float) -> None:
        """Let a task wait for each of these moments, s from now."""
        for seconds in after:
            self._nursery.start_soon(self._wait, self.set.now + seconds, name="wait")
        await trio.testing.wait_all_tasks_blocked()

    async def _wait(self, moment: float) -> None:
        await self.sleeper.wait_until(moment)
        assert self.set.now >= moment
        self.came.append(self.set.now)

    async def sleep(self, seconds: float = FAR) -> int:
        """Sleep once, as trio would let it, and return how many moments have come by then."""
        assert self.sleeper.sleep(seconds)
        await trio.testing.wait_all_tasks_blocked()
        return len(self.came)


@asynccontextmanager
async def opened() -> AsyncIterator[Asleep]:
    async with trio.open_nursery() as nursery:
        yield Asleep(nursery)
        nursery.cancel_scope.cancel()
