"""`/v1/chat/completions`: OpenAI's form, whoever answers; its errors in its form too."""

import json
from typing import Any

import pytest

from chunkwire.origin.mock.settings import MockSettings, parse_failure
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.sse import SseEvent
from tests.ask.endpoint import CHAT, DONE, Asked, Fake, Script, asking, chat, delta, events_of
from tests.server.peer import body_of, status_of

HI: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Say hello"}]}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


async def stream(asked: Asked, **more: object) -> list[SseEvent]:
    response = await asked.post(CHAT, {**HI, "stream": True, **more})
    assert status_of(response) == 200, response
    return events_of(response)


async def whole(asked: Asked, **more: object) -> dict[str, Any]:
    response = await asked.post(CHAT, {**HI, **more})
    assert status_of(response) == 200, response
    found = json.loads(body_of(response))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_chunks_then_the_reason_to_stop_then_done(dialect: str) -> None:
    async with asking(Fake(dialect=dialect)) as asked:
        *chunks, last, end = await stream(asked)
    told = [json.loads(event.data) for event in (*chunks, last)]
    assert end.data == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in told] == [
        {"role": "assistant", "content": "Say"},
        {"content": " hello"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in told] == [None, None, "stop"]
    assert len({(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in told}) == 1
    assert told[0]["id"].startswith("chatcmpl-")
    assert all("usage" not in chunk for chunk in told)


async def test_another_path_of_openai_is_refused_in_its_form() -> None:
    async with asking() as asked:
        response = await asked.post("/v1/responses", {"model": "m", "input": "Say hello"})
    error = json.loads(body_of(response))["error"]
    assert (status_of(response), error["code"]) == (404, None)
    assert error["message"] == "expected /v1/chat/completions or /v1/models: nothing else is served"


async def test_usage_comes_last_where_it_is_asked_for() -> None:
    async with asking() as asked:
        *chunks, last, end = await stream(asked, stream_options={"include_usage": True})
    usage = json.loads(last.data)
    assert (usage["choices"], usage["usage"]["total_tokens"], end.data) == ([], 4, "[DONE]")
    assert all(json.loads(event.data)["usage"] is None for event in chunks)


async def test_one_body_is_sent_where_no_stream_is_asked_for() -> None:
    async with asking(Fake(dialect="gemini")) as asked:
        found = await whole(asked)
    assert asked.audit[0]["form"] == "chat"
    message = found["choices"][0]["message"]
    assert (message["role"], message["content"], found["object"]) == ("assistant", "Say hello", "chat.completion")
    assert (found["usage"]["completion_tokens"], found["choices"][0]["finish_reason"]) == (2, "stop")


async def test_tool_calls_in_both_forms() -> None:
    async with asking(Fake(dialect="anthropic")) as asked:
        (call,) = (await whole(asked, tools=TOOLS))["choices"][0]["message"]["tool_calls"]
        events = await stream(asked, tools=TOOLS)
    pieces = [
        piece for event in events[:-1] for piece in json.loads(event.data)["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert (call["type"], call["function"]) == ("function", {"name": "f", "arguments": "{}"})
    assert (pieces[0]["index"], pieces[0]["type"], pieces[0]["function"]["name"]) == (0, "function", "f")
    assert "".join(piece["function"]["arguments"] for piece in pieces) == "{}"
    assert json.loads(events[-2].data)["choices"][0]["finish_reason"] == "tool_calls"


async def test_unknown_members_are_passed_to_a_provider_of_the_same_dialect() -> None:
    script = Script((delta("x"), DONE))
    async with asking(Fake(responder=script)) as asked:
        await whole(asked, seed=7, response_format={"type": "json_object"}, user=None)
    assert (script.bodies[0]["seed"], script.bodies[0]["response_format"]) == (7, {"type": "json_object"})
    assert "user" not in script.bodies[0]


@pytest.mark.parametrize(
    "failure, status, kind",
    [("503", 503, "service_unavailable_error"), ("429", 429, "requests"), ("500", 502, "server_error")],
)
async def test_a_failure_before_the_first_token_is_an_error_of_the_form(failure: str, status: int, kind: str) -> None:
    async with asking(Fake(MockSettings(0, 0, failure=parse_failure(failure)))) as asked:
        for is_stream in (True, False):
            response = await asked.post(CHAT, {**HI, "stream": is_stream})
            error = json.loads(body_of(response))["error"]
            assert (status_of(response), error["type"], bool(error["message"])) == (status, kind, True)


async def test_a_failure_after_the_first_token_is_an_event_without_a_done() -> None:
    async with asking(Fake(responder=chat(delta("half")))) as asked:
        first, last = await stream(asked)
    assert json.loads(first.data)["choices"][0]["delta"]["content"] == "half"
    assert json.loads(last.data)["error"]["type"] == "server_error"


BAD: list[tuple[object, str | None, str]] = [
    (b"{", None, "body: expected JSON"),
    (b"[]", None, "body: expected a JSON object"),
    ({"model": "m"}, "messages", "messages: expected a list of at least one"),
    ({**HI, "n": 2}, "n", "n: expected 1"),
    ({**HI, "n": 10**30}, "n", "n: expected 1"),
    ({**HI, "n": True}, "n", "n: expected 1"),
    ({**HI, "stream": "yes"}, "stream", "stream: expected true or false"),
    ({**HI, "stream_options": {}}, "stream_options", "stream_options: expected an object, together with stream: true"),
    ({**HI, "stream": True, "stream_options": {"include_usage": 1}}, "include_usage", "expected true or false"),
    ({**HI, "functions": [{"name": "f"}]}, "functions", "functions: expected tools in its place"),
    ({**HI, "logprobs": True}, "logprobs", "logprobs: expected none"),
    ({**HI, "messages": [{"role": "x"}]}, "messages[0].role", "expected one of"),
    (b"x" * ((4 << 20) + 1), None, "at most 4194304 octets"),
]


async def test_what_is_wrong_is_an_error_of_the_form_that_names_it() -> None:
    async with asking() as asked:
        for body, name, culprit in BAD:
            response = await asked.post(CHAT, body)
            error = json.loads(body_of(response))["error"]
            assert status_of(response) == (413 if isinstance(body, bytes) and len(body) > 9 else 400)
            assert (error["type"], error["param"]) == ("invalid_request_error", name), error
            assert culprit in error["message"], error
        assert (await asked.providers())[0]["asked"] == 0
        assert len(asked.audit) == len(BAD)


async def test_models_lists_the_models_of_the_providers() -> None:
    async with asking(Fake(), Fake()) as asked:
        told = json.loads(body_of(await asked.running.get("/v1/models")))
    assert (told["object"], [model["id"] for model in told["data"]]) == ("list", ["m-a", "m-b"])


async def test_a_page_that_is_not_allowed_spends_no_tokens_here_either() -> None:
    page = b"Origin: https://app.example"
    async with asking(limits=ServerSettings(cors=frozenset({"https://app.example"}))) as asked:
        allowed = await asked.post(CHAT, HI, page)
        refused = await asked.post(CHAT, HI, b"Origin: https://evil.example")
        assert (await asked.providers())[0]["asked"] == 1
    assert b"Access-Control-Allow-Origin: https://app.example\r\n" in allowed
    assert (status_of(refused), b"invalid_request_error" in refused) == (403, True)
