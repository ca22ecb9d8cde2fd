"""A connection's octets: what follows a head, what a peer's end looks like, and how a close waits for it."""

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import trio
import trio.testing

from chunkwire.net.connection import (
    LINGER_SECONDS,
    LINGER_WINDOW_OCTETS,
    LINGER_WINDOW_SECONDS,
    Connection,
    PeerGone,
    lost_by,
)
from chunkwire.net.ends import ServerConnection
from tests.net.peer import (
    feeding,
    get,
    no_descriptor_left,
    reset,
    tcp_pair,
    unix_pair,
)
from tests.net.secured import secured_pair
from tests.patience import PATIENCE

BODY = b"5\r\nhello\r\n0\r\n\r\n"


async def test_octets_after_a_head_are_left_as_they_came() -> None:
    async with feeding(get(b"Transfer-Encoding: chunked") + BODY) as stream:
        server = ServerConnection(stream, bare_lf=False)
        await server.receive_request()
        assert bytes(server.leftover) == BODY
        assert await server.receive_some(3) == BODY[:3]
        assert await server.receive_some() == BODY[3:]
        assert await server.receive_some() == b""


async def test_waiting_for_octets_keeps_them_and_reports_an_end() -> None:
    async with feeding(b"ab") as stream:
        connection = Connection(stream)
        assert await connection.wait_octets()
        assert await connection.wait_octets()
        assert await connection.receive_some() == b"ab"
        assert not await connection.wait_octets()


async def test_a_peek_leaves_the_octets_in_the_socket() -> None:
    near, far = await tcp_pair()
    async with near, far:
        connection = Connection(near)
        await far.send_all(b"a")
        assert await connection.peek()
        assert not connection.leftover
        assert await connection.receive_some() == b"a"
        await far.send_eof()
        assert not await connection.peek()


@pytest.mark.parametrize("is_secured", [False, True], ids=["cleartext", "TLS"])
async def test_a_receive_after_our_own_close_names_this_side(is_secured: bool) -> None:
    if is_secured:
        near, end = await secured_pair(is_server=True)
        connection, far = Connection(near), end.transport
    else:
        plain, far = await tcp_pair()
        connection = Connection(plain)
    async with far:
        connection.close_nowait()
        with pytest.raises(PeerGone, match="closed by this side"):
            await connection.receive_some()


async def test_a_peek_sees_a_reset() -> None:
    near, far = await tcp_pair()
    async with near:
        reset(far)
        with pytest.raises(PeerGone):
            await Connection(near).peek()


@pytest.mark.parametrize("method", ["receive_some", "wait_octets"])
async def test_a_reset_is_a_peer_that_is_gone(method: str) -> None:
    near, far = await tcp_pair()
    async with near:
        connection = Connection(near)
        reset(far)
        with pytest.raises(PeerGone, match=r"127\.0\.0\.1:\d+ reset the connection"):
            await getattr(connection, method)()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a receive or a send notices it")
@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
async def test_a_reset_is_noticed_where_no_descriptor_is_left(
    pair: Callable[[], Coroutine[None, None, tuple[trio.SocketStream, trio.SocketStream]]],
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Fails where a wait that cannot have an epoll set of its own sleeps for ever."""
    near, far = await pair()
    async with near:
        with no_descriptor_left(), trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Connection(near).wait_reset, name="wait")
                await trio.testing.wait_all_tasks_blocked()
                reset(far)


async def test_without_epoll_a_wait_for_a_reset_does_not_return(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = await tcp_pair()
    monkeypatch.delattr("select.epoll", raising=False)
    async with near, trio.open_nursery() as nursery:
        nursery.start_soon(Connection(near).wait_reset, name="wait")
        reset(far)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        nursery.cancel_scope.cancel()


async def test_a_socket_that_this_side_has_closed_is_not_reset(autojump_clock: trio.testing.MockClock) -> None:
    """Fails where its number is polled, which may be another connection's by then."""
    near, far = await tcp_pair()
    near.socket.close()
    async with far:
        with trio.move_on_after(1) as scope:
            await Connection(near).wait_reset()
        assert scope.cancelled_caught


def broken_by(cause: OSError | None) -> trio.BrokenResourceError:
    error = trio.BrokenResourceError("broken")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error, text",
    [
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "x reset the connection"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "x reset the connection"),
        (broken_by(None), "x reset the connection"),
        (broken_by(ConnectionResetError()), "x reset the connection"),
        (broken_by(OSError(errno.EHOSTUNREACH, "No route to host")), "the connection to x was lost: No route to host"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "the connection to x was lost: Connection timed out"),
        (ConnectionAbortedError("without a number"), "the connection to x was lost: without a number"),
        (trio.ClosedResourceError("closed here"), "the connection to x was lost: closed here"),
    ],
)
def test_only_a_reset_is_called_one(error: BaseException, text: str) -> None:
    assert lost_by("x", error) == text


@pytest.mark.parametrize("method", ["send_all", "send_some"])
async def test_writing_to_a_peer_that_is_gone_says_so(method: str) -> None:
    near, far = await tcp_pair()
    async with near:
        connection = Connection(near)
        reset(far)
        await trio.lowlevel.wait_readable(near.socket)  # the reset has come
        with pytest.raises(PeerGone, match="closed the connection"):
            await getattr(connection, method)(b"x")


async def test_a_peer_is_named_by_its_address() -> None:
    near, far = await tcp_pair()
    async with near, far:
        assert Connection(near).peer == f"127.0.0.1:{far.socket.getsockname()[1]}"
        reset(far)
        await trio.lowlevel.wait_readable(near.socket)
        assert Connection(near).peer == "-"


async def test_a_cleartext_connection_has_a_descriptor_until_it_is_closed() -> None:
    near, far = await tcp_pair()
    async with near, far:
        connection = Connection(near)
        assert (connection.tls, connection.fileno()) == (None, near.socket.fileno())
        connection.reset()
        assert connection.fileno() == -1


async def test_a_connection_without_a_socket_has_no_descriptor() -> None:
    stream, _ = trio.testing.memory_stream_pair()
    connection = Connection(stream)
    assert (connection.tls, connection.fileno(), connection.peer) == (None, None, "-")


async def test_a_first_request_that_is_there_is_received_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = await tcp_pair()
    async with near, far:
        await far.send_all(get())
        await trio.lowlevel.wait_readable(near.socket)
        waits: list[object] = []
        monkeypatch.setattr(trio.lowlevel, "wait_readable", waits.append)
        connection = ServerConnection(near, bare_lf=False)
        assert await connection.wait_octets()
        assert waits == []


async def test_a_staged_close_waits_for_the_peer_only_so_long(autojump_clock: trio.testing.MockClock) -> None:
    near, far = await tcp_pair()
    async with far:
        await Connection(near).close()
        assert near.socket.fileno() == -1


async def send_each_second(far: trio.SocketStream, octets: int) -> float:
    """Send so many octets now and in each second that follows, until it fails; return when that was."""
    with suppress(trio.BrokenResourceError):
        while True:
            await far.send_all(b"x" * octets)
            await trio.sleep(LINGER_WINDOW_SECONDS)
    return trio.current_time()


@pytest.mark.parametrize("octets, windows", [(LINGER_WINDOW_OCTETS - 1, 1), (LINGER_WINDOW_OCTETS, 60)])
async def test_a_staged_close_waits_for_a_peer_that_still_sends_and_is_fast_enough(
    autojump_clock: trio.testing.MockClock, octets: int, windows: int
) -> None:
    near, far = await tcp_pair()
    async with far, trio.open_nursery() as nursery:
        nursery.start_soon(Connection(near).close, name="close")
        began = trio.current_time()
        lasted = await send_each_second(far, octets) - began
        assert windows * LINGER_WINDOW_SECONDS <= lasted <= (windows + 2) * LINGER_WINDOW_SECONDS
        assert LINGER_SECONDS == 60 * LINGER_WINDOW_SECONDS


async def test_a_staged_close_gives_a_fast_peer_one_window_where_it_may_not_linger(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = await tcp_pair()
    connection = ServerConnection(near, bare_lf=False, may_linger=lambda: False)
    async with far, trio.open_nursery() as nursery:
        nursery.start_soon(connection.close, name="close")
        began = trio.current_time()
        assert await send_each_second(far, 2 * LINGER_WINDOW_OCTETS) - began <= 3 * LINGER_WINDOW_SECONDS


async def test_a_staged_close_of_a_gone_peer_just_closes() -> None:
    near, far = await tcp_pair()
    reset(far)
    await Connection(near).close()
    assert near.socket.fileno() == -1
    connection = Connection(near)
    await connection.close()
    connection.reset()


async def test_a_cancelled_close_closes_all_the_same() -> None:
    near, far = await tcp_pair()
    async with far:
        with trio.CancelScope() as scope:
            scope.cancel()
            await Connection(near).close()
        assert near.socket.fileno() == -1


async def test_a_reset_ends_a_receive_that_waits() -> None:
    near, far = await tcp_pair()
    connection = Connection(near)
    async with far, trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(PeerGone):
                await connection.receive_some()

        nursery.start_soon(receive, name="receive")
        await trio.testing.wait_all_tasks_blocked()
        connection.reset()


def test_runs_of_trio_in_two_threads_receive_into_memory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have received before either has taken what came: memory that they share would hold the last one's twice."""
    both, readv = threading.Barrier(2), os.readv

    def read(fileno: int, buffers: tuple[memoryview]) -> int:
        count = readv(fileno, buffers)
        both.wait(PATIENCE)
        return count

    async def receive(octets: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        theirs.send(octets)
        with theirs:
            async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
                return await Connection(stream).receive_some()

    monkeypatch.setattr(os, "readv", read)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda octets: trio.run(receive, octets), [b"a" * 9, b"b" * 9])) == [b"a" * 9, b"b" * 9]
