"""Answers for the tests of the dialects, and what their events mean, in a form that is the same for all dialects."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from chunkwire.llm.answer import (
    Answer,
    AnswerEvent,
    ErrorKind,
    ProviderError,
    Reasoning,
    Started,
    Stop,
    StopReason,
    Text,
    ToolCall,
    Usage,
    WholeToolCall,
    whole_calls,
)
from chunkwire.llm.question import Message, Question
from chunkwire.llm.reading import AnswerReader
from chunkwire.origin.scenarios.quirks import Said

ASKED = Question("m-1", (Message("user", "hi"),))
HELLO = Answer("id-1", "m-1", 1_700_000_000, ("Hel", "lo"), usage=Usage(1, 2))
CALL = WholeToolCall("call_1", "weather", ("", '{"city":', '"Zürich"}'))
CALLING = Answer("id-1", "m-1", 1_700_000_000, (), (CALL,), Usage(1, 2), StopReason.TOOL_CALLS)
FAILING = Answer(
    "id-1", "m-1", 1_700_000_000, ("Hel",), error=ProviderError(ErrorKind.OVERLOADED, "Too many people ask.")
)

STOPS = [StopReason.STOP, StopReason.LENGTH, StopReason.FILTER]


@dataclass(frozen=True)
class Told:
    """What a list of events means; equal for the same answer in every dialect."""

    text: str
    calls: tuple[tuple[str, str, object], ...]
    usage: Usage | None
    stop: StopReason | None
    error: tuple[ErrorKind, str] | None


def said(events: Iterable[AnswerEvent]) -> Said:
    text, reasoning, stop, usage, error = "", "", None, None, None
    calls: dict[int, tuple[str, str]] = {}
    for event in events:
        match event:
            case Text():
                text += event.text
            case Reasoning():
                reasoning += event.text
            case ToolCall():
                name, arguments = calls.get(event.index, ("", ""))
                calls[event.index] = (name + event.name, arguments + event.arguments)
            case Usage():
                usage = event
            case Stop():
                stop = event.reason
            case ProviderError():
                error = event.kind
            case _:
                pass
    return Said(text, reasoning, tuple(calls.values()), stop, usage, error)


def told(events: Iterable[AnswerEvent]) -> Told:
    found = list(events)
    calls = plain(whole_calls(event for event in found if isinstance(event, ToolCall)))
    error = next(((each.kind, each.message) for each in found if isinstance(each, ProviderError)), None)
    brief = said(found)
    return Told(brief.text, calls, brief.usage, brief.stop, error)


def plain(calls: Iterable[WholeToolCall]) -> tuple[tuple[str, str, object], ...]:
    return tuple((call.id, call.name, json.loads(call.json)) for call in calls)


def expected(answer: Answer) -> Told:
    calls = plain(answer.tool_calls)
    text = "".join(answer.text)
    if answer.error is not None:
        return Told(text, calls, None, None, (answer.error.kind, answer.error.message))
    if not (text or calls or answer.stop in (StopReason.LENGTH, StopReason.FILTER)):
        nothing = (
            "expected text or a tool call, got the end of an answer without either, and 'stop' as the reason to stop"
        )
        return Told(text, calls, answer.usage, answer.stop, (ErrorKind.EMPTY, nothing))
    return Told(text, calls, answer.usage, answer.stop, None)


def read(reader: AnswerReader, octets: bytes, cuts: Iterable[int] = ()) -> list[AnswerEvent]:
    """Feed octets cut at these places; a lack at the end of input comes last."""
    events: list[AnswerEvent] = []
    start = 0
    for end in [*sorted(cuts), len(octets)]:
        events += reader.feed(octets[start:end])
        start = max(start, end)
    return [*events, *reader.end_of_input()]


def lack_of(reader: AnswerReader) -> ProviderError | None:
    """Return what is lacking at the end of input."""
    return next((event for event in reader.end_of_input() if isinstance(event, ProviderError)), None)


def started(events: Iterable[AnswerEvent]) -> list[Started]:
    return [event for event in events if isinstance(event, Started)]


_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_calls = st.builds(
    lambda number, name, city, cut: WholeToolCall(
        f"call_{number}", name, (json.dumps({"city": city})[:cut], json.dumps({"city": city})[cut:])
    ),
    st.integers(0, 9),
    st.sampled_from(["weather", "search"]),
    _texts,
    st.integers(1, 9),
)


def _answer(text: list[str], calls: list[WholeToolCall], usage: Usage, stop: StopReason) -> Answer:
    reason = StopReason.TOOL_CALLS if calls and stop is StopReason.STOP else stop
    return Answer("id-1", "m-1", 1_700_000_000, tuple(text), tuple(calls), usage, reason)


answers = st.builds(
    _answer,
    st.lists(_texts, max_size=4),
    st.lists(_calls, max_size=2, unique_by=lambda call: call.id),  # Gemini's same call again is a repeat
    st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9)),
    st.sampled_from(STOPS),
)
