"""How a sleeper takes trio's place: in which form, on which epoll set, and once a run."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import select
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio
import trio.lowlevel
import trio.testing

from chunkwire.net.sleeper import Form, Sleeper, current_sleeper
from chunkwire.net.triosleep import SleeperClock
from tests.net.carry import plain_sleeper, rally
from tests.net.test_sharing_sleep import FRAMES, carry, fast_mover, run_in_both
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")


async def form_of_this_run() -> Form:
    with trio.fail_after(PATIENCE):
        return (await current_sleeper()).form


def test_a_sleeper_that_is_trios_clock_is_no_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(Sleeper, "before_io_wait", lambda _, seconds: slept.append(seconds))

    async def main() -> None:
        sleeper = await current_sleeper()
        await sleeper.wait_until(sleeper.now() + 0.001)

    trio.run(main, clock=SleeperClock())
    assert slept == []


class Queued(trio.abc.Instrument):
    """Keeps how many callbacks are queued when trio is about to sleep, by whether a deadline of its is due."""

    def __init__(self) -> None:
        self.when_due: list[int] = []
        self.when_not: list[int] = []

    def before_io_wait(self, timeout: float) -> None:
        seen = trio.lowlevel.current_statistics()
        (self.when_due if seen.seconds_to_next_deadline <= 0 else self.when_not).append(seen.run_sync_soon_queue_size)


async def test_a_deadline_that_came_asleep_wakes_trio_by_one_callback() -> None:
    """Without it trio would sleep for it a second time."""
    sleeper, queued = await current_sleeper(), Queued()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleeper.wait_until, sleeper.now() + 3600, name="far off")
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(queued)
        with trio.move_on_after(0.01):
            await trio.sleep_forever()
        trio.lowlevel.remove_instrument(queued)
        nursery.cancel_scope.cancel()
    assert queued.when_due == [1]


async def test_tasks_whose_moments_came_wake_trio_by_one_callback() -> None:
    sleeper, queued = await current_sleeper(), Queued()
    moment = sleeper.now() + 1.0  # far enough for all to wait before it comes, on a busy machine too
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(sleeper.wait_until, moment, name="wait")
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(queued)
        await sleeper.wait_until(moment)
        trio.lowlevel.remove_instrument(queued)
    assert max(queued.when_not) == 1


async def test_an_event_of_trios_needs_no_callback() -> None:
    sleeper, queued = await current_sleeper(), Queued()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeper.wait_until, sleeper.now() + 3600, name="far off")
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(queued)
            sender = threading.Timer(0.01, theirs.send, (b"x",))
            sender.start()
            await trio.lowlevel.wait_readable(ours)
            trio.lowlevel.remove_instrument(queued)
            sender.join()
            nursery.cancel_scope.cancel()
    assert queued.when_not == [0]


def open_epolls() -> int:
    """Return how many epoll sets this process has."""
    return sum(
        os.path.realpath(f"/proc/self/fd/{name}").endswith("[eventpoll]") for name in os.listdir("/proc/self/fd")
    )


def test_the_end_of_a_run_leaves_no_epoll_set_behind() -> None:
    before = open_epolls()

    async def main() -> None:
        await current_sleeper()
        assert open_epolls() == before + 2

    run_in_both(main)
    assert open_epolls() == before


def test_timers_are_exact_while_a_sleeper_is_there_and_as_before_afterwards() -> None:
    def slack_ns() -> int:
        return int(prctl(30, 0, 0, 0, 0))  # PR_GET_TIMERSLACK

    prctl = ctypes.CDLL(None).prctl
    before = slack_ns()
    prctl(29, 70_000, 0, 0, 0)  # PR_SET_TIMERSLACK

    async def main() -> None:
        await current_sleeper()
        assert slack_ns() == 1

    run_in_both(main)
    assert slack_ns() == 70_000
    prctl(29, before, 0, 0, 0)


class FakeSleeper:
    """A sleeper that notes for how long it was asked to sleep."""

    def __init__(self, *, has_work: bool = True) -> None:
        self.slept: list[float] = []
        self._has_work = has_work

    def has_work(self, now: float) -> bool:
        return self._has_work

    def sleep(self, seconds: float) -> bool:
        self.slept.append(round(seconds))
        return True


def test_trios_clock_serves_once_a_turn() -> None:
    """A turn that slept has served already."""
    clock, sleeper = SleeperClock(), FakeSleeper()
    with clock.sleeping_by(sleeper):
        for _ in range(2):
            assert clock.deadline_to_sleep_time(clock.current_time() + 60) == 0
            clock.current_time()
    assert sleeper.slept == [0, 60, 0, 60]
    assert clock.deadline_to_sleep_time(clock.current_time() + 60) == pytest.approx(60, abs=PATIENCE)


def test_a_turn_without_a_sleep_serves_nothing_while_there_is_nothing_to_serve() -> None:
    clock, sleeper = SleeperClock(), FakeSleeper(has_work=False)
    with clock.sleeping_by(sleeper):
        clock.current_time()
    assert sleeper.slept == []


async def test_a_task_that_asks_for_the_time_serves_nothing() -> None:
    clock, sleeper = SleeperClock(), FakeSleeper()
    with clock.sleeping_by(sleeper):
        clock.current_time()
    assert sleeper.slept == []


@contextmanager
def stale_epoll() -> Iterator[None]:
    """Have an epoll set that lists, for each number given to descriptors next, another file that had it before."""
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        for sock in [stack.enter_context(sock) for _ in range(50) for sock in socket.socketpair()]:
            epoll.register(sock, select.EPOLLIN)
            stack.callback(os.close, fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 300))
            sock.close()
        yield


async def wait_event_and_moment() -> Form:
    """Wait for an event of trio's while a moment is far off, then for a moment; return the form of the sleeper."""
    sleeper = await current_sleeper()
    ours, theirs = socket.socketpair()

    def send() -> None:
        theirs.send(b"x")

    with ours, theirs, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeper.wait_until, sleeper.now() + 3600, name="far off")
            nursery.start_soon(trio.to_thread.run_sync, send, name="send")
            await trio.lowlevel.wait_readable(ours)
            await sleeper.wait_until(sleeper.now() + 0.001)
            nursery.cancel_scope.cancel()
    return sleeper.form


@pytest.mark.parametrize("clock, form", [(SleeperClock(), Form.CLOCK), (None, Form.INSTRUMENT)])
def test_a_set_that_lists_a_file_closed_before_is_not_taken_for_trios(clock: trio.abc.Clock, form: Form) -> None:
    with stale_epoll():
        assert trio.run(wait_event_and_moment, clock=clock) is form


def test_where_the_set_cannot_be_known_all_is_as_trio_does_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with plain_sleeper():
            assert await wait_event_and_moment() is Form.PLAIN
            assert await wait_event_and_moment() is Form.PLAIN

    with caplog.at_level("INFO"):
        trio.run(main)
    assert len(caplog.records) == 1


async def test_a_clock_that_is_not_trios_own_is_followed(mock_clock: trio.testing.MockClock) -> None:
    assert await form_of_this_run() is Form.PLAIN


def run_as_guest(guest: Callable[[trio.Event], Awaitable[None]]) -> list[str]:
    """Run `guest` in trio as a guest of asyncio, whose loop sets the event a little later; return who came when."""

    async def host() -> list[str]:
        loop, done, order = asyncio.get_running_loop(), asyncio.Event(), list[str]()
        host_ran = trio.Event()

        async def main() -> None:
            def run_in_host() -> None:
                order.append("host")
                host_ran.set()

            loop.call_later(0.01, run_in_host)
            await guest(host_ran)
            order.append("guest")

        trio.lowlevel.start_guest_run(
            main, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=lambda _: done.set()
        )
        await done.wait()
        return order

    return asyncio.run(host())


def test_the_loop_of_trios_host_goes_on_while_a_moment_is_waited_for() -> None:
    async def guest(host_ran: trio.Event) -> None:
        sleeper = await current_sleeper()
        assert sleeper.form is Form.PLAIN
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sleeper.wait_until, sleeper.now() + PATIENCE, name="far off")
                await host_ran.wait()
                scope.cancel()

    assert run_as_guest(guest) == ["host", "guest"]


def test_frames_are_relayed_in_guest_mode() -> None:
    async def guest(_: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            mover = fast_mover()
            nursery.start_soon(mover.run, name="mover")
            carried = await carry(nursery, mover)
            await trio.to_thread.run_sync(rally, carried, FRAMES[:20])
            nursery.cancel_scope.cancel()
        await carried.aclose()

    assert "guest" in run_as_guest(guest)


def test_a_run_within_the_host_of_a_guest_is_no_guest() -> None:
    """The innermost run counts: here one in a callback of the loop that another run is a guest of."""

    async def guest(_: trio.Event) -> None:
        assert await form_of_this_run() is Form.PLAIN
        assert await trio.to_thread.run_sync(trio.run, form_of_this_run) is Form.INSTRUMENT

    assert "guest" in run_as_guest(guest)
