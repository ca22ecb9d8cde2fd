"""A caller that leaves ends its provider's stream at once, and one that is slow slows its provider down."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from chunkwire.ask.answering import AskSettings
from chunkwire.ask.channel import CHANNEL_ITEMS
from chunkwire.origin.mock.settings import MockSettings, WordSource
from chunkwire.server.journal import Ended
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.settings import ServerSettings
from tests.ask.endpoint import Asked, Fake, asking, chat, delta, events_of, text_of
from tests.origin.websocket import Peer, socket
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
    async with asking(Fake(mock, pacer=pacer)) as asked, connect(asked.running.port, get("/ask?q=x")) as client:
        for _ in range(3):  # the opening event, and two tokens
            await open_gate(pacer)
        for _ in range(2):
            await client.read_until(b'"}\n\n\r\n')
        await wait_at_gate(pacer)
        yield asked, client


@pytest.mark.parametrize("how", ["reset", "fin"])
async def test_leaving_in_mid_answer_ends_the_providers_stream_before_its_next_token(how: str) -> None:
    """No gate is opened: fails where the provider's stream is ended only when its next token finds no caller."""
    async with in_mid_answer(GatePacer()) as (asked, client):
        if how == "fin":
            await client.stream.send_eof()
        else:
            client.reset()
        assert await asked.running.wait_ended() is Ended.CLIENT_GONE
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
        assert asked.behind[0].ended[0].chunks == 3
        (line,) = asked.audit
    assert (line["ended"], line["tokens"], line["error"]) == ("client-gone", 2, None)


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
    async with asking() as asked, connect(asked.running.port, get("/ask?q=x")) as client:
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
            for _ in range(500):
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
        assert text_of(events_of(response)) == word * 500
    assert held < 500 * len(word)
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


async def test_a_server_that_stops_cuts_its_answers_and_ends_their_providers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with in_mid_answer(GatePacer()) as (asked, client):
        asked.running.drain.start()
        assert b"event: done" not in await client.read_all()
        assert await asked.running.wait_ended() is Ended.CUT
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
    assert [line["ended"] for line in asked.audit] == ["cut"]


async def answer_of(peer: Peer) -> list[dict[str, Any]]:
    """Return the messages up to the end of one answer."""
    found: list[dict[str, Any]] = []
    while not found or "t" in found[-1]:
        event = await peer.next()
        assert isinstance(event, TextMessage), event
        found.append(json.loads(event.data))
    return found


async def test_each_message_of_a_websocket_is_a_question() -> None:
    async with asking() as asked, socket(asked.running.port, "/ask?q=first+one&session=s") as peer:
        assert [told.get("t") for told in await answer_of(peer)] == ["first", " one", None]
        await peer.send(TextMessage("and ", message_finished=False))
        await peer.send(TextMessage("another"))
        answer = await answer_of(peer)
        assert [told.get("t") for told in answer] == ["and", " another", None]
        assert answer[-1]["done"]["usage"]["input_tokens"] == 6  # what was said before is sent along
        await peer.send(CloseConnection(1000))
        assert await peer.next() == CloseConnection(1000, "")
        assert await asked.running.wait_ended() is Ended.COMPLETE
    assert [line["form"] for line in asked.audit] == ["websocket"] * 2


async def test_an_error_is_a_message_and_the_conversation_goes_on() -> None:
    async with asking(Fake(port=1)) as asked, socket(asked.running.port, "/ask") as peer:
        for _ in range(2):
            await peer.send(TextMessage("hi"))
            assert (await answer_of(peer))[-1]["error"]["kind"] == "unreachable"


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
    async with asking() as asked, socket(asked.running.port, "/ask") as peer:
        await peer.send(message)
        await peer.send(TextMessage("hi"))
        (refused,) = await answer_of(peer)
        assert (refused["error"]["kind"], refused["error"]["message"]) == ("bad-request", culprit)
        assert [told.get("t") for told in await answer_of(peer)] == ["hi", None]
    assert [line["ended"] for line in asked.audit] == ["refused", "complete"]


@pytest.mark.parametrize("how", ["close", "fin", "reset"])
async def test_leaving_a_websocket_ends_the_providers_stream(how: str) -> None:
    pacer = GatePacer()
    mock = MockSettings(0, 1.0, source=WordSource.LOREM, tokens=TOKENS)
    async with asking(Fake(mock, pacer=pacer)) as asked, socket(asked.running.port, "/ask?q=x") as peer:
        for _ in range(2):
            await open_gate(pacer)
        assert isinstance(await peer.next(), TextMessage)
        await wait_at_gate(pacer)
        if how == "close":
            await peer.send(CloseConnection(1001))
        elif how == "fin":
            await peer.client.stream.send_eof()
        else:
            peer.client.reset()
        assert await asked.behind[0].wait_ended() is Ended.CLIENT_GONE
        await asked.running.wait_ended()
    assert [line["ended"] for line in asked.audit] == ["client-gone"]


async def test_a_websocket_is_pinged_while_its_provider_is_silent() -> None:
    fake = Fake(MockSettings(0, 0), pacer=GatePacer())
    async with asking(fake, settings=AskSettings(keep_alive=0.01)) as asked:
        async with socket(asked.running.port, "/ask?q=x") as peer:
            assert [type(await peer.next()) for _ in range(2)] == [Ping, Ping]


async def test_a_question_that_is_too_long_for_a_websocket_closes_it() -> None:
    async with asking() as asked, socket(asked.running.port, "/ask") as peer:
        for _ in range(17):
            await peer.send(TextMessage("x" * 65_536, message_finished=False))
        event = await peer.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1009
