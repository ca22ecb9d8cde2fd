"""A WebSocket is read message by message, and only a normal Close frame ends it without an error."""

from contextlib import nullcontext, suppress
from typing import Any

import pytest
import trio
import trio.testing
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import generate_accept_token

from chunkwire import IncompleteBody, client
from chunkwire.testing import Origin, cut, octets, reset
from chunkwire.wire.errors import LocalError
from tests.client.server import Peer, Script, scripted

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


def answers(*events: Event, then: bytes = b"", into: list[Event] | None = None, closes: bool = False) -> Script:
    """Return a script: open the WebSocket, send these frames and then octets, and keep what the client sends.

    With `closes` the client's Close frame is awaited and answered.
    """

    async def script(peer: Peer) -> None:
        frames = Connection(ConnectionType.SERVER)
        head = await peer.read_head()
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        await peer.send(SWITCHED + b"Sec-WebSocket-Accept: %b\r\n\r\n" % generate_accept_token(key))
        await peer.send(b"".join(map(frames.send, events)) + then)
        while closes and into is not None and not any(isinstance(event, CloseConnection) for event in into):
            frames.receive_data(await peer.stream.receive_some())
            into.extend(frames.events())
        if closes:
            await peer.send(frames.send(CloseConnection(1000)))
        elif into is not None:
            frames.receive_data(await peer.read_all())
            into.extend(frames.events())

    return script


async def gathered(socket: client.WebSocketStream, into: list[str | bytes]) -> None:
    async for message in socket:
        into.append(message)  # noqa: PERF401  a comprehension would lose it


async def test_messages_are_given_as_they_come_until_the_close_frame(origin: Origin) -> None:
    run = origin.websocket(by_hand=True)
    async with client.websocket(run.ws_url, fields={"X-Token": "t"}) as socket:
        run.send_event("Grüße")
        assert await anext(socket) == "Grüße"
        run.send_frame(b"\x00\xff")
        assert await anext(socket) == b"\x00\xff"
        run.finish()
        assert [message async for message in socket] == []
    assert run.requests[0].headers["x-token"] == "t"
    run.end()


async def test_messages_are_sent_until_our_close_frame_and_received_until_the_servers() -> None:
    sent: list[Event] = []
    async with scripted(answers(TextMessage("a"), Ping(b""), BytesMessage(b"b"), into=sent, closes=True)) as server:
        async with client.websocket(server.url()) as socket:
            await socket.send("one")
            await socket.send(b"two")
            await socket.close()
            assert [message async for message in socket] == ["a", b"b"]
            with pytest.raises(LocalError, match="expected an open WebSocket, got one with a Close frame"):
                await socket.send("late")
    assert [event.data for event in sent if isinstance(event, TextMessage | BytesMessage)] == ["one", b"two"]
    assert isinstance(sent[-1], CloseConnection)


@pytest.mark.parametrize("how, error", [(cut, IncompleteBody), (reset, client.ResetBody)])
async def test_an_end_without_a_close_frame_is_an_error_after_the_messages(
    origin: Origin, how: Any, error: type[IncompleteBody]
) -> None:
    run = origin.websocket(how(["one", "two"], after_events=1))
    got: list[str | bytes] = []
    async with client.websocket(run.ws_url) as socket:
        with pytest.raises(error) as caught:
            await gathered(socket, got)
        assert caught.value.received == b""
    assert got == ["one"] or (error is client.ResetBody and got == [])  # a reset may overtake what was sent
    run.end()


@pytest.mark.parametrize(
    "events, then, code, got, received",
    [
        ([TextMessage("a"), CloseConnection(1011, "oops")], b"", 1011, ["a"], b""),
        ([TextMessage("a")], b"\x83\x01x", 1002, ["a"], b""),  # an opcode that is reserved
        ([TextMessage("a")], b"\x81\x02\xc3\x28", 1007, ["a"], b""),  # a text that is no UTF-8
        ([TextMessage("a"), TextMessage("bé", message_finished=False), CloseConnection(1000)], b"", 1000, ["a"], None),
    ],
)
async def test_another_close_is_an_error(
    events: list[Event], then: bytes, code: int, got: list[str], received: bytes | None
) -> None:
    messages: list[str | bytes] = []
    async with scripted(answers(*events, then=then)) as server:
        async with client.websocket(server.url()) as socket:
            with pytest.raises(client.WebSocketClosed, match=f"to close with 1000, got {code}") as caught:
                await gathered(socket, messages)
    assert (caught.value.code, messages) == (code, got)
    assert caught.value.received == ("bé".encode() if received is None else received)


async def test_a_ping_is_answered_and_a_close_frame_too() -> None:
    sent: list[Event] = []
    async with scripted(answers(Ping(b"7"), TextMessage("a"), CloseConnection(1000), into=sent)) as server:
        async with client.websocket(server.url()) as socket:
            assert [message async for message in socket] == ["a"]
    assert [(type(event).__name__, getattr(event, "payload", None)) for event in sent] == [
        ("Pong", b"7"),
        ("CloseConnection", None),
    ]


async def test_messages_are_read_while_the_server_takes_no_octet_of_a_send() -> None:
    sent: list[Event] = []
    events = [event for _ in range(64) for event in (Ping(b"7"), BytesMessage(bytes(1 << 18)))]

    async def script(peer: Peer) -> None:
        await answers(*events)(peer)  # more than the buffers of both sockets hold
        frames = Connection(ConnectionType.SERVER)
        while not any(isinstance(event, Pong) for event in sent):
            frames.receive_data(await peer.stream.receive_some())
            sent.extend(frames.events())
        await peer.send(frames.send(CloseConnection(1000)))
        await peer.read_all()

    async with (
        scripted(script) as server,
        client.websocket(server.url()) as socket,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(socket.send, bytes(1 << 24), name="send")
        await trio.testing.wait_all_tasks_blocked()
        assert [len(message) async for message in socket] == [1 << 18] * 64
    assert sum(len(event.data) for event in sent if isinstance(event, BytesMessage)) == 1 << 24
    assert [event.payload for event in sent if isinstance(event, Pong)] == [b"7"]


async def test_leaving_before_the_close_frame_resets_the_connection() -> None:
    endings: list[str] = []

    async def script(peer: Peer) -> None:
        await answers(TextMessage("a"))(peer)
        endings.append(await peer.ending())

    async with scripted(script) as server:
        async with client.websocket(server.url()) as socket:
            assert await anext(socket) == "a"
    assert endings == ["reset"]


async def test_a_step_that_is_cancelled_loses_nothing(origin: Origin) -> None:
    run = origin.websocket(by_hand=True)
    async with client.websocket(run.ws_url) as socket:
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(socket)
        run.send_event("kept")
        assert await anext(socket) == "kept"
        run.finish()
    run.end()


async def test_a_server_that_says_nothing_is_left_at_the_deadline_with_the_beginning_of_its_message() -> None:
    async def script(peer: Peer) -> None:
        await answers(TextMessage("ab", message_finished=False))(peer)
        await peer.ending()

    async with scripted(script) as server:
        async with client.websocket(server.url(), idle_timeout=0.05) as socket:
            with pytest.raises(client.Deadline, match=r"within 0\.05 s") as caught:
                await anext(socket)
    assert (caught.value.phase, caught.value.received) == ("idle", b"ab")


@pytest.mark.parametrize("size, is_refused", [(4, False), (5, True)])
async def test_a_message_beyond_the_limit_is_refused(size: int, is_refused: bool) -> None:
    async with scripted(answers(BytesMessage(bytes(size)), CloseConnection(1000))) as server:
        async with client.websocket(server.url(), max_octets=4) as socket:
            if is_refused:
                with pytest.raises(client.TooLong, match="a message of at most 4 octets"):
                    await anext(socket)
            else:
                assert await anext(socket) == bytes(4)


async def test_a_message_without_an_end_is_left_at_the_limit() -> None:
    async def script(peer: Peer) -> None:
        await answers(then=b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))(peer)
        with suppress(trio.BrokenResourceError):
            while True:
                await peer.send(bytes(1 << 16))

    async with scripted(script) as server:
        async with client.websocket(server.url(), max_octets=1 << 20) as socket:
            with pytest.raises(client.TooLong):
                await anext(socket)


@pytest.mark.parametrize(
    "code, reason, line",
    [
        (1005, "", "expected a status code that may be sent, such as 1000 or 3000 to 4999, got 1005"),
        (70000, "", "got 70000"),
        (1000, "é" * 62, "expected a reason of at most 123 octets"),
        (1000, "\ud800", "that UTF-8 can represent"),
    ],
)
async def test_a_close_frame_that_may_not_be_sent_is_refused(origin: Origin, code: int, reason: str, line: str) -> None:
    run = origin.websocket(["a"])
    async with client.websocket(run.ws_url) as socket:
        with pytest.raises(LocalError, match=line):
            await socket.close(code, reason)
        await socket.close(4999, "é" * 61)  # the server answers with 4999
        assert [each async for each in socket] == ["a"]
    run.end()


@pytest.mark.parametrize(
    "response, error, line",
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", client.StatusError, "403 Forbidden"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", client.HeadError, "expected a 101 .*, got 'HTTP/1.1 200 OK'"),
        (SWITCHED + b"Sec-WebSocket-Accept: AAAA\r\n\r\n", client.HeadError, 'Accept of our key, got "AAAA"'),
        (SWITCHED + b"\r\n", client.HeadError, "Accept of our key, got none"),
        (
            SWITCHED.replace(b"Connection: Upgrade", b"Connection: x") + b"\r\n",
            client.HeadError,
            "got one without them",
        ),
    ],
)
async def test_a_response_that_opens_no_websocket_is_refused(
    origin: Origin, response: bytes, error: type[Exception], line: str
) -> None:
    run = origin.text(octets(response))
    with pytest.raises(error, match=line):
        async with client.websocket(run.url):
            raise AssertionError("it was opened")
    run.end()


@pytest.mark.parametrize(
    "message, line", [(7, "expected a message as str or bytes, got int"), ("\ud800", "that UTF-8 can represent")]
)
async def test_a_message_that_is_no_text_and_no_octets_is_refused(origin: Origin, message: Any, line: str) -> None:
    run = origin.websocket(["a"])
    async with client.websocket(run.ws_url) as socket:
        with pytest.raises(LocalError, match=line):
            await socket.send(message)
        assert [each async for each in socket] == ["a"]
    run.end()


@pytest.mark.parametrize(
    "asked, line, refusal",
    [
        ("a", b"Sec-WebSocket-Extensions: x", "expected no Sec-WebSocket-Extensions"),
        ("", b"Sec-WebSocket-Protocol: c", 'expected no Sec-WebSocket-Protocol, got "c"'),
        ("a, b", b"Sec-WebSocket-Protocol: c", 'expected one Sec-WebSocket-Protocol of "a, b", got "c"'),
        ("a, b", b"Sec-WebSocket-Protocol: a, b", 'got "a, b"'),
        ("a, b", b"Sec-WebSocket-Protocol: B", 'got "B"'),
        ("a, b", b"Sec-WebSocket-Protocol: b", None),
    ],
)
async def test_only_what_was_asked_for_is_taken(asked: str, line: bytes, refusal: str | None) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.read_head()
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        fields = b"Sec-WebSocket-Accept: %b\r\n%b\r\n\r\n" % (generate_accept_token(key), line)
        await peer.send(SWITCHED + fields)

    expected = pytest.raises(client.HeadError, match=refusal) if refusal else nullcontext()
    async with scripted(script) as server:
        with expected:
            async with client.websocket(server.url(), fields={"Sec-WebSocket-Protocol": asked}) as socket:
                assert socket.head.get(b"sec-websocket-protocol") == (None if refusal else b"b")
