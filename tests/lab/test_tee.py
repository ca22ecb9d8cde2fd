"""A tee between real sockets: whose end it records, and its answer where nobody listens."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing

from chunkwire.lab.lessons.tee import Tee
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.net.connection import Connection
from chunkwire.net.listen import Address
from tests.patience import PATIENCE

HOST = "127.0.0.1"
Handler = Callable[[trio.SocketStream], Awaitable[None]]


async def listening(nursery: trio.Nursery, handler: Handler) -> Address:
    (listener,) = await nursery.start(partial(trio.serve_tcp, handler, 0, host=HOST), name="listener")
    return Address(HOST, listener.socket.getsockname()[1])


async def ends(serve: Handler, use: Handler) -> tuple[str, str]:
    """Return how the client and the server ended, as a tee between them recorded it."""
    seen: list[WatchedConnection] = []
    over = trio.Event()

    def note(connection: WatchedConnection) -> None:
        seen.append(connection)
        if connection.is_over:
            over.set()

    async with trio.open_nursery() as nursery:
        tee = Tee("origin", await listening(nursery, serve), note)
        front = await listening(nursery, tee.handle)
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream(front.host, front.port) as client:
                await use(client)
                await over.wait()
        nursery.cancel_scope.cancel()
    return seen[-1].client_end, seen[-1].server_end


async def read_all(stream: trio.SocketStream) -> bytes:
    return b"".join([octets async for octets in stream])


async def read_until_reset(stream: trio.SocketStream) -> None:
    with pytest.raises(trio.BrokenResourceError):
        await read_all(stream)


async def test_a_reset_of_the_server_is_not_one_of_the_client() -> None:
    async def serve(server: trio.SocketStream) -> None:
        await server.receive_some()
        Connection(server).reset()

    async def use(client: trio.SocketStream) -> None:
        await client.send_all(b"x")
        await read_until_reset(client)

    assert await ends(serve, use) == ("", "reset")


async def test_a_reset_of_the_client_is_not_one_of_the_server() -> None:
    async def use(client: trio.SocketStream) -> None:
        await client.send_all(b"x")
        Connection(client).reset()

    assert await ends(read_until_reset, use) == ("reset", "")


async def test_a_reset_of_the_server_is_its_own_also_where_octets_of_the_client_meet_it() -> None:
    has_reset = trio.Event()

    async def fill(server: trio.SocketStream) -> None:
        with suppress(trio.ClosedResourceError):
            await server.send_all(bytes(50_000_000))  # the client reads nothing yet, so the tee is stuck sending these

    async def serve(server: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill, server, name="octets nobody reads")
            await server.receive_some()
            Connection(server).reset()
        has_reset.set()

    async def use(client: trio.SocketStream) -> None:
        await client.send_all(b"x")
        await has_reset.wait()
        await client.send_all(b"y")
        await trio.testing.wait_all_tasks_blocked()
        await read_until_reset(client)

    assert await ends(serve, use) == ("", "reset")


async def test_octets_that_were_read_before_get_the_502_without_any_more(refusing_port: int) -> None:
    seen: list[WatchedConnection] = []
    tee = Tee("origin", Address(HOST, refusing_port), seen.append, refused="nobody listens")
    async with trio.open_nursery() as nursery:
        front = await listening(nursery, partial(tee.handle, first=b"GET / HTTP/1.1\r\n\r\n"))
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream(front.host, front.port) as client:
                answer = await read_all(client)
        nursery.cancel_scope.cancel()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert answer.endswith(b"nobody listens\n")
    assert (seen[-1].is_refused, seen[-1].request_octets) == (True, b"GET / HTTP/1.1\r\n\r\n")
