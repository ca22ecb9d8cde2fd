"""Requests with every option of a question, in each dialect's own members."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import WholeToolCall
from chunkwire.llm.question import Message, Question, Tool

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CALLS = (WholeToolCall("c1", "weather", ('{"city":"Ulm"}',)), WholeToolCall("c2", "time", ("",)))
TALK = (
    Message("system", "Be kind."),
    Message("user", "Wet?"),
    Message("assistant", "I look.", CALLS),
    Message("tool", "rain", call_id="c1"),
    Message("tool", "noon", call_id="c2"),
    Message("user", "And?"),
)
ALL = Question(
    "m",
    TALK,
    (Tool("weather", SCHEMA, "of a city"), Tool("time")),
    max_tokens=7,
    temperature=0.0,
    top_p=0.5,
    stop=("END",),
    tool_choice="required",
    named_tool="weather",
    others={"seed": 1},
)


def body_of(dialect: str, question: Question = ALL) -> dict[str, Any]:
    body = json.loads(DIALECTS[dialect].build_request(question).body)
    assert isinstance(body, dict)
    return body


CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Wet?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}},
                {"id": "c2", "type": "function", "function": {"name": "time", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "noon"},
        {"role": "user", "content": "And?"},
    ],
    "max_completion_tokens": 7,
    "temperature": 0.0,
    "top_p": 0.5,
    "stop": ["END"],
    "tools": [
        {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "time"}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "seed": 1,
    "stream": True,
    "stream_options": {"include_usage": True},
}
MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 7,
    "system": "Be kind.",
    "messages": [
        {"role": "user", "content": "Wet?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Ulm"}},
                {"type": "tool_use", "id": "c2", "name": "time", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "noon"},
                {"type": "text", "text": "And?"},
            ],
        },
    ],
    "stream": True,
    "temperature": 0.0,
    "top_p": 0.5,
    "stop_sequences": ["END"],
    "tools": [
        {"name": "weather", "description": "of a city", "input_schema": SCHEMA},
        {"name": "time", "input_schema": {"type": "object"}},
    ],
    "tool_choice": {"type": "tool", "name": "weather"},
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Wet?"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Ulm"}'},
        {"type": "function_call", "call_id": "c2", "name": "time", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "function_call_output", "call_id": "c2", "output": "noon"},
        {"role": "user", "content": "And?"},
    ],
    "stream": True,
    "max_output_tokens": 7,
    "temperature": 0.0,
    "top_p": 0.5,
    "tools": [
        {
            "type": "function",
            "name": "weather",
            "description": "of a city",
            "parameters": SCHEMA,
            "strict": False,
        },
        {"type": "function", "name": "time", "strict": False},
    ],
    "tool_choice": {"type": "function", "name": "weather"},
}
GEMINI: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "Wet?"}]},
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}},
                {"functionCall": {"name": "time", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"result": "rain"}}},
                {"functionResponse": {"name": "time", "response": {"result": "noon"}}},
                {"text": "And?"},
            ],
        },
    ],
    "systemInstruction": {"parts": [{"text": "Be kind."}]},
    "generationConfig": {
        "maxOutputTokens": 7,
        "temperature": 0.0,
        "topP": 0.5,
        "stopSequences": ["END"],
    },
    "tools": [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "of a city", "parametersJsonSchema": SCHEMA},
                {"name": "time"},
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
}
CONVERSE: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"text": "Wet?"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "I look."},
                {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Ulm"}}},
                {"toolUse": {"toolUseId": "c2", "name": "time", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "rain"}]}},
                {"toolResult": {"toolUseId": "c2", "content": [{"text": "noon"}]}},
                {"text": "And?"},
            ],
        },
    ],
    "system": [{"text": "Be kind."}],
    "inferenceConfig": {"maxTokens": 7, "temperature": 0.0, "topP": 0.5, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [
            {"toolSpec": {"name": "weather", "description": "of a city", "inputSchema": {"json": SCHEMA}}},
            {"toolSpec": {"name": "time", "inputSchema": {"json": {"type": "object"}}}},
        ],
        "toolChoice": {"tool": {"name": "weather"}},
    },
}


@pytest.mark.parametrize(
    "dialect, body",
    [
        ("openai", CHAT),
        ("azure", CHAT),
        ("openai-responses", RESPONSES),
        ("anthropic", MESSAGES),
        ("gemini", GEMINI),
        ("bedrock", CONVERSE),
    ],
)
def test_every_parameter_has_the_dialects_own_member(dialect: str, body: dict[str, Any]) -> None:
    assert body_of(dialect) == body


NONE = replace(ALL, tool_choice="none", named_tool="")
ANY = replace(ALL, tool_choice="required", named_tool="")


@pytest.mark.parametrize(
    "dialect, name, none, required",
    [
        ("openai", "tool_choice", "none", "required"),
        ("openai-responses", "tool_choice", "none", "required"),
        ("anthropic", "tool_choice", {"type": "none"}, {"type": "any"}),
        (
            "gemini",
            "toolConfig",
            {"functionCallingConfig": {"mode": "NONE"}},
            {"functionCallingConfig": {"mode": "ANY"}},
        ),
    ],
)
def test_tools_may_be_forbidden_or_required(dialect: str, name: str, none: object, required: object) -> None:
    assert (body_of(dialect, NONE)[name], body_of(dialect, ANY)[name]) == (none, required)


def test_tools_are_forbidden_to_bedrock_by_naming_none() -> None:
    assert "toolConfig" not in body_of("bedrock", NONE)
    assert body_of("bedrock", ANY)["toolConfig"]["toolChoice"] == {"any": {}}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bare_question_has_no_optional_member(dialect: str) -> None:
    bare = Question("m", (Message("user", "Hi"),))
    understood = DIALECTS[dialect].parse_request(DIALECTS[dialect].build_request(bare))
    assert (understood.messages, understood.max_tokens) == (bare.messages, 4096 if dialect == "anthropic" else None)
    text = json.dumps(body_of(dialect, bare))
    for word in ("tool", "emperature", "top", "stop", "Config", "seed", "null"):
        assert word not in text.replace("stream_options", "")


def test_arguments_that_are_no_object_are_not_lost() -> None:
    call = Message("assistant", "", (WholeToolCall("c", "f", ("[1",)),))
    (block,) = body_of("anthropic", Question("m", (Message("user", "Hi"), call)))["messages"][1]["content"]
    assert block["input"] == {"arguments": "[1"}
