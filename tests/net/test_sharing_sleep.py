"""One sleep for all: moments, bodies and trio, whatever shares the run."""

from __future__ import annotations

import os
import select
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection
from chunkwire.net.movers import Mover
from chunkwire.net.sleeper import Form, Sleeper, current_sleeper
from chunkwire.net.triosleep import SleeperClock
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.scanner import ChunkedScanner
from tests.net.carry import Carried, open_carried, rally
from tests.net.peer import tcp_pair
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="epoll is Linux's")

FRAMES = [encode_chunk(b"x" * n) for n in range(1, 200)]


def run_in_both(main: Callable[[], Awaitable[None]]) -> None:
    """Run something where the sleeper is an instrument, and where it is trio's clock."""
    for clock in (None, SleeperClock()):
        trio.run(main, clock=clock, strict_exception_groups=True)


class Turns(trio.abc.Instrument):
    """Counts the turns of trio's loop."""

    count = 0

    def after_io_wait(self, timeout: float) -> None:
        self.count += 1


def fast_mover() -> Mover:
    from chunkwire.net.fastmover import FastMover  # its epoll exists on Linux only

    return FastMover()


async def carry(nursery: trio.Nursery, mover: Mover) -> Carried:
    carried = await open_carried()
    nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="carry")
    return carried


def test_frames_are_relayed_in_the_sleep_of_a_paced_stream() -> None:
    """Each frame is sent when the one before has arrived; a frame that ended the sleep would cost turns of trio's."""

    async def main() -> None:
        turns = Turns()
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                sleeper, mover = await current_sleeper(), fast_mover()
                nursery.start_soon(sleeper.wait_until, sleeper.now() + 3600, name="paced stream")
                nursery.start_soon(mover.run, name="mover")
                carried = await carry(nursery, mover)
                trio.lowlevel.add_instrument(turns)
                await trio.to_thread.run_sync(rally, carried, FRAMES)
                nursery.cancel_scope.cancel()
        await carried.aclose()
        assert turns.count < len(FRAMES) / 4

    run_in_both(main)


def test_moments_come_while_frames_are_relayed_without_a_pause() -> None:
    async def main() -> None:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                sleeper, mover = await current_sleeper(), fast_mover()
                nursery.start_soon(mover.run, name="mover")
                carried = await carry(nursery, mover)
                has_come = False

                def rally_until_it_has_come() -> None:
                    while not has_come:
                        rally(carried, FRAMES[:10])

                async with trio.open_nursery() as rallies:
                    rallies.start_soon(trio.to_thread.run_sync, rally_until_it_has_come, name="rally")
                    await sleeper.wait_until(sleeper.now() + 0.05)
                    has_come = True
                nursery.cancel_scope.cancel()
        await carried.aclose()

    run_in_both(main)


def test_two_movers_share_one_sleeper_and_one_goes_on_when_the_other_ends() -> None:
    async def main() -> None:
        movers, scope = [fast_mover(), fast_mover()], trio.CancelScope()

        async def run_first() -> None:
            with scope:
                await movers[0].run()

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_first, name="first mover")
                nursery.start_soon(movers[1].run, name="second mover")
                carried = [await carry(nursery, mover) for mover in movers]
                async with trio.open_nursery() as rallies:
                    for one in carried:
                        rallies.start_soon(trio.to_thread.run_sync, rally, one, FRAMES, name="rally")
                scope.cancel()
                await trio.to_thread.run_sync(rally, carried[1], FRAMES)
                nursery.cancel_scope.cancel()
        for one in carried:
            await one.aclose()

    run_in_both(main)


def sets_watching(descriptor: int) -> int:
    """Return how many epoll sets list a descriptor."""
    folder = Path("/proc/self/fdinfo")
    texts = [(folder / name).read_text() for name in os.listdir("/proc/self/fd") if (folder / name).exists()]
    return sum(f"tfd:{descriptor:9}" in text for text in texts)


async def test_a_connection_that_is_watched_no_more_leaves_the_set() -> None:
    mover = fast_mover()
    near, far = await tcp_pair()
    async with near, far, trio.open_nursery() as nursery:
        nursery.start_soon(mover.run, name="mover")
        await trio.testing.wait_all_tasks_blocked()
        before = sets_watching(near.socket.fileno())  # trio's has it since it connected
        mover.watch(Connection(near), lambda _: None)
        assert sets_watching(near.socket.fileno()) == before + 1
        mover.unwatch(Connection(near))
        assert sets_watching(near.socket.fileno()) == before
        nursery.cancel_scope.cancel()


async def test_a_mover_that_ends_leaves_nothing_watched() -> None:
    """The set would report it without end, with nobody to serve it."""
    mover, scope = fast_mover(), trio.CancelScope()

    async def run() -> None:
        with scope:
            await mover.run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, name="mover")
        carried = await carry(nursery, mover)
        await trio.to_thread.run_sync(rally, carried, FRAMES[:1])
        source = carried.source.fileno()
        assert source is not None
        assert sets_watching(source) == 1
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert sets_watching(source) == 0
        nursery.cancel_scope.cancel()
    await carried.aclose()


async def test_a_run_has_one_sleeper_and_each_thread_its_own() -> None:
    async def own() -> Sleeper:
        sleeper = await current_sleeper()
        assert await current_sleeper() is sleeper
        await sleeper.wait_until(sleeper.now() + 0.001)
        assert sleeper.form is Form.INSTRUMENT
        return sleeper

    sleepers = [await own()]
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(trio.to_thread.run_sync, lambda: sleepers.append(trio.run(own)), name="another run")
    assert len(set(sleepers)) == 3
