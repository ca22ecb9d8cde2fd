"""Listening at a path: what is removed as it ends, and what is left there."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import trio
import trio.testing

from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.listen import Address, ListenError, open_listeners
from chunkwire.net.unix import open_unix_listener
from chunkwire.server.running import open_all
from tests.net.peer import no_descriptor_left

PEEKED: Final[list[tuple[Callable[[socket.socket], object], list[bool]]]] = [
    (socket.socket.close, []),
    (lambda far: far.shutdown(socket.SHUT_WR), [False]),
    (lambda far: far.sendall(b"GET"), [True]),
]


async def test_a_listener_that_closes_removes_its_path(tmp_path: Path) -> None:
    listener = await open_unix_listener(str(tmp_path / "o.sock"), 1)
    await listener.aclose()
    await listener.aclose()
    assert not os.listdir(tmp_path)


async def test_a_path_that_another_server_has_taken_is_left_there(tmp_path: Path) -> None:
    path = tmp_path / "o.sock"
    listener = await open_unix_listener(str(path), 1)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        await listener.aclose()
        assert path.exists()


async def test_a_path_is_removed_where_the_admin_address_cannot_be_bound(tmp_path: Path) -> None:
    [taken] = await open_listeners(Address("127.0.0.1", 0))
    port = taken.socket.getsockname()[1]
    with pytest.raises(ListenError):
        await open_all(f"unix:{tmp_path}/o.sock", f"127.0.0.1:{port}", reuse_port=False, certificate=None)
    assert not os.listdir(tmp_path)
    await taken.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="an octet is left on Linux only")
@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize("act, result", PEEKED, ids=["closed", "ended", "more"])
async def test_the_octet_that_is_left_hides_neither_more_octets_nor_an_end(
    act: Callable[[socket.socket], object], result: list[bool], is_left: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Fails where a client that leaves is noticed only by polling, or where its close is taken for a FIN."""
    near, far = socket.socketpair()
    connection = ServerConnection(trio.SocketStream(trio.socket.from_stdlib_socket(near)), bare_lf=False)
    far.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert await connection.receive_request() is not None
    assert connection.unread_octet is not None
    if not is_left:
        connection.unread_octet.take()
    seen, began = list[bool](), trio.current_time()

    async def peek() -> None:
        with suppress(PeerGone):
            seen.append(await connection.peek())

    with far:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peek, name="peek")
            await trio.testing.wait_all_tasks_blocked()
            act(far)
    assert (seen, trio.current_time()) == (result, began)
    connection.reset()


@pytest.mark.skipif(sys.platform != "linux", reason="an octet is left on Linux only")
@pytest.mark.parametrize("act, result", PEEKED, ids=["closed", "ended", "more"])
async def test_without_a_descriptor_for_the_wait_a_departure_is_noticed(
    act: Callable[[socket.socket], object], result: list[bool], autojump_clock: trio.testing.MockClock
) -> None:
    """Fails where EMFILE ends the responder of a client that is there, or keeps one whose client has left."""
    near, far = socket.socketpair()
    connection = ServerConnection(trio.SocketStream(trio.socket.from_stdlib_socket(near)), bare_lf=False)
    far.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert await connection.receive_request() is not None
    seen = list[bool]()
    with far, no_descriptor_left():
        with trio.move_on_after(1) as scope:
            await connection.peek()
        act(far)
        with trio.fail_after(1), suppress(PeerGone):
            seen.append(await connection.peek())
    assert (scope.cancelled_caught, seen) == (True, result)
    connection.reset()


@pytest.mark.skipif(sys.platform != "linux", reason="an octet is left on Linux only")
@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_socket_that_this_side_has_closed_is_not_looked_at(
    is_waiting: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Fails where its number is polled, which may be another connection's by then."""
    near, far = socket.socketpair()
    connection = ServerConnection(trio.SocketStream(trio.socket.from_stdlib_socket(near)), bare_lf=False)
    far.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert await connection.receive_request() is not None

    async def peek() -> None:
        with pytest.raises(PeerGone, match=r"closed (by this side|this fd)"):
            await connection.peek()

    with far:
        async with trio.open_nursery() as nursery:
            if not is_waiting:
                connection.reset()
            nursery.start_soon(peek, name="peek")
            await trio.testing.wait_all_tasks_blocked()
            connection.reset()


async def test_a_symbolic_link_to_a_dead_socket_is_left_there(tmp_path: Path) -> None:
    path = tmp_path / "o.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    path.symlink_to("dead.sock")
    with pytest.raises(OSError, match="no socket"):
        await open_unix_listener(str(path), 1)
    assert path.is_symlink()
