"""Watching for a peer that leaves while nothing is read from it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection
from chunkwire.net.movers import Leaving, Mover
from chunkwire.wire.scanner import ChunkedScanner
from tests.net.carry import END, FRAME, MakeMover, open_carried, running
from tests.net.peer import reset, tcp_pair
from tests.net.secured import secured_pair
from tests.patience import PATIENCE


class Watch:
    """What a watch has said so far."""

    def __init__(self, mover: Mover, connection: Connection) -> None:
        self.all: list[Leaving] = []
        self._something = trio.Event()
        mover.watch(connection, self._note)

    def _note(self, how: Leaving) -> None:
        self.all.append(how)
        self._something.set()

    async def wait(self) -> list[Leaving]:
        with trio.fail_after(PATIENCE):
            await self._something.wait()
        await trio.testing.wait_all_tasks_blocked()
        return self.all


Send = Callable[[bytes], Awaitable[None]]


@asynccontextmanager
async def ends(*, is_secured: bool) -> AsyncIterator[tuple[Connection, trio.SocketStream, Send]]:
    """Give our end of a connection, in the clear or over TLS, the peer's socket, and what sends content from there."""
    if is_secured:
        near, far = await secured_pair(is_server=True)
        async with near, far.transport:
            yield Connection(near), far.transport, far.send
    else:
        plain, peer = await tcp_pair()
        async with plain, peer:
            yield Connection(plain), peer, peer.send_all


@pytest.mark.parametrize("is_secured", [False, True], ids=["cleartext", "TLS"])
@pytest.mark.parametrize("leaves_first", [False, True])
@pytest.mark.parametrize("how", [Leaving.FIN, Leaving.GONE])
async def test_a_peer_that_leaves_is_reported_once_whether_it_was_watched_then_or_not(
    make_mover: MakeMover, how: Leaving, leaves_first: bool, is_secured: bool
) -> None:
    async with ends(is_secured=is_secured) as (connection, peer, _), running(make_mover) as (mover, _):
        before = None if leaves_first else Watch(mover, connection)
        await trio.testing.wait_all_tasks_blocked()
        assert before is None or before.all == []
        await peer.send_eof() if how is Leaving.FIN else reset(peer)
        assert await (before or Watch(mover, connection)).wait() == [how]


@pytest.mark.parametrize("is_secured", [False, True], ids=["cleartext", "TLS"])
async def test_octets_that_come_are_no_leaving_and_stay_to_be_read(make_mover: MakeMover, is_secured: bool) -> None:
    async with ends(is_secured=is_secured) as (connection, _, send), running(make_mover) as (mover, _):
        watch = Watch(mover, connection)
        await send(b"next request")
        await trio.testing.wait_all_tasks_blocked()
        assert watch.all == []
        mover.unwatch(connection)
        assert await connection.receive_some() == b"next request"


async def test_nothing_is_reported_after_the_watch_has_ended(make_mover: MakeMover) -> None:
    near, far = await tcp_pair()
    async with near, running(make_mover) as (mover, _):
        connection = Connection(near)
        watch = Watch(mover, connection)
        await trio.testing.wait_all_tasks_blocked()
        mover.unwatch(connection)
        mover.unwatch(connection)
        reset(far)
        await trio.testing.wait_all_tasks_blocked()
        assert watch.all == []


@pytest.mark.parametrize("times", [1, 3])
async def test_a_watch_may_end_before_it_has_begun(make_mover: MakeMover, times: int) -> None:
    near, far = await tcp_pair()
    async with near, far, running(make_mover) as (mover, _):
        connection = Connection(near)
        watches = []
        for _ in range(times):
            watches.append(Watch(mover, connection))
            mover.unwatch(connection)
        await far.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        assert [watch.all for watch in watches] == [[]] * times
        assert await Watch(mover, connection).wait() == [Leaving.FIN]


async def test_a_connection_may_be_read_as_soon_as_its_watch_has_ended(make_mover: MakeMover) -> None:
    near, far = await tcp_pair()
    async with near, far, running(make_mover) as (mover, nursery):
        connection = Connection(near)
        for _ in range(3):
            Watch(mover, connection)
            await trio.testing.wait_all_tasks_blocked()
            mover.unwatch(connection)
            nursery.start_soon(far.send_all, b"x", name="send")
            assert await connection.receive_some() == b"x"


async def test_a_connection_that_was_never_watched_may_be_unwatched(make_mover: MakeMover) -> None:
    near, far = await tcp_pair()
    async with near, far, running(make_mover) as (mover, _):
        mover.unwatch(Connection(near))


async def test_the_client_is_watched_while_it_is_the_sink_of_a_body(make_mover: MakeMover) -> None:
    carried = await open_carried()
    async with running(make_mover) as (mover, nursery):
        watch = Watch(mover, carried.sink)
        nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="carry")
        await carried.send(FRAME)
        await carried.expect(FRAME)
        await carried.client.send_eof()
        assert await watch.wait() == [Leaving.FIN]
        await carried.send(END)
        await carried.expect(END)
        assert await carried.wait_error() is None
        mover.unwatch(carried.sink)
    await carried.aclose()


async def test_a_watch_goes_on_while_other_bodies_are_carried(make_mover: MakeMover) -> None:
    near, far = await tcp_pair()
    carried = await open_carried()
    async with near, far, running(make_mover) as (mover, nursery):
        nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="carry")
        watch = Watch(mover, Connection(near))
        for _ in range(5):
            await carried.send(FRAME)
            await carried.expect(FRAME)
        assert watch.all == []
        await far.send_eof()
        assert await watch.wait() == [Leaving.FIN]
    await carried.aclose()


async def test_one_watch_of_many_reports_its_own_peer(make_mover: MakeMover) -> None:
    pairs = [await tcp_pair() for _ in range(20)]
    async with running(make_mover) as (mover, _):
        watches = [Watch(mover, Connection(near)) for near, _ in pairs]
        await pairs[7][1].send_eof()
        assert await watches[7].wait() == [Leaving.FIN]
        assert [watch.all for watch in watches].count([]) == 19
    for near, far in pairs:
        await near.aclose()
        await far.aclose()


async def test_a_watch_at_rest_reports_nothing_and_the_next_one_reports_what_happened_meanwhile(
    make_mover: MakeMover,
) -> None:
    near, far = await tcp_pair()
    async with near, far, running(make_mover) as (mover, _):
        connection = Connection(near)
        before = Watch(mover, connection)
        await trio.testing.wait_all_tasks_blocked()
        mover.rest(connection)
        await far.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        assert before.all == []
        assert await Watch(mover, connection).wait() == [Leaving.FIN]


async def test_a_descriptor_that_was_at_rest_when_closed_is_watched_for_its_next_owner(make_mover: MakeMover) -> None:
    async with running(make_mover) as (mover, _):
        near, far = await tcp_pair()
        Watch(mover, Connection(near))
        await trio.testing.wait_all_tasks_blocked()
        mover.rest(Connection(near))
        number = near.socket.fileno()
        near.socket.close()
        far.socket.close()
        again, other = await tcp_pair()
        assert number in (again.socket.fileno(), other.socket.fileno())
        ours, theirs = (again, other) if again.socket.fileno() == number else (other, again)
        async with ours, theirs:
            watch = Watch(mover, Connection(ours))
            await theirs.send_eof()
            assert await watch.wait() == [Leaving.FIN]


async def test_close_notify_before_a_fin_is_no_octet_of_a_next_request(make_mover: MakeMover) -> None:
    near, far = await secured_pair(is_server=True)
    async with near, far.transport, running(make_mover) as (mover, _):
        watch = Watch(mover, Connection(near))
        await far.send_close_notify()
        await far.transport.send_eof()
        assert await watch.wait() == [Leaving.FIN]


async def test_what_comes_after_our_half_close_over_tls_is_read_to_its_end() -> None:
    """Fails where close_notify, behind our own, is taken for an error."""
    near, far = await secured_pair(is_server=True)
    async with near, far.transport:
        connection = Connection(near)
        await connection.send_eof()
        await far.send(b"last")
        await far.send_close_notify()
        assert [await connection.receive_some(), await connection.receive_some()] == [b"last", b""]


async def test_nothing_is_watched_once_the_mover_has_ended(make_mover: MakeMover) -> None:
    """Fails where this raises: an exchange that is cancelled with its mover would end the run by an error."""
    async with ends(is_secured=False) as (connection, peer, _):
        async with running(make_mover) as (mover, _):
            pass
        watch = Watch(mover, connection)
        reset(peer)
        await trio.testing.wait_all_tasks_blocked()
        assert watch.all == []
