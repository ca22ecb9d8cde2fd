"""What `sleeper` needs from Linux and from trio: exact waits, a clock for `trio.run`, and trio's epoll set.

The rule here: the sleeper decides when to block and what for. Nothing in trio is changed.
"""

from __future__ import annotations

import ctypes
import os
import random
import select
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

import trio

_PR_SET_TIMERSLACK: Final = 29  # prctl(2)
_PR_GET_TIMERSLACK: Final = 30


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _PollDescriptor(ctypes.Structure):
    _fields_ = (("descriptor", ctypes.c_int), ("events", ctypes.c_short), ("returned", ctypes.c_short))


def exact_wait(epoll: select.epoll | None) -> Callable[[float], bool]:
    """Return a function that waits for an epoll set: True once it may have an event, False after so many seconds.

    It calls ppoll(2), whose timeouts are in nanoseconds; those of epoll are in milliseconds, and select(2) takes no
    descriptor above 1023.
    """
    if epoll is None:
        return lambda seconds: False
    ppoll = ctypes.CDLL(None).ppoll
    polled, timeout = _PollDescriptor(epoll.fileno(), select.EPOLLIN, 0), _Timespec()
    polled_at, timeout_at = ctypes.byref(polled), ctypes.byref(timeout)

    def wait(seconds: float) -> bool:
        timeout.seconds = whole = int(seconds)
        timeout.nanoseconds = int((seconds - whole) * 1e9)
        return bool(ppoll(polled_at, 1, timeout_at, None))  # true for -1 too: a signal came

    return wait


@contextmanager
def exact_timers() -> Iterator[None]:
    """Set the timer slack of this thread to 1 ns in the with block; the default is 50 µs (prctl(2))."""
    prctl = ctypes.CDLL(None).prctl
    slack = prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, max(1, slack), 0, 0, 0)


class Sleeps(Protocol):
    """What a `SleeperClock` needs of a sleeper."""

    def has_work(self, now: float) -> bool:
        """Say whether `sleep(0.0)` may have work."""

    def sleep(self, seconds: float) -> bool:
        """Block and serve until trio has work, at most so long; False at once if nothing is waited for."""


class SleeperClock(trio.abc.Clock):
    """A clock for `trio.run` that blocks in place of trio's poll once the run has a sleeper: the cheapest form."""

    def __init__(self) -> None:
        # As in trio's clock, so that its times are not compared with those of others.
        self._offset = random.uniform(10_000, 1_000_000)
        self._sleeper: Sleeps | None = None
        self._has_slept = False  # in this iteration of trio's loop, before its poll

    @contextmanager
    def sleeping_by(self, sleeper: Sleeps) -> Iterator[None]:
        """Use this sleeper in the with block; if its `sleep` returns False, trio blocks in its own poll."""
        self._sleeper = sleeper
        try:
            yield
        finally:
            self._sleeper = None

    def start_clock(self) -> None:
        """Do nothing, as CLOCK_MONOTONIC always runs."""

    def current_time(self) -> float:
        """Return trio's time; in the call that trio's loop makes after its poll, first serve what is ready."""
        now = monotonic()
        if self._has_slept:
            self._has_slept = False
        elif self._sleeper is not None and self._sleeper.has_work(now) and not is_in_task():
            self._sleeper.sleep(0.0)
            now = monotonic()
        return now + self._offset

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """If the sleeper waits for anything, block here and return 0, so that trio's poll returns at once."""
        seconds = deadline - self._offset - monotonic()
        if self._sleeper is None or not self._sleeper.sleep(seconds):
            return seconds
        self._has_slept = True
        return 0.0


def obstacle(clock: trio.abc.Clock) -> str:
    """Return why a sleeper cannot block in place of this run's poll; "" if it may be possible."""
    if not hasattr(select, "epoll"):
        return "this platform has no epoll"
    if not isinstance(clock, SleeperClock) and type(clock).__name__ != "SystemClock":
        return f"trio was given a {type(clock).__name__}, and moments follow it"
    return "" if is_run_by_trio() else "another loop runs trio"


def is_run_by_trio() -> bool:
    """Say whether `trio.run` is among this task's callers; in guest mode it is not, and the host loop blocks."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "run" and str(frame.f_globals.get("__name__")).startswith("trio."):
            return True
    return False


async def find_trio_epoll() -> int | None:
    """Return the descriptor of the epoll set that this run of trio polls; None if it cannot be found.

    The kernel lists the descriptors that each epoll set watches. A task waits for a probe socket, and trio's set is the
    one that watches it.
    """
    probe, other = socket.socketpair()
    with probe, other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.wait_readable, probe, name="probe of trio's epoll set")
            found: list[int] = []
            for _ in range(3):  # iterations until the task waits; one is usually enough
                await trio.lowlevel.checkpoint()
                found = found or list(_sets_watching(probe.fileno()))
            nursery.cancel_scope.cancel()
    return found[0] if len(found) == 1 else None


def _sets_watching(descriptor: int) -> Iterator[int]:
    """Yield the epoll sets of this process that watch the file behind a descriptor (proc(5), fdinfo).

    A set lists a file by the descriptor number that it was added with (`tfd:`). A file that is closed here and open in
    another process stays listed, and its number may have been reused; the inode (`ino:`, hexadecimal) tells them apart.
    """
    watched = {"tfd": str(descriptor), "ino": f"{os.fstat(descriptor).st_ino:x}"}.items()
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # the descriptor of the listing itself is closed already
                if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[eventpoll]":
                    lines = Path(f"/proc/self/fdinfo/{name}").read_text().replace(":", ": ").splitlines()
                    if any(watched <= _fields(line).items() for line in lines):
                        yield int(name)


def _fields(line: str) -> dict[str, str]:
    """Return the fields of a line such as `tfd:        7 events:       19 data:  7  pos:0 ino:1f3a sdev:8`."""
    words = line.split()
    return {name.rstrip(":"): value for name, value in zip(words[::2], words[1::2], strict=False)}


def is_in_task() -> bool:
    """Say whether a trio task is running, and not trio's loop itself; `trio.lowlevel.in_trio_task` is too new."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


def deadline_is_due() -> bool:
    """Say whether a deadline of trio is due."""
    return trio.lowlevel.current_statistics().seconds_to_next_deadline <= 0
