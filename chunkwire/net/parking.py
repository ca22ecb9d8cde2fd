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

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio


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
