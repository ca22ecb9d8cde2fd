"""A clock that sleeps to planned moments: all that a pacer promises, and trio's own deadlines and events meanwhile."""

import math
import select
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
import trio

from chunkwire.net.moments import MomentClock
from chunkwire.net.pacing import Pacer, PlainPacer, open_pacer
from tests.net import test_pacing as promises
from tests.net.peer import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")


def run(promise: Callable[[Pacer], Awaitable[object]]) -> None:
    """Run one promise on the clock."""

    async def main() -> None:
        with trio.fail_after(PATIENCE):
            async with open_pacer() as pacer:
                assert isinstance(pacer, MomentClock)
                await promise(pacer)

    trio.run(main, clock=MomentClock(), strict_exception_groups=True)


@pytest.mark.parametrize(
    "promise",
    [
        promises.test_no_moment_is_early_on_the_pacers_own_clock,
        promises.test_no_moment_waits_for_a_later_one,
        promises.test_a_moment_that_has_passed_is_a_checkpoint,
        promises.test_a_wait_that_is_cancelled_already_does_not_wait,
        promises.test_thousands_wait_at_once_and_each_is_woken,
        promises.test_many_wait_for_the_same_moment,
    ],
)
def test_the_clock_keeps_what_a_pacer_promises(promise: Callable[[Pacer], Awaitable[object]]) -> None:
    run(promise)


def test_a_cancelled_wait_leaves_the_others() -> None:
    async def promise(pacer: Pacer) -> None:
        with trio.move_on_after(0.001) as scope:
            await pacer.wait_until(pacer.now() + 3600)
        assert scope.cancelled_caught
        moment = pacer.now() + 0.001
        await pacer.wait_until(moment)
        assert pacer.now() >= moment

    run(promise)


def test_a_wait_that_is_cancelled_as_its_moment_comes_ends_once() -> None:
    """Fails where the clock wakes a task that its cancellation has woken in the same turn: trio's run breaks."""

    async def promise(pacer: Pacer) -> None:
        moment = pacer.now() + 0.01
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pacer.wait_until, moment, name="waits")
            for _ in range(3):  # turns until it does; one is enough
                await trio.lowlevel.checkpoint()
            while pacer.now() < moment:
                continue
            nursery.cancel_scope.cancel()

    run(promise)


def test_a_deadline_does_not_wait_for_a_moment() -> None:
    async def promise(pacer: Pacer) -> None:
        with trio.move_on_after(0.001) as scope:
            await pacer.wait_until(pacer.now() + 3600)
        assert scope.cancelled_caught

    run(promise)


def test_an_event_does_not_wait_for_a_moment() -> None:
    async def promise(pacer: Pacer) -> None:
        ours, theirs = socket.socketpair()

        def send() -> None:
            theirs.send(b"x")

        with ours, theirs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pacer.wait_until, pacer.now() + 3600, name="far off")
                nursery.start_soon(trio.to_thread.run_sync, send, name="send")
                await trio.lowlevel.wait_readable(ours)
                nursery.cancel_scope.cancel()

    run(promise)


def test_a_moment_comes_while_tasks_are_never_idle() -> None:
    """Fails where moments are looked at only when trio has nothing to run."""

    async def promise(pacer: Pacer) -> None:
        async def spin() -> None:
            while True:
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(spin, name="spin")
            await pacer.wait_until(pacer.now() + 0.001)
            nursery.cancel_scope.cancel()

    run(promise)


def test_without_a_wait_it_is_a_clock_like_trios() -> None:
    clock = MomentClock()
    now = clock.current_time()
    assert clock.deadline_to_sleep_time(math.inf) == math.inf
    assert clock.deadline_to_sleep_time(now + 60) <= 60
    assert clock.current_time() >= now
    assert abs(clock.now() - time.monotonic()) < PATIENCE


async def test_a_pacer_of_another_clock_is_not_it() -> None:
    async with open_pacer() as pacer:
        assert not isinstance(pacer, MomentClock | PlainPacer)
