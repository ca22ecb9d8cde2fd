"""Make the mock's answer to a question: words, or calls of the request's tools.

The rule here: all randomness comes from the given generator, so that one seed gives one answer; no I/O. A token is at
most 12 characters of a word with the blanks before them. Blanks at the end of a text are one more token, and each word
of Latin is one token.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import chain, cycle, islice
from typing import Final

from chunkwire.llm.answer import Answer, StopReason, Usage, WholeToolCall
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.question import Question, Tool
from chunkwire.llm.shape import dump
from chunkwire.origin.mock.schema import value_of
from chunkwire.origin.mock.settings import MockSettings, WordSource

_TOKEN: Final = re.compile(r"\s*\S{1,12}|\s+")
_ID_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LOREM_WORDS: Final = 50
_REASONING: Final = "They ask: "
_ARGUMENTS_CHARACTERS: Final = 8  # of the JSON text of a tool call's arguments, in each delta
_LOREM: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat"
)


def compose(
    question: Question, settings: MockSettings, dialect: Dialect, *, chance: random.Random, created: int
) -> Answer:
    """Return the answer to a question.

    `settings.refusal` is the answer to any question. Else a question with tools gets tool calls, unless its last
    message is a tool's result. Else the answer is words. A `settings.failure` leaves reasoning and calls whole.

    Args:
        dialect: for the prefixes of ids.
        created: Unix seconds.
    """
    name = _new_id(dialect.id_prefix, chance)
    calls: tuple[WholeToolCall, ...] = ()
    words: list[str] = []
    reasoning = tokens(settings.reasoning or (_REASONING + question.prompt if question.wants_reasoning else ""))
    if settings.refusal:
        words, stop = tokens(settings.refusal), StopReason.REFUSAL
    elif called := _tools_to_call(question):
        calls = tuple(
            WholeToolCall(_new_id(dialect.call_prefix, chance), tool.name, _arguments(tool, question.prompt))
            for tool in called
        )
        stop = StopReason.TOOL_CALLS
    else:
        words = _words(question, settings, chance)
        is_cut = question.max_tokens is not None and question.max_tokens < len(words)
        words, stop = words[: question.max_tokens], StopReason.LENGTH if is_cut else StopReason.STOP
    failure = settings.failure
    if failure is not None and failure.after is not None:
        words = words[: failure.after]
    made = len(words) + len(reasoning) + sum(len(call.arguments) for call in calls)
    return Answer(
        name,
        question.model,
        created,
        tuple(words),
        calls,
        Usage(prompt_tokens(question), made * question.choices, len(reasoning) * question.choices),
        stop,
        latency_ms=round(1000 * (settings.time_to_first_token + settings.inter_token_latency * max(0, made - 1))),
        error=failure.error if failure is not None else None,
        reasoning=tuple(reasoning),
    )


def prompt_tokens(question: Question) -> int:
    """Return the number of tokens in a question's messages."""
    return sum(len(tokens(message.text)) for message in question.messages)


def tokens(text: str) -> list[str]:
    """Split a text into tokens; joined, they are the text."""
    return _TOKEN.findall(text)


def _tools_to_call(question: Question) -> Sequence[Tool]:
    """Return the tools to call; none after a tool's result, or where the question has none.

    Where the question has a `named_tool`, it is called alone. Else those are called that the prompt names, in the order
    of the prompt, or only the first of them if parallel calls are not allowed. A prompt that names none gets the first
    tool of the question.
    """
    if question.messages and question.messages[-1].role == "tool":
        return ()
    if question.named_tool:
        return [tool for tool in question.tools if tool.name == question.named_tool][:1]
    found = {tool.name: re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", question.prompt) for tool in question.tools}
    places = {name: match.start() for name, match in found.items() if match is not None}
    named = sorted((tool for tool in question.tools if tool.name in places), key=lambda tool: places[tool.name])
    return (named or question.tools)[: len(named) if named and question.is_parallel else 1]


def _words(question: Question, settings: MockSettings, chance: random.Random) -> list[str]:
    """Return the words: JSON for the schema of the question, else Latin, the settings' text or the prompt.

    Text and prompt are cut to `settings.tokens`, or repeated up to them, with a blank before each repetition.
    """
    if question.schema is not None and settings.source is not WordSource.TEXT:
        return tokens(dump(value_of(question.schema, question.prompt)))
    if settings.source is WordSource.LOREM or (settings.source is WordSource.ECHO and not question.prompt):
        return _lorem(_LOREM_WORDS if settings.tokens is None else settings.tokens, chance)
    words = tokens(settings.text if settings.source is WordSource.TEXT else question.prompt)
    if settings.tokens is None:
        return words
    again = [" " + words[0].lstrip(), *words[1:]] if words else []
    return list(islice(chain(words, cycle(again)), settings.tokens))


def _lorem(count: int, chance: random.Random) -> list[str]:
    """Return words of Latin, in sentences; the first five are always the same."""
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
    return tuple(text[at : at + _ARGUMENTS_CHARACTERS] for at in range(0, len(text), _ARGUMENTS_CHARACTERS))
