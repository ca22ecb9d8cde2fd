"""The mock's answers: words out of the prompt, a text or Latin, and calls of the tools it was given.

The rule here: whatever chance decides comes out of the generator that is given, so that one seed gives one answer.
A token is a word with the blanks before it, at most 12 characters of it: near enough for a stream's rhythm. Pure.
"""

from __future__ import annotations

import random
import re
from typing import Final

from chunkwire.llm.answer import Answer, StopReason, Usage, WholeToolCall
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.question import Question, Tool
from chunkwire.llm.shape import at, dump, items_at, text_at
from chunkwire.origin.mock.settings import MockSettings, WordSource

_TOKEN: Final = re.compile(r"\s*\S{1,12}|\s+")
_ID_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LOREM_TOKENS: Final = 50
_PIECE_CHARACTERS: Final = 8  # of the JSON text of a tool's arguments, a delta
_LOREM: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat"
)


def compose(
    question: Question, wishes: MockSettings, dialect: Dialect, *, chance: random.Random, created: int
) -> Answer:
    """Return the answer to a question.

    A question that offers tools is answered by a call of the first one, until it brings a tool's result.

    Args:
        dialect: knows what ids begin with.
        created: Unix seconds.
    """
    name = _new_id(dialect.id_prefix, chance)
    calls: tuple[WholeToolCall, ...] = ()
    words: list[str] = []
    if question.tools and not (question.messages and question.messages[-1].role == "tool"):
        tool = question.tools[0]
        calls = (WholeToolCall(_new_id(dialect.call_prefix, chance), tool.name, _arguments(tool, question.prompt)),)
        stop = StopReason.TOOL_CALLS
    else:
        words, stop = _limited(_words(question, wishes, chance), question.max_tokens)
    failure = wishes.failure
    if failure is not None and failure.after is not None:
        words = words[: failure.after]
    made = len(words) + sum(len(call.arguments) for call in calls)
    return Answer(
        name,
        question.model,
        created,
        tuple(words),
        calls,
        Usage(sum(len(tokens(message.text)) for message in question.messages), made),
        stop,
        latency_ms=round(1000 * (wishes.time_to_first_token + wishes.inter_token_latency * max(0, made - 1))),
        error=failure.error if failure is not None else None,
    )


def tokens(text: str) -> list[str]:
    """Return a text cut into tokens; joined, they are the text."""
    return _TOKEN.findall(text)


def _limited(words: list[str], most: int | None) -> tuple[list[str], StopReason]:
    if most is None or most >= len(words):
        return words, StopReason.STOP
    return words[:most], StopReason.LENGTH


def _words(question: Question, wishes: MockSettings, chance: random.Random) -> list[str]:
    if wishes.source is WordSource.LOREM or (wishes.source is WordSource.ECHO and not question.prompt):
        return _lorem(_LOREM_TOKENS if wishes.tokens is None else wishes.tokens, chance)
    words = tokens(wishes.text if wishes.source is WordSource.TEXT else question.prompt)
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


def _new_id(prefix: str, chance: random.Random) -> str:
    return prefix + "".join(chance.choices(_ID_DIGITS, k=24))


def _arguments(tool: Tool, prompt: str) -> tuple[str, ...]:
    text = dump(_value(tool.schema, prompt, depth=0) if isinstance(tool.schema, dict) else {})
    return tuple(text[place : place + _PIECE_CHARACTERS] for place in range(0, len(text), _PIECE_CHARACTERS))


def _value(schema: object, prompt: str, *, depth: int) -> object:
    """Return a value that fits a JSON Schema, as far as its type and enum say; texts are the prompt."""
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
