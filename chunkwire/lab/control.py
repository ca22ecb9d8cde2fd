"""Pause, step and pace the streams of a run.

The rule here: a stream waits for its planned moments on a `Pacer`; this pacer's time can run faster or slower, stop, or
step to the next moment. So any paced resource of the origin can be stepped, without a change to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from chunkwire.net.sleeper import Pacer

MAX_RATE: Final = 1000.0  # times as fast as planned: a pause of 1 s takes 1 ms


class RunControl:
    """The state that all streams of one run share."""

    def __init__(self) -> None:
        self.rate = 1.0  # planned seconds per real second
        self.is_paused = False  # planned time stands still
        self.steps = 0  # steps requested so far; a stream that is not paused skips them
        self._waits: set[trio.CancelScope] = set()

    def set(self, *, rate: float | None = None, is_paused: bool | None = None, steps: int = 0) -> None:
        """Change what is not None, add `steps`, and cancel every block of `until_change`."""
        if rate is not None:
            self.rate = rate
        if is_paused is not None:
            self.is_paused = is_paused
        self.steps += steps
        for scope in self._waits:
            scope.cancel()

    @contextmanager
    def until_change(self) -> Iterator[trio.CancelScope]:
        """Cancel the block at the next change."""
        with trio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                yield scope
            finally:
                self._waits.discard(scope)


class RunPacer:
    """The clock of one stream of a run, as `net.sleeper.Pacer`; `real` is the clock that it is derived from."""

    def __init__(self, real: Pacer, control: RunControl) -> None:
        self._real = real
        self._control = control
        self._plan_s = self._real_s = real.now()  # one moment on both clocks
        self._rate = control.rate
        self._is_paused = control.is_paused
        self._steps = 0  # taken by this stream; one that begins later takes the steps before it as well

    def now(self) -> float:
        """Return the planned time."""
        if self._is_paused:
            return self._plan_s
        return self._plan_s + (self._real.now() - self._real_s) * self._rate

    async def wait_until(self, moment: float) -> None:
        """Return at a planned moment; while paused, at the next step, which advances this clock to the moment."""
        control = self._control
        while True:
            self._take_over()
            if self._is_paused and self._steps < control.steps:
                self._steps += 1
                self._plan_s = max(self._plan_s, moment)
                await trio.lowlevel.checkpoint()
                return
            with control.until_change() as scope:
                if self._is_paused:
                    await trio.sleep_forever()
                else:
                    await self._real.wait_until(self._real_s + max(0.0, moment - self._plan_s) / self._rate)
            if not scope.cancelled_caught:
                return

    def _take_over(self) -> None:
        """Continue from this moment with the control's rate and pause."""
        self._plan_s, self._real_s = self.now(), self._real.now()
        self._rate, self._is_paused = self._control.rate, self._control.is_paused
        if not self._is_paused:
            self._steps = self._control.steps
