"""The mock's answers: the prompt, a text, Latin, JSON of a schema or a refusal, and calls of the request's tools.

The rule here: all randomness comes from the given generator, so that one seed gives one answer. A token is at most 12
characters of a word with the blanks before them; blanks at the end are one, too. Pure.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final

from chunkwire.llm.answer import Answer, StopReason, Usage, WholeToolCall
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.question import Question, Tool
from chunkwire.llm.shape import dump
from chunkwire.origin.mock.schema import value_of
from chunkwire.origin.mock.settings import MockSettings, WordSource

_TOKEN: Final = re.compile(r"\s*\S{1,12}|\s+")
_ID_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LOREM_TOKENS: Final = 50
_THOUGHT: Final = "They ask: "
_PIECE_CHARACTERS: Final = 8  # of the JSON text of a tool's arguments, a delta
_LOREM: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat"
)


def compose(
    question: Question, settings: MockSettings, dialect: Dialect, *, chance: random.Random, created: int
) -> Answer:
    """Return the answer to a question.

    A question with tools is answered by tool calls (`_called`), one that ends in a tool's result in words. A refusal of
    the settings is the answer to any question.

    Args:
        dialect: for the prefixes of ids.
        created: Unix seconds.
    """
    name = _new_id(dialect.id_prefix, chance)
    calls: tuple[WholeToolCall, ...] = ()
    words: list[str] = []
    thoughts = tokens(settings.reasoning or (_THOUGHT + question.prompt if question.wants_reasoning else ""))
    if settings.refusal:
        words, stop = tokens(settings.refusal), StopReason.REFUSAL
    elif question.tools and not (question.messages and question.messages[-1].role == "tool"):
        calls = tuple(
            WholeToolCall(_new_id(dialect.call_prefix, chance), tool.name, _arguments(tool, question.prompt))
            for tool in _called(question)
        )
        stop = StopReason.TOOL_CALLS
    else:
        words = _words(question, settings, chance)
        is_cut = question.max_tokens is not None and question.max_tokens < len(words)
        words, stop = words[: question.max_tokens], StopReason.LENGTH if is_cut else StopReason.STOP
    failure = settings.failure
    if failure is not None and failure.after is not None:
        words = words[: failure.after]
    made = len(words) + len(thoughts) + sum(len(call.arguments) for call in calls)
    return Answer(
        name,
        question.model,
        created,
        tuple(words),
        calls,
        Usage(prompt_tokens(question), made * question.choices, len(thoughts) * question.choices),
        stop,
        latency_ms=round(1000 * (settings.time_to_first_token + settings.inter_token_latency * max(0, made - 1))),
        error=failure.error if failure is not None else None,
        reasoning=tuple(thoughts),
    )


def prompt_tokens(question: Question) -> int:
    """Return the number of tokens in a question's messages."""
    return sum(len(tokens(message.text)) for message in question.messages)


def tokens(text: str) -> list[str]:
    """Split a text into tokens; joined, they are the text."""
    return _TOKEN.findall(text)


def _called(question: Question) -> Sequence[Tool]:
    """Return the tools to call: the required one, those that the prompt names, in its order, or the first of all.

    Of those that the prompt names it is the first, unless the request allows parallel calls.
    """
    if question.named_tool:
        return [tool for tool in question.tools if tool.name == question.named_tool][:1]
    found = {tool.name: re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", question.prompt) for tool in question.tools}
    places = {name: match.start() for name, match in found.items() if match is not None}
    named = sorted((tool for tool in question.tools if tool.name in places), key=lambda tool: places[tool.name])
    return (named or question.tools)[: len(named) if named and question.is_parallel else 1]


def _words(question: Question, settings: MockSettings, chance: random.Random) -> list[str]:
    if question.schema is not None and settings.source is not WordSource.TEXT:
        return tokens(dump(value_of(question.schema, question.prompt)))
    if settings.source is WordSource.LOREM or (settings.source is WordSource.ECHO and not question.prompt):
        return _lorem(_LOREM_TOKENS if settings.tokens is None else settings.tokens, chance)
    words = tokens(settings.text if settings.source is WordSource.TEXT else question.prompt)
    if settings.tokens is None:
        return words
    return [words[n % len(words)] for n in range(settings.tokens)] if words else []


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
    text = dump(value_of(tool.schema, prompt) if tool.schema and isinstance(tool.schema, dict) else {})
    return tuple(text[place : place + _PIECE_CHARACTERS] for place in range(0, len(text), _PIECE_CHARACTERS))
