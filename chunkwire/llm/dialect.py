"""The interface of a dialect: requests and answers of one provider, read and written.

The rule here: what every dialect's file implements, and what most of them share. A dialect has no state; the state of
one stream is in its `Reader`. What this module must not know: sockets, clocks, keys.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from chunkwire.llm.answer import Answer, AnswerEvent, ErrorKind, ProviderError, WholeToolCall
from chunkwire.llm.errors import STATUS_OF, read_error, retry_fields
from chunkwire.llm.question import Field, ModelRequest, Question
from chunkwire.llm.reading import Interpreter, SseReader
from chunkwire.llm.shape import dump, load_object
from chunkwire.wire.sse import encode_comment

EVENT_STREAM = b"text/event-stream; charset=utf-8"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response; `fields` have neither Content-Length nor Date."""

    status: int
    fields: tuple[Field, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """The octets of one event of a stream; `is_token` where it has the model's next words, which take time."""

    octets: bytes
    is_token: bool = False


class Reader(Protocol):
    """The state of one answer being read. The same octets give the same events, however they are cut."""

    @property
    def is_complete(self) -> bool:
        """The answer is whole, even if the body is cut from here on.

        True after the dialect's terminal event, and after an `end_of_input` that returned no error.
        """
        ...

    def feed(self, octets: bytes) -> list[AnswerEvent]:
        """Return what these octets complete. A `ProviderError` is the last event; what is fed after it is ignored."""
        ...

    def end_of_input(self, broken: ProviderError | None = None) -> list[AnswerEvent]:
        """Return what the end completes; a `ProviderError` comes last where the answer is not whole, or has no content.

        Call it once: at the end of the body, or after `is_complete` when no more is read.

        Args:
            broken: what ended the body early: a cut, a timeout; returned where the answer is not whole. None for a
                body that ended properly.
        """
        ...


def arguments_of(call: WholeToolCall) -> dict[str, object]:
    """Return the arguments of a call as an object."""
    return load_object(call.json)


def json_reply(body: object, status: int = 200, *fields: Field) -> Reply:
    """Return a response of one JSON body; `fields` come after its Content-Type."""
    return Reply(status, ((b"content-type", JSON), *fields), dump(body).encode())


def json_request(target: bytes, body: object, *fields: Field) -> ModelRequest:
    """Return a request of one JSON body; `fields` come after its Content-Type."""
    return ModelRequest(b"POST", target, ((b"content-type", JSON), *fields), dump(body).encode("utf-8", "replace"))


class Dialect(ABC):
    """One provider's dialect; by default it streams server-sent events.

    Attributes:
        name: on the command line: "openai", "anthropic".
        path: matches the (still encoded) paths of its requests.
        id_prefix, call_prefix: what the ids of its answers, and of its tool calls, begin with.
        request_id_field: the response field with the provider's id of the request.
        statuses: of its error responses.
        keep_alive: what it sends between events as a sign of life; None where its clients take none.
        interpreter: gives its events their meaning.
    """

    name: ClassVar[str]
    path: ClassVar[re.Pattern[str]]
    id_prefix: ClassVar[str] = ""
    call_prefix: ClassVar[str] = "call_"
    request_id_field: ClassVar[bytes]
    statuses: ClassVar[Mapping[ErrorKind, int]] = STATUS_OF
    keep_alive: ClassVar[bytes | None] = encode_comment("keep-alive")
    interpreter: ClassVar[Callable[[], Interpreter]]

    def claims(self, path: str) -> bool:
        """Say whether a POST to this (still encoded) path is a request in this dialect."""
        return self.path.search(path) is not None

    @abstractmethod
    def speaks(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object belongs to this dialect's streams or whole answers, and to no other's."""

    @abstractmethod
    def key_of(self, request: ModelRequest) -> str | None:
        """Return the key in a request, None where there is none that can be read."""

    @abstractmethod
    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks.

        Raises:
            RequestRefused: the provider would answer 400.
        """

    @abstractmethod
    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request for a question; the dialect's own paths are appended to `base`."""

    def reader(self) -> Reader:
        """Return a reader for one answer."""
        return SseReader(type(self).interpreter())

    def read_error(
        self, status: int, fields: tuple[Field, ...], body: bytes, now: float | None = None
    ) -> ProviderError:
        """Return the error in a response that is no answer; any status, any body; see `errors.read_error` for `now`."""
        return read_error(status, fields, body, now=now)

    def stream_type(self, question: Question) -> bytes:
        """Return the Content-Type of the streamed answer."""
        return EVENT_STREAM

    @abstractmethod
    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, one piece per event, in the provider's order; `answer.error` ends it in mid-stream."""

    def write_whole(self, answer: Answer, question: Question) -> Reply:
        """Return the answer as one JSON body, or `answer.error` as a response."""
        return json_reply(self.whole(answer, question)) if answer.error is None else self.write_error(answer.error)

    @abstractmethod
    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer that has no error."""

    def write_error(self, error: ProviderError) -> Reply:
        """Return the response that refuses a request."""
        status = error.status or self.statuses[error.kind]
        return json_reply(self.error_body(error, status), status, *retry_fields(error))

    @abstractmethod
    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the JSON body of the response that refuses a request."""
