"""What a model answers, the same types for every provider.

The rule here: the fewest types that every provider's stream can be read into and written from. A reader yields
`AnswerEvent`s; a writer gets an `Answer`. What this module must not know: JSON, server-sent events, any provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

MAX_MESSAGE_CHARACTERS: Final = 2000  # of an error's message; a provider's own has at most some 1000


@unique
class StopReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """The answer is finished."""
    LENGTH = "length"
    """A limit of tokens was reached."""
    TOOL_CALLS = "tool-calls"
    """It waits for the results of its tool calls."""
    FILTER = "filter"
    """The provider withheld the rest."""
    REFUSAL = "refusal"
    """The model refused; its text says so."""
    OTHER = "other"
    """Any other reason."""


@unique
class AtFault(StrEnum):
    """Who must change something before the same question can be answered."""

    CALLER = "caller"
    """Who asks: the question itself is refused, and most other providers would refuse it too."""
    PROVIDER = "provider"
    """The provider, or the way to it."""
    OVERLOAD = "overload"
    """Nobody: a limit of rate or load was reached; the question may be answered later."""
    AUTH = "auth"
    """The holder of the key."""


@unique
class ErrorKind(StrEnum):
    """What went wrong at a provider, or between it and here: stable kebab-case names for logs and clients."""

    BAD_REQUEST = "bad-request"
    WRONG_KEY = "wrong-key"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    """No such model, or no such path."""
    TOO_LARGE = "too-large"
    RATE_LIMIT = "rate-limit"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No connection, or one that ended before a response."""
    SERVER = "server"
    OVERLOADED = "overloaded"
    NOT_A_STREAM = "not-a-stream"
    """A status below 400, and a body that is no answer: an HTML page, for example."""
    BROKEN = "broken"
    """Octets out of their grammar (chunks, JSON, a CRC), events out of order, too long an event or answer, or a tool
    call that the service could not use."""
    INCOMPLETE = "incomplete"
    """A stream or body that ended before the answer did."""
    EMPTY = "empty"
    """A whole answer without text or tool call, which neither a limit nor a filter nor a refusal explains."""

    @property
    def at_fault(self) -> AtFault:
        """Who is at fault."""
        return _AT_FAULT.get(self, AtFault.PROVIDER)


_AT_FAULT: Final[Mapping[ErrorKind, AtFault]] = {
    ErrorKind.BAD_REQUEST: AtFault.CALLER,
    ErrorKind.TOO_LARGE: AtFault.CALLER,
    ErrorKind.WRONG_KEY: AtFault.AUTH,
    ErrorKind.FORBIDDEN: AtFault.AUTH,
    ErrorKind.RATE_LIMIT: AtFault.OVERLOAD,
    ErrorKind.OVERLOADED: AtFault.OVERLOAD,
}


@dataclass(frozen=True, slots=True)
class Started:
    """The answer has begun; `id` and `model` are "" where the provider does not give them."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class Text:
    """More of the text; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of the reasoning, which is no part of the text; "" where it begins, or if the provider withholds it."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The beginning of a tool call, or more of it.

    Attributes:
        index: which call of this answer, from 0.
        id, name: "" where they do not come; mostly they come at the beginning, but a provider may send either later,
            or no id.
        arguments: more of the JSON text of its arguments; may be "".
    """

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them, of the whole answer so far: a later one replaces an earlier one.

    Attributes:
        prompt: of the question; Anthropic and Bedrock leave cached ones out of it, the others do not.
        completion: of the answer; xAI leaves reasoning out of it, the others do not.
        reasoning: of the reasoning, 0 where the provider does not say.
        cached: of the question's tokens that a cache of the provider held, 0 where it does not say.
    """

    prompt: int
    completion: int
    reasoning: int = 0
    cached: int = 0

    @property
    def total(self) -> int:
        """Tokens of question and answer."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Stop:
    """The model has stopped; usage may follow, and rarely more text. A later one replaces an earlier one."""

    reason: StopReason


@dataclass(frozen=True, slots=True)
class ProviderError:
    """The answer failed; no event follows.

    Attributes:
        message: one line for a person: the provider's own reason, or what was expected and got.
        status: of the HTTP response, or the one in an error in a stream; None for neither.
        retry_after: seconds that the provider asks to wait; None where it does not.
        is_ours: found here (a cut, an HTML page, a timeout); False where the provider reported it.
        parameter: the member of the request that the provider refuses, "" where it names none.
    """

    kind: ErrorKind
    message: str
    status: int | None = None
    retry_after: float | None = None
    is_ours: bool = False
    parameter: str = ""

    def __post_init__(self) -> None:
        """Make the message one line of at most `MAX_MESSAGE_CHARACTERS`, fit for logs and terminals."""
        message = self.message[:MAX_MESSAGE_CHARACTERS]
        if not message.isprintable():
            message = " ".join("".join(char if char.isprintable() else " " for char in message).split())
        object.__setattr__(self, "message", message)

    @property
    def is_retryable(self) -> bool:
        """The same request to the same provider may succeed."""
        is_theirs = self.kind.at_fault in (AtFault.PROVIDER, AtFault.OVERLOAD)
        return is_theirs and self.kind is not ErrorKind.NOT_FOUND

    @property
    def is_callers_fault(self) -> bool:
        """The request itself is at fault; see `AtFault.CALLER`."""
        return self.kind.at_fault is AtFault.CALLER


AnswerEvent = Started | Text | Reasoning | ToolCall | Usage | Stop | ProviderError


@dataclass(frozen=True, slots=True)
class WholeToolCall:
    """A whole tool call; `arguments` are the pieces of one JSON text, a delta each."""

    id: str
    name: str
    arguments: tuple[str, ...]

    @property
    def json(self) -> str:
        """The JSON text of the arguments: an empty object where no piece came, as some providers send a bare call."""
        return "".join(self.arguments) or "{}"


def whole_calls(deltas: Iterable[ToolCall]) -> tuple[WholeToolCall, ...]:
    """Join deltas to whole calls, in the order in which the calls begin.

    The id and the name of a call are the first ones that are not empty.
    """
    calls: dict[int, list[ToolCall]] = {}
    for delta in deltas:
        calls.setdefault(delta.index, []).append(delta)
    return tuple(
        WholeToolCall(
            next((delta.id for delta in its if delta.id), ""),
            next((delta.name for delta in its if delta.name), ""),
            tuple(delta.arguments for delta in its),
        )
        for its in calls.values()
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, for a writer.

    Attributes:
        id: as the client will see it, the provider's prefix included.
        created: Unix seconds.
        text: the deltas, none of them empty; a refusal where `stop` says so.
        reasoning: the deltas before the text, none of them empty.
        latency_ms: what Bedrock reports as its metrics.
        error: the stream ends with this error after the text and tool calls, in place of its closing events.
    """

    id: str
    model: str
    created: int
    text: tuple[str, ...]
    tool_calls: tuple[WholeToolCall, ...] = ()
    usage: Usage = Usage(0, 0)
    stop: StopReason = StopReason.STOP
    latency_ms: int = 0
    error: ProviderError | None = None
    reasoning: tuple[str, ...] = ()
