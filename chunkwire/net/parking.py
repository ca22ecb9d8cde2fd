"""Let the process sleep once, for trio and for another epoll set together.

A task that waits for the set's descriptor pays for each wake-up with a turn of trio's loop: two changes of
trio's own set, a batch of tasks, a heap of deadlines; 20 to 30 µs. So the sleeping is turned round. trio tells
an instrument when it is about to sleep, and for how long at most; we sleep then, on the other set, which holds
trio's set as one more member. What is ready there is served at once, without trio; as soon as trio has
something to do, or a deadline is due, we return and trio finds it.

The rule here: nothing of trio's is touched. Its set is found by proof: the kernel lists in /proc/self/fdinfo
what each epoll set watches, and trio's is the one that watches what a task of ours is waiting for.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import trio

POLL_SECONDS: Final = 50e-6  # how long to poll before sleeping: about what a wake-up costs
CREDIT: Final = 8  # unpaid polls in a row after which they stop
TRY_EVERY: Final = 32  # sleeps without a poll before one is tried again
_IS_TAKEN: Final = trio.lowlevel.RunVar("chunkwire: parking is taken", default=False)


class Polling:
    """Decides how long to poll before each sleep: only while polls find something, so an idle process costs nothing.

    Args:
        seconds: how long a poll lasts; 0 never polls, `math.inf` always does.
    """

    def __init__(self, seconds: float = POLL_SECONDS) -> None:
        self._seconds = seconds
        self._credit = 0
        self._unpolled = 0

    def seconds(self) -> float:
        """Return how long to poll before the next sleep: nothing while polls do not pay, but for a try now and then."""
        if self._credit or self._seconds in (0.0, math.inf):
            return self._seconds
        self._unpolled = (self._unpolled + 1) % TRY_EVERY
        return 0.0 if self._unpolled else self._seconds

    def note(self, *, has_paid: bool) -> None:
        """Take note of whether the last poll found something."""
        self._credit = CREDIT if has_paid else max(0, self._credit - 1)


class Parking(trio.abc.Instrument):
    """Calls `park(seconds)` whenever trio is about to sleep that long; 0 when it is not, but looks for events.

    `park` must return by then, and at once when the set that `find_trio_epoll` found is ready. It runs outside any
    task: it must not raise, and what concerns tasks goes through a `trio.lowlevel.TrioToken`.
    """

    def __init__(self, park: Callable[[float], None]) -> None:
        self._park = park

    def before_io_wait(self, timeout: float) -> None:
        """Take trio's place asleep."""
        self._park(timeout)


@contextmanager
def take_parking() -> Iterator[bool]:
    """Say whether this run of trio has no parking yet, and have it while inside.

    Two would wait for each other's sleep: while the first one sleeps, nobody looks at the set of the second.
    """
    is_ours = not _IS_TAKEN.get()
    _IS_TAKEN.set(True)
    try:
        yield is_ours
    finally:
        if is_ours:
            _IS_TAKEN.set(False)


def deadline_is_due() -> bool:
    """Say whether a deadline of trio's has come; other limits on its sleep concern tests only."""
    return trio.lowlevel.current_statistics().seconds_to_next_deadline <= 0


async def find_trio_epoll() -> int | None:
    """Return the descriptor of the epoll set that this run of trio sleeps on; None where it cannot be known."""
    probe, other = socket.socketpair()
    with probe, other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.wait_readable, probe, name="probe of trio's epoll set")
            found = None
            for _ in range(3):  # turns until the probe waits; one is enough
                await trio.lowlevel.checkpoint()
                found = found or _epoll_watching(probe.fileno())
            nursery.cancel_scope.cancel()
    return found


def _epoll_watching(descriptor: int) -> int | None:
    """Return the epoll set of this process that watches a descriptor (proc(5), `tfd:` in fdinfo)."""
    folder = Path("/proc/self/fdinfo")
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError):  # the listing's own descriptor is gone by now
                lines = (folder / name).read_text().splitlines()
                if any(line.split()[:2] == ["tfd:", str(descriptor)] for line in lines):
                    return int(name)
    return None
