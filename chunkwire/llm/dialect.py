"""The interface of a dialect: requests and answers of one provider, read and written.

The rule here: what every dialect's file implements, and what most of them share. A dialect has no state; the state of
one stream is in its `AnswerReader`. What this module must not know: sockets, clocks, keys.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from chunkwire.llm.answer import Answer, ErrorKind, ProviderError
from chunkwire.llm.errors import STATUS_OF, read_error, retry_fields
from chunkwire.llm.question import Field, ModelRequest, Question
from chunkwire.llm.reading import AnswerReader, Interpreter, SseReader
from chunkwire.llm.shape import dump
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
    """The octets of one event of a stream, or of one event a choice in OpenAI's chat.

    Attributes:
        is_token: it has more of the model's text, reasoning or tool calls, which take time to make.
    """

    octets: bytes
    is_token: bool = False


def json_reply(body: object, status: int = 200, *fields: Field) -> Reply:
    """Return a response of one JSON body; `fields` come after its Content-Type."""
    return Reply(status, ((b"content-type", JSON), *fields), dump(body).encode())


class Dialect(ABC):
    """One provider's dialect; by default it streams server-sent events."""

    name: ClassVar[str]  # on the command line: "openai", "anthropic"
    path: ClassVar[re.Pattern[str]]  # matches the (still encoded) paths of its requests
    build_body: ClassVar[staticmethod[[Question], dict[str, object]]]  # returns the body of a request; see `asking`
    request_path: ClassVar[str]  # of a request, under its base; `{model}` in it is the question's
    whole_path: ClassVar[str] = ""  # the same for an answer in one body; "" if it is `request_path`
    default_base: ClassVar[bytes] = b""  # of a request whose base is "" or "/"
    request_fields: ClassVar[tuple[Field, ...]] = ()  # of a request, beside Content-Type and the key
    id_prefix: ClassVar[str] = ""  # what the ids of its answers begin with
    call_prefix: ClassVar[str] = "call_"  # what the ids of its tool calls begin with
    key_field: ClassVar[bytes]  # the request field with the key, where that is no bearer token (RFC 6750 §2.1)
    sends_key_field: ClassVar[bool] = False  # a request has the key there; else it is sent as a bearer token
    request_id_field: ClassVar[bytes]  # the response field with the provider's id of the request
    statuses: ClassVar[Mapping[ErrorKind, int]] = STATUS_OF  # of its error responses
    # sent between events so that the connection is not idle; None where its clients fail on one
    keep_alive: ClassVar[bytes | None] = encode_comment("keep-alive")
    interpreter: ClassVar[type[Interpreter]]  # gives its events their meaning

    def matches_path(self, path: str) -> bool:
        """Say whether a POST to this (still encoded) path is a request in this dialect."""
        return self.path.search(path) is not None

    @abstractmethod
    def matches_payload(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object belongs to this dialect's streams or whole answers; OpenAI's chat is Azure's too."""

    def key_of(self, request: ModelRequest) -> str | None:
        """Return the key in a request, None where there is none."""
        return request.bearer or (request.get(self.key_field) or b"").decode("latin-1") or None

    @abstractmethod
    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks.

        Raises:
            RequestRefused: the provider would answer 400.
        """

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request for a question.

        Args:
            base: the path to which the dialect's own is appended, as that of an SDK's base_url; `default_base` in place
                of "" and "/".
            key: "" for none.

        Raises:
            ValueError: the question is nested too deep to be written.
        """
        path = self.request_path if question.is_stream else self.whole_path or self.request_path
        path = path.replace("{model}", quote(question.model, safe="", errors="replace"))
        fields = [(b"content-type", JSON), *self.request_fields]
        if key and self.sends_key_field:
            fields.append((self.key_field, key.encode()))
        elif key:
            fields.append((b"authorization", b"Bearer " + key.encode()))
        target = (base.rstrip(b"/") or self.default_base) + b"/" + path.encode()
        return ModelRequest(b"POST", target, tuple(fields), dump(self.build_body(question)).encode())

    def query_at(self, path: str) -> str:
        """Return the query that a request to such a path has by itself, "" for none; Azure's chat, Gemini's streams.

        Args:
            path: one that `matches_path` takes.
        """
        place, _, query = self.request_path.partition("?")
        return query if path.endswith(place.rpartition("}")[2]) else ""

    def reader(self) -> AnswerReader:
        """Return a reader for one answer."""
        return SseReader(self.interpreter())

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
        """Return the response that refuses a request, with a Retry-After where the error has one."""
        status = error.status or self.statuses[error.kind]
        return json_reply(self.error_body(error, status), status, *retry_fields(error))

    @abstractmethod
    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the JSON body of the response that refuses a request."""
