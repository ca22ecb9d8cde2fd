"""What a request may ask for: bodies of every type, members of JSON, deadlines; and what reaches the provider."""

import json
from typing import Any

import pytest
import trio
import trio.testing

from chunkwire.ask.answering import AskSettings
from chunkwire.origin.mock.settings import MockSettings
from tests.ask.endpoint import (
    DONE,
    Asked,
    Fake,
    Script,
    asking,
    chat,
    delta,
    error_of,
    events_of,
    last_of,
    text_of,
)
from tests.origin.websocket import KEY, UPGRADE
from tests.server.peer import connect, get, status_of

JSON = b"Content-Type: application/json"
FORM = b"Content-Type: application/x-www-form-urlencoded"
HELLO = (delta("hi"), DONE)
ASK_HI: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


async def question_of(asked: Asked, script: Script, body: bytes, *lines: bytes) -> str:
    """Return what a posted body asks the provider."""
    response = await asked.post("/ask", body, *lines)
    assert status_of(response) == 200, response
    text = script.bodies[-1]["messages"][-1]["content"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    "body, lines",
    [
        (b"q=Say+hello%21", (FORM,)),
        (b"q=Say+hello%21&format=sse", (FORM,)),
        (b"Say hello!", (FORM,)),
        (b'{"q": "Say hello!"}', (FORM,)),
        (b'{"q": "Say hello!"}', (b"Content-Type: application/vnd.api+json; charset=utf-8",)),
        (b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello!"}]}]}', (JSON,)),
        (b"Say hello!", (b"Content-Type: text/plain; charset=utf-8",)),
        (b"Say hello!", ()),
    ],
)
async def test_a_body_is_what_its_type_says(body: bytes, lines: tuple[bytes, ...]) -> None:
    script = Script(HELLO)
    async with asking(Fake(responder=script)) as asked:
        assert await question_of(asked, script, body, *lines) == "Say hello!"


@pytest.mark.parametrize(
    "body, line, status, culprit",
    [
        (b"x=1", FORM, 400, "x: not a parameter of /ask"),
        (b"q=a&q=b", FORM, 400, "q: expected once"),
        (b"q=%ff", FORM, 400, "q: expected UTF-8"),
        (b"\xff", b"Content-Type: text/plain", 400, "body: expected UTF-8"),
        (b'{"q": "\xff"}', JSON, 400, "body: expected JSON"),
        (b"--x", b"Content-Type: multipart/form-data; boundary=x", 415, "got 'multipart/form-data'"),
        (b"\x89PNG", b"Content-Type: image/png", 415, "Content-Type: expected application/json, a form or text/plain"),
        (b"x" * ((4 << 20) + 1), b"Content-Type: text/plain", 413, "at most 4194304 octets"),
    ],
)
async def test_a_body_that_is_something_else_is_refused(body: bytes, line: bytes, status: int, culprit: str) -> None:
    async with asking() as asked:
        response = await asked.post("/ask", body, line)
        assert (await asked.providers())[0]["asked"] == 0
    assert (status_of(response), culprit in error_of(response)["message"]) == (status, True), response
    assert [line["ended"] for line in asked.audit] == ["refused"]


async def test_invalid_utf_8_in_a_query_is_refused_and_its_replacement_is_not() -> None:
    async with asking() as asked:
        for lines in ((b"Connection: close",), (*UPGRADE, KEY, b"Connection: close")):  # over a WebSocket, too
            assert status_of(await asked.send(get("/ask?q=%ff", *lines))) == 400
        assert status_of(await asked.ask("\ufffd")) == 200


async def test_every_parameter_reaches_the_provider() -> None:
    script = Script(HELLO)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    told = [
        {"role": "system", "content": "Short."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]
    wishes = {"temperature": 0, "top_p": 1, "stop": ["a"], "tools": [TOOL], "tool_choice": "required"}
    async with asking(Fake(responder=script), settings=AskSettings(system="Kind.")) as asked:
        response = await asked.post("/ask", {"messages": told, **wishes, "max_tokens": 5, "model": "other"}, JSON)
    (body,) = script.bodies
    assert status_of(response) == 200, response
    assert body["messages"] == [{"role": "system", "content": "Kind."}, *told]
    assert {name: body[name] for name in wishes} == wishes
    assert (body["max_completion_tokens"], body["model"]) == (5, "other")


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "q: expected a question, got none"),
    ({"q": 5}, "q: expected a text, got '5'"),
    ({"messages": "x"}, "messages: expected a list of 1 to 10000, got 'x'"),
    ({"messages": []}, "messages: expected a list of 1 to 10000, got a list of 0"),
    ({"messages": [5]}, "messages[0]: expected an object"),
    ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role: expected one of"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role: expected one of"),
    ({"messages": [{"role": "user"}]}, "messages[0].content: expected a text"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content: expected a text"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]: expected a part"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text: expected a text"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id: expected the id"),
    ({"messages": [{"role": "system", "content": "x"}]}, "at least one of another role than system"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": 1}]}]}, "messages[0].tool_calls[0]: expected"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": 0}]}, "messages[0].tool_calls: expected a list"),
    ({"q": "x", **ASK_HI}, "messages: expected neither q nor session together with it, got q"),
    ({"session": "x", **ASK_HI}, "got session"),
    ({**ASK_HI, "temperature": -0.1}, "temperature: expected a number from 0 to 2, got '-0.1'"),
    ({**ASK_HI, "temperature": 2.1}, "temperature: expected"),
    ({**ASK_HI, "temperature": "1"}, "temperature: expected"),
    ({**ASK_HI, "temperature": True}, "temperature: expected"),
    ({**ASK_HI, "temperature": float("nan")}, "temperature: expected"),
    ({**ASK_HI, "temperature": 10**400}, "temperature: expected"),
    ({**ASK_HI, "top_p": 1.5}, "top_p: expected a number from 0 to 1"),
    ({**ASK_HI, "max_tokens": 0}, "max_tokens: expected a whole number from 1"),
    ({**ASK_HI, "max_tokens": 1.5}, "max_tokens: expected a whole number from 1"),
    ({**ASK_HI, "max_tokens": 10**9}, "max_tokens: expected a whole number from 1"),
    ({**ASK_HI, "max_tokens": "5", "max_completion_tokens": 5}, "max_tokens: expected a whole number from 1"),
    ({**ASK_HI, "stop": 5}, "stop: expected a text"),
    ({**ASK_HI, "stop": ["a"] * 17}, "stop: expected a text"),
    ({**ASK_HI, "stop": [""]}, "stop: expected a text"),
    ({**ASK_HI, "model": 5}, "model: expected the name of a model"),
    ({**ASK_HI, "model": "a b"}, "model: expected the name of a model"),
    ({**ASK_HI, "tools": {}}, "tools: expected a list"),
    ({**ASK_HI, "tools": ["f"]}, "tools[0]: expected an object like"),
    ({**ASK_HI, "tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name: expected"),
    ({**ASK_HI, "tools": [{"function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters: expected"),
    ({**ASK_HI, "tools": [{"function": {"name": "f", "description": 0}}]}, "tools[0].function.description: expected"),
    ({**ASK_HI, "tool_choice": "required"}, "tool_choice: expected auto"),
    ({**ASK_HI, "tools": [TOOL], "tool_choice": {"function": {"name": "g"}}}, "tool_choice: expected auto"),
    ({**ASK_HI, "max_time": 0}, "max_time: expected a time such as"),
    ({**ASK_HI, "max_time": "soon"}, "max_time: expected a time such as"),
    ({**ASK_HI, "stream": 1}, "stream: expected true or false"),
    ({**ASK_HI, "format": 1}, "format: expected a text"),
    ({**ASK_HI, "wings": 2}, "wings: not a parameter of /ask"),
]


async def test_a_member_that_is_wrong_is_refused_by_its_path() -> None:
    async with asking() as asked:
        for body, culprit in BAD:
            response = await asked.post("/ask", body, JSON)
            assert status_of(response) == 400, (body, response)
            assert culprit in error_of(response)["message"], (body, response)
        assert (await asked.providers())[0]["asked"] == 0


@pytest.mark.parametrize(
    "wish",
    [
        {"stream": None, "format": None, "stop": None, "tools": None},
        {"temperature": 0},
        {"temperature": 2},
        {"top_p": 0.0},
        {"stop": "a"},
        {"stop": ["a"] * 16},
        {"max_tokens": 1},
        {"max_tokens": None, "max_completion_tokens": 1},
        {"messages": [{"role": "user", "content": "hi", "tool_calls": []}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": None}}]},
    ],
)
async def test_the_nearest_legal_value_is_taken(wish: dict[str, Any]) -> None:
    async with asking() as asked:
        assert status_of(await asked.post("/ask", {**ASK_HI, **wish}, JSON)) == 200


async def test_a_model_that_a_provider_has_asks_that_one_first_and_the_others_for_their_own() -> None:
    failing, script = Script((503, b"{}")), Script(HELLO)
    async with asking(Fake(responder=script), Fake(responder=failing)) as asked:
        response = await asked.post("/ask", {**ASK_HI, "model": "m-b"}, JSON)
    assert last_of(response)[1]["provider"] == "a"
    assert ([body["model"] for body in failing.bodies], script.bodies[0]["model"]) == (["m-b"], "m-a")


async def test_an_unknown_model_is_a_404_and_no_failure_of_a_provider() -> None:
    unknown = (404, b'{"error": {"message": "no such model", "code": "model_not_found"}}')
    async with asking(Fake(responder=Script(unknown), failures=1), Fake(responder=Script(unknown))) as asked:
        response = await asked.post("/ask", {**ASK_HI, "model": "gpt-0"}, JSON)
        told = await asked.providers()
        own = await asked.post("/ask", ASK_HI, JSON)
        assert (await asked.providers())[0]["state"] == "open"
    assert (status_of(response), error_of(response)["kind"], status_of(own)) == (404, "not-found", 502)
    assert [(one["asked"], one["failed"], one["state"]) for one in told] == [(1, 0, "closed")] * 2


async def test_tool_calls_come_back_in_every_form() -> None:
    body = {**ASK_HI, "tools": [TOOL]}
    async with asking(Fake(dialect="anthropic")) as asked:
        streamed = await asked.post("/ask", body, JSON)
        whole = json.loads((await asked.post("/ask", {**body, "stream": False}, JSON)).partition(b"\r\n\r\n")[2])
        lines = (await asked.post("/ask", {**body, "format": "jsonl"}, JSON)).splitlines()
    calls = [json.loads(event.data) for event in events_of(streamed) if event.event == "tool_call"]
    (call,) = whole["tool_calls"]
    assert (calls[0]["name"], calls[0]["index"], bool(calls[0]["id"])) == ("f", 0, True)
    assert json.loads("".join(piece["arguments"] for piece in calls)) == json.loads(call["arguments"]) == {}
    assert (call["name"], whole["stop"], last_of(streamed)[1]["stop"]) == ("f", "tool-calls", "tool-calls")
    assert any(line.startswith(b'{"tool_call":{"index":0,"id":') for line in lines)


async def test_an_answer_without_text_is_not_remembered_by_its_session() -> None:
    async with asking() as asked:
        for body in ({"q": "a", "tools": [TOOL], "session": "s"}, {"q": "b", "session": "t"}):
            assert status_of(await asked.post("/ask", body, JSON)) == 200
        assert len(asked.answers.sessions) == 1


def thought(text: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"reasoning_content": text}}]}).encode()


async def test_reasoning_is_passed_on_and_counted_apart_or_only_counted() -> None:
    pieces = (thought("hm"), thought("so"), delta("yes"), DONE)
    for passes in (True, False):
        async with asking(Fake(responder=chat(*pieces)), passes_reasoning=passes) as asked:
            response = await asked.ask("x")
            whole = json.loads((await asked.ask("x", "&stream=false")).partition(b"\r\n\r\n")[2])
        thoughts = [json.loads(event.data)["t"] for event in events_of(response) if event.event == "reasoning"]
        assert thoughts == (["hm", "so"] if passes else [])
        assert (text_of(events_of(response)), whole["text"]) == ("yes", "yes")
        assert [(line["tokens"], line["reasoning"]) for line in asked.audit] == [(1, 2)] * 2


@pytest.mark.parametrize("query", ["&max_time=300ms", "&max_time=0.3"])
async def test_an_answer_has_a_deadline_of_its_own_which_is_no_failure_of_the_provider(
    query: str, mock_clock: trio.testing.MockClock
) -> None:
    async with (
        asking(Fake(responder=chat(delta("half"), is_endless=True), failures=1)) as asked,
        connect(asked.running.port) as client,
    ):
        await client.send(get(f"/ask?q=x{query}", b"Connection: close"))
        begun = await client.read_until(b"half")
        mock_clock.jump(0.3)
        events = events_of(begun + await client.read_all())
        (told,) = await asked.providers()
    assert [event.event for event in events] == ["message", "error"]
    error = json.loads(events[-1].data)
    assert (error["kind"], error["message"]) == ("timeout", "expected the whole answer within 0.3 s")
    assert (told["failed"], told["state"]) == (0, "closed")
    assert asked.audit[0]["attempts"][0]["tokens"] == 1


async def test_a_deadline_before_the_first_token_is_a_504() -> None:
    mock = MockSettings(time_to_first_token=60.0, inter_token_latency=0.0)
    async with asking(Fake(mock)) as asked:
        response = await asked.ask("x", "&max_time=100ms")
    assert (status_of(response), error_of(response)["kind"]) == (504, "timeout")


@pytest.mark.parametrize("depth", [600, 970, 980, 990])
async def test_a_body_that_is_too_deep_is_refused(depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    async with asking(Fake(responder=Script(HELLO))) as asked:
        response = await asked.post("/v1/chat/completions", b'{"messages":%b}' % deep, JSON)
        assert status_of(response) == 400, response
        assert b"expected JSON" in response
