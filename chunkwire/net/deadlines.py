"""Deadlines that cost next to nothing to set and to lift, for waits that hardly ever come to theirs.

A deadline of a trio scope is a place in a heap, taken and given back; an exchange sets three. These are seconds and
minutes, and none is due while all goes well: so they stand in a dictionary, and one task looks at it now and then.

The rule here: late is allowed, early and never are not. A deadline is noticed an eighth of its time late, at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import trio

_SLOWEST_SECONDS: Final = 0.5  # between two looks: one at ten thousand deadlines takes a millisecond
_FASTEST_SECONDS: Final = 0.01
_PART: Final = 8  # looks in the shortest time that was asked for


class Deadlines:
    """Deadlines by key; `run` must be going."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, Callable[[], object]]] = {}
        self._every = _SLOWEST_SECONDS

    def set(self, key: object, seconds: float, on_due: Callable[[], object]) -> None:
        """Call `on_due` in so many seconds, on trio's clock, unless `lift` comes first; a key has one deadline."""
        if seconds < math.inf:
            self._due[key] = (trio.current_time() + seconds, on_due)
            if seconds < self._every * _PART:
                self._every = max(_FASTEST_SECONDS, seconds / _PART)

    def lift(self, key: object) -> None:
        """Forget a deadline, if there is one."""
        self._due.pop(key, None)

    async def run(self) -> None:
        """Look for what is due until cancelled."""
        while True:
            await trio.sleep(self._every)
            now = trio.current_time()
            for key in [key for key, (moment, _) in self._due.items() if moment <= now]:
                self._due.pop(key)[1]()
