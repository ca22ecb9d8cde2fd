"""What can be wished for of the mock: by flags for every request, by fields of a request for that one.

The rule here: one vocabulary for both, and a wish that is not understood is refused by its name. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final

from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.errors import kind_of_status
from chunkwire.llm.question import Field, refuse
from chunkwire.origin.scenarios import FAULTS, find_scenario
from chunkwire.origin.scenarios.quirks import QUIRKS
from chunkwire.server.query import shown
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError

PREFIX: Final = b"x-chunkwire-"
MAX_TOKENS: Final = 100_000  # of one answer: more than any provider gives (128 Ki is the largest limit published)
MAX_WAIT_S: Final = 3600.0  # of one wait; as long as a stream of the origin may last
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_KNOWN_FAULTS: Final = {name: each for name, each in FAULTS.items() if each.tail is not None}  # framing does the others
_FRACTION: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


@unique
class WordSource(StrEnum):
    """Where an answer's words come from."""

    ECHO = "echo"
    LOREM = "lorem"
    TEXT = "text"


@unique
class Layout(StrEnum):
    """How events lie in frames."""

    EVENT = "event"
    JOIN = "join"
    SPLIT = "split"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class EventFraming:
    """How events lie in frames: one a frame; `n` a frame; cut every `n` octets; cut at random octets."""

    layout: Layout = Layout.EVENT
    n: int = 1


@dataclass(frozen=True, slots=True)
class MockFault:
    """A fault of the one vocabulary (`origin.scenarios`), after so many events; None is after the last."""

    name: str
    after: int | None = None


@dataclass(frozen=True, slots=True)
class MockFailure:
    """An error of the provider: before the stream (`after` is None), or in it after so many tokens."""

    error: ProviderError
    after: int | None = None


@dataclass(frozen=True, slots=True)
class MockSettings:
    """How the mock answers. Times in seconds.

    Attributes:
        time_to_first_token: from the end of the request to the first token; the opening events leave with it.
        inter_token_latency: from one planned token to the next.
        jitter: each of these waits is drawn evenly from 1 - jitter to 1 + jitter times itself; 0 to 1.
        seed: makes all of it repeatable, octet for octet: ids, dates, Latin, jitter; None draws anew each time.
        tokens: how many to answer with; None for as many as the words give, or 50 of Latin.
        keep_alive: a keep-alive whenever so long has passed without an event; 0 sends none.
        fault: one in the stream.
        failure: an error in place of the answer, or of the rest of it.
        retry_after: what a failure before the stream asks the client to wait; None asks nothing.
        failures: the share of requests that fail in some way drawn at random, 0 to 1.
        keys: those that are accepted; empty for any, and for none at all.
        models: those that exist; empty for any.
        reasoning: what the model thinks before it answers; "" for something short where a request asks for it.
        refusal: with what it declines, "" where it answers.
        quirk: the row of `origin.scenarios.quirks` to send in place of an answer, "" for none.
    """

    time_to_first_token: float = 0.2
    inter_token_latency: float = 0.02
    jitter: float = 0.0
    seed: int | None = None
    source: WordSource = WordSource.ECHO
    text: str = ""
    tokens: int | None = None
    framing: EventFraming = EventFraming()
    keep_alive: float = 0.0
    fault: MockFault | None = None
    failure: MockFailure | None = None
    retry_after: float | None = None
    failures: float = 0.0
    keys: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    reasoning: str = ""
    refusal: str = ""
    quirk: str = ""


DEFAULT_MOCK: Final = MockSettings()


def parse_framing(text: str) -> EventFraming:
    """Return `event`, `join=N`, `split=N` or `split=random`.

    Raises:
        ValueError: expected, got.
    """
    name, _, value = text.partition("=")
    if text == "event":
        return EventFraming()
    if text == "split=random":
        return EventFraming(Layout.RANDOM)
    if name in ("join", "split") and _NUMBER.fullmatch(value) and int(value) > 0:
        return EventFraming(Layout(name), int(value))
    raise ValueError(f"expected event, join=N, split=N or split=random, got {shown(text)!r}")


def parse_fault(text: str) -> MockFault:
    """Return `NAME` or `NAME=N`: a fault, and after how many events it is played.

    Raises:
        ValueError: expected, got.
    """
    name, has_number, value = text.partition("=")
    try:
        find_scenario(name, _KNOWN_FAULTS)
    except LocalError as error:
        raise ValueError(str(error)) from error
    if has_number and not _NUMBER.fullmatch(value):
        raise ValueError(f"expected {name}=N, a whole number of events, got {shown(text)!r}")
    return MockFault(name, int(value) if has_number else None)


def parse_failure(text: str) -> MockFailure:
    """Return `KIND` or `STATUS`, alone for a response, or with `@N` for an error after N tokens.

    Raises:
        ValueError: expected, got.
    """
    what, has_number, value = text.partition("@")
    if has_number and not _NUMBER.fullmatch(value):
        raise ValueError(f"expected {what}@N, a whole number of tokens, got {shown(text)!r}")
    after = int(value) if has_number else None
    if _NUMBER.fullmatch(what) and 400 <= int(what) <= 599:
        kind, status = kind_of_status(int(what)), int(what)
        return MockFailure(ProviderError(kind, f"the mock is set to answer {status}", status), after)
    if what not in [kind.value for kind in ErrorKind]:
        kinds = ", ".join(kind.value for kind in ErrorKind)
        raise ValueError(f"expected a status from 400 to 599 or one of {kinds}, got {shown(text)!r}")
    return MockFailure(ProviderError(ErrorKind(what), f"the mock is set to fail: {what}"), after)


def parse_quirk(text: str) -> str:
    """Return the name of a quirk.

    Raises:
        ValueError: there is none of that name; the nearest ones are suggested.
    """
    if text not in QUIRKS:
        near = difflib.get_close_matches(text, QUIRKS, n=3)
        raise ValueError(f"expected a quirk{' such as ' + ', '.join(near) if near else ''}, got {shown(text)!r}")
    return text


def parse_wait(text: str) -> float:
    """Return seconds.

    Raises:
        ValueError: expected, got.
    """
    seconds = parse_duration(text)
    if seconds is None or seconds > MAX_WAIT_S:
        raise ValueError(f"expected a duration such as 250ms, at most {MAX_WAIT_S:g}s, got {shown(text)!r}")
    return seconds


def parse_fraction(text: str) -> float:
    """Return a number from 0 to 1.

    Raises:
        ValueError: expected, got.
    """
    if not _FRACTION.fullmatch(text) or float(text) > 1:
        raise ValueError(f"expected a number from 0 to 1, got {shown(text)!r}")
    return float(text)


def parse_number(text: str) -> int:
    """Return a whole number.

    Raises:
        ValueError: expected, got.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"expected a whole number, got {shown(text)!r}")
    return int(text)


def parse_tokens(text: str) -> int:
    """Return how many tokens to answer with.

    Raises:
        ValueError: expected, got.
    """
    number = parse_number(text)
    if number > MAX_TOKENS:
        raise ValueError(f"expected at most {MAX_TOKENS} tokens, got {number}")
    return number


def parse_source(text: str) -> WordSource:
    """Return `echo` or `lorem`.

    Raises:
        ValueError: expected, got.
    """
    if text not in (WordSource.ECHO, WordSource.LOREM):
        raise ValueError(f"expected echo or lorem, got {shown(text)!r}")
    return WordSource(text)


_WISHES: Final[Mapping[bytes, tuple[str, Callable[[str], object]]]] = {
    b"ttft": ("time_to_first_token", parse_wait),
    b"itl": ("inter_token_latency", parse_wait),
    b"jitter": ("jitter", parse_fraction),
    b"seed": ("seed", parse_number),
    b"answer": ("source", parse_source),
    b"text": ("text", str),
    b"tokens": ("tokens", parse_tokens),
    b"framing": ("framing", parse_framing),
    b"keep-alive": ("keep_alive", parse_wait),
    b"fault": ("fault", parse_fault),
    b"error": ("failure", parse_failure),
    b"retry-after": ("retry_after", parse_wait),
    b"reasoning": ("reasoning", str),
    b"refusal": ("refusal", str),
    b"quirk": ("quirk", parse_quirk),
}


def with_wishes(settings: MockSettings, fields: tuple[Field, ...]) -> MockSettings:
    """Return the settings with what a request's `x-chunkwire-…` fields wish for.

    Raises:
        RequestRefused: a wish that is unknown or cannot be understood.
    """
    wishes: dict[str, object] = {}
    for name, value in fields:
        lower = name.lower()
        if not lower.startswith(PREFIX):
            continue
        known = _WISHES.get(lower.removeprefix(PREFIX))
        label = lower.decode("latin-1")
        if known is None:
            names = ", ".join((PREFIX + wish).decode() for wish in _WISHES)
            raise refuse(f"{shown(label)}: expected one of {names}")
        attribute, parse = known
        try:
            wishes[attribute] = parse(value.decode("utf-8", "replace").strip())
        except ValueError as error:
            raise refuse(f"{label}: {error}") from error
    if "text" in wishes:
        wishes["source"] = WordSource.TEXT
    return replace(settings, **wishes)  # type: ignore[arg-type]
