"""Accepting: where, how many, and what one connection may do to the others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from chunkwire.net.listen import (
    Address,
    Drain,
    ListenError,
    PlainHandler,
    bound_addresses,
    open_listeners,
    serve_connections,
)
from tests.net.peer import read_exactly, read_to_end
from tests.net.test_dial import FixedResolver
from tests.patience import PATIENCE

LOOPBACK = Address("127.0.0.1", 0)


@asynccontextmanager
async def serving(handler: PlainHandler, *, max_connections: int = 100) -> AsyncIterator[int]:
    """Serve on a free port, and give it."""
    listeners = await open_listeners(LOOPBACK)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: serve_connections(listeners, handler, drain=Drain(), max_connections=max_connections), name="serve"
        )
        yield bound_addresses(listeners)[0].port
        nursery.cancel_scope.cancel()


async def connect(port: int) -> trio.SocketStream:
    with trio.fail_after(PATIENCE):
        return await trio.open_tcp_stream("127.0.0.1", port)


async def echo(stream: trio.SocketStream) -> None:
    while octets := await stream.receive_some():
        if octets == b"fail":
            raise RuntimeError("a bug")
        if octets == b"group":
            raise ExceptionGroup("bugs", [RuntimeError("a bug"), ValueError("another")])
        await stream.send_all(octets)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_port_0_takes_a_free_one_and_says_which(host: str) -> None:
    listeners = await open_listeners(Address(host, 0))
    try:
        (address,) = bound_addresses(listeners)
        assert address.port > 0
        async with await trio.open_tcp_stream(address.host, address.port), await listeners[0].accept():
            pass
    finally:
        for listener in listeners:
            await listener.aclose()


async def test_a_port_in_use_is_one_line() -> None:
    (listener,) = await open_listeners(LOOPBACK)
    (address,) = bound_addresses([listener])
    async with listener:
        with pytest.raises(ListenError) as caught:
            await open_listeners(address)
    assert str(caught.value) == f"cannot listen on {address}: address already in use"


async def test_a_port_is_free_again_once_its_server_has_ended() -> None:
    (listener,) = await open_listeners(LOOPBACK)
    (address,) = bound_addresses([listener])
    async with await connect(address.port) as client:
        await (await listener.accept()).aclose()  # closed here first: TIME_WAIT is on this side
        await listener.aclose()
        assert await read_to_end(client) == b""
    (again,) = await open_listeners(address)
    await again.aclose()


async def test_a_port_can_be_shared_where_that_was_asked_for() -> None:
    (one,) = await open_listeners(LOOPBACK, reuse_port=True)
    async with one:
        (other,) = await open_listeners(bound_addresses([one])[0], reuse_port=True)
        await other.aclose()


@pytest.mark.parametrize("host", ["192.0.2.1", "nosuch.invalid", "a..b"])
async def test_a_host_that_is_not_ours_is_one_line(host: str) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on {host}:0: ") as caught:
        await open_listeners(Address(host, 0))
    assert "\n" not in str(caught.value)


async def test_an_address_of_a_name_that_this_machine_lacks_or_that_is_repeated_is_left_out() -> None:
    (free,) = await open_listeners(LOOPBACK)
    port = bound_addresses([free])[0].port
    await free.aclose()
    trio.socket.set_custom_hostname_resolver(FixedResolver(["192.0.2.1", "127.0.0.1", "127.0.0.1"]))
    (listener,) = await open_listeners(Address("here.test", port))
    async with listener:
        assert bound_addresses([listener]) == [Address("127.0.0.1", port)]


async def test_ipv6_any_leaves_ipv4_alone() -> None:
    (six,) = await open_listeners(Address("::", 0))
    port = bound_addresses([six])[0].port
    async with six:
        (four,) = await open_listeners(Address("0.0.0.0", port))
        await four.aclose()


async def test_connections_past_the_limit_wait_for_a_place() -> None:
    served: list[trio.SocketStream] = []

    async def note_and_echo(stream: trio.SocketStream) -> None:
        served.append(stream)
        await echo(stream)

    async with serving(note_and_echo, max_connections=2) as port:
        async with await connect(port) as one, await connect(port) as two, await connect(port) as third:
            for client in (one, two, third):
                await client.send_all(b"x")
            assert await read_exactly(one, 1) + await read_exactly(two, 1) == b"xx"
            await trio.testing.wait_all_tasks_blocked()
            assert len(served) == 2
            await one.send_eof()
            assert await read_exactly(third, 1) == b"x"


@pytest.mark.parametrize("n", [0, 1])
async def test_a_listener_that_waits_takes_no_place_from_another_one(n: int) -> None:
    """Fails where `localhost` has two addresses, and the last place is held for the one that nobody connects to."""
    listeners = [*await open_listeners(LOOPBACK), *await open_listeners(LOOPBACK)]
    port = bound_addresses(listeners)[n].port
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: serve_connections(listeners, echo, drain=Drain(), max_connections=1), name="serve")
        async with await connect(port) as client:
            await client.send_all(b"x")
            assert await read_exactly(client, 1) == b"x"
        nursery.cancel_scope.cancel()


async def test_a_connection_that_ends_gives_its_place_back_however_it_ends() -> None:
    async with serving(echo, max_connections=1) as port:
        for octets in (b"fail", b"group", b"x"):
            async with await connect(port) as client:
                await client.send_all(octets)
                await client.send_eof()
                assert await read_to_end(client) == (b"x" if octets == b"x" else b"")
