"""Waiting for planned moments: never early, each for itself, and whatever becomes of the others, in each form."""

import select
import socket
import sys
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from chunkwire.net.sleeper import Form, Pacer, current_sleeper
from chunkwire.net.triosleep import SleeperClock, exact_wait
from tests.net.carry import plain_sleeper
from tests.patience import PATIENCE

FORMS = [Form.PLAIN] if not hasattr(select, "epoll") else list(Form)

Promise = Callable[[Pacer], Awaitable[object]]


@pytest.fixture(params=FORMS, ids=lambda form: form.value)
def keep(request: pytest.FixtureRequest) -> Callable[[Promise], None]:
    """Give what runs a promise of pacers with the sleeper of a run of its own, in each form."""
    form: Form = request.param

    def run(promise: Promise) -> None:
        async def main() -> None:
            with trio.fail_after(PATIENCE), plain_sleeper() if form is Form.PLAIN else trio.CancelScope():
                sleeper = await current_sleeper()
                assert sleeper.form is form
                await promise(sleeper)

        trio.run(main, clock=SleeperClock() if form is Form.CLOCK else None, strict_exception_groups=True)

    return run


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll")
def test_an_exact_wait_says_whether_something_is_ready() -> None:
    near, far = socket.socketpair()
    with near, far, select.epoll() as epoll:
        epoll.register(near, select.EPOLLIN)
        wait = exact_wait(epoll)
        assert not wait(0.0)
        far.send(b"x")
        assert wait(PATIENCE)
    assert not exact_wait(None)(PATIENCE)


Keep = Callable[[Promise], None]


def test_no_moment_is_early_on_the_pacers_own_clock(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        for n in range(20):
            moment = pacer.now() + 0.0007 * n
            await pacer.wait_until(moment)
            assert pacer.now() >= moment

    keep(promise)


async def wait_all(pacer: Pacer, moments: list[float], came: list[float]) -> None:
    """Wait for each moment in a task of its own, and note it when it has come."""

    async def wait(moment: float) -> None:
        await pacer.wait_until(moment)
        assert pacer.now() >= moment
        came.append(moment)

    async with trio.open_nursery() as nursery:
        for moment in moments:
            nursery.start_soon(wait, moment, name="wait")
            await trio.lowlevel.checkpoint()


ORDER = (5, 0, 7, 2, 1, 6, 3, 4)


def test_no_moment_waits_for_a_later_one(keep: Keep) -> None:
    """Moments that are due in one turn of trio's loop come in any order, but none is left for a later turn."""

    async def promise(pacer: Pacer) -> None:
        began, came = pacer.now() + 0.01, list[float]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_all, pacer, [began + 0.002 * n for n in ORDER], came, name="waits")
            while len(came) < len(ORDER):
                due_for_sure = pacer.now()
                await pacer.wait_until(due_for_sure + 0.001)
                await trio.lowlevel.checkpoint()
                assert {moment for moment in came if moment <= due_for_sure} == {
                    began + 0.002 * n for n in ORDER if began + 0.002 * n <= due_for_sure
                }

    keep(promise)


def test_a_moment_that_has_passed_is_a_checkpoint(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        for moment in (pacer.now(), pacer.now() - 1000, float("-inf")):
            with trio.testing.assert_checkpoints():
                await pacer.wait_until(moment)

    keep(promise)


def test_a_wait_that_is_cancelled_already_does_not_wait(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        for moment in (pacer.now() - 1, pacer.now() + 3600):
            with trio.CancelScope() as scope:
                scope.cancel()
                await pacer.wait_until(moment)
            assert scope.cancelled_caught

    keep(promise)


def test_cancelled_waits_leave_the_others(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        moment = pacer.now() + 0.6  # far enough for a busy machine to cancel the others before theirs
        cancelled = [trio.CancelScope() for _ in range(10)]

        async def wait(scope: trio.CancelScope, until: float) -> None:
            with scope:
                await pacer.wait_until(until)

        async with trio.open_nursery() as nursery:
            for n, scope in enumerate(cancelled):
                nursery.start_soon(wait, scope, moment - 0.005 + 0.001 * n, name="cancelled")
            for _ in range(3):  # turns until they wait; one is enough
                await trio.lowlevel.checkpoint()
            for scope in cancelled:
                scope.cancel()
            await pacer.wait_until(moment)
            assert pacer.now() >= moment
        assert all(scope.cancelled_caught for scope in cancelled)

    keep(promise)


def test_an_earlier_moment_that_is_planned_later_comes_first(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        with trio.CancelScope() as far_off:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pacer.wait_until, pacer.now() + 3600, name="far off")
                for _ in range(3):  # turns until it waits; one is enough
                    await trio.lowlevel.checkpoint()
                await pacer.wait_until(pacer.now() + 0.001)
                far_off.cancel()
        assert far_off.cancelled_caught

    keep(promise)


def test_thousands_wait_at_once_and_each_is_woken(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        began, came = pacer.now() + 0.05, list[float]()
        async with trio.open_nursery() as nursery:
            for n in range(2000):
                moment = began + 0.00001 * (n * 7919 % 2000)
                nursery.start_soon(wait_all, pacer, [moment], came, name="wait")
        assert len(came) == 2000

    keep(promise)


def test_many_wait_for_the_same_moment(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        moment = pacer.now() + 0.005
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(pacer.wait_until, moment, name="wait")
        assert pacer.now() >= moment

    keep(promise)


def test_a_wait_that_is_cancelled_as_its_moment_comes_ends_once(keep: Keep) -> None:
    """Fails where a task is woken that its cancellation has woken in the same turn: trio's run breaks."""

    async def promise(pacer: Pacer) -> None:
        moment = pacer.now() + 0.01
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pacer.wait_until, moment, name="waits")
            for _ in range(3):  # turns until it does; one is enough
                await trio.lowlevel.checkpoint()
            while pacer.now() < moment:
                continue
            nursery.cancel_scope.cancel()

    keep(promise)


def test_a_deadline_does_not_wait_for_a_moment(keep: Keep) -> None:
    async def promise(pacer: Pacer) -> None:
        with trio.move_on_after(0.001) as scope:
            await pacer.wait_until(pacer.now() + 3600)
        assert scope.cancelled_caught

    keep(promise)


def test_an_event_does_not_wait_for_a_moment(keep: Keep) -> None:
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

    keep(promise)


def test_a_moment_comes_while_tasks_are_never_idle(keep: Keep) -> None:
    """Fails where moments are looked at only when trio has nothing to run."""

    async def promise(pacer: Pacer) -> None:
        async def spin() -> None:
            while True:
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(spin, name="spin")
            await pacer.wait_until(pacer.now() + 0.001)
            nursery.cancel_scope.cancel()

    keep(promise)


async def test_trio_sees_that_all_tasks_are_blocked_while_moments_are_waited_for() -> None:
    sleeper = await current_sleeper()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleeper.wait_until, sleeper.now() + 3600, name="far off")
        with trio.fail_after(PATIENCE):
            await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="the plain form is right elsewhere")
def test_on_linux_no_program_falls_back_to_the_plain_form() -> None:
    async def form() -> Form:
        return (await current_sleeper()).form

    assert trio.run(form) is Form.INSTRUMENT
    assert trio.run(form, clock=SleeperClock()) is Form.CLOCK


async def test_moments_follow_a_clock_that_jumps(autojump_clock: trio.testing.MockClock) -> None:
    sleeper = await current_sleeper()
    began, came = sleeper.now(), list[float]()
    await sleeper.wait_until(began + 24 * 3600)
    assert sleeper.now() == trio.current_time() == began + 24 * 3600
    await wait_all(sleeper, [sleeper.now() + 1 + n for n in ORDER], came)
    assert came == sorted(came)


async def test_a_streams_lateness_does_not_add_up(autojump_clock: trio.testing.MockClock) -> None:
    sleeper = await current_sleeper()
    began = sleeper.now()
    for n in range(1, 10):
        await trio.sleep(3)  # what making a frame takes
        await sleeper.wait_until(began + 10 * n)
    assert sleeper.now() == began + 90
