"""What a model answers, in no dialect's words.

The rule here: the smallest vocabulary that every provider's stream can be read into and written from. A reader
yields `AnswerEvent`s; a writer is given an `Answer`. What this module must not know: JSON, events, any provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class StopReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It had said all it would say."""
    LENGTH = "length"
    """It reached the most tokens it was allowed."""
    TOOL_CALLS = "tool-calls"
    """It waits for the results of its tool calls."""
    FILTER = "filter"
    """The provider withheld the rest."""
    OTHER = "other"
    """A reason this vocabulary has no word for."""


@unique
class ErrorKind(StrEnum):
    """What went wrong at, or on the way from, a provider: stable kebab-case names for logs and clients."""

    BAD_REQUEST = "bad-request"
    WRONG_KEY = "wrong-key"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    """No such model, or no such path."""
    TOO_LARGE = "too-large"
    RATE_LIMIT = "rate-limit"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No connection, or one that went away before a response."""
    SERVER = "server"
    OVERLOADED = "overloaded"
    NOT_A_STREAM = "not-a-stream"
    """A status that promises a stream, and a body that is something else: an HTML page, say."""
    BROKEN = "broken"
    """A stream that breaks its own grammar: no JSON, a wrong CRC, an event without end."""
    INCOMPLETE = "incomplete"
    """A stream that ended before its own terminal event."""


_CALLERS_FAULT = frozenset({ErrorKind.BAD_REQUEST, ErrorKind.TOO_LARGE})
_PROVIDERS_REFUSAL = frozenset({ErrorKind.WRONG_KEY, ErrorKind.FORBIDDEN, ErrorKind.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Started:
    """The answer has begun; `id` and `model` are "" where the dialect does not say."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the text; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A tool call begins (`id` and `name` are set) or goes on (they are "").

    Attributes:
        index: which call of this answer, from 0.
        arguments: more of the JSON text of its arguments; may be "".
    """

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them, of the whole answer so far: a later one replaces an earlier one."""

    input_tokens: int
    output_tokens: int

    @property
    def total_tokens(self) -> int:
        """Return both together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Stopped:
    """The model has stopped; the stream may have more to say, usage for one."""

    reason: StopReason


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A sign of life without content: a comment, a ping."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """The answer failed; nothing of it comes after this.

    Attributes:
        message: one line for a person.
        status: of the HTTP response, where the error came as one.
        retry_after: seconds that the provider asks to wait, where it does.
    """

    kind: ErrorKind
    message: str
    status: int | None = None
    retry_after: float | None = None

    @property
    def is_retryable(self) -> bool:
        """The same request to the same provider may fare better."""
        return self.kind not in _CALLERS_FAULT | _PROVIDERS_REFUSAL

    @property
    def is_callers_fault(self) -> bool:
        """The request itself is at fault: another provider would refuse it too."""
        return self.kind in _CALLERS_FAULT


AnswerEvent = Started | TextDelta | ToolCallDelta | Usage | Stopped | KeepAlive | ProviderError


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A whole tool call; `arguments` are the pieces of one JSON text, a delta each."""

    id: str
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, for a writer.

    Attributes:
        id: as the client will see it, the provider's prefix included.
        created: Unix seconds.
        text: the deltas, none of them empty.
        latency_ms: what Bedrock reports as its metrics.
        error: the stream ends with this error after the text and tool calls, in place of its closing events.
    """

    id: str
    model: str
    created: int
    text: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage(0, 0)
    stop: StopReason = StopReason.STOP
    latency_ms: int = 0
    error: ProviderError | None = None
