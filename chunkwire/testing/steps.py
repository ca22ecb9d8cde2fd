"""Parse the responses of a run from their JSON form in the control path; `responses` makes that form in Python.

The rule here: pure, and one vocabulary. A response is its content (a text or a list), or a mapping with the members
that `read_step` knows. Errors are reported in one line before anything is served.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from chunkwire.llm.answer import ErrorKind
from chunkwire.origin.plan import checked_header
from chunkwire.origin.scenarios import FAULTS, Ending, Scenario, find_scenario
from chunkwire.origin.scenarios.quirks import Quirk, find_quirk
from chunkwire.server.refusal import Refusal
from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import expected_one_of, refuse_unknown

Response: TypeAlias = str | Sequence[object] | Mapping[str, object] | Scenario | Quirk
"""The description of a response."""

MODELS: Final = ("openai", "anthropic", "gemini", "bedrock")
KINDS: Final = (*MODELS, "sse", "ndjson", "text", "frames", "websocket")
_FRAMED: Final = tuple(kind for kind in KINDS if kind not in ("frames", "websocket"))
# The kinds of run that have a use for a member; the others refuse it.
_KINDS_OF: Final = {
    "tool_calls": MODELS,
    "error": MODELS,
    "quirk": MODELS,
    "text": ("frames",),
    "framing": _FRAMED,
    "fault": (*_FRAMED, "websocket"),
    "wait_messages": ("websocket",),
}
_ENDINGS: Final = {"keep": Ending.KEEP, "close": Ending.CLOSE, "reset": Ending.RESET, "hold": Ending.HOLD}
_STATUS: Final = range(200, 600)
_MAX_COUNT: Final = 1 << 30


class CountedUnit(enum.StrEnum):
    """What is counted to place a fault: events, chunks, or octets of content."""

    EVENTS = "events"
    FRAMES = "frames"
    OCTETS = "octets"


@dataclass(frozen=True, slots=True)
class Break:
    """A fault in an answer, and its place.

    Attributes:
        name: of the fault; `cut`, `reset` and `stall` only end the answer there, most of the others also send octets.
        after: the number of units before it; None for half the events.
    """

    name: str
    unit: CountedUnit = CountedUnit.EVENTS
    after: int | None = None

    @property
    def ending(self) -> Ending:
        """What happens to the connection."""
        return FAULTS[self.name].ending

    @property
    def tail(self) -> bytes:
        """The octets that the fault sends; b"" if it sends none."""
        return b"" if self.name == "cut" else FAULTS[self.name].tail or b""

    def __str__(self) -> str:
        return self.name if self.after is None else f"{self.name} after {self.after} {self.unit}"


@dataclass(frozen=True, slots=True)
class ContentStep:
    """An answer.

    Attributes:
        value: content in the form of the run's kind; None for a sample.
        framing: of its events; None for one event in each chunk.
        tool_calls: name and arguments of each, in the dialects of language models.
        error: the kind of a provider's error that ends the answer instead of its closing events; "" for none.
        text: the data of a frame plan, repeated and cut to its sizes; "" for the alphabet.
        quirk: sent instead of content; None for none.
        wait_messages: how many messages a WebSocket's client must send before the first one of ours.
    """

    value: object = None
    framing: Scenario | None = None
    fault: Break | None = None
    tool_calls: tuple[tuple[str, object], ...] = ()
    error: str = ""
    text: str = ""
    quirk: Quirk | None = None
    wait_messages: int = 0

    def __str__(self) -> str:
        said = [f"{self.value!r:.60}"] if self.value is not None else []
        said += [f"a call of {name}" for name, _ in self.tool_calls]
        said += [f"quirk {self.quirk.name}"] if self.quirk is not None else []
        said += [f"framed as {self.framing}"] if self.framing is not None else []
        said = said or ["a sample"]
        return ", ".join([*said, *([str(self.fault)] if self.fault else []), *filter(None, [self.error])])


@dataclass(frozen=True, slots=True)
class StatusReply:
    """A whole response with a status; without `body` an error has the dialect's. `retry_after`: seconds."""

    status: int
    body: object = None
    fields: tuple[tuple[bytes, bytes], ...] = ()
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"status {self.status}"


@dataclass(frozen=True, slots=True)
class Octets:
    """A response as octets, from its status-line on, in these writes."""

    writes: tuple[bytes, ...]
    ending: Ending

    def __str__(self) -> str:
        return f"{sum(map(len, self.writes))} octets"


@dataclass(frozen=True, slots=True)
class ByHand:
    """A response that the test writes."""

    def __str__(self) -> str:
        return "written by hand"


Step: TypeAlias = ContentStep | StatusReply | Octets | ByHand


def read_steps(responses: object, kind: str, framing: object = None) -> list[Step]:
    """Return the responses of a run.

    Args:
        framing: of each answer that names none; a scenario or its name.

    Raises:
        LocalError: a response is not valid; with its number.
    """
    is_one = isinstance(responses, str | Mapping | Scenario | Quirk)
    listed = [responses] if is_one else responses
    if isinstance(listed, bytes) or not isinstance(listed, Sequence):
        raise LocalError(f"responses: expected a response, such as a text, or a list of them, got {responses!r:.40}")
    steps: list[Step] = []
    with naming("framing"):
        common = _scenario(framing) if framing is not None else None
        if common is not None and kind not in _FRAMED:
            raise LocalError(f"expected none in a run of {kind}")
    for number, response in enumerate(listed, 1):
        with naming(f"response {number}"):
            step = read_step(response, kind)
        if common is not None and isinstance(step, ContentStep) and step.framing is None:
            step = replace(step, framing=common)
        steps.append(step)
    return steps


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Prefix errors in the block with a name.

    Raises:
        LocalError: for an error of ours, and for a value that JSON or UTF-8 cannot represent.
    """
    try:
        yield
    except (Refusal, TypeError, ValueError, RecursionError) as error:
        raise LocalError(f"{what}: {error}") from error


def read_step(response: object, kind: str) -> Step:
    """Parse one response.

    Raises:
        LocalError: it is not valid.
    """
    if isinstance(response, Scenario):
        response = {"framing": response}
    if isinstance(response, Quirk):
        response = {"quirk": response}
    if not isinstance(response, Mapping):
        return ContentStep(_content(response, kind))
    for first, (members, read) in _FORMS.items():
        if first in response:
            refuse_unknown(response, members)
            return read(response)
    refuse_unknown(response, _CONTENT_MEMBERS)
    return _read_content(response, kind)


_CONTENT_MEMBERS: Final = (
    *("content", "framing", "fault", "after_events", "after_frames", "after_octets"),
    *("tool_calls", "error", "text", "quirk", "wait_messages"),
)


def _read_content(response: Mapping[str, object], kind: str) -> ContentStep:
    value = response.get("content")
    for member, kinds in _KINDS_OF.items():
        if response.get(member) and kind not in kinds:
            raise LocalError(f"expected no {member} in a run of {kind}")
    fault = _break(response)
    is_message_end = fault is None or (fault.name in ("cut", "reset") and fault.unit is CountedUnit.EVENTS)
    if kind == "websocket" and not is_message_end:
        raise LocalError(f"expected cut or reset, after events, in a run of websocket, got {fault}")
    return ContentStep(
        _content(value, kind) if value is not None else None,
        _scenario(response["framing"]) if "framing" in response else None,
        fault,
        tuple(_call(each) for each in _list(response.get("tool_calls") or ())),
        _error(response.get("error", "")),
        _text(response.get("text", ""), "text"),
        _quirk(response["quirk"], kind) if "quirk" in response else None,
        _count(response.get("wait_messages", 0), "wait_messages"),
    )


def _break(response: Mapping[str, object]) -> Break | None:
    counts = [(unit, response[f"after_{unit}"]) for unit in CountedUnit if f"after_{unit}" in response]
    if "fault" not in response:
        if counts:
            raise LocalError(f"expected a fault beside after_{counts[0][0]}")
        return None
    name = find_scenario(_text(response["fault"], "fault"), FAULTS).name
    if FAULTS[name].breaks_head or FAULTS[name].slice_octets:
        raise LocalError(f"expected a fault inside a body, got {name}; the scenario {name} is a framing of its own")
    if len(counts) > 1:
        raise LocalError("expected one of after_events, after_frames and after_octets")
    if not counts:
        return Break(name)
    unit, after = counts[0]
    return Break(name, unit, _count(after, f"after_{unit}"))


def _read_status(response: Mapping[str, object]) -> StatusReply:
    code = response["status"]
    if not isinstance(code, int) or code not in _STATUS:
        raise LocalError(f"expected a status from 200 to 599, got {code!r:.40}")
    headers = response.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise LocalError(f"headers: expected a mapping, got {headers!r:.40}")
    fields = tuple(
        checked_header(f"{_text(name, 'headers')}:{_text(value, 'headers')}") for name, value in headers.items()
    )
    wait = response.get("retry_after")
    if wait is not None and (not isinstance(wait, int | float) or not 0 <= wait <= _MAX_COUNT):
        raise LocalError(f"retry_after: expected seconds, 0 or more, got {wait!r:.40}")
    body = response.get("body")
    (body if isinstance(body, str) else _json(body)).encode()
    return StatusReply(code, body, fields, wait)


def _read_octets(response: Mapping[str, object]) -> Octets:
    try:
        writes = tuple(
            base64.b64decode(_text(each, "octets_b64"), validate=True) for each in _list(response["octets_b64"])
        )
    except binascii.Error as error:
        raise LocalError("octets_b64: expected a list of texts in base64") from error
    end = response.get("end", "close")
    if end not in _ENDINGS:
        raise LocalError(f"end: {expected_one_of(_ENDINGS, end)}")
    return Octets(writes, _ENDINGS[str(end)])


def _read_by_hand(response: Mapping[str, object]) -> ByHand:
    if response["by_hand"] is not True:
        raise LocalError(f"by_hand: expected true, got {response['by_hand']!r:.40}")
    return ByHand()


_FORMS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, object]], Step]]]] = {
    "status": (("status", "body", "headers", "retry_after"), _read_status),
    "octets_b64": (("octets_b64", "end"), _read_octets),
    "by_hand": (("by_hand",), _read_by_hand),
}


def _content(value: object, kind: str) -> object:
    """Check content for a kind, and return it: a text, or a list of values for its events."""
    if kind == "ndjson":
        return _list(value)
    if kind == "frames":
        return _text(value, "plan")
    items = [value] if isinstance(value, str) else _list(value)
    for item in items:
        if not isinstance(item, str) and not (kind == "sse" and isinstance(item, Mapping)):
            raise LocalError(f"expected a text or a list of texts, got {item!r:.40}")
    return value if isinstance(value, str) else items


def _call(call: object) -> tuple[str, object]:
    if not isinstance(call, Mapping) or not {"name", "arguments"}.issuperset(call):
        raise LocalError(f"tool_calls: expected name and arguments, got {call!r:.60}")
    _json(arguments := call.get("arguments", {}))
    return _text(call.get("name"), "tool_calls"), arguments


def _json(value: object) -> str:
    """Return a caller's value as JSON; raise what `naming` catches where it has none, as NaN, which `dump` replaces."""
    return json.dumps(value, allow_nan=False)


def _quirk(value: object, kind: str) -> Quirk:
    quirk = value if isinstance(value, Quirk) else find_quirk(_text(value, "quirk"))
    if kind not in [dialect.partition("-")[0] for dialect in quirk.dialects]:
        those = f", one of [each for each in QUIRKS.values() if {kind!r} in each.dialects]"
        expected = f"expected a quirk of {kind}{those if quirk is value else ''}"  # JSON has only names
        raise LocalError(f"{expected}, got {quirk.name} of {', '.join(quirk.dialects)}")
    return quirk


def _error(value: object) -> str:
    if value and value not in [kind.value for kind in ErrorKind]:
        raise LocalError(f"error: {expected_one_of([*ErrorKind], value)}")
    return str(value)


def _scenario(value: object) -> Scenario:
    if isinstance(value, Scenario):
        return value
    if not isinstance(value, str):
        raise LocalError(f"expected a scenario or its name as framing, got {value!r:.40}")
    return find_scenario(value)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise LocalError(f"{what}: expected a text, got {value!r:.40}")
    return value


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_COUNT:
        raise LocalError(f"{what}: expected a whole number, 0 or more, got {value!r:.40}")
    return value


def _list(value: object) -> list[object]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise LocalError(f"expected a list, got {value!r:.40}")
    return list(value)
