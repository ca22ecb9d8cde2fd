"""What a provider or a proxy sends twice is read once, and a second message within the first is an error."""

from __future__ import annotations

import json

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import AnswerEvent, ErrorKind, ProviderError, Reasoning, Started, Text, ToolCall
from chunkwire.llm.eventstream import encode_message
from chunkwire.wire.sse import encode_event

TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
CALLED = [ToolCall(0, "t", "f", ""), ToolCall(0, "", "", '{"a":1}')]


def read(dialect: str, *events: dict[str, object]) -> list[AnswerEvent]:
    return DIALECTS[dialect].reader().feed(b"".join(encode_event(json.dumps(event)) for event in events))


def converse(*messages: tuple[str, dict[str, object]]) -> list[AnswerEvent]:
    octets = (encode_message({":event-type": name}, json.dumps(payload).encode()) for name, payload in messages)
    return DIALECTS["bedrock"].reader().feed(b"".join(octets))


def message(id_: str) -> dict[str, object]:
    return {"type": "message_start", "message": {"id": id_, "model": "m"}}


def block(index: object, **content: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def stop(index: object) -> dict[str, object]:
    return {"type": "content_block_stop", "index": index}


def part(text: str, index: object = 0) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def more(arguments: str, index: object = 0) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"partial_json": arguments}}


BLOCK, MORE, STOP = block(0, **TOOL), more('{"a":1}'), stop(0)


@pytest.mark.parametrize(
    "events",
    [
        (BLOCK, BLOCK, MORE),
        (BLOCK, MORE, BLOCK, STOP),
        (BLOCK, MORE, STOP, BLOCK, MORE, STOP),
        (BLOCK, STOP, STOP, BLOCK, MORE),
        (block(0, type="tool_use", name="f"), BLOCK, MORE),
        (BLOCK, block(0, type="tool_use", name="f"), MORE),
        (block(0, **{**TOOL, "input": {"a": 1}}), BLOCK),
        (BLOCK, block(0, **{**TOOL, "input": {"a": 1}}), block(0, **{**TOOL, "input": {"a": 1}})),
    ],
)
def test_a_tools_block_that_begins_twice_is_one_call(events: tuple[dict[str, object], ...]) -> None:
    found = [event for event in read("anthropic", *events) if isinstance(event, ToolCall)]
    assert {call.index for call in found} == {0}
    assert "".join(call.id for call in found) == "t"
    assert "".join(call.name for call in found) == "f"
    assert "".join(call.arguments for call in found) == '{"a":1}'


def test_a_block_with_another_id_at_a_known_index_is_another_call() -> None:
    other = block(0, **{**TOOL, "id": "u"})
    assert read("anthropic", BLOCK, MORE, other, more("{}")) == [
        *CALLED,
        ToolCall(1, "u", "f", ""),
        ToolCall(1, "", "", "{}"),
    ]
    bare = block(0, type="tool_use", name="f")
    assert [event.index for event in read("anthropic", bare, STOP, bare) if isinstance(event, ToolCall)] == [0, 1]


def test_a_text_that_begins_twice_is_read_once_and_two_texts_are_two() -> None:
    start = block(0, type="text", text="Hel")
    assert read("anthropic", start, start, part("lo")) == [Text("Hel"), Text("lo")]
    assert read("anthropic", start, stop(0), start) == [Text("Hel"), Text("Hel")]
    assert read("anthropic", start, block(1, type="text", text="Hel")) == [Text("Hel"), Text("Hel")]
    thought = block(0, type="thinking", thinking="")
    assert read("anthropic", thought, thought) == [Reasoning("")]


def test_a_call_at_the_index_of_a_tool_that_the_provider_runs_keeps_its_arguments() -> None:
    assert read("anthropic", block(0, type="server_tool_use"), more("{}"), STOP, BLOCK, MORE) == CALLED


def test_a_message_that_starts_twice_is_one_and_another_within_it_is_broken() -> None:
    begun = [Started("a", "m"), Text("x")]
    assert read("anthropic", message("a"), message("a"), part("x"), message("a"), message("")) == begun
    assert read("anthropic", message("b"), message("a"), part("x"))[1:] == begun
    assert read("anthropic", part("x"), message("a")) == begun[::-1]
    *found, error = read("anthropic", message("a"), part("x"), message("b"), part("y"))
    assert found == begun
    assert isinstance(error, ProviderError)
    assert (error.kind, error.message) == (
        ErrorKind.BROKEN,
        "event 3: expected one message, got the start of another in it",
    )
    ended = read("anthropic", message("a"), part("x"), {"type": "message_stop"}, message("b"), part("y"))
    assert ended == begun


def test_a_repeated_start_of_a_message_without_its_id_is_read_once() -> None:
    assert read("anthropic", message("a"), message(""), part("x")) == [Started("a", "m"), Text("x")]
    assert read("anthropic", message(""), message("a"), part("x"))[1:] == [Started("a", "m"), Text("x")]


def test_bedrocks_tool_that_begins_twice_is_one_call() -> None:
    start = ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}})
    delta = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"a":1}'}}})
    end: tuple[str, dict[str, object]] = ("contentBlockStop", {"contentBlockIndex": 0})
    assert converse(start, start, delta, start, end) == CALLED
    assert converse(start, delta, end, start, delta, end) == CALLED
    other = ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "u", "name": "f"}}})
    assert converse(start, delta, other)[2:] == [ToolCall(1, "u", "f", "")]


def test_bedrocks_message_that_starts_twice_is_one_and_another_within_it_is_broken() -> None:
    start: tuple[str, dict[str, object]] = ("messageStart", {"role": "assistant"})
    delta = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}})
    begun = [Started("", ""), Text("x")]
    assert converse(start, start, delta) == begun
    *found, error = converse(start, delta, start, delta)
    assert found == begun
    assert isinstance(error, ProviderError)
    assert error.kind is ErrorKind.BROKEN


def test_geminis_call_that_is_sent_twice_is_one_and_without_an_id_two() -> None:
    def calls(*found: dict[str, object]) -> list[ToolCall]:
        events: list[dict[str, object]] = [
            {"candidates": [{"content": {"parts": [{"functionCall": call}]}}]} for call in found
        ]
        return [event for event in read("gemini", *events) if isinstance(event, ToolCall)]

    call: dict[str, object] = {"id": "t", "name": "f", "args": {"a": 1}}
    assert calls(call, call) == [ToolCall(0, "t", "f", '{"a":1}')]
    assert [made.index for made in calls(call, call | {"args": {}}, call | {"id": "u"})] == [0, 1, 2]
    assert [made.index for made in calls({"name": "f"}, {"name": "f"})] == [0, 1]


def test_a_call_of_a_chat_whose_id_and_name_come_apart_and_again_has_each_once() -> None:
    def delta(**call: object) -> dict[str, object]:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}}]}

    begun, named = delta(id="t"), delta(function={"name": "f", "arguments": ""})
    both, more = delta(id="t", function={"name": "f", "arguments": '{"a":'}), delta(function={"arguments": "1}"})
    for events in ((begun, named, both, more), (named, begun, both, more), (both, begun, named, more)):
        found = [event for event in read("openai", *events) if isinstance(event, ToolCall)]
        assert {call.index for call in found} == {0}
        assert [call.id for call in found if call.id] == ["t"]
        assert [call.name for call in found if call.name] == ["f"]
        assert "".join(call.arguments for call in found) == '{"a":1}'


def test_an_item_of_responses_that_is_added_twice_is_one_call() -> None:
    call = {"type": "function_call", "call_id": "t", "name": "f", "arguments": ""}
    added: dict[str, object] = {"type": "response.output_item.added", "output_index": 0, "item": call}
    delta: dict[str, object] = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a":1}'}
    done = added | {"type": "response.output_item.done", "item": call | {"arguments": '{"a":1}'}}
    assert read("openai-responses", added, added, delta, added, done, done) == CALLED
    assert read("openai-responses", added, delta, done, added, delta, done) == CALLED
    assert read("openai-responses", delta, done) == CALLED[::-1]
    other = added | {"item": call | {"call_id": "u"}}
    assert read("openai-responses", added, other) == [CALLED[0], ToolCall(1, "u", "f", "")]


def test_calls_of_responses_that_end_without_an_index_are_distinguished_by_their_ids() -> None:
    def done(call: str) -> dict[str, object]:
        item = {"type": "function_call", "call_id": call, "name": "f", "arguments": "{}"}
        return {"type": "response.output_item.done", "item": item}

    text: dict[str, object] = {"type": "response.output_text.delta", "delta": "Hi"}
    found = read("openai-responses", text, done("t"), done("u"), done("u"))
    assert found == [Text("Hi"), ToolCall(0, "t", "f", "{}"), ToolCall(1, "u", "f", "{}")]
