"""Work that is done in a sleeper's spare time: between events and moments, a step at a time."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from chunkwire.net.sleeper import Form
from chunkwire.net.sparetime import SPARE_EVERY
from tests.net.asleep import FAR, TICK, Asleep, FakeSet


class Steps:
    """Work for spare time: so many steps, each of 10 µs; notes when each began."""

    def __init__(self, on: FakeSet, left: int) -> None:
        self.began: list[float] = []
        self._set = on
        self._left = left

    def __call__(self) -> float | None:
        self.began.append(self._set.now)
        self._set.now += 10 * TICK
        self._left -= 1
        return 0.0 if self._left else None


async def test_spare_time_is_used_between_events_and_moments_which_wait_for_one_step_at_most(asleep: Asleep) -> None:
    steps, served, began = Steps(asleep.set, 9), list[float](), asleep.set.now
    asleep.sleeper.watch(7, 1, lambda *_: served.append(asleep.set.now))
    asleep.set.ready = [(began, 7), (began + 25 * TICK, 7)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asleep.sleeper.in_spare_time, steps, name="work")
        await asleep.plan(45 * TICK)
        assert asleep.sleeper.has_work(asleep.set.now)
        while len(steps.began) < 9:
            await asleep.sleep()
    assert served == [pytest.approx(began, abs=2 * TICK), pytest.approx(began + 25 * TICK, abs=11 * TICK)]
    assert asleep.came == [pytest.approx(began + 45 * TICK, abs=22 * TICK)]  # a step behind it, before the task runs
    assert asleep.set.slept() == []


async def test_spare_work_goes_on_by_a_step_in_several_batches_where_something_is_always_ready(
    asleep: Asleep,
) -> None:
    steps, served = Steps(asleep.set, 3), []

    def serve(*_: object) -> None:
        served.append(len(steps.began))
        asleep.set.ready.append((asleep.set.now, 7))

    asleep.sleeper.watch(7, 1, serve)
    asleep.set.ready = [(asleep.set.now, 7)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asleep.sleeper.in_spare_time, steps, name="work")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3 * SPARE_EVERY):
            await asleep.sleep(0)
    assert served == sorted([*range(3)] * SPARE_EVERY)


async def test_the_steps_of_several_callers_take_turns(asleep: Asleep) -> None:
    works = [Steps(asleep.set, 9), Steps(asleep.set, 3)]
    async with trio.open_nursery() as nursery:
        for work in works:
            nursery.start_soon(asleep.sleeper.in_spare_time, work, name="work")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(6):
            await asleep.sleep(0)
        assert [len(work.began) for work in works] == [3, 3]
        assert len(nursery.child_tasks) == 1
        nursery.cancel_scope.cancel()


async def test_cancelled_work_is_not_called_again(asleep: Asleep) -> None:
    steps = Steps(asleep.set, 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asleep.sleeper.in_spare_time, steps, name="work")
        await trio.testing.wait_all_tasks_blocked()
        await asleep.sleep(0)
        nursery.cancel_scope.cancel()
    assert not asleep.sleeper.sleep(FAR)
    assert len(steps.began) == 1


async def test_a_step_may_cancel_its_own_caller(asleep: Asleep) -> None:
    async def work() -> None:
        with trio.CancelScope() as scope:

            def step() -> None:
                scope.cancel()

            await asleep.sleeper.in_spare_time(step)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, name="work")
        await trio.testing.wait_all_tasks_blocked()
        began = asleep.set.now
        await asleep.sleep(FAR)
        assert asleep.set.now - began < 1
    assert not asleep.sleeper.sleep(FAR)


async def test_a_step_may_cancel_another_caller(asleep: Asleep) -> None:
    scope, ended = trio.CancelScope(), trio.Event()

    async def other() -> None:
        with scope:
            await asleep.sleeper.in_spare_time(lambda: FAR)
        ended.set()

    def step() -> float:
        scope.cancel()
        return FAR

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other, name="other")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(asleep.sleeper.in_spare_time, step, name="work")
        await trio.testing.wait_all_tasks_blocked()
        began = asleep.set.now
        await asleep.sleep(FAR / 2)
        assert (ended.is_set(), asleep.set.now - began < 1) == (True, True)
        nursery.cancel_scope.cancel()


async def test_an_error_of_spare_work_is_raised_in_its_task(asleep: Asleep) -> None:
    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            await asleep.sleeper.in_spare_time(lambda: 1 / 0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, name="work")
        await trio.testing.wait_all_tasks_blocked()
        await asleep.sleep(0)
    assert not asleep.sleeper.sleep(FAR)


async def test_in_the_plain_form_each_step_is_followed_by_a_checkpoint(asleep: Asleep) -> None:
    asleep.sleeper.form = Form.PLAIN
    steps = Steps(asleep.set, 3)
    with trio.testing.assert_checkpoints():
        await asleep.sleeper.in_spare_time(steps)
    assert (len(steps.began), asleep.set.waits) == (3, [])


async def test_in_the_plain_form_work_pauses_too(asleep: Asleep, autojump_clock: trio.abc.Clock) -> None:
    asleep.sleeper.form = Form.PLAIN
    pauses, began = iter((FAR, None)), trio.current_time()
    await asleep.sleeper.in_spare_time(lambda: next(pauses))
    assert trio.current_time() - began == pytest.approx(FAR)


async def test_work_pauses_for_as_long_as_its_step_says_and_moments_go_on(asleep: Asleep) -> None:
    pauses = iter((0.05, 0.02, None))
    began = asleep.set.now
    called: list[float] = []

    def step() -> float | None:
        called.append(asleep.set.now - began)
        return next(pauses)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asleep.sleeper.in_spare_time, step, name="work")
        await asleep.plan(0.03)
        while len(called) < 3:
            await asleep.sleep()
            assert asleep.sleeper.has_work(asleep.set.now) is False
    assert called == [pytest.approx(moment, abs=9 * TICK) for moment in (0, 0.05, 0.07)]
    assert asleep.came == [pytest.approx(began + 0.03, abs=9 * TICK)]


async def test_cancelled_work_that_pauses_is_not_called_again(asleep: Asleep) -> None:
    called = []

    def step() -> float:
        called.append(asleep.set.now)
        return 0.05

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asleep.sleeper.in_spare_time, step, name="work")
        await asleep.plan(0)
        await asleep.sleep(0)
        assert [asleep.sleeper.has_work(asleep.set.now + after) for after in (0, 0.06)] == [False, True]
        nursery.cancel_scope.cancel()
    assert not asleep.sleeper.sleep(FAR)
    assert len(called) == 1
