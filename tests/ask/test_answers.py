"""Answers of the endpoint: each form, each dialect behind it, sessions, and requests that are refused."""

import json

import pytest
import trio

from chunkwire.ask.answering import AskSettings
from chunkwire.llm import DIALECTS
from chunkwire.origin.mock.settings import MockSettings
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.sse import SseComment, SseDecoder
from tests.ask.endpoint import Asked, Fake, asking, chat, delta, events_of, last_of, text_of
from tests.server.peer import body_of, connect, get, status_of

QUESTION = "Say hello\nto the 🚂, event: done"


async def whole(asked: Asked, question: str, query: str = "") -> dict[str, object]:
    response = await asked.ask(question, f"&stream=false{query}")
    assert status_of(response) == 200, response
    found = json.loads(response.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_tokens_of_every_dialect_come_as_events_and_then_done(dialect: str) -> None:
    async with asking(Fake(dialect=dialect, key="k")) as asked:
        response = await asked.ask(QUESTION)
    events = events_of(response)
    assert text_of(events) == QUESTION
    assert len(events) == 8
    name, done = last_of(response)
    assert (name, done["provider"], done["stop"], done["tokens"]) == ("done", "a", "stop", 7)
    assert done["model"] == "m-a"
    assert done["usage"] == {"input_tokens": 7, "output_tokens": 7}
    assert done["ttft_ms"] > 0
    assert b"Content-Type: text/event-stream" in response


async def test_the_provider_gets_its_key_and_its_model() -> None:
    mock = MockSettings(0, 0, keys=frozenset({"secret"}), models=frozenset({"m-a"}))
    async with asking(Fake(mock, key="secret")) as asked:
        assert last_of(await asked.ask("hi"))[0] == "done"
        assert "secret" not in json.dumps([asked.audit, await asked.providers()])


async def test_each_token_is_passed_on_before_the_provider_makes_the_next() -> None:
    """A barrier: the provider waits until the caller has token n before it sends n + 1."""
    gate = trio.Semaphore(0)

    async def respond(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1 << 20)
        async with response.chunked(fields=(EVENT_STREAM,)) as body:
            for number in range(5):
                await body.send_chunk(delta(f"t{number} "))
                await gate.acquire()
            await body.send_chunk(b"data: [DONE]\n\n")

    async with asking(Fake(responder=respond)) as asked, connect(asked.running.port, get("/ask?q=x")) as client:
        for number in range(5):
            assert b'{"t":"t%d "}' % number in await client.read_until(b"\n\n\r\n")
            gate.release()
        assert b"event: done" in await client.read_until(b"0\r\n\r\n")


async def test_json_lines_are_sent_on_request() -> None:
    async with asking() as asked:
        by_name = await asked.ask("Say hello", "&format=jsonl")
        by_accept = await asked.ask("Say hello", "", b"Accept: text/html, application/x-ndjson;q=0.9")
    for response in (by_name, by_accept):
        assert b"Content-Type: application/x-ndjson" in response
        assert b'{"t":"Say"}\n' in response
        assert b'{"t":" hello"}\n' in response
        assert b'{"done":{' in response


async def test_a_session_carries_what_was_said_and_only_its_own() -> None:
    async with asking(settings=AskSettings(system="Be kind.")) as asked:
        counts = [(await whole(asked, "one two", f"&session={name}"))["usage"] for name in ("s", "s", "t")] + [
            (await whole(asked, "one two"))["usage"]
        ]
    alone = {"input_tokens": 4, "output_tokens": 2}
    assert counts == [alone, {"input_tokens": 8, "output_tokens": 2}, alone, alone]


async def test_a_limit_of_tokens_is_passed_on() -> None:
    async with asking(settings=AskSettings(max_tokens=1)) as asked:
        found = await whole(asked, "one two")
    assert (found["text"], found["stop"]) == ("one", "length")


async def test_silence_is_filled_with_comments() -> None:
    gate = trio.Event()

    async def respond(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1 << 20)
        async with response.chunked(fields=(EVENT_STREAM,)) as body:
            await gate.wait()
            await body.send_chunk(delta("hi") + b"data: [DONE]\n\n")

    settings = AskSettings(keep_alive=0.01)
    async with asking(Fake(responder=respond), settings=settings) as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x", b"Connection: close"))
        for _ in range(2):
            await client.read_until(b": waiting\n\n\r\n")
        gate.set()
        items = SseDecoder().feed_all(b": first\n\n" + await client.read_all())
    assert isinstance(items[0], SseComment)
    assert b'{"t":"hi"}' in client.received


async def test_a_browsers_event_source_gets_its_head_before_any_token() -> None:
    gate = trio.Event()

    async def respond(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1 << 20)
        await gate.wait()
        await response.text(503, "no")

    async with asking(Fake(responder=respond)) as asked, connect(asked.running.port) as client:
        await client.send(get("/ask?q=x", b"Accept: text/event-stream", b"Connection: close"))
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        gate.set()
        assert b"event: error" in await client.read_all()


async def test_a_reconnect_gets_204_and_a_head_200_without_asking_a_provider() -> None:
    async with asking() as asked:
        assert status_of(await asked.ask("hi", "", b"Last-Event-ID: 0123456789abcdef")) == 204
        head = b"HEAD /ask?q=hi HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert status_of(await asked.send(head)) == 200
        assert (await asked.providers())[0]["asked"] == 0


@pytest.mark.parametrize(
    "query, lines, culprit",
    [
        ("", (), b"q: expected a question, got none"),
        ("q=", (), b"q: expected a question, got none"),
        ("q=%20%0A", (), b"q: expected a question, got none"),
        ("q=a&q=b", (), b"q: expected once"),
        ("q=a&stream=no", (), b"stream: expected true or false"),
        ("q=a&format=xml", (), b"format: expected sse or jsonl"),
        ("q=a&session=a/b", (), b"session: expected 1 to 64 letters"),
        ("q=a&model=m", (), b"model: not a parameter of /ask"),
    ],
)
async def test_a_bad_question_is_refused_by_the_name_of_its_parameter(
    query: str, lines: tuple[bytes, ...], culprit: bytes
) -> None:
    async with asking() as asked:
        response = await asked.send(get(f"/ask?{query}", b"Connection: close", *lines))
        assert (status_of(response), culprit in response) == (400, True)
        assert [line["ended"] for line in asked.audit] == (["refused"] if b"model:" not in culprit else [])


FOREIGN = [
    (b"Origin: https://evil.example",),
    (b"Origin: null",),
    (b"Sec-Fetch-Site: cross-site",),
    (b"Origin: https://evil.example", b"Upgrade: websocket", b"Connection: Upgrade"),
]


@pytest.mark.parametrize("lines", FOREIGN)
async def test_a_page_that_is_not_allowed_spends_no_tokens(lines: tuple[bytes, ...]) -> None:
    async with asking(limits=ServerSettings(cors=frozenset({"https://app.example"}))) as asked:
        response = await asked.ask("hi", "", *lines)
        (told,) = await asked.providers()
    assert (status_of(response), told["asked"]) == (403, 0)
    assert b"Access-Control-Allow-Origin" not in response


async def test_a_page_of_the_endpoints_own_origin_may_ask() -> None:
    async with asking() as asked:
        assert status_of(await asked.ask("hi", "", b"Origin: http://x", b"Sec-Fetch-Site: same-origin")) == 200


async def test_an_answer_too_long_for_one_body_is_refused_and_streams() -> None:
    pieces = [delta("x" * 1_000_000)] * 5 + [b"data: [DONE]\n\n"]
    async with asking(Fake(responder=chat(*pieces))) as asked:
        whole = await asked.ask("hi", "&stream=false")
        streamed = await asked.ask("hi", "&session=s")
        assert len(asked.answers.sessions) == 0
    assert (status_of(whole), b"stream it" in whole) == (502, True)
    assert len(text_of(events_of(streamed))) == 5_000_000


async def test_an_empty_answer_is_a_502() -> None:
    async with asking(Fake(responder=chat(b"data: [DONE]\n\n"))) as asked:
        response = await asked.ask("hi")
    assert (status_of(response), json.loads(body_of(response))["error"]["kind"]) == (502, "empty")
