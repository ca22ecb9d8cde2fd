"""Cheap deadlines, for waits that rarely time out.

trio keeps the deadlines of its scopes in a heap, and each change of one is a push. The deadlines here are for durations
of seconds or minutes. All of one duration are in one dictionary, in the order in which they expire, and one task checks
the first of each dictionary periodically.

The rule here: a deadline is never enforced early; it is late by at most an eighth of its duration, or 10 ms if that is
more, and by at most 0.5 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import trio

_SLOWEST_SECONDS: Final = 0.5  # between two checks, at most
_FASTEST_SECONDS: Final = 0.01
_PART: Final = 8  # checks in the shortest duration that was set so far


class Deadlines:
    """Deadlines by key; enforced while `run` runs."""

    def __init__(self) -> None:
        self._of_length: dict[float, dict[object, tuple[float, Callable[[], object]]]] = {}
        self._length_of: dict[object, float] = {}
        self._every = _SLOWEST_SECONDS
        self._sleep = trio.CancelScope()

    def set(self, key: object, seconds: float, on_due: Callable[[], object]) -> None:
        """Call `on_due` after so many seconds on trio's clock, unless `remove` is called; replaces the key's deadline.

        Args:
            seconds: `math.inf` only removes the key's deadline.
            on_due: called once, in the task of `run`; it must not raise.
        """
        self.remove(key)
        if seconds == math.inf:
            return
        same = self._of_length.get(seconds)
        if same is None:
            same = self._begin(seconds)
        same[key] = (trio.current_time() + seconds, on_due)
        self._length_of[key] = seconds

    def remove(self, key: object) -> None:
        """Remove the key's deadline, if it has one."""
        seconds = self._length_of.pop(key, None)
        if seconds is not None:
            del self._of_length[seconds][key]

    def _begin(self, seconds: float) -> dict[object, tuple[float, Callable[[], object]]]:
        """Return a new dictionary for deadlines of one duration. It is kept: durations are settings, and so are few."""
        every = max(_FASTEST_SECONDS, seconds / _PART)
        if every < self._every:
            self._every = every
            self._sleep.cancel()
        return self._of_length.setdefault(seconds, {})

    async def run(self) -> None:
        """Call the `on_due` of deadlines that have expired, until cancelled."""
        while True:
            with trio.CancelScope() as self._sleep:
                await trio.sleep(self._every)
            now = trio.current_time()
            for same in tuple(self._of_length.values()):
                while same and (first := next(iter(same.items())))[1][0] <= now:
                    self.remove(first[0])
                    first[1][1]()
