"""A caller that leaves ends its provider's stream at once, and one that is slow slows its provider down."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

from chunkwire.ask.attempt import Patience
from chunkwire.ask.channel import CHANNEL_ITEMS
from chunkwire.origin.mock.settings import MockSettings, WordSource
from chunkwire.server.journal import Ended
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.settings import ServerSettings
from tests.ask.endpoint import Asked, Fake, asking, chat, delta, events_of, text_of
from tests.patience import PATIENCE
from tests.server.peer import Client, GatePacer, connect, get

TOKENS = 20


async def wait_at_gate(pacer: GatePacer) -> None:
    """Return when the provider waits at its gate to send the next event."""
    with trio.fail_after(PATIENCE):
        await pacer.waiting.acquire()


async def open_gate(pacer: GatePacer) -> None:
    await wait_at_gate(pacer)
    pacer.open()


@asynccontextmanager
async def in_mid_answer(pacer: GatePacer) -> AsyncIterator[tuple[Asked, Client]]:
    """Give an endpoint and a caller that has had two tokens, while the provider waits at its gate to make the third."""
    mock = MockSettings(0, 1.0, source=WordSource.LOREM, tokens=TOKENS)
    async with asking(Fake(mock, pacer=pacer)) as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x"))
        for _ in range(3):  # the opening event, and two tokens
            await open_gate(pacer)
        for _ in range(2):
            await client.read_until(b'"}\n\n\r\n')
        await wait_at_gate(pacer)
        yield asked, client


async def test_a_reset_in_mid_answer_ends_the_providers_stream_before_its_next_token() -> None:
    """No gate is opened: fails where the provider is told only when a token of its meets a dead caller."""
    async with in_mid_answer(GatePacer()) as (asked, client):
        client.reset()
        assert await asked.running.wait_ended() is Ended.CLIENT_GONE
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
        assert asked.behind[0].ended[0].chunks == 3
        (line,) = asked.audit
    assert (line["ended"], line["tokens"], line["error"]) == ("client-gone", 2, None)


async def test_a_fin_in_mid_answer_does_too() -> None:
    async with in_mid_answer(GatePacer()) as (asked, client):
        await client.stream.send_eof()
        assert await asked.running.wait_ended() is Ended.CLIENT_GONE
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
        assert asked.behind[0].ended[0].chunks == 3
    assert [line["ended"] for line in asked.audit] == ["client-gone"]


async def test_a_caller_that_leaves_before_the_first_token_ends_the_stream_as_well() -> None:
    pacer = GatePacer()
    async with asking(Fake(MockSettings(0, 0), pacer=pacer)) as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x"))
        await wait_at_gate(pacer)
        client.reset()
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
        (told,) = await asked.providers()
    assert (told["asked"], told["answered"], told["failed"], told["state"]) == (1, 0, 0, "closed")


async def test_a_fin_just_behind_the_last_event_is_a_whole_answer() -> None:
    async with asking() as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x"))
        await client.read_until(b"event: done")
        await client.stream.send_eof()
        await client.read_all()
        await asked.running.wait_ended()
    assert [line["ended"] for line in asked.audit] == ["complete"]


async def test_a_caller_that_takes_nothing_makes_the_provider_wait() -> None:
    """The channel is bounded: fails where the answer piles up in front of a caller that does not read."""
    word = "x" * 65_536
    octets = 0

    async def floods(request: IncomingRequest, response: Responder) -> None:
        nonlocal octets
        await request.read_body(1 << 20)
        async with response.chunked(fields=(EVENT_STREAM,)) as body:
            for _ in range(1000):
                await body.send_chunk(delta(word))
                octets += len(word)
            await body.send_chunk(b"data: [DONE]\n\n")

    async with asking(Fake(responder=floods)) as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x", b"Connection: close"))
        with trio.fail_after(PATIENCE):
            while not asked.answers.relay.waits:
                await trio.lowlevel.checkpoint()
        held = octets
        response = await client.read_all()
        assert text_of(events_of(response)) == word * 1000
    assert held < 1000 * len(word)
    assert asked.audit[0]["waits"] > 0
    assert CHANNEL_ITEMS == 100


async def test_a_caller_that_takes_nothing_for_too_long_is_reset() -> None:
    pieces = [delta("x" * 65_536)] * 1000
    limits = ServerSettings(send_timeout=0.2)
    async with asking(Fake(responder=chat(*pieces)), limits=limits) as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x"))
        assert await asked.running.wait_ended() is Ended.TIMEOUT
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
    assert [line["ended"] for line in asked.audit] == ["client-gone"]


async def test_a_server_that_stops_cuts_its_answers_and_ends_their_providers() -> None:
    pacer = GatePacer()
    async with in_mid_answer(pacer) as (asked, client):
        asked.running.drain.start()
        assert b"event: done" not in await client.read_all()
        assert await asked.running.wait_ended() is Ended.CUT
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
    assert [line["ended"] for line in asked.audit] == ["cut"]


UPGRADE = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Talk:
    """The caller's end of a WebSocket."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.frames = Connection(ConnectionType.CLIENT)
        self.frames.receive_data(bytes(client.received))
        self._events = list(self.frames.events())

    async def send(self, event: Event) -> None:
        await self.client.send(self.frames.send(event))

    async def next(self) -> Event:
        with trio.fail_after(PATIENCE):
            while not self._events:
                self.frames.receive_data(await self.client.stream.receive_some())
                self._events.extend(self.frames.events())
        return self._events.pop(0)

    async def answer(self) -> list[dict[str, Any]]:
        """Return the messages up to the end of one answer."""
        found: list[dict[str, Any]] = []
        while not found or "t" in found[-1]:
            event = await self.next()
            assert isinstance(event, TextMessage), event
            found.append(json.loads(event.data))
        return found


@asynccontextmanager
async def talking(asked: Asked, query: str = "") -> AsyncIterator[Talk]:
    async with connect(asked.running.port) as client:
        await client.send(get(f"/ask{query}", *UPGRADE))
        assert b" 101 " in await client.read_until(b"\r\n\r\n")
        yield Talk(client)


async def test_each_message_of_a_websocket_is_a_question() -> None:
    async with asking() as asked, talking(asked, "?q=first+one&session=s") as talk:
        assert [told.get("t") for told in await talk.answer()] == ["first", " one", None]
        await talk.send(TextMessage("and ", message_finished=False))
        await talk.send(TextMessage("another"))
        answer = await talk.answer()
        assert [told.get("t") for told in answer] == ["and", " another", None]
        assert answer[-1]["done"]["usage"]["input_tokens"] == 6  # what was said before is sent along
        await talk.send(CloseConnection(1000))
        assert isinstance(await talk.next(), CloseConnection)
        assert await asked.running.wait_ended() is Ended.COMPLETE
    assert [line["form"] for line in asked.audit] == ["websocket"] * 2


async def test_an_error_is_a_message_and_the_conversation_goes_on() -> None:
    async with asking(Fake(port=1)) as asked, talking(asked) as talk:
        for _ in range(2):
            await talk.send(TextMessage("hi"))
            assert (await talk.answer())[-1]["error"]["kind"] == "unreachable"


@pytest.mark.parametrize(
    "message, culprit",
    [
        (TextMessage(""), "q: expected a question, got none"),
        (TextMessage(" \n"), "q: expected a question, got none"),
        (BytesMessage(b"hi"), "expected a question in a text message, got a binary one"),
    ],
)
async def test_a_message_that_is_no_question_gets_an_error_and_the_next_one_an_answer(
    message: Event, culprit: str
) -> None:
    async with asking() as asked, talking(asked) as talk:
        await talk.send(message)
        await talk.send(TextMessage("hi"))
        (refused,) = await talk.answer()
        assert (refused["error"]["kind"], refused["error"]["message"]) == ("bad-request", culprit)
        assert [told.get("t") for told in await talk.answer()] == ["hi", None]
    assert [line["ended"] for line in asked.audit] == ["refused", "complete"]


@pytest.mark.parametrize("how", ["close", "fin", "reset"])
async def test_leaving_a_websocket_ends_the_providers_stream(how: str) -> None:
    pacer = GatePacer()
    mock = MockSettings(0, 1.0, source=WordSource.LOREM, tokens=TOKENS)
    async with asking(Fake(mock, pacer=pacer)) as asked, talking(asked, "?q=x") as talk:
        for _ in range(2):
            await open_gate(pacer)
        assert isinstance(await talk.next(), TextMessage)
        await wait_at_gate(pacer)
        if how == "close":
            await talk.send(CloseConnection(1001))
        elif how == "fin":
            await talk.client.stream.send_eof()
        else:
            talk.client.reset()
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
        await asked.running.wait_ended()
    assert [line["ended"] for line in asked.audit] == ["client-gone"]


async def test_a_websocket_is_pinged_in_the_silence_and_a_long_question_is_refused() -> None:
    async with asking(patience=Patience(attempts=1)) as asked, talking(asked) as talk:
        for _ in range(17):
            await talk.send(TextMessage("x" * 65_536, message_finished=False))
        event = await talk.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1009
