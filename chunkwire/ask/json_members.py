"""Read the members of a JSON body that `/ask` and `/v1/chat/completions` share.

The rule here: OpenAI's names and types. A wrong value is refused with a 400 that gives the path of the member; no value
is guessed, clipped or rounded. What is not looked at: the `type` of tool calls and of a `tool_choice`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chunkwire.llm.answer import WholeToolCall
from chunkwire.llm.openai import ROLES
from chunkwire.llm.question import Message, Question, Role, Tool
from chunkwire.llm.shape import at, load_object
from chunkwire.server.query import bad_value
from chunkwire.server.refusal import Refusal
from chunkwire.wire.durations import parse_duration

MAX_BODY_OCTETS: Final = 4 << 20  # of a POST; a million tokens are about 4 MB
MAX_MESSAGES: Final = 10_000
MAX_STOPS: Final = 16  # OpenAI takes 4, Anthropic and vLLM more
MAX_TOOLS: Final = 128  # as OpenAI
MAX_TOKENS: Final = 10_000_000
MAX_SECONDS: Final = 86_400.0

MEMBERS: Final = frozenset(
    {
        "messages",
        "model",
        "temperature",
        "top_p",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "tool_choice",
        "max_time",
    }
)
"""The members that `read_question` reads, and `max_time`; a caller decides about others."""

_ROLES: Final[Mapping[str, Role]] = {**ROLES, "tool": "tool"}
_PARTS: Final = ("text", "input_text", "refusal")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_MODEL: Final = re.compile(r"[^\x00-\x20\x7f]{1,256}")


def load_body(octets: bytes) -> dict[str, object]:
    """Return the JSON object in a body.

    Raises:
        Refusal: 400, there is none.
    """
    try:
        return load_object(octets)
    except ValueError as error:
        raise Refusal(400, "body", f"body: {error}") from error


def read_question(body: Mapping[str, object]) -> Question:
    """Return the question in a body; a model that is absent is "", messages that are absent are ().

    Raises:
        Refusal: 400, naming the member that is wrong.
    """
    limits = _count(body, "max_completion_tokens", MAX_TOKENS), _count(body, "max_tokens", MAX_TOKENS)
    question = Question(
        _model(body),
        tuple(_messages(body["messages"])) if body.get("messages") is not None else (),
        tuple(_tools(body.get("tools"))),
        max_tokens=limits[0] or limits[1],
        temperature=_number(body, "temperature", 2.0),
        top_p=_number(body, "top_p", 1.0),
        stop=_stops(body.get("stop")),
    )
    return _with_choice(question, body.get("tool_choice"))


def read_seconds(value: object) -> float:
    """Return the seconds of a `max_time`: a number, or a text such as 5, 500ms or 1m30s; infinity for None or "".

    Raises:
        Refusal: 400.
    """
    if value is None or value == "":
        return math.inf
    seconds = parse_duration(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS:
        raise wrong("max_time", "a time such as 5, 500ms or 1m30s, a day at most", value)
    return float(seconds)


def read_flag(body: Mapping[str, object], name: str, *, default: bool) -> bool:
    """Return a member that is true or false.

    Raises:
        Refusal: 400.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong(name, "true or false", value)
    return value


def wrong(name: str, expected: str, got: object) -> Refusal:
    """Return the refusal of a member's value, which may be any JSON; see `bad_value`."""
    return bad_value(name, expected, got if isinstance(got, str) else repr(got))


def wrong_form(name: str, expected: str, got: str) -> Refusal:
    """Return the refusal of a member, with a description of what came in place of a value."""
    return Refusal(400, "parameter", f"{name}: expected {expected}, got {got}")


def _model(body: Mapping[str, object]) -> str:
    model = body.get("model")
    if model is None:
        return ""
    if not isinstance(model, str) or not _MODEL.fullmatch(model):
        raise wrong("model", "the name of a model, without blanks", model)
    return model


def _number(body: Mapping[str, object], name: str, maximum: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:  # NaN too
        raise wrong(name, f"a number from 0 to {maximum:g}", value)
    return float(value)


def _count(body: Mapping[str, object], name: str, maximum: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
        raise wrong(name, f"a whole number from 1 to {maximum}", value)
    return value


def _stops(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(isinstance(s, str) and s for s in stops):
        raise wrong("stop", f"a text, or a list of at most {MAX_STOPS}, none of them empty", value)
    return tuple(stops)


def _list(name: str, value: object, maximum: int) -> list[object]:
    expected = f"a list of 1 to {maximum}"
    if not isinstance(value, list):
        raise wrong(name, expected, value)
    if not 0 < len(value) <= maximum:
        raise wrong_form(name, expected, f"a list of {len(value)}")
    return value


def _messages(value: object) -> list[Message]:
    found = [
        _message(f"messages[{number}]", item) for number, item in enumerate(_list("messages", value, MAX_MESSAGES))
    ]
    if all(message.role == "system" for message in found):
        raise wrong_form("messages", "at least one of another role than system", "none")
    return found


def _message(where: str, item: object) -> Message:
    if not isinstance(item, dict):
        raise wrong(where, "an object with role and content", item)
    role = _ROLES.get(item["role"]) if isinstance(item.get("role"), str) else None
    if role is None:
        raise wrong(f"{where}.role", f"one of {', '.join(_ROLES)}", item.get("role"))
    calls = tuple(_calls(f"{where}.tool_calls", item.get("tool_calls")))
    if calls and role != "assistant":
        raise wrong(f"{where}.tool_calls", "a message of role assistant", role)
    call_id = item.get("tool_call_id") if role == "tool" else ""
    if not isinstance(call_id, str) or (role == "tool" and not call_id):
        raise wrong(f"{where}.tool_call_id", "the id of a tool call", call_id)
    content = item.get("content")
    if content is None and not calls:
        raise wrong_form(f"{where}.content", "a text, or a list of text parts", "none")
    return Message(role, "" if content is None else _text(f"{where}.content", content), calls, call_id)


def _text(where: str, content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong(where, "a text, or a list of text parts", content)
    pieces = []
    for number, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type", "text") not in _PARTS:
            got = part.get("type", part) if isinstance(part, dict) else part
            raise wrong(f"{where}[{number}]", "a part of type text", got)
        text = part.get("text", part.get("refusal"))
        if not isinstance(text, str):
            raise wrong(f"{where}[{number}].text", "a text", text)
        pieces.append(text)
    return "".join(pieces)


def _calls(where: str, value: object) -> list[WholeToolCall]:
    if value is None or value == []:
        return []
    return [_call(f"{where}[{number}]", call) for number, call in enumerate(_list(where, value, MAX_TOOLS))]


def _call(where: str, call: object) -> WholeToolCall:
    function = at(call, "function")
    call_id, name, arguments = at(call, "id"), at(function, "name"), at(function, "arguments")
    if not isinstance(call_id, str) or not isinstance(name, str) or not isinstance(arguments, str):
        raise wrong(where, "an object with id, function.name and function.arguments, all of them texts", call)
    return WholeToolCall(call_id, name, (arguments,))


def _tools(value: object) -> list[Tool]:
    if value is None or value == []:
        return []
    return [_tool(f"tools[{number}]", item) for number, item in enumerate(_list("tools", value, MAX_TOOLS))]


def _tool(where: str, item: object) -> Tool:
    function = item.get("function") if isinstance(item, dict) and item.get("type", "function") == "function" else None
    if not isinstance(function, dict):
        raise wrong(where, 'an object like {"type": "function", "function": {"name": …}}', item)
    name, description = function.get("name"), function.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise wrong(f"{where}.function.name", "1 to 128 letters, digits, or _.:-", name)
    if not isinstance(description, str | None):
        raise wrong(f"{where}.function.description", "a text", description)
    schema = function.get("parameters")
    if schema is not None and not isinstance(schema, dict):
        raise wrong(f"{where}.function.parameters", "a JSON Schema, which is an object", schema)
    return Tool(name, schema, description or "")


def _with_choice(question: Question, choice: object) -> Question:
    names = {tool.name for tool in question.tools}
    match choice:
        case None:
            return question
        case "auto" | "none" as mode:
            return replace(question, tool_choice=mode)
        case "required" if names:
            return replace(question, tool_choice="required")
    name = at(choice, "function", "name")  # None for any text that is left, such as "required" without tools
    if not isinstance(name, str) or name not in names:
        raise wrong("tool_choice", 'auto, none, required, or {"type": "function", …} with the name of a tool', choice)
    return replace(question, tool_choice="required", named_tool=name)
