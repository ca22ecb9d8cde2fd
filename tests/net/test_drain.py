"""Graceful shutdown, seen from one connection: what ends a wait for the next request, and what does not."""

from collections.abc import AsyncGenerator
from typing import TypeAlias

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.listen import (
    Drain,
)
from tests.net.peer import reset, tcp_pair
from tests.patience import PATIENCE

Waiting: TypeAlias = tuple[Connection, trio.SocketStream]


@pytest.fixture
async def waiting() -> AsyncGenerator[Waiting, None]:
    """A connection that may wait for its next request, and its client."""
    near, far = await tcp_pair()
    async with near, far:
        yield Connection(near), far


async def test_an_idle_wait_ends_when_the_drain_begins(nursery: trio.Nursery, waiting: Waiting) -> None:
    drain, answers = Drain(), list[bool]()

    async def wait() -> None:
        answers.append(await drain.wait_next(waiting[0]))

    async with trio.open_nursery() as until_woken:
        until_woken.start_soon(wait, name="wait")
        await trio.testing.wait_all_tasks_blocked()
        drain.start()
    assert answers == [False]


async def test_an_idle_wait_ends_where_an_empty_line_comes_as_the_drain_begins(nursery: trio.Nursery) -> None:
    """Fails, mostly within 30 times, where the wake-up is lost if the octets of the empty line are received first."""
    for _ in range(30):
        drain, answers = Drain(), list[bool]()
        near, far = await tcp_pair()

        async def wait(drain: Drain, near: trio.SocketStream, answers: list[bool]) -> None:
            answers.append(await drain.wait_next(ServerConnection(near, bare_lf=False)))

        async with near, far:
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as until_woken:
                    until_woken.start_soon(wait, drain, near, answers, name="wait")
                    await trio.testing.wait_all_tasks_blocked()
                    await far.socket.send(b"\r\n")
                    drain.start()
        assert answers == [False]


async def test_an_idle_wait_does_not_begin_while_draining(waiting: Waiting) -> None:
    drain = Drain()
    drain.start()
    drain.start()
    with trio.fail_after(PATIENCE):
        assert not await drain.wait_next(waiting[0])


async def test_an_idle_wait_has_its_own_limit(nursery: trio.Nursery, waiting: Waiting) -> None:
    drain = Drain()
    nursery.start_soon(drain.deadlines.run, name="deadlines")
    with trio.fail_after(PATIENCE):
        assert not await drain.wait_next(waiting[0], 0.05)


async def test_a_request_that_is_there_already_is_served_while_draining(waiting: Waiting) -> None:
    drain = Drain()
    waiting[0].leftover += b"GET"
    drain.start()
    assert await drain.wait_next(waiting[0])


async def test_work_after_an_idle_wait_is_not_ended_by_the_drain(waiting: Waiting) -> None:
    drain, (connection, client) = Drain(), waiting
    await client.send_all(b"GET ")
    assert await drain.wait_next(connection)
    connection.leftover.clear()
    drain.start()
    await client.send_all(b"/")
    assert await connection.receive_some() == b"/"


async def test_a_client_that_closed_ends_an_idle_wait(waiting: Waiting) -> None:
    await waiting[1].send_eof()
    assert not await Drain().wait_next(waiting[0])


async def test_a_client_that_reset_is_gone(waiting: Waiting) -> None:
    reset(waiting[1])
    with pytest.raises(PeerGone):
        await Drain().wait_next(waiting[0])
