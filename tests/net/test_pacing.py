"""Waiting for planned moments: never early, each for itself, and whatever becomes of the others."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from chunkwire.net.pacing import Pacer, PlainPacer, open_pacer
from tests.net.peer import PATIENCE


@asynccontextmanager
async def plain_pacer() -> AsyncIterator[Pacer]:
    yield PlainPacer()


@pytest.fixture(params=[plain_pacer, open_pacer])
async def pacer(request: pytest.FixtureRequest) -> AsyncIterator[Pacer]:
    async with request.param() as opened:
        with trio.fail_after(PATIENCE):
            yield opened


async def test_no_moment_is_early_on_the_pacers_own_clock(pacer: Pacer) -> None:
    for n in range(20):
        moment = pacer.now() + 0.0007 * n
        await pacer.wait_until(moment)
        assert pacer.now() >= moment


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


async def test_no_moment_waits_for_a_later_one(pacer: Pacer) -> None:
    """Moments that are due in one turn of trio's loop come in any order, but none is left for a later turn."""
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


async def test_moments_come_in_their_order(autojump_clock: trio.testing.MockClock) -> None:
    pacer, came = PlainPacer(), list[float]()
    await wait_all(pacer, [pacer.now() + 1 + n for n in ORDER], came)
    assert came == sorted(came)


async def test_a_moment_that_has_passed_is_a_checkpoint(pacer: Pacer) -> None:
    for moment in (pacer.now(), pacer.now() - 1000, float("-inf")):
        with trio.testing.assert_checkpoints():
            await pacer.wait_until(moment)


async def test_a_wait_that_is_cancelled_already_does_not_wait(pacer: Pacer) -> None:
    for moment in (pacer.now() - 1, pacer.now() + 3600):
        with trio.CancelScope() as scope:
            scope.cancel()
            await pacer.wait_until(moment)
        assert scope.cancelled_caught


async def test_a_cancelled_wait_leaves_the_others(pacer: Pacer) -> None:
    moment = pacer.now() + 0.6  # far enough for a busy machine to cancel the others before theirs
    cancelled = [trio.CancelScope() for _ in range(10)]

    async def wait(scope: trio.CancelScope, until: float) -> None:
        with scope:
            await pacer.wait_until(until)

    async with trio.open_nursery() as nursery:
        for n, scope in enumerate(cancelled):
            nursery.start_soon(wait, scope, moment - 0.005 + 0.001 * n, name="cancelled")
        await trio.testing.wait_all_tasks_blocked()
        for scope in cancelled:
            scope.cancel()
        await pacer.wait_until(moment)
        assert pacer.now() >= moment
    assert all(scope.cancelled_caught for scope in cancelled)


async def test_an_earlier_moment_that_is_planned_later_comes_first(pacer: Pacer) -> None:
    with trio.CancelScope() as far_off:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pacer.wait_until, pacer.now() + 3600, name="far off")
            await trio.testing.wait_all_tasks_blocked()
            await pacer.wait_until(pacer.now() + 0.001)
            far_off.cancel()
    assert far_off.cancelled_caught


async def test_thousands_wait_at_once_and_each_is_woken(pacer: Pacer) -> None:
    began, woken = pacer.now() + 0.05, 0

    async def wait(n: int) -> None:
        nonlocal woken
        moment = began + 0.00001 * (n * 7919 % 5000)
        await pacer.wait_until(moment)
        assert pacer.now() >= moment
        woken += 1

    async with trio.open_nursery() as nursery:
        for n in range(5000):
            nursery.start_soon(wait, n, name="wait")
    assert woken == 5000


async def test_many_wait_for_the_same_moment(pacer: Pacer) -> None:
    moment = pacer.now() + 0.005
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(pacer.wait_until, moment, name="wait")
    assert pacer.now() >= moment


async def test_the_plain_pacer_waits_on_trios_clock(autojump_clock: trio.testing.MockClock) -> None:
    pacer = PlainPacer()
    began = pacer.now()
    await pacer.wait_until(began + 24 * 3600)
    assert pacer.now() == trio.current_time() == began + 24 * 3600


async def test_a_streams_lateness_does_not_add_up(autojump_clock: trio.testing.MockClock) -> None:
    pacer = PlainPacer()
    began = pacer.now()
    for n in range(1, 10):
        await trio.sleep(3)  # what making a frame takes
        await pacer.wait_until(began + 10 * n)
    assert pacer.now() == began + 90


async def test_what_the_body_raises_comes_out_as_it_is() -> None:
    async def fail() -> None:
        async with open_pacer() as pacer:
            await pacer.wait_until(pacer.now())
            raise KeyError("as it is")

    with pytest.raises(KeyError, match="as it is"):
        await fail()


async def test_a_body_that_is_cancelled_ends_the_pacer() -> None:
    with trio.move_on_after(PATIENCE) as scope:
        async with open_pacer() as pacer:
            scope.cancel()
            await pacer.wait_until(pacer.now() + 3600)
    assert scope.cancelled_caught


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
async def test_on_linux_the_pacer_is_a_timerfd_and_it_is_closed() -> None:
    async with open_pacer() as pacer:
        assert not isinstance(pacer, PlainPacer)
        assert timers() == 1
    assert timers() == 0


def timers() -> int:
    """Return how many timerfds this process has."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own descriptor
            links.append(entry.readlink().name)
    return links.count("anon_inode:[timerfd]")


async def test_elsewhere_the_pacer_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    async with open_pacer() as pacer:
        assert isinstance(pacer, PlainPacer)
