"""`/ws` with a real WebSocket client, and the handshakes that are refused."""

import json
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from wsproto import ConnectionType
from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from chunkwire.server.journal import Ended
from chunkwire.server.settings import ServerSettings
from tests.patience import PATIENCE
from tests.server.peer import Client, LeapPacer, Running, connect, get, serving, status_of

UPGRADE = (b"Upgrade: websocket", b"Connection: keep-alive, Upgrade", b"Sec-WebSocket-Version: 13")
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


class Peer:
    """The client's end of a WebSocket."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.frames = Connection(ConnectionType.CLIENT)
        self.frames.receive_data(bytes(client.received))
        self._events = deque(self.frames.events())

    async def send(self, event: Event) -> None:
        await self.client.send(self.frames.send(event))

    async def next(self) -> Event:
        with trio.fail_after(PATIENCE):
            while not self._events:
                octets = await self.client.stream.receive_some()
                assert octets, "expected an event, got the end of input"
                self.frames.receive_data(octets)
                self._events.extend(self.frames.events())
        return self._events.popleft()


@asynccontextmanager
async def socket(running: Running, target: str = "/ws") -> AsyncIterator[Peer]:
    async with connect(running.port) as client:
        await client.send(get(target, *UPGRADE, KEY))
        head = await client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head  # the example of RFC 6455 §1.3
        yield Peer(client)


async def test_messages_come_back_in_their_kind_and_pings_are_answered() -> None:
    async with serving() as running, socket(running) as peer:
        exchanged: list[tuple[Event, Event]] = [
            (TextMessage("Grüße"), TextMessage("Grüße")),
            (BytesMessage(b"\0\1"), BytesMessage(b"\0\1")),
            (Ping(b"x"), Pong(b"x")),
        ]
        for sent, back in exchanged:
            await peer.send(sent)
            event = await peer.next()
            assert (type(event), getattr(event, "data", None)) == (type(back), getattr(back, "data", None))


async def test_a_message_in_fragments_comes_back_before_it_is_whole() -> None:
    async with serving() as running, socket(running) as peer:
        await peer.send(TextMessage("one ", message_finished=False))
        event = await peer.next()
        assert (getattr(event, "data", ""), getattr(event, "message_finished", True)) == ("one ", False)
        await peer.send(TextMessage("two"))
        event = await peer.next()
        assert (getattr(event, "data", ""), getattr(event, "message_finished", False)) == ("two", True)


async def test_a_close_is_answered_and_ends_the_connection() -> None:
    async with serving() as running, socket(running) as peer:
        await peer.send(CloseConnection(1000, "bye"))
        assert isinstance(await peer.next(), CloseConnection)
        assert peer.frames.state is ConnectionState.CLOSED
        assert await peer.client.stream.receive_some() == b""
        assert await running.wait_ended() is Ended.COMPLETE


async def test_n_messages_are_told_at_their_moments_and_then_it_closes() -> None:
    pacer = LeapPacer()
    async with serving(pacer=pacer) as running, socket(running, "/ws?n=3&interval=1s") as peer:
        told = [await peer.next() for _ in range(4)]
        assert [json.loads(event.data) for event in told[:3] if isinstance(event, TextMessage)] == [
            {"n": 1, "of": 3},
            {"n": 2, "of": 3},
            {"n": 3, "of": 3},
        ]
        assert isinstance(told[3], CloseConnection)
        assert told[3].code == 1000
        await peer.send(told[3].response())
        assert await running.wait_ended() is Ended.COMPLETE
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [0.0, 1.0, 2.0]


async def test_a_client_that_breaks_the_protocol_is_told_so() -> None:
    async with serving() as running, socket(running) as peer:
        await peer.client.send(b"\xff\xff")  # reserved bits set
        event = await peer.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1002


async def test_a_client_that_resets_ends_the_exchange() -> None:
    async with serving() as running, socket(running) as peer:
        await peer.send(TextMessage("x"))
        await peer.next()
        peer.client.reset()
        assert await running.wait_ended() is Ended.CLIENT_GONE


async def test_a_client_that_takes_nothing_is_reset_at_the_send_deadline(autojump_clock: trio.abc.Clock) -> None:
    async def flood(peer: Peer) -> None:
        with suppress(trio.BrokenResourceError):  # reset in the end
            while True:
                await peer.send(BytesMessage(bytes(1 << 20)))

    settings = ServerSettings(send_timeout=5)
    async with serving(settings=settings) as running, socket(running) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(flood, peer, name="flood")
        assert await running.wait_ended() is Ended.TIMEOUT
        nursery.cancel_scope.cancel()


async def test_a_client_that_just_leaves_ends_the_exchange() -> None:
    async with serving() as running:
        async with socket(running):
            """Leave without a Close frame."""
        assert await running.wait_ended() is Ended.COMPLETE


@pytest.mark.parametrize(
    "lines, status, answer",
    [
        ((), 426, b"Upgrade: websocket\r\n"),
        ((b"Upgrade: websocket", KEY), 426, b"expected Upgrade: websocket and Connection: Upgrade"),
        ((b"Upgrade: h2c", b"Connection: Upgrade", KEY), 426, b"Upgrade: websocket\r\n"),
        ((*UPGRADE[:2], b"Sec-WebSocket-Version: 8", KEY), 426, b"Sec-WebSocket-Version: 13\r\n"),
        ((*UPGRADE[:2], b"Sec-WebSocket-Version: 8", KEY), 426, b"Upgrade: websocket\r\n"),
        ((*UPGRADE,), 400, b"Sec-WebSocket-Key: expected 16 octets"),
        ((*UPGRADE, b"Sec-WebSocket-Key: c2hvcnQ="), 400, b"Sec-WebSocket-Key: expected 16 octets"),
        ((*UPGRADE, b"Sec-WebSocket-Key: ?"), 400, b"Sec-WebSocket-Key: expected 16 octets"),
    ],
)
async def test_a_handshake_that_is_none_is_refused(lines: tuple[bytes, ...], status: int, answer: bytes) -> None:
    async with serving() as running:
        response = await running.ask(get("/ws", *lines))
    assert (status_of(response), answer in response) == (status, True)


async def test_without_wsproto_the_refusal_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wsproto", None)
    async with serving() as running:
        response = await running.ask(get("/ws", *UPGRADE, KEY, b"Connection: close"))
    assert (status_of(response), b"pip install 'chunkwire[ws]'" in response) == (501, True)
