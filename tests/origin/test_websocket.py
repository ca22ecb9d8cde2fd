"""`/ws` with a real WebSocket client, and the handshakes that are refused."""

import json
import sys
from contextlib import suppress

import pytest
import trio
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from chunkwire.net.ends import ServerConnection
from chunkwire.origin.websocket import WebSocket
from chunkwire.server.journal import Ended
from chunkwire.server.settings import ServerSettings
from tests.net.peer import read_to_end, tcp_pair
from tests.origin.websocket import KEY, UPGRADE, Peer, socket
from tests.patience import PATIENCE
from tests.server.peer import LeapPacer, ask, get, serving, status_of


async def test_messages_come_back_in_their_kind_and_pings_are_answered() -> None:
    async with serving() as running, socket(running.port) as peer:
        exchanged: list[tuple[Event, Event]] = [
            (TextMessage("Grüße"), TextMessage("Grüße")),
            (BytesMessage(b"\0\1"), BytesMessage(b"\0\1")),
            (Ping(b"x"), Pong(b"x")),
        ]
        for sent, back in exchanged:
            await peer.send(sent)
            assert await peer.next() == back


async def test_a_message_in_fragments_comes_back_before_it_is_whole() -> None:
    async with serving() as running, socket(running.port) as peer:
        for piece in (TextMessage("one ", message_finished=False), TextMessage("two")):
            await peer.send(piece)
            assert await peer.next() == piece


async def test_a_close_is_answered_and_ends_the_connection() -> None:
    async with serving() as running, socket(running.port) as peer:
        await peer.send(CloseConnection(1000, "bye"))
        assert await peer.next() == CloseConnection(1000, "bye")
        assert await peer.client.stream.receive_some() == b""
        assert await running.wait_ended() is Ended.COMPLETE


async def test_n_messages_are_sent_at_their_moments_and_then_it_closes() -> None:
    pacer = LeapPacer()
    async with serving(pacer=pacer) as running, socket(running.port, "/ws?n=3&interval=1s") as peer:
        told = [await peer.next() for _ in range(4)]
        messages = [json.loads(event.data) for event in told if isinstance(event, TextMessage)]
        assert messages == [{"n": n, "of": 3} for n in (1, 2, 3)]
        close = told[3]
        assert isinstance(close, CloseConnection)
        assert close.code == 1000
        await peer.send(close.response())
        assert await running.wait_ended() is Ended.COMPLETE
    assert [round(moment - 1000, 6) for moment in pacer.moments] == [0.0, 1.0, 2.0]


async def test_a_protocol_error_is_answered_by_a_close_of_code_1002() -> None:
    async with serving() as running, socket(running.port) as peer:
        await peer.client.send(b"\xff\xff")  # reserved bits set
        event = await peer.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1002


async def test_a_client_that_resets_ends_the_exchange() -> None:
    async with serving() as running, socket(running.port) as peer:
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
    async with serving(settings=settings) as running, socket(running.port) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(flood, peer, name="flood")
        assert await running.wait_ended() is Ended.TIMEOUT
        nursery.cancel_scope.cancel()


async def test_a_client_that_just_leaves_ends_the_exchange() -> None:
    async with serving() as running:
        async with socket(running.port):
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
async def test_a_broken_handshake_is_refused(lines: tuple[bytes, ...], status: int, answer: bytes) -> None:
    response = await ask(get("/ws", *lines))
    assert (status_of(response), answer in response) == (status, True)


async def test_without_wsproto_the_refusal_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wsproto", None)
    response = await ask(get("/ws", *UPGRADE, KEY, b"Connection: close"))
    assert (status_of(response), b"/ws needs the package wsproto: pip install wsproto" in response) == (501, True)


async def test_a_second_close_is_not_sent() -> None:
    """Fails where it raises: a client may break the rules just when the last message has been sent."""
    near, far = await tcp_pair()
    ours = WebSocket(ServerConnection(far, bare_lf=True), Connection(ConnectionType.SERVER), PATIENCE)
    for code in (1002, 1000):
        await ours.send(CloseConnection(code))
    await far.aclose()
    frames = Connection(ConnectionType.CLIENT)
    frames.receive_data(await read_to_end(near))
    assert [event.code for event in frames.events() if isinstance(event, CloseConnection)] == [1002]
    await near.aclose()
