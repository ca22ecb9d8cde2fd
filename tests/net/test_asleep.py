"""How long one sleep lasts, how it waits and what it serves, on a clock and an epoll set that the test turns itself."""

from __future__ import annotations

import select

import pytest
import trio
import trio.testing

from chunkwire.net.moments import MAX_PAUSE_SECONDS, PAUSE_SECONDS
from chunkwire.net.sleeper import (
    AWAKE_SECONDS,
    AWAKE_SHARE,
    CREDIT,
    TRY_EVERY,
    Polling,
)
from tests.net.asleep import FAR, TICK, Asleep


async def test_where_nobody_waits_trio_sleeps_by_itself(asleep: Asleep) -> None:
    assert not asleep.sleeper.sleep(FAR)
    assert asleep.set.waits == []


async def test_there_is_work_once_a_moment_has_come_or_while_a_descriptor_is_watched(asleep: Asleep) -> None:
    assert not asleep.sleeper.has_work(asleep.set.now)
    await asleep.plan(10)
    assert not asleep.sleeper.has_work(asleep.set.now + 9.9)
    assert asleep.sleeper.has_work(asleep.set.now + 10.1)
    asleep.sleeper.watch(7, select.EPOLLIN, lambda descriptor, mask: None)
    assert asleep.sleeper.has_work(asleep.set.now)


async def test_before_a_lone_moment_it_stays_awake(asleep: Asleep) -> None:
    await asleep.plan(10)
    began = asleep.set.now
    assert await asleep.sleep() == 1
    assert asleep.set.waits.count(("poll", 0)) > AWAKE_SECONDS / TICK / 2
    assert asleep.set.slept() == [("wait", 10 - AWAKE_SECONDS)]
    assert asleep.came == [pytest.approx(began + 10, abs=2 * TICK)]


async def test_staying_awake_costs_no_more_than_its_share_of_the_time_slept(asleep: Asleep) -> None:
    seconds = AWAKE_SECONDS / AWAKE_SHARE / 2
    await asleep.plan(seconds)
    assert await asleep.sleep() == 1
    assert asleep.set.slept() == [("wait", round(seconds * (1 - AWAKE_SHARE), 9))]


@pytest.mark.parametrize("seconds, is_awake", [(MAX_PAUSE_SECONDS * 0.999, False), (MAX_PAUSE_SECONDS * 1.001, True)])
async def test_before_a_moment_in_a_crowd_it_does_not_stay_awake(
    asleep: Asleep, seconds: float, is_awake: bool
) -> None:
    await asleep.plan(seconds)
    assert await asleep.sleep() == 1
    assert (len(asleep.set.waits) > 1) is is_awake


async def test_what_becomes_ready_ends_staying_awake(asleep: Asleep) -> None:
    await asleep.plan(10)
    served: list[float] = []
    asleep.sleeper.watch(7, 1, lambda *_: served.append(asleep.set.now))
    asleep.set.ready = [(1010 - AWAKE_SECONDS / 2, 7)]
    assert await asleep.sleep() == 1
    assert served == [pytest.approx(1010 - AWAKE_SECONDS / 2, abs=2 * TICK)]


@pytest.mark.parametrize("woken", [1, 2, 3, 4, 5, 100])
async def test_after_a_wake_up_it_rests_in_proportion_to_who_was_woken_and_not_for_long(
    asleep: Asleep, woken: int
) -> None:
    await asleep.plan(*[0.0005] * woken, 0.0005 + 2 * TICK)
    assert await asleep.sleep() == woken
    first = asleep.set.now
    assert await asleep.sleep() == woken + 1
    assert asleep.set.now - first == pytest.approx(min(woken * PAUSE_SECONDS, MAX_PAUSE_SECONDS), abs=3 * TICK)


async def test_one_wake_up_serves_all_moments_that_came_during_a_rest(asleep: Asleep) -> None:
    await asleep.plan(*[0.0005] * 8, *(0.0006 + 0.0001 * n for n in range(8)))
    assert await asleep.sleep() == 8
    assert await asleep.sleep() == 16


async def test_a_moment_later_than_the_rest_is_not_put_off(asleep: Asleep) -> None:
    await asleep.plan(0.0005, 0.0505)
    assert await asleep.sleep() == 1
    assert await asleep.sleep() == 2
    assert asleep.set.now == pytest.approx(1000.0505, abs=3 * TICK)


async def test_a_turn_of_trios_during_a_rest_wakes_whoever_is_due(asleep: Asleep) -> None:
    await asleep.plan(0.0005, 0.0005 + 2 * TICK)
    assert await asleep.sleep() == 1
    asleep.set.now += 3 * TICK
    assert await asleep.sleep(0) == 2


async def test_trios_deadline_ends_a_sleep_before_a_moment(asleep: Asleep) -> None:
    await asleep.plan(10)
    assert await asleep.sleep(2) == 0
    assert asleep.set.slept() == [("poll", 2)]


async def test_a_moment_ends_a_sleep_before_trios_deadline(asleep: Asleep) -> None:
    await asleep.plan(2)
    assert await asleep.sleep(10) == 1
    assert asleep.set.now == pytest.approx(1002, abs=2 * TICK)


async def test_a_moment_given_up_wakes_nobody(asleep: Asleep) -> None:
    with trio.move_on_after(0):
        await asleep.sleeper.wait_until(asleep.set.now + 1)
    await asleep.plan(3)
    assert await asleep.sleep() == 1
    assert asleep.set.now == pytest.approx(1003, abs=3 * TICK)


async def test_moments_given_up_are_passed_over_once_somebody_is_woken(asleep: Asleep) -> None:
    await asleep.plan(1, 4)
    for seconds in (2, 3):
        with trio.move_on_after(0):
            await asleep.sleeper.wait_until(asleep.set.now + seconds)
    assert await asleep.sleep() == 1
    asleep.set.waits.clear()
    assert await asleep.sleep() == 2
    assert len(asleep.set.slept()) == 1


async def test_no_sleep_is_longer_than_a_system_call_takes(asleep: Asleep) -> None:
    asleep.sleeper.watch(7, 1, lambda *_: None)
    assert asleep.sleeper.sleep(float("inf"))
    assert asleep.set.slept() == [("poll", 24 * 3600)]


async def test_what_becomes_ready_is_served_in_the_same_sleep_while_a_moment_is_waited_for(asleep: Asleep) -> None:
    await asleep.plan(10)
    served: list[float] = []
    asleep.sleeper.watch(7, 1, lambda *_: served.append(asleep.set.now))
    asleep.set.ready = [(1000 + 0.05 * n, 7) for n in range(1, 100)]
    ready = [moment for moment, _ in asleep.set.ready]
    assert await asleep.sleep() == 1
    assert served == [pytest.approx(moment, abs=2 * TICK) for moment in ready]
    assert asleep.set.now == pytest.approx(1010, abs=2 * TICK)


async def test_a_task_woken_by_what_became_ready_ends_the_sleep(asleep: Asleep) -> None:
    woken = trio.Event()

    async def wait() -> None:
        def wake(*_: int) -> None:
            asleep.sleeper.wake(task)

        task = trio.lowlevel.current_task()
        asleep.sleeper.watch(7, 1, wake)
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)
        woken.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, name="wait")
        await trio.testing.wait_all_tasks_blocked()
        asleep.set.ready = [(1001, 7)]
        await asleep.sleep()
        assert asleep.set.now == pytest.approx(1001, abs=2 * TICK)
        assert woken.is_set()


async def test_a_sleep_within_a_sleep_does_nothing(asleep: Asleep) -> None:
    """As a handler does that asks trio for the time."""
    slept: list[bool] = []
    asleep.sleeper.watch(7, 1, lambda *_: slept.append(asleep.sleeper.sleep(FAR)))
    asleep.set.ready = [(1000, 7)]
    await asleep.sleep(1)
    assert slept == [False]
    assert asleep.sleeper.sleep(1)


async def begins_with_poll(asleep: Asleep) -> bool:
    """Say whether a sleep, in which no deadline of trio's and no moment comes, begins with a poll."""
    asleep.set.waits.clear()
    await asleep.sleep(1e-3)
    return asleep.set.waits[0] == ("poll", 0)


async def test_a_sleep_begins_with_a_poll_while_that_finds_something(asleep: Asleep) -> None:
    asleep.sleeper.watch(7, 1, lambda *_: None)
    with asleep.sleeper.polling(50e-6):
        assert [await begins_with_poll(asleep) for _ in range(TRY_EVERY - 1)] == [False] * (TRY_EVERY - 1)
        asleep.set.ready = [(asleep.set.now + 25e-6, 7)]
        assert await begins_with_poll(asleep)
        assert [await begins_with_poll(asleep) for _ in range(CREDIT)] == [True] * (CREDIT - 1) + [False]


async def test_a_poll_lasts_as_long_as_the_mover_that_wants_the_longest(asleep: Asleep) -> None:
    asleep.sleeper.watch(7, 1, lambda *_: None)
    with asleep.sleeper.polling(float("inf")):
        with asleep.sleeper.polling(0):
            await asleep.sleep(1e-3)
            assert asleep.set.slept() == []
    await asleep.sleep(1e-3)
    assert asleep.set.slept() == [("poll", 1e-3)]


async def test_nothing_is_polled_for_while_nothing_is_watched(asleep: Asleep) -> None:
    with asleep.sleeper.polling(float("inf")):
        await asleep.plan(MAX_PAUSE_SECONDS)
        await asleep.sleep()
        assert [how for how, _ in asleep.set.waits] == ["wait"]


def polled(polling: Polling, sleeps: int) -> int:
    """Return how many of these sleeps begin with a poll that does not pay."""
    count = 0
    for _ in range(sleeps):
        if polling.seconds():
            count += 1
            polling.note(has_found=False)
    return count


def test_polls_that_do_not_pay_are_tried_now_and_then() -> None:
    assert polled(Polling(50e-6), 10 * TRY_EVERY) == 10


def test_a_poll_that_pays_is_followed_by_others_until_so_many_did_not() -> None:
    polling = Polling(50e-6)
    polling.note(has_found=True)
    assert polled(polling, CREDIT) == CREDIT
    assert polled(polling, TRY_EVERY - 1) == 0


@pytest.mark.parametrize("seconds, count", [(0.0, 0), (float("inf"), 100)])
def test_polling_never_and_always_do_not_ask_whether_it_pays(seconds: float, count: int) -> None:
    polling = Polling(seconds)
    polling.note(has_found=True)
    assert polled(polling, 100) == count
