"""The one place where a run of trio blocks.

The rule here: an idle run blocks in one system call for all that it waits for: trio's own deadlines and events, planned
moments, the descriptors that movers watch. What becomes ready is served there, without an iteration of trio's loop,
until trio has something to do. Each run of trio has one sleeper, which all servers and clients in it share, and which
blocks in place of trio's own poll in one of these forms:

- as trio's clock, where `trio.run` was given a `SleeperClock`: trio asks its clock how long it may block;
- as an instrument, which trio calls before it polls. trio polls afterwards with the same timeout, so when tasks were
  woken meanwhile, a callback is queued that makes its poll return: about 60 µs more a wake-up;
- plain, where neither is possible: trio polls, moments are trio's deadlines, and a task waits for the movers' set.

Nothing of trio's is changed. trio's timeouts are whole milliseconds, as epoll(7) counts them: moments are then 0.6 to
0.85 ms late at the median, here about 0.1 ms. Not guaranteed, as a clock only: that
`trio.testing.wait_all_tasks_blocked` returns while a task waits for a moment.
"""

from __future__ import annotations

import enum
import itertools
import logging
import math
import select
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias

import trio
from trio.lowlevel import current_task, reschedule, wait_task_rescheduled

from chunkwire.net.triosleep import SleeperClock, deadline_is_due, exact_timers, exact_wait, find_trio_epoll, obstacle

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 50e-6  # how long to poll before blocking: about what a wake-up costs
CREDIT: Final = 8  # polls in a row that find nothing, after which polling stops
TRY_EVERY: Final = 32  # blocking waits without a poll before one is tried again
BATCH_SECONDS: Final = 250e-6  # least time between two wake-ups for moments, for each task that the first one woke
CROWD_SECONDS: Final = 1e-3  # but no longer: the resolution of epoll(7), and so of other servers' timers
AWAKE_SECONDS: Final = 400e-6  # polling before a lone moment: a core in a deep idle state wakes up 0.3 ms late
AWAKE_SHARE: Final = 0.05  # of the wait: the most of a core that this polling costs
_LONGEST_SECONDS: Final = 86_400.0  # one wait; trio's own limit too
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
    """Decides how long to poll before blocking: only while polls find something, so an idle process costs nothing.

    Args:
        seconds: how long a poll lasts; 0 never polls, `math.inf` always does.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._credit = 0
        self._unpolled = 0

    def seconds(self) -> float:
        """Return how long to poll next: not at all while polls find nothing, but for one of `TRY_EVERY`."""
        if self._credit or self._seconds in (0.0, math.inf):
            return self._seconds
        self._unpolled = (self._unpolled + 1) % TRY_EVERY
        return 0.0 if self._unpolled else self._seconds

    def note(self, *, has_paid: bool) -> None:
        """Note whether the last poll found something."""
        self._credit = CREDIT if has_paid else max(0, self._credit - 1)


class Moments:
    """The tasks that wait for moments, and when to wake up for them.

    Moments that lie close share a wake-up, as each has a cost: it serves all within `BATCH_SECONDS` for each task that
    the one before woke, at most `CROWD_SECONDS`.
    """

    def __init__(self) -> None:
        self.first = math.inf
        self.wake_at = math.inf  # the first, but not before `_rest_until`
        self._rest_until = 0.0
        self._heap: list[tuple[float, int]] = []  # moments, and the tickets of the tasks that wait
        self._tasks: dict[int, trio.lowlevel.Task] = {}  # by ticket; without those that were cancelled
        self._tickets = itertools.count()

    async def wait(self, moment: float) -> None:
        """Wait until `wake` is called at that moment, or after it."""
        task = current_task()
        ticket = task.custom_sleep_data = next(self._tickets)  # trio clears it when the task is woken or cancelled
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
        """Reschedule all whose moment has come; return how many."""
        heap, tasks, woken = self._heap, self._tasks, 0
        while heap and (heap[0][0] <= now or heap[0][1] not in tasks):
            ticket = heappop(heap)[1]
            task = tasks.pop(ticket, None)
            if task is not None and task.custom_sleep_data == ticket:
                reschedule(task)
                woken += 1
        self._rest_until = now + min(woken * BATCH_SECONDS, CROWD_SECONDS)
        self._look_ahead()
        return woken

    def _look_ahead(self) -> None:
        self.first = self._heap[0][0] if self._heap else math.inf
        self.wake_at = max(self.first, self._rest_until)


class Sleeper(trio.abc.Instrument):
    """Blocks for one run of trio; a pacer, and what movers watch descriptors with.

    Args:
        epoll: the set to block on; None where the platform has none, and nothing can be watched.
        wait: returns True once the set may have something ready, or False after so many seconds.
        clock: seconds from an arbitrary start; the clock of moments, unless the form is plain.

    Attributes:
        form: where it blocks; plain until `run` has found another.
        is_hooked: set once the form is known.
        woken_at: when what is being served was found ready, on the clock.
    """

    def __init__(
        self, epoll: select.epoll | None, wait: Callable[[float], bool], clock: Callable[[], float] = monotonic
    ) -> None:
        self.form = Form.PLAIN
        self.is_hooked = trio.Event()
        self.woken_at = clock()
        self._epoll = epoll
        self._wait = wait
        self._clock = clock
        self._handlers: dict[int, OnReady] = {}
        self._polling = Polling(0.0)
        self._wishes: list[float] = []  # how long each mover wants to poll
        self._moments = Moments()
        self._trio_epoll = -1
        self._trio_is_ready = False
        self._has_woken = False  # a task of trio's, since `sleep` was called
        self._is_asleep = False

    def now(self) -> float:
        """Return the time on the clock of moments, in seconds: CLOCK_MONOTONIC, or trio's in the plain form."""
        return trio.current_time() if self.form is Form.PLAIN else self._clock()

    def wait_until(self, moment: float) -> Coroutine[Any, Any, None]:
        """Wait for `moment`; one that has passed is only a checkpoint.

        No `async def`, as resuming a task walks every `await` frame.
        """
        if self.form is Form.PLAIN:
            return trio.sleep_until(moment)
        if moment <= self._clock():
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105 - awaited by the caller, as the others are
        return self._moments.wait(moment)

    def watch(self, descriptor: int, mask: int, on_ready: OnReady) -> None:
        """Call `on_ready` with the descriptor and what of the mask is ready, until `unwatch`.

        It is called outside of any task: it must not raise, and must wake tasks by `wake`.
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
        """Stop watching all descriptors of this handler, closed ones too."""
        for descriptor in [number for number, handler in self._handlers.items() if handler == on_ready]:
            with suppress(OSError):
                self.unwatch(descriptor)

    def wake(self, task: trio.lowlevel.Task) -> None:
        """Reschedule a task; for `on_ready`."""
        self._has_woken = True
        reschedule(task)

    @contextmanager
    def polling(self, seconds: float) -> Iterator[None]:
        """Poll so long before blocking (see `Polling`), in the with block; of several wishes the longest counts."""
        self._wishes.append(seconds)
        self._polling = Polling(max(self._wishes))
        try:
            yield
        finally:
            self._wishes.remove(seconds)
            self._polling = Polling(max(self._wishes, default=0.0))

    def has_work(self, now: float) -> bool:
        """Say whether `sleep(0.0)` may find something to serve: a moment has come, or descriptors are watched."""
        return bool(self._handlers) or now >= self._moments.first

    def is_needed(self) -> bool:
        """Say whether something is ready or due that the next sleep serves; True where that is not known.

        A task with much work asks it between two pieces, and then gives way: a turn of trio's loop costs more.
        """
        if self.form is Form.PLAIN or self._epoll is None:
            return True
        return self._clock() >= self._moments.wake_at or bool(self._epoll.poll(0, 1))

    def sleep(self, seconds: float) -> bool:
        """Block and serve until trio has something to do, at most for `seconds`.

        Return False, at once, where no moment and no descriptor is waited for.
        """
        moments, epoll = self._moments, self._epoll
        if epoll is None or self._is_asleep or not (self._handlers or moments.first < math.inf):
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
                if self._trio_is_ready or self._has_woken or now >= end:
                    return True
        finally:
            self._is_asleep = False

    def _look(self, epoll: select.epoll, now: float, end: float) -> list[tuple[int, int]]:
        """Return what is ready: poll where `Polling` says so, then block until the next moment, at most to `end`."""
        clock, poll = self._clock, epoll.poll
        until = min(end, self._moments.wake_at)
        spin = self._polling.seconds() if self._handlers else 0.0
        events: list[tuple[int, int]] = []
        if spin or now >= until:
            events = poll(0, _MAX_EVENTS)
            now = clock()
            spin_until = min(now + spin, until)
            while not events and now < spin_until:
                events = poll(0, _MAX_EVENTS)
                now = clock()
            if spin:
                self._polling.note(has_paid=bool(events))
        if not events and now < until:
            events = poll(until - now, _MAX_EVENTS) if until == end else self._sleep_to_moment(epoll, now, until)
            now = clock()
        self.woken_at = now
        return events

    def _sleep_to_moment(self, epoll: select.epoll, now: float, moment: float) -> list[tuple[int, int]]:
        """Return what becomes ready before the moment; before a lone one, poll for the last `AWAKE_SECONDS`."""
        seconds = moment - now
        awake = min(AWAKE_SECONDS, seconds * AWAKE_SHARE) if seconds > CROWD_SECONDS else 0.0
        if self._wait(seconds - awake):
            return epoll.poll(0, _MAX_EVENTS)
        events: list[tuple[int, int]] = []
        while awake and not events and self._clock() < moment:
            events = epoll.poll(0, _MAX_EVENTS)
        return events

    def _serve(self, events: Iterable[tuple[int, int]]) -> None:
        """Serve one batch; skip descriptors that an earlier handler of it has unwatched."""
        handlers = self._handlers
        for descriptor, mask in events:
            handler = handlers.get(descriptor)
            if handler is not None:
                handler(descriptor, mask)
            elif descriptor == self._trio_epoll:
                self._trio_is_ready = True

    def before_io_wait(self, timeout: float) -> None:
        """Block for trio; where it has something to do now, queue a callback that makes its own poll return."""
        if self.sleep(timeout) and timeout and (self._has_woken or deadline_is_due()):
            trio.lowlevel.current_trio_token().run_sync_soon(_nothing, idempotent=True)

    async def run(self) -> None:
        """Block in place of trio's poll until the run ends; in the plain form serve what is watched from this task."""
        clock = trio.lowlevel.current_clock()
        reason = obstacle(clock)
        try:
            found = None if reason else await find_trio_epoll()
            if found is None:
                logger.info("moments are deadlines of trio's: %s", reason or "the set that trio polls is not known")
                self.is_hooked.set()
                await self._serve_plain()
            elif self._epoll is not None:
                self._trio_epoll = found
                self._epoll.register(found, select.EPOLLIN)
                with exact_timers(), self._hooked(clock):
                    self.is_hooked.set()
                    await trio.sleep_forever()
        finally:
            if self._epoll is not None:
                self._epoll.close()

    @contextmanager
    def _hooked(self, clock: trio.abc.Clock) -> Iterator[None]:
        """Be called before trio polls: by its clock if that is ours, else as an instrument; never both."""
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
    """Return the sleeper of this run of trio, its form known; the first call makes it."""
    sleeper = _SLEEPER.get()
    if sleeper is None:
        epoll = select.epoll() if hasattr(select, "epoll") else None
        sleeper = Sleeper(epoll, exact_wait(epoll))
        _SLEEPER.set(sleeper)
        trio.lowlevel.spawn_system_task(sleeper.run, name="sleeper")
    await sleeper.is_hooked.wait()
    return sleeper


def _give_up(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED


def _nothing() -> None:
    """Do nothing: that it is queued makes trio's poll return."""
