"""What a request can ask of the mocks beside a text: tools, reasoning, refusals, structure, choices, quirks, lists."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import AnswerEvent, Reasoning, StopReason, Text, WholeToolCall
from chunkwire.llm.question import Message, Tool
from chunkwire.origin.mock.schema import value_of
from chunkwire.origin.mock.settings import MockSettings
from chunkwire.origin.scenarios.quirks import QUIRKS
from tests.llm.answers import ASKED, read, said, told
from tests.origin.test_mock import asking, frames_of, posted
from tests.server.peer import Running, ask, body_of, fetch, serving, status_of

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = (Tool("a", SCHEMA), Tool("b", SCHEMA), Tool("c", SCHEMA))
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Say hello"}]}]}
VERSION = "anthropic-version: 2023-06-01"
USER = [{"role": "user", "content": "Say hello"}]
dialects = pytest.mark.parametrize("name", DIALECTS)


async def events(running: Running, name: str, request: bytes) -> list[AnswerEvent]:
    data, is_complete = frames_of(await running.ask(request))
    assert is_complete
    return read(DIALECTS[name].reader(), b"".join(data))


async def answered(running: Running, target: str, body: Mapping[str, object], *lines: str) -> dict[str, object]:
    response = await running.ask(posted(target, json.dumps(body).encode(), *lines))
    assert status_of(response) == 200, response
    found = json.loads(body_of(response))
    assert isinstance(found, dict)
    return found


@dialects
@pytest.mark.parametrize(
    "wish, called",
    [
        ({}, ["a"]),
        ({"named_tool": "b", "tool_choice": "required"}, ["b"]),
        ({"tool_choice": "required"}, ["a"]),
        ({"messages": (Message("user", "Use c, then b."),)}, ["c", "b"]),
        ({"messages": (Message("user", "Use b."),)}, ["b"]),
    ],
)
async def test_the_tool_that_is_asked_for_is_called(name: str, wish: dict[str, object], called: list[str]) -> None:
    question = replace(ASKED, tools=TOOLS, **wish)  # type: ignore[arg-type]
    async with serving() as running:
        found = told(await events(running, name, asking(name, question=question)))
    assert [call for _, call, _ in found.calls] == called
    assert found.stop is StopReason.TOOL_CALLS
    assert all(arguments == {"city": question.prompt} for _, _, arguments in found.calls)


@pytest.mark.parametrize(
    "name, more",
    [
        ("openai", {"parallel_tool_calls": False}),
        ("openai-responses", {"parallel_tool_calls": False}),
        ("anthropic", {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    ],
)
async def test_tools_are_called_one_by_one_where_that_is_asked(name: str, more: dict[str, object]) -> None:
    request = DIALECTS[name].build_request(replace(ASKED, tools=TOOLS, messages=(Message("user", "b and c"),)))
    lines = [f"{key.decode()}: {value.decode()}" for key, value in request.fields]
    body = json.dumps(json.loads(request.body) | more).encode()
    async with serving() as running:
        found = told(await events(running, name, posted(request.target.decode(), body, *lines)))
    assert [call for _, call, _ in found.calls] == ["b"]


@dialects
async def test_a_question_that_ends_in_a_tools_result_is_answered_in_words(name: str) -> None:
    call = Message("assistant", "", (WholeToolCall("c", "b", ("{}",)),))
    turns = (Message("user", "Use b."), call, Message("tool", "wet", call_id="c"))
    async with serving() as running:
        request = asking(name, question=replace(ASKED, tools=TOOLS, messages=turns))
        found = told(await events(running, name, request))
    assert (found.calls, found.stop) == ((), StopReason.STOP)


@dialects
async def test_a_tool_that_is_not_there_cannot_be_chosen(name: str) -> None:
    question = replace(ASKED, tools=TOOLS, tool_choice="required", named_tool="z")
    assert status_of(await ask(asking(name, question=question))) == 400


@dialects
async def test_reasoning_is_sent_before_the_text(name: str) -> None:
    async with serving() as running:
        found = await events(running, name, asking(name, "x-chunkwire-reasoning: Hm, well."))
    content = [event for event in found if isinstance(event, Reasoning | Text) and event.text]
    assert "".join(event.text for event in content if isinstance(event, Reasoning)) == "Hm, well."
    assert [type(event) for event in content] == [Reasoning, Reasoning, *[Text] * (len(content) - 2)]
    usage = told(found).usage
    assert usage is not None
    assert usage.reasoning == (2 if name in ("openai", "azure", "openai-responses", "gemini") else 0)


@dialects
async def test_a_refusal_has_its_own_stop_reason(name: str) -> None:
    async with serving() as running:
        found = told(await events(running, name, asking(name, "x-chunkwire-refusal: I cannot.")))
    assert found.text == "I cannot."
    assert found.stop is (StopReason.REFUSAL if name in ("openai", "azure", "openai-responses") else StopReason.FILTER)


@pytest.mark.parametrize(
    "schema, value",
    [
        ({}, {"text": "p"}),
        ({"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 2}, [5, 5]),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"$defs": {"x": {"const": 7}}, "properties": {"a": {"$ref": "#/$defs/x"}}}, {"a": 7}),
        ({"type": ["null", "string"], "maxLength": 0}, ""),
        ({"type": "STRING", "format": "date"}, "2026-01-02"),
        ({"type": "string", "minLength": 3}, "p.."),
        ({"type": "number", "exclusiveMinimum": 1, "maximum": 9}, 2),
        ({"enum": ["b", "a"]}, "b"),
        ({"properties": {"a": {"type": "INTEGER"}, "b": {"type": "array"}}}, {"a": 1, "b": []}),
        ({"$ref": "https://elsewhere/"}, None),
        ({"properties": {"a": {"$ref": "#x"}}, "x": {"const": 1}}, {"a": None}),
        ({"properties": {"a": {"$ref": "#/b/1"}}, "b": [{"const": 1}, {"const": 2}]}, {"a": 2}),
        ({"properties": {"a": {"$ref": "#/b%20c"}}, "b c": {"const": 1}}, {"a": 1}),
        ({"type": "string", "maxLength": -1}, ""),
        ({"type": [None, "boolean"]}, True),
        ({"type": "null"}, None),
    ],
)
def test_a_value_fits_its_schema(schema: object, value: object) -> None:
    assert value_of(schema, "p") == value


def test_the_value_of_a_schema_that_branches_into_itself_is_bounded() -> None:
    wide = {"type": "array", "minItems": 100, "items": {"$ref": "#"}}
    assert len(json.dumps(value_of(wide, "p"))) < 1_000_000


QUIRKED = [(quirk, name) for quirk in QUIRKS.values() for name in quirk.dialects]


async def test_each_quirk_is_sent_on_request_as_its_row_has_it() -> None:
    async with serving() as running:
        for quirk, name in QUIRKED:
            response = await running.ask(asking(name, f"x-chunkwire-quirk: {quirk.name}", "Connection: close"))
            data, is_complete = frames_of(response)
            assert (tuple(data), is_complete) == (quirk.pieces, not quirk.is_cut), quirk.name
            assert b"Content-Type: " + quirk.content_type + b"\r\n" in response


async def test_a_quirk_may_be_of_every_request_and_must_be_of_the_dialect() -> None:
    async with serving(mock=MockSettings(quirk="reasoning")) as running:
        assert said(await events(running, "openai", asking("openai"))) == QUIRKS["reasoning"].said
        response = await running.ask(asking("gemini"))
    assert status_of(response) == 400
    assert b"expected a quirk of gemini, got reasoning of openai, azure" in response


async def test_the_quirks_are_listed_a_line_each() -> None:
    lines = body_of(await fetch("/quirks")).decode().splitlines()
    assert [line.split()[0] for line in lines] == ["name", *QUIRKS]
    assert lines[1].endswith(QUIRKS["comments"].summary)


async def test_an_unknown_quirk_is_refused_with_the_nearest_names() -> None:
    response = await ask(asking("openai", "x-chunkwire-quirk: reasonin"))
    assert status_of(response) == 400
    assert b"no quirk 'reasonin'; did you mean reasoning?" in response


@pytest.mark.parametrize(
    "path, line, names",
    [
        ("/v1/models", "x: y", ["data", "id"]),
        ("/v1/models", "anthropic-version: 2023-06-01", ["data", "display_name"]),
        ("/v1/models", "x-goog-api-key: k", ["models", "displayName"]),
        ("/v1beta/models", "x: y", ["models", "supportedGenerationMethods"]),
        ("/openai/models", "x: y", ["data", "owned_by"]),
        ("/foundation-models", "x: y", ["modelSummaries", "modelId"]),
    ],
)
async def test_models_are_listed_in_each_providers_form(path: str, line: str, names: list[str]) -> None:
    async with serving(mock=MockSettings(models=frozenset({"m-1", "m-2"}))) as running:
        response = await running.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
        one = await running.ask(f"GET /v1/models/m-2 HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
        other = await running.ask(f"GET /v1/models/m-3 HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
    listed = json.loads(body_of(response))[names[0]]
    assert len(listed) == 2
    assert names[1] in listed[0]
    assert (status_of(one), status_of(other)) == (200, 404)
    assert "m-2" in json.dumps(json.loads(body_of(one)))


@pytest.mark.parametrize(
    "target, body, line, member",
    [
        ("/v1/messages/count_tokens", {"model": "m", "messages": USER}, VERSION, "input_tokens"),
        ("/v1/responses/input_tokens", {"input": "Say hello"}, "x: y", "input_tokens"),
        ("/v1beta/models/m:countTokens", {"contents": [{"parts": [{"text": "Say hello"}]}]}, "x: y", "totalTokens"),
        ("/model/m/count-tokens", {"input": {"converse": CONVERSE}}, "x: y", "inputTokens"),
    ],
)
async def test_the_tokens_of_a_prompt_are_counted(target: str, body: dict[str, object], line: str, member: str) -> None:
    async with serving() as running:
        assert (await answered(running, target, body, line))[member] == 2
        assert status_of(await running.ask(posted(target, b"[]", line))) == 400


PREFLIGHT = "OPTIONS {} HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\nAccess-Control-Request-Method: POST\r\n"
ASKS = "Access-Control-Request-Headers: authorization"
OPTS_IN = ASKS + ",anthropic-dangerous-direct-browser-access"


@pytest.mark.parametrize(
    "path, line, is_open",
    [
        ("/v1/chat/completions", ASKS, True),
        ("/v1/responses", ASKS, True),
        ("/v1beta/models/m:generateContent", ASKS, True),
        ("/v1/messages", ASKS, False),
        ("/v1/messages", OPTS_IN, True),
    ],
)
async def test_a_preflight_is_granted_where_the_provider_grants_it(path: str, line: str, is_open: bool) -> None:
    head = await ask(f"{PREFLIGHT.format(path)}{line}\r\n\r\n".encode())
    names = line.partition(": ")[2].encode()
    assert (b"Access-Control-Allow-Origin: *" in head) == is_open
    assert (b"Access-Control-Allow-Headers: " + names in head) == is_open


async def test_an_answer_has_its_cors_field_once() -> None:
    async with serving() as running:
        response = await running.ask(asking("openai", "Origin: https://a"))
        closed = await running.ask(asking("anthropic", "Origin: https://a"))
    assert response.count(b"Access-Control-Allow-Origin: *\r\n") == 1
    assert b"Access-Control" not in closed
