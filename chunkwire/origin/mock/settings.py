"""The settings of the mock: by flags for every request, by `x-chunkwire-…` fields for one.

Keys, models and the share of failures are only set by flags. The rule here: a field has the values of its flag; a wrong
one is refused by its name. Each `parse_…` raises ValueError with what was expected and got. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final

from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.errors import kind_of_status
from chunkwire.llm.question import Field, refuse
from chunkwire.origin.scenarios import FAULTS, find_scenario
from chunkwire.origin.scenarios.quirks import find_quirk
from chunkwire.server.query import shown
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.nearest import near

PREFIX: Final = "x-chunkwire-"
MAX_TOKENS: Final = 100_000  # of one answer; the largest limit that a provider publishes is 128 Ki
MAX_WAIT_S: Final = 3600.0  # of one wait; as long as a stream of the origin may last
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_KNOWN_FAULTS: Final = {name: each for name, each in FAULTS.items() if each.tail is not None}  # `framing` does `tiny`
_FRACTION: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


@unique
class WordSource(StrEnum):
    """Where an answer's words come from."""

    ECHO = "echo"
    LOREM = "lorem"
    TEXT = "text"


@unique
class Layout(StrEnum):
    """How events are put into frames: see `EventFraming`."""

    EVENT = "event"
    JOIN = "join"
    SPLIT = "split"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class EventFraming:
    """How events are put into frames: one per frame; `n` per frame; cut every `n` octets; cut at random octets."""

    layout: Layout = Layout.EVENT
    n: int = 1


@dataclass(frozen=True, slots=True)
class MockFault:
    """A fault of `origin.scenarios`, after so many events; None is after the last."""

    name: str
    after: int | None = None


@dataclass(frozen=True, slots=True)
class MockFailure:
    """An error of the provider: before the stream (`after` is None), or in it after so many tokens of the words."""

    error: ProviderError
    after: int | None = None


@dataclass(frozen=True, slots=True)
class MockSettings:
    """How the mock answers. Times in seconds.

    Attributes:
        time_to_first_token: from the response head; of a whole answer, from the end of the request head. The opening
            events are sent with the first token.
        inter_token_latency: from one planned token to the next.
        jitter: each of these waits is multiplied by a random factor from 1 - jitter to 1 + jitter; 0 to 1.
        seed: makes all octets repeatable: ids, dates, Latin, jitter; None for new ones each time.
        tokens: of the answer; None for those of the prompt or the text, or 50 of Latin.
        keep_alive: send a keep-alive after so long without an event; 0 sends none.
        fault: in the stream; a whole answer has none.
        failure: an error in place of the answer, or of the rest of it.
        retry_after: sent with a failure before the stream; None sends none.
        failures: share of requests that fail in a random way, 0 to 1.
        keys: accepted ones; empty for any key, or none.
        models: existing ones; empty for any.
        reasoning: the model's reasoning; "" for a short one where a request asks for it.
        refusal: the text of a refusal in place of an answer; "" for none.
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
    """Read `event`, `join=N`, `split=N` or `split=random`."""
    name, _, value = text.partition("=")
    if text == "event":
        return EventFraming()
    if text == "split=random":
        return EventFraming(Layout.RANDOM)
    if name in ("join", "split") and _NUMBER.fullmatch(value) and int(value) > 0:
        return EventFraming(Layout(name), int(value))
    raise ValueError(f"expected event, join=N, split=N or split=random, got {shown(text)!r}")


def parse_fault(text: str) -> MockFault:
    """Read `NAME` or `NAME=N`: a fault, and after how many events it comes."""
    find_scenario(text.partition("=")[0], _KNOWN_FAULTS)
    return MockFault(*_counted(text, "=", "events"))


def parse_failure(text: str) -> MockFailure:
    """Read `KIND` or `STATUS`, alone for a response, or with `@N` for an error after N tokens."""
    what, after = _counted(text, "@", "tokens")
    if _NUMBER.fullmatch(what) and 400 <= int(what) <= 599:
        kind, status = kind_of_status(int(what)), int(what)
        return MockFailure(ProviderError(kind, f"the mock is set to answer {status}", status), after)
    kinds = [kind.value for kind in ErrorKind]
    if what not in kinds:
        wanted = f"expected a status from 400 to 599 or one of {', '.join(kinds)}"
        raise ValueError(f"{wanted}, got {shown(text)!r}{near(what, kinds)}")
    return MockFailure(ProviderError(ErrorKind(what), f"the mock is set to fail: {what}"), after)


def _counted(text: str, mark: str, unit: str) -> tuple[str, int | None]:
    """Return the text before a mark, and the number after it, or None if the text has no mark."""
    what, has_number, value = text.partition(mark)
    if has_number and not _NUMBER.fullmatch(value):
        raise ValueError(f"expected {what}{mark}N, a whole number of {unit}, got {shown(text)!r}")
    return what, int(value) if has_number else None


def parse_quirk(text: str) -> str:
    """Return the name of a quirk."""
    return find_quirk(text).name


def parse_wait(text: str) -> float:
    """Return seconds."""
    seconds = parse_duration(text)
    if seconds is None or seconds > MAX_WAIT_S:
        raise ValueError(f"expected a duration such as 250ms, at most {MAX_WAIT_S:g}s, got {shown(text)!r}")
    return seconds


def parse_fraction(text: str) -> float:
    """Return a number from 0 to 1."""
    if not _FRACTION.fullmatch(text) or float(text) > 1:
        raise ValueError(f"expected a number from 0 to 1, got {shown(text)!r}")
    return float(text)


def parse_number(text: str) -> int:
    """Return a whole number."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"expected a whole number, got {shown(text)!r}")
    return int(text)


def parse_tokens(text: str) -> int:
    """Return the number of tokens of an answer."""
    number = parse_number(text)
    if number > MAX_TOKENS:
        raise ValueError(f"expected at most {MAX_TOKENS} tokens, got {number}")
    return number


def parse_source(text: str) -> WordSource:
    """Return `echo` or `lorem`."""
    if text not in (WordSource.ECHO, WordSource.LOREM):
        raise ValueError(f"expected echo or lorem, got {shown(text)!r}")
    return WordSource(text)


FIELDS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "ttft": ("time_to_first_token", parse_wait),
    "itl": ("inter_token_latency", parse_wait),
    "jitter": ("jitter", parse_fraction),
    "seed": ("seed", parse_number),
    "answer": ("source", parse_source),
    "text": ("text", str),
    "tokens": ("tokens", parse_tokens),
    "framing": ("framing", parse_framing),
    "keep-alive": ("keep_alive", parse_wait),
    "fault": ("fault", parse_fault),
    "error": ("failure", parse_failure),
    "retry-after": ("retry_after", parse_wait),
    "reasoning": ("reasoning", str),
    "refusal": ("refusal", str),
    "quirk": ("quirk", parse_quirk),
}
"""The settings by the names of their fields without `PREFIX`: the member that each sets, and how its text is read."""


def with_fields(settings: MockSettings, fields: tuple[Field, ...]) -> MockSettings:
    """Return the settings with those of a request's `x-chunkwire-…` fields.

    Raises:
        RequestRefused: an unknown field, or a wrong value.
    """
    changes: dict[str, object] = {}
    for name, value in fields:
        label = name.lower().decode("latin-1")
        if not label.startswith(PREFIX):
            continue
        known = FIELDS.get(label.removeprefix(PREFIX))
        if known is None:
            labels = [PREFIX + each for each in FIELDS]
            raise refuse(f"{shown(label)}: expected one of {', '.join(labels)}{near(label, labels)}")
        attribute, parse = known
        try:
            changes[attribute] = parse(value.decode("utf-8", "replace").strip())
        except ValueError as error:
            raise refuse(f"{label}: {error}") from error
    if "text" in changes:
        changes["source"] = WordSource.TEXT
    return replace(settings, **changes)  # type: ignore[arg-type]
