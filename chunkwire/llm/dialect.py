"""What a dialect is: one provider's way to be asked and to answer, read and written.

The rule here: the interface that each dialect's file fills, and nothing of any one of them. A dialect holds no
state; the state of one stream is in its `Reader`. What this module must not know: sockets, clocks, keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chunkwire.llm.answer import Answer, AnswerEvent, ProviderError
from chunkwire.llm.question import Field, ModelRequest, Question

EVENT_STREAM = b"text/event-stream; charset=utf-8"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response; `fields` hold neither Content-Length nor Date."""

    status: int
    fields: tuple[Field, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """The octets of one event of a stream; `is_token` where it carries the model's next words, and so its pace."""

    octets: bytes
    is_token: bool = False


class Reader(Protocol):
    """The state of one answer being read. The same octets give the same events, however they are cut."""

    @property
    def is_complete(self) -> bool:
        """The dialect's own terminal event was seen: the answer is whole, whatever the framing says."""
        ...

    def feed(self, octets: bytes) -> list[AnswerEvent]:
        """Return what these octets complete. A `ProviderError` is the last event; what is fed after it is ignored."""
        ...

    def end_of_input(self) -> ProviderError | None:
        """Return None when the answer is whole or its error was given already, else what it lacks."""
        ...


class Dialect(Protocol):
    """One provider's dialect."""

    @property
    def name(self) -> str:
        """Return its name on the command line: "openai", "anthropic"."""
        ...

    @property
    def id_prefix(self) -> str:
        """Return what the ids of its answers begin with, "" for nothing."""
        ...

    @property
    def call_prefix(self) -> str:
        """Return what the ids of its tool calls begin with."""
        ...

    @property
    def request_id_field(self) -> bytes:
        """Return the name of the response field in which the provider names the request, for its support desk."""
        ...

    def claims(self, path: str) -> bool:
        """Say whether a POST to this (still encoded) path speaks this dialect."""
        ...

    def key_of(self, request: ModelRequest) -> str | None:
        """Return the key that a request carries, None where it carries none that can be read."""
        ...

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks.

        Raises:
            RequestRefused: the provider would answer 400.
        """
        ...

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; `base` is the path that the provider's own paths go under."""
        ...

    def reader(self) -> Reader:
        """Return a reader for one answer."""
        ...

    def read_error(self, status: int, fields: tuple[Field, ...], body: bytes) -> ProviderError:
        """Return what a response says that is no answer; any status, any body."""
        ...

    def stream_type(self, question: Question) -> bytes:
        """Return the Content-Type of the streamed answer."""
        ...

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, a piece an event, in the provider's order; `answer.error` ends it in mid-stream."""
        ...

    def write_whole(self, answer: Answer, question: Question) -> Reply:
        """Return the answer as one JSON body, or `answer.error` as a response."""
        ...

    def write_error(self, error: ProviderError) -> Reply:
        """Return the response that refuses a request, before any stream."""
        ...

    def keep_alive(self) -> bytes | None:
        """Return a sign of life to send between events; None where the dialect's clients take none."""
        ...
