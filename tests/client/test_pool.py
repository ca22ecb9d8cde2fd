"""Connections kept for the next request: which are, which are not, and what becomes of one that has died meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio

from chunkwire import client
from chunkwire.client.opening import NO_RETRY, Retry
from chunkwire.net.dial import parse_url
from chunkwire.net.ends import ClientConnection, IncompleteHead
from chunkwire.net.pool import Pool, server_of
from tests.client.server import CHUNKED, LAST, Peer, Script, scripted
from tests.net.peer import tcp_pair
from tests.patience import PATIENCE

SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serves(*responses: bytes) -> Script:
    """Answer a request with each of these on one connection; then close it."""

    async def script(peer: Peer) -> None:
        for response in responses:
            await peer.read_head()
            await peer.send(response)

    return script


@asynccontextmanager
async def pooling() -> AsyncIterator[Pool]:
    with Pool() as pool:
        yield pool


async def read(url: str, pool: Pool, method: str = "GET", body: bytes | None = None, retry: Retry = NO_RETRY) -> bytes:
    with trio.fail_after(PATIENCE):
        async with client.open(method, url, pool=pool, body=body, retry=retry) as stream:
            return await stream.read()


async def test_one_connection_serves_request_after_request() -> None:
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        for response in (CHUNKED + b"2\r\nok\r\n" + LAST, SHORT):
            heads.append(await peer.read_head())
            await peer.send(response)
        assert await peer.ending() == "fin"

    async with scripted(script) as server, pooling() as pool:
        assert [await read(server.url(), pool), await read(server.url(), pool)] == [b"ok", b"ok"]
        assert (server.connections, len(pool)) == (1, 1)
    assert all(b"\r\nConnection:" not in head for head in heads)


async def test_nothing_is_kept_of_a_server_whose_last_connection_was_taken() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(SHORT)
        await peer.ending()

    async with scripted(script) as server, pooling() as pool:
        await read(server.url(), pool)
        connection = pool.take(server_of(parse_url(server.url()), None))
        assert connection is not None
        assert pool._kept == {}
        connection.close_nowait()


@pytest.mark.parametrize(
    "response",
    [
        SHORT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        SHORT.replace(b"1.1", b"1.0"),
        b"HTTP/1.1 200 OK\r\n\r\nok",
        SHORT + b"surplus",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_a_connection_on_which_nothing_may_follow_is_not_kept(response: bytes) -> None:
    async with scripted(serves(response)) as server, pooling() as pool:
        assert await read(server.url(), pool) in (b"ok", b"")
        assert len(pool) == 0


async def test_a_connection_of_a_request_that_closes_it_is_not_kept() -> None:
    """Fails where only the response is asked: the server closes the connection, perhaps after the next request."""
    async with scripted(serves(SHORT)) as server, pooling() as pool:
        async with client.open("GET", server.url(), pool=pool, fields={"Connection": "close"}) as stream:
            assert await stream.read() == b"ok"
        assert len(pool) == 0


async def test_a_connection_on_which_a_body_may_be_unread_is_not_kept() -> None:
    """Fails where a server that reads no body of a GET takes it for the next request (RFC 9110 §9.3.1)."""
    async with scripted(serves(SHORT)) as server, pooling() as pool:
        assert await read(server.url(), pool, body=b"GET /other HTTP/1.1\r\n\r\n") == b"ok"
        assert len(pool) == 0


async def test_an_exchange_that_is_finished_twice_is_kept_once() -> None:
    """Fails where two requests could take one connection at a time."""
    async with scripted(serves(SHORT)) as server, pooling() as pool:
        async with client.open("GET", server.url(), pool=pool) as stream:
            await stream.read()
            await stream.finish()
        assert len(pool) == 1


async def test_an_exchange_that_is_left_early_ends_its_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(CHUNKED + b"2\r\nok\r\n")
        assert await peer.ending() == "reset"

    with Pool() as pool:
        async with scripted(script) as server, client.open("GET", server.url(), pool=pool) as stream:
            await stream.frames().__anext__()
        assert len(pool) == 0


async def test_a_kept_connection_that_its_server_has_closed_is_not_used() -> None:
    closed = trio.Event()

    async def closes(peer: Peer) -> None:
        await serves(SHORT)(peer)
        await peer.stream.send_eof()
        closed.set()
        assert await peer.ending() == "fin"

    async with scripted(closes, serves(SHORT)) as server, pooling() as pool:
        await read(server.url(), pool)
        await closed.wait()
        assert await read(server.url(), pool) == b"ok"


async def dies(peer: Peer) -> None:
    """Answer one request, and nothing to the next one."""
    await serves(SHORT)(peer)
    await peer.read_head()


@pytest.mark.parametrize("method, retry", [("PUT", NO_RETRY), ("POST", Retry(attempts=1, is_repeatable=True))])
async def test_a_request_that_a_kept_connection_gives_nothing_for_is_sent_once_more(method: str, retry: Retry) -> None:
    async with scripted(dies, serves(SHORT)) as server, pooling() as pool:
        await read(server.url(), pool)
        assert await read(server.url(), pool, method, b"x", retry) == b"ok"
        assert server.connections == 2


async def test_a_request_whose_repeat_may_do_harm_is_not_sent_once_more() -> None:
    async with scripted(dies) as server, pooling() as pool:
        await read(server.url(), pool)
        with pytest.raises(IncompleteHead):
            await read(server.url(), pool, "POST", b"x", Retry(attempts=3))


@pytest.mark.parametrize("octets", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_one_octet_of_a_response_and_it_is_not_sent_again(octets: bytes) -> None:
    async with scripted(serves(SHORT, octets)) as server, pooling() as pool:
        await read(server.url(), pool)
        with pytest.raises(IncompleteHead):
            await read(server.url(), pool, "PUT", b"x")


async def test_a_fresh_connection_that_gives_nothing_is_no_reason_to_send_again() -> None:
    async with scripted(serves(b"")) as server, pooling() as pool:
        with pytest.raises(IncompleteHead):
            await read(server.url(), pool)


class Quiet:
    """A connection as the pool sees it."""

    def __init__(self) -> None:
        self.is_open = True

    def is_quiet(self) -> bool:
        return self.is_open

    def close_nowait(self) -> None:
        self.is_open = False


KEY = ("http", "x", 80, None)


async def test_the_pool_is_bounded_and_the_latest_serves_first(autojump_clock: trio.testing.MockClock) -> None:
    pool, connections = Pool(per_server=2, idle=10), [Quiet() for _ in range(3)]
    for connection in connections[:2]:
        pool.give(KEY, cast(ClientConnection, connection))
    assert all(connection.is_open for connection in connections)
    pool.give(KEY, cast(ClientConnection, connections[2]))
    assert [connection.is_open for connection in connections] == [False, True, True]
    assert pool.take(KEY) is cast(ClientConnection, connections[2])
    assert pool.take(("https", "x", 443, None)) is None
    await trio.sleep(10)
    assert pool.take(KEY) is None
    assert not connections[1].is_open


async def test_a_connection_given_to_a_closed_pool_is_closed() -> None:
    """Fails where it is kept: nobody closes it again."""
    near, far = await tcp_pair()
    with Pool() as pool:
        pass
    pool.give(("http", "x", 80, None), ClientConnection(near))
    assert len(pool) == 0
    assert await far.receive_some() == b""
    await far.aclose()
