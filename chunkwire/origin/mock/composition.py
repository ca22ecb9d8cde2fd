"""The mock's answers: words out of the prompt, a text or Latin, and calls of the tools it was given.

The rule here: whatever chance decides comes out of the generator that is given, so that one seed gives one answer.
A token is a word with the blanks before it, at most 12 characters of it: near enough for a stream's rhythm. Pure.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Final

from chunkwire.llm.answer import Answer, StopReason, ToolCall, Usage
from chunkwire.llm.question import Question, Tool
from chunkwire.llm.shape import at, dump, items_at, text_at
from chunkwire.origin.mock.settings import MockSettings, Source

_TOKEN: Final = re.compile(r"\s*\S{1,12}|\s+")
_ID_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LOREM_TOKENS: Final = 50
_PIECE_CHARACTERS: Final = 8  # of the JSON text of a tool's arguments, a delta
_LOREM: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat"
)


def compose(question: Question, wishes: MockSettings, *, chance: random.Random, prefix: str, created: int) -> Answer:
    """Return the answer to a question.

    A question that offers tools is answered by a call of the first one, until it brings a tool's result.

    Args:
        prefix: what the answer's id begins with.
        created: Unix seconds.
    """
    name = prefix + "".join(chance.choices(_ID_DIGITS, k=24))
    asked = sum(len(tokens(message.text)) for message in question.messages)
    failure = wishes.failure
    error = failure.error if failure is not None else None
    if question.tools and not (question.messages and question.messages[-1].role == "tool"):
        calls = (_call(question.tools[0], question.prompt, chance),)
        pieces = sum(len(call.arguments) for call in calls)
        return Answer(name, question.model, created, (), calls, Usage(asked, pieces), StopReason.TOOL_CALLS, 0, error)
    words = _words(question, wishes, chance)
    stop = StopReason.STOP
    if question.max_tokens is not None and question.max_tokens < len(words):
        words = words[: question.max_tokens]
        stop = StopReason.LENGTH
    if failure is not None and failure.after is not None:
        words = words[: failure.after]
    return Answer(name, question.model, created, tuple(words), (), Usage(asked, len(words)), stop, 0, error)


def tokens(text: str) -> list[str]:
    """Return a text cut into tokens; joined, they are the text."""
    return _TOKEN.findall(text)


def _words(question: Question, wishes: MockSettings, chance: random.Random) -> list[str]:
    if wishes.source is Source.LOREM or (wishes.source is Source.ECHO and not question.prompt):
        return _lorem(_LOREM_TOKENS if wishes.tokens is None else wishes.tokens, chance)
    words = tokens(wishes.text if wishes.source is Source.TEXT else question.prompt)
    if wishes.tokens is None:
        return words
    return [words[n % len(words)] for n in range(wishes.tokens)] if words else []


def _lorem(count: int, chance: random.Random) -> list[str]:
    """Return words of Latin, in sentences; the first is always Lorem."""
    words = _LOREM.split()
    found: list[str] = []
    is_first = True
    for number in range(count):
        word = words[number] if number < 5 else chance.choice(words)
        ends = number == count - 1 or (number >= 5 and chance.random() < 0.1)
        found.append(("" if number == 0 else " ") + (word.capitalize() if is_first else word) + ("." if ends else ""))
        is_first = ends
    return found


def _call(tool: Tool, prompt: str, chance: random.Random) -> ToolCall:
    arguments = dump(_value(tool.schema, prompt, depth=0) if isinstance(tool.schema, dict) else {})
    places: Iterable[int] = range(0, len(arguments), _PIECE_CHARACTERS)
    pieces = tuple(arguments[place : place + _PIECE_CHARACTERS] for place in places)
    return ToolCall("call_" + "".join(chance.choices(_ID_DIGITS, k=24)), tool.name, pieces)


def _value(schema: object, prompt: str, *, depth: int) -> object:
    """Return a value that fits a JSON Schema, as far as its type and enum tell; texts are the prompt."""
    if choices := items_at(schema, "enum"):
        return choices[0]
    match text_at(schema, "type").lower():  # Gemini's types are upper-case
        case "object" | "" if depth < 8:  # a schema of a request may be as deep as its sender likes
            members = at(schema, "properties")
            pairs = members.items() if isinstance(members, dict) else ()
            return {name: _value(member, prompt, depth=depth + 1) for name, member in pairs}
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return []
        case "string":
            return prompt
        case _:
            return None
