"""What a dialect is: one provider's way to be asked and to answer, read and written.

The rule here: what each dialect's file fills in, what most of them share, and nothing of any one. A dialect holds no
state; the state of one stream is in its `Reader`. What this module must not know: sockets, clocks, keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from chunkwire.llm.answer import Answer, AnswerEvent, ProviderError
from chunkwire.llm.errors import read_error
from chunkwire.llm.question import Field, ModelRequest, Question
from chunkwire.llm.reading import Interpreter, SseReader
from chunkwire.llm.shape import dump
from chunkwire.wire.sse import encode_comment

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
        """The answer is whole, whatever the framing says from here on.

        That is so after the dialect's own terminal event, and after an `end_of_input` that found nothing lacking.
        """
        ...

    def feed(self, octets: bytes) -> list[AnswerEvent]:
        """Return what these octets complete. A `ProviderError` is the last event; what is fed after it is ignored."""
        ...

    def end_of_input(self, broken: ProviderError | None = None) -> list[AnswerEvent]:
        """Return what the end completes; a `ProviderError` comes last where the answer is not whole, or has no content.

        To be called once, at the end of the body, or when enough was read of one that `is_complete`.

        Args:
            broken: what ended the body in place of its proper end: a cut, a timeout. It is what an answer that is not
                whole comes to. None for a body that ended properly.
        """
        ...


def json_reply(body: object, status: int = 200, *fields: Field) -> Reply:
    """Return a response of one JSON body; `fields` come after its Content-Type."""
    return Reply(status, ((b"content-type", JSON), *fields), dump(body).encode())


def json_request(target: bytes, body: object, *fields: Field) -> ModelRequest:
    """Return a request of one JSON body; `fields` come after its Content-Type."""
    return ModelRequest(b"POST", target, ((b"content-type", JSON), *fields), dump(body).encode("utf-8", "replace"))


class Dialect(ABC):
    """One provider's dialect: what is not said otherwise is server-sent events, and JSON for all else.

    Attributes:
        name: on the command line: "openai", "anthropic".
        id_prefix: what the ids of its answers begin with, "" for nothing.
        call_prefix: what the ids of its tool calls begin with.
        request_id_field: the response field in which the provider names the request, for its support desk.
        interpreter: what its events mean.
    """

    name: ClassVar[str]
    id_prefix: ClassVar[str] = ""
    call_prefix: ClassVar[str] = "call_"
    request_id_field: ClassVar[bytes]
    interpreter: ClassVar[Callable[[], Interpreter]]

    @abstractmethod
    def claims(self, path: str) -> bool:
        """Say whether a POST to this (still encoded) path speaks this dialect."""

    @abstractmethod
    def speaks(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is of this dialect's streams or whole answers, and of no other's."""

    @abstractmethod
    def key_of(self, request: ModelRequest) -> str | None:
        """Return the key that a request carries, None where it carries none that can be read."""

    @abstractmethod
    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks.

        Raises:
            RequestRefused: the provider would answer 400.
        """

    @abstractmethod
    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; `base` is the path that the provider's own paths go under."""

    def reader(self) -> Reader:
        """Return a reader for one answer."""
        return SseReader(type(self).interpreter())

    def read_error(
        self, status: int, fields: tuple[Field, ...], body: bytes, now: float | None = None
    ) -> ProviderError:
        """Return what a response says that is no answer; any status, any body; see `errors.read_error` for `now`."""
        return read_error(status, fields, body, now=now)

    def stream_type(self, question: Question) -> bytes:
        """Return the Content-Type of the streamed answer."""
        return EVENT_STREAM

    @abstractmethod
    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, a piece an event, in the provider's order; `answer.error` ends it in mid-stream."""

    def write_whole(self, answer: Answer, question: Question) -> Reply:
        """Return the answer as one JSON body, or `answer.error` as a response."""
        return json_reply(self.whole(answer, question)) if answer.error is None else self.write_error(answer.error)

    @abstractmethod
    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer that has no error."""

    @abstractmethod
    def write_error(self, error: ProviderError) -> Reply:
        """Return the response that refuses a request, before any stream."""

    def keep_alive(self) -> bytes | None:
        """Return a sign of life to send between events; None where the dialect's clients take none."""
        return encode_comment("keep-alive")
