"""The one place where a run of trio blocks.

The rule here: an idle run blocks in one system call for everything it waits for: trio's deadlines and events, planned
moments, and the descriptors that movers watch. Events of movers and due moments are served there, without an iteration
of trio's loop, until trio itself has work. Each run of trio has one sleeper, shared by all its servers and clients. It
blocks in place of trio's poll, in one of three forms:

- clock: `trio.run` was given a `SleeperClock`. trio asks its clock how long to block, and the clock blocks instead;
- instrument: trio calls the sleeper before each poll. trio then polls with the same timeout, so if tasks were woken
  meanwhile or a deadline is due, a callback is queued that makes the poll return at once. This costs about 60 µs a
  wake-up;
- plain: neither is possible. trio polls, moments are deadlines of trio, and a task waits for the movers' epoll set.

Nothing in trio is changed. trio's timeouts are whole milliseconds, as in epoll(7), so its deadlines are 0.6 to 0.85 ms
late at the median; moments of the first two forms are about 0.1 ms late. Not guaranteed in the clock form: that
`trio.testing.wait_all_tasks_blocked` returns while a task waits for a moment.
"""

from __future__ import annotations

import enum
import logging
import math
import select
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias

import trio
from trio.lowlevel import reschedule

from chunkwire.net.loops import refuse_outside_trio
from chunkwire.net.moments import MAX_PAUSE_SECONDS, Moments
from chunkwire.net.sparetime import SpareTime, Step
from chunkwire.net.triosleep import SleeperClock, deadline_is_due, exact_timers, exact_wait, find_trio_epoll, obstacle

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 50e-6  # how long to poll before blocking: about what a wake-up costs
CREDIT: Final = 8  # polls in a row that find nothing, after which polling stops
TRY_EVERY: Final = 32  # after that, one of so many waits polls
AWAKE_SECONDS: Final = 400e-6  # of polling before a moment: a core in a deep idle state wakes up 0.3 ms late
AWAKE_SHARE: Final = 0.05  # at most this part of the wait is polled, which bounds the CPU time
_LONGEST_SECONDS: Final = 86_400.0  # of one wait, as in trio
_MAX_EVENTS: Final = 512  # served in one batch

OnReady: TypeAlias = Callable[[int, int], None]


class Form(enum.Enum):
    """Where a sleeper blocks in place of trio's own poll."""

    CLOCK = "clock"
    INSTRUMENT = "instrument"
    PLAIN = "plain"


class Pacer(Protocol):
    """A clock and a way to wait for a moment on it; in programs it is the run's sleeper."""

    def now(self) -> float:
        """Return this clock's time, in seconds from an arbitrary start; monotonic."""

    async def wait_until(self, moment: float) -> None:
        """Return at `moment` or shortly after it, never before. Always a checkpoint."""


class Polling:
    """Decides how long to poll before blocking. Polls stop while they find nothing, so an idle process uses no CPU.

    Args:
        seconds: how long a poll lasts; 0 never polls, `math.inf` always polls and never blocks.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._credit = 0
        self._unpolled = 0

    def seconds(self) -> float:
        """Return how long to poll next: 0 while polls find nothing, except once in `TRY_EVERY` calls."""
        if self._credit or self._seconds in (0.0, math.inf):
            return self._seconds
        self._unpolled = (self._unpolled + 1) % TRY_EVERY
        return 0.0 if self._unpolled else self._seconds

    def note(self, *, has_found: bool) -> None:
        """Note whether the last poll found something."""
        self._credit = CREDIT if has_found else max(0, self._credit - 1)


class Sleeper(trio.abc.Instrument):
    """Blocks in place of the poll of one trio run; lets tasks wait for moments, and movers watch descriptors.

    Args:
        epoll: the set to block on; None on platforms without epoll, where nothing can be watched.
        wait: returns True once the set may have an event, False after so many seconds.
        clock: seconds from an arbitrary start; the clock of moments, unless the form is plain.

    Attributes:
        form: where it blocks; plain until `run` has found another one.
        form_is_known: set once `form` is final.
        woken_at: when the events that are being served were found ready, on the clock.
    """

    def __init__(
        self, epoll: select.epoll | None, wait: Callable[[float], bool], clock: Callable[[], float] = monotonic
    ) -> None:
        self.form = Form.PLAIN
        self.form_is_known = trio.Event()
        self.woken_at = clock()
        self._epoll = epoll
        self._wait = wait
        self._clock = clock
        self._handlers: dict[int, OnReady] = {}
        self._polling = Polling(0.0)
        self._requested: list[float] = []  # the poll durations that movers asked for
        self._spare = SpareTime()
        self._moments = Moments()
        self._trio_epoll = -1
        self._trio_is_ready = False
        self._has_woken = False  # a task was rescheduled since `sleep` was called
        self._is_asleep = False

    def now(self) -> float:
        """Return the time on the clock of moments, in seconds: CLOCK_MONOTONIC, or trio's in the plain form."""
        return self._clock()

    def wait_until(self, moment: float) -> Coroutine[Any, Any, None]:
        """Wait for `moment`; only a checkpoint if it has passed.

        Not an `async def`: resuming a coroutine walks every `await` frame, and this saves one.
        """
        if self.form is Form.PLAIN:
            return trio.sleep_until(moment)
        if moment <= self._clock():
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105 - awaited by the caller, as the others are
        return self._moments.wait(moment)

    def watch(self, descriptor: int, mask: int, on_ready: OnReady) -> None:
        """Call `on_ready` with the descriptor and its ready events, until `unwatch`.

        It may be called outside of any task: it must not raise, and must wake tasks by `wake`. Without epoll, and once
        the run ends, nothing is watched.
        """
        if self._epoll is not None and not self._epoll.closed:
            self._epoll.register(descriptor, mask)
            self._handlers[descriptor] = on_ready

    def change(self, descriptor: int, mask: int) -> None:
        """Change the mask of a watched descriptor."""
        if self._epoll is not None and not self._epoll.closed:
            self._epoll.modify(descriptor, mask)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching a descriptor; call it before it is closed."""
        if self._handlers.pop(descriptor, None) is not None and self._epoll is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)

    def unwatch_all(self, on_ready: OnReady) -> None:
        """Stop watching all descriptors of this handler, including closed ones."""
        for descriptor in [number for number, handler in self._handlers.items() if handler == on_ready]:
            with suppress(OSError):
                self.unwatch(descriptor)

    def wake(self, task: trio.lowlevel.Task) -> None:
        """Reschedule a task; for use in `on_ready`."""
        self._has_woken = True
        reschedule(task)

    @contextmanager
    def polling(self, seconds: float) -> Iterator[None]:
        """Poll for so long before blocking (see `Polling`) during the `with` block; the longest of several counts."""
        self._requested.append(seconds)
        self._polling = Polling(max(self._requested))
        try:
            yield
        finally:
            self._requested.remove(seconds)
            self._polling = Polling(max(self._requested, default=0.0))

    def has_work(self, now: float) -> bool:
        """Say whether `sleep(0.0)` may have work: a moment is due, descriptors are watched, or work waits for time."""
        return bool(self._handlers or self._spare.ready) or now >= min(self._moments.first, self._spare.next_at)

    async def in_spare_time(self, step: Step) -> None:
        """Call `step` until it returns None: whenever nothing is ready, and once after `SPARE_EVERY` batches in a row.

        So it delays what becomes ready by one step at most: keep each to some 10 µs. A number that it returns is a
        pause, in seconds, which costs no iteration of trio's loop. The steps of several callers take turns. In the
        plain form a checkpoint follows each step, which takes longer. A cancelled caller's step is not called again. A
        step that wakes a task must do so by `wake`, or by `run_sync_soon`, or the task waits for all.
        """
        if self.form is not Form.PLAIN:
            await self._spare.wait(step)
            return
        while (seconds := step()) is not None:  # noqa: ASYNC110 - a pause, not a wait for a condition
            await trio.sleep(seconds)

    def sleep(self, seconds: float) -> bool:
        """Block, and serve events and moments, until trio has work, at most for `seconds`.

        Return False at once if no moment and no descriptor is waited for, and no work waits for time.
        """
        moments, epoll = self._moments, self._epoll
        spare = self._spare
        first = min(moments.first, spare.next_at)
        if epoll is None or self._is_asleep or not (self._handlers or spare.ready or first < math.inf):
            return False
        self._is_asleep = True
        try:
            self._trio_is_ready = self._has_woken = False
            now = self._clock()
            end = now + min(seconds, _LONGEST_SECONDS)
            while True:
                events = self._look(epoll, now, end)
                now = self.woken_at
                self._serve(events)
                if now >= moments.first and moments.wake(now):
                    self._has_woken = True
                if spare.ready or now >= spare.next_at:
                    self._has_woken |= spare.use(now, is_busy=bool(events) or self._has_woken)
                if self._trio_is_ready or self._has_woken or now >= end:
                    return True
        finally:
            self._is_asleep = False

    def _look(self, epoll: select.epoll, now: float, end: float) -> list[tuple[int, int]]:
        """Return ready events: poll if `Polling` says so, then block until the next moment, at most until `end`."""
        clock, poll = self._clock, epoll.poll
        is_spare = bool(self._spare.ready)
        end = min(end, self._spare.next_at)
        until = now if is_spare else min(end, self._moments.wake_at)
        spin = self._polling.seconds() if self._handlers and not is_spare else 0.0
        events: list[tuple[int, int]] = []
        if spin or now >= until:
            events = poll(0, _MAX_EVENTS)
            now = clock()
            spin_until = min(now + spin, until)
            while not events and now < spin_until:
                events = poll(0, _MAX_EVENTS)
                now = clock()
            if spin:
                self._polling.note(has_found=bool(events))
        if not events and now < until:
            events = poll(until - now, _MAX_EVENTS) if until == end else self._sleep_to_moment(epoll, now, until)
            now = clock()
        self.woken_at = now
        return events

    def _sleep_to_moment(self, epoll: select.epoll, now: float, moment: float) -> list[tuple[int, int]]:
        """Return events that come before the moment; poll for the last `AWAKE_SECONDS` if it is far enough away."""
        seconds = moment - now
        awake = min(AWAKE_SECONDS, seconds * AWAKE_SHARE) if seconds > MAX_PAUSE_SECONDS else 0.0
        if self._wait(seconds - awake):
            return epoll.poll(0, _MAX_EVENTS)
        events: list[tuple[int, int]] = []
        while awake and not events and self._clock() < moment:
            events = epoll.poll(0, _MAX_EVENTS)
        return events

    def _serve(self, events: Iterable[tuple[int, int]]) -> None:
        """Call the handlers of one batch of events; skip descriptors that an earlier handler has unwatched."""
        handlers = self._handlers
        for descriptor, mask in events:
            handler = handlers.get(descriptor)
            if handler is not None:
                handler(descriptor, mask)
            elif descriptor == self._trio_epoll:
                self._trio_is_ready = True

    def before_io_wait(self, timeout: float) -> None:
        """Block in place of trio's poll; if trio has work afterwards, queue a callback that makes its poll return."""
        if self.sleep(timeout) and timeout and (self._has_woken or deadline_is_due()):
            trio.lowlevel.current_trio_token().run_sync_soon(_nothing, idempotent=True)

    async def run(self) -> None:
        """Block in place of trio's poll until the run ends; in the plain form serve the watched descriptors here."""
        clock = trio.lowlevel.current_clock()
        reason = obstacle(clock)
        try:
            found = None if reason else await find_trio_epoll()
            if found is None:
                logger.info("moments are trio's deadlines: %s", reason or "the epoll set of trio is not known")
                self._clock = trio.current_time  # a program's own clock, such as that of a test, counts for movers too
                self.form_is_known.set()
                await self._serve_plain()
            elif self._epoll is not None:
                self._trio_epoll = found
                self._epoll.register(found, select.EPOLLIN)
                with exact_timers(), self._called_before_poll(clock):
                    self.form_is_known.set()
                    await trio.sleep_forever()
        finally:
            if self._epoll is not None:
                self._epoll.close()

    @contextmanager
    def _called_before_poll(self, clock: trio.abc.Clock) -> Iterator[None]:
        """Let trio call this sleeper before each poll: by the clock if that is ours, else as an instrument."""
        if isinstance(clock, SleeperClock):
            self.form = Form.CLOCK
            with clock.sleeping_by(self):
                yield
        else:
            self.form = Form.INSTRUMENT
            trio.lowlevel.add_instrument(self)
            try:
                yield
            finally:
                trio.lowlevel.remove_instrument(self)

    async def _serve_plain(self) -> None:
        if self._epoll is None:
            await trio.sleep_forever()
        else:
            while True:
                await trio.lowlevel.wait_readable(self._epoll)
                self.sleep(0.0)


_SLEEPER: Final = trio.lowlevel.RunVar[Sleeper | None]("chunkwire: sleeper", default=None)


async def current_sleeper() -> Sleeper:
    """Return the sleeper of this run of trio, once its form is known; the first call creates it."""
    try:
        sleeper = _SLEEPER.get()
    except RuntimeError:
        refuse_outside_trio()
        raise
    if sleeper is None:
        epoll = select.epoll() if hasattr(select, "epoll") else None
        sleeper = Sleeper(epoll, exact_wait(epoll))
        _SLEEPER.set(sleeper)
        trio.lowlevel.spawn_system_task(sleeper.run, name="sleeper")
    await sleeper.form_is_known.wait()
    return sleeper


def _nothing() -> None:
    """Do nothing. Queueing it makes trio's poll return."""
