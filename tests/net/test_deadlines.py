"""Deadlines that are looked at now and then: never early, hardly late, and gone when removed."""

import math

import pytest
import trio
import trio.testing

from chunkwire.net.deadlines import Deadlines


@pytest.mark.parametrize("seconds", [0.1, 1, 5, 60])
async def test_a_deadline_is_reported_never_early_and_an_eighth_late_at_most(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, seconds: float
) -> None:
    deadlines, due = Deadlines(), trio.Event()
    nursery.start_soon(deadlines.run, name="deadlines")
    await trio.sleep(7)
    deadlines.set("a", seconds, due.set)
    await due.wait()
    assert seconds <= trio.current_time() - 7 <= seconds * 9 / 8 + 1e-9


async def test_a_deadline_that_was_removed_or_has_come_is_not_reported_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    deadlines = Deadlines()
    due: list[str] = []
    nursery.start_soon(deadlines.run, name="deadlines")
    deadlines.set("removed", 1, lambda: due.append("lifted"))
    deadlines.set("kept", 1, lambda: due.append("kept"))
    deadlines.remove("removed")
    deadlines.remove("never set")
    await trio.sleep(10)
    assert due == ["kept"]


async def test_a_key_has_one_deadline_and_one_without_end_is_none(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    deadlines = Deadlines()
    due: list[str] = []
    nursery.start_soon(deadlines.run, name="deadlines")
    deadlines.set("key", 1, lambda: due.append("first"))
    deadlines.set("key", 4, lambda: due.append("second"))
    deadlines.set("endless", math.inf, lambda: due.append("endless"))
    await trio.sleep(100)
    assert due == ["second"]
