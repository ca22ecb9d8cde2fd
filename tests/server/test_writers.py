"""One writer a body: what a second one gets, what becomes of the stream, and of a write that is cancelled part-way."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from chunkwire.server import ChunkedBody, Ended, IncomingRequest, LocalError, Responder
from tests.patience import PATIENCE
from tests.server.peer import Client, ask, body_of, connect, fetch, get, resource, serving

LARGE = b"x" * (8 << 20)  # more than the kernel's buffers of both sides hold
ONE_TASK = "one task to write a response"


async def read_response(client: Client) -> bytes:
    """Return the body of a response whose connection is closed behind it."""
    return body_of(await client.read_all())


class TwoWriters:
    """A responder whose second task writes while the first one's write waits for the client; it keeps what it got."""

    def __init__(self, second: Callable[[ChunkedBody], Awaitable[None]]) -> None:
        self.refused: list[str] = []
        self.both_wrote = trio.Event()
        self._second = second

    async def respond(self, _: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body, trio.open_nursery() as nursery:
            nursery.start_soon(body.send_chunk, LARGE, name="first")
            await trio.testing.wait_all_tasks_blocked()
            try:
                await self._second(body)
            except LocalError as error:
                self.refused.append(str(error))
            self.both_wrote.set()


@pytest.mark.parametrize(
    "second",
    [
        lambda body: body.send_chunk(b"y"),
        lambda body: body.send_octets(b"1\r\ny\r\n", chunks=1, octets=1),
        lambda body: body.finish(),
    ],
    ids=["chunk", "octets", "finish"],
)
async def test_a_write_beside_one_that_waits_is_refused_and_the_stream_is_whole(
    second: Callable[[ChunkedBody], Awaitable[None]],
) -> None:
    """Fails where its octets go between those of the chunk that the client is slow to take."""
    writers = TwoWriters(second)
    async with serving(resource(writers.respond)) as running, connect(running.port) as client:
        await client.send(get("/x", b"Connection: close"))
        with trio.fail_after(PATIENCE):
            await writers.both_wrote.wait()
        assert await read_response(client) == b"800000\r\n%b\r\n0\r\n\r\n" % LARGE
        assert await running.wait_ended() is Ended.COMPLETE
    assert ONE_TASK in writers.refused[0]


async def test_a_write_beside_one_that_does_not_wait_is_refused_too() -> None:
    """Fails where a second writer is found out only once a client is slow."""
    refused: list[str] = []

    async def write(body: ChunkedBody) -> None:
        try:
            await body.send_chunk(b"x")
        except LocalError as error:
            refused.append(str(error))

    async def both(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body, trio.open_nursery() as nursery:
            for name in ("first", "second"):
                nursery.start_soon(write, body, name=name)

    assert body_of(await fetch("/x", resource(both))) == b"1\r\nx\r\n0\r\n\r\n"
    assert len(refused) == 1


async def test_a_write_after_another_one_is_not_refused() -> None:
    async def tasks_in_turn(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            for data in (b"x", b"y"):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(body.send_chunk, data, name="writer")

    assert body_of(await fetch("/x", resource(tasks_in_turn))) == b"1\r\nx\r\n1\r\ny\r\n0\r\n\r\n"


async def cancelled_half_way(body: ChunkedBody) -> str:
    """Give up a write while it waits for the client, go on to write, and return what that came to."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.send_chunk, LARGE, name="first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    try:
        await body.send_chunk(b"y")
    except LocalError as error:
        return str(error)
    return "not refused"


async def test_nothing_follows_a_write_that_was_cancelled_half_way() -> None:
    """Fails where the next chunk goes out in the middle of it, and the client takes it for data."""
    refused: list[str] = []

    async def respond(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            refused.append(await cancelled_half_way(body))

    async with serving(resource(respond)) as running, connect(running.port, get("/x")) as client:
        assert await running.wait_ended() is Ended.CUT
        got = await read_response(client)
    assert refused == ["expected a body that is open, got one that is cut"]
    assert got.startswith(b"800000\r\nx")
    assert set(got[8:]) == set(b"x")


async def test_to_http_1_0_a_write_that_was_cancelled_half_way_ends_in_a_reset() -> None:
    """Fails where a FIN makes the client take what it has for the whole."""

    async def respond(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await cancelled_half_way(body)

    async with serving(resource(respond)) as running, connect(running.port, b"GET /x HTTP/1.0\r\n\r\n") as client:
        assert await running.wait_ended() is Ended.RESET
        await client.read_reset()


async def test_a_write_cancelled_before_its_first_octet_leaves_the_body_open() -> None:
    async def respond(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            with trio.CancelScope() as scope:
                scope.cancel()
                await body.send_chunk(b"x")
            await body.send_chunk(b"y")

    assert body_of(await fetch("/x", resource(respond))) == b"1\r\ny\r\n0\r\n\r\n"


async def test_a_body_left_half_way_is_cut_without_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where leaving the block early, as a deadline of the responder's own does, is taken for a bug."""

    async def respond(_: IncomingRequest, response: Responder) -> None:
        with trio.CancelScope() as scope:
            async with response.chunked() as body:
                await body.send_chunk(b"x")
                scope.cancel()
                await trio.lowlevel.checkpoint()

    async with serving(resource(respond)) as running:
        assert body_of(await running.get("/x")) == b"1\r\nx\r\n"
        assert await running.wait_ended() is Ended.CUT
    assert not caplog.records


async def test_a_shielded_write_to_head_sends_nothing() -> None:
    """Fails where a shield, which keeps the block of a response to HEAD from being left, lets a body out."""

    async def respond(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            with trio.CancelScope(shield=True):
                await body.send_chunk(b"x")

    assert body_of(await ask(b"HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", resource(respond))) == b""
