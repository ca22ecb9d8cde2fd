"""Ask a language model and stream its answer: text, reasoning, tool calls, usage.

    async with chunkwire.client.tokens("openai:https://api.openai.com/v1#gpt-5", "Say hello", key=KEY) as answer:
        async for text in answer.texts():
            print(text, end="")

The rule here: one question, sent by `open`, and its answer; the dialect's reader interprets the stream and judges
whether it was complete. What this module must not know: failover, breakers and sessions, which are in `ask`.
"""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, Literal, TypedDict, Unpack

import trio

from chunkwire.client.errors import Deadline, TooLong
from chunkwire.client.opening import Retry
from chunkwire.client.opening import open as open_stream
from chunkwire.client.stream import MAX_CONTENT_OCTETS, Stream
from chunkwire.client.views import Reads, content
from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import (
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
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.errors import redacted
from chunkwire.llm.question import Message, ModelRequest, Question
from chunkwire.llm.reading import AnswerReader
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError, Url, parse_url
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError
from chunkwire.net.pool import Pool
from chunkwire.record.values import Record
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, LocalError
from chunkwire.wire.limits import Limits
from chunkwire.wire.nearest import near, refuse_unknown

_SPEC: Final = re.compile(r"(?P<dialect>[a-z-]+):(?P<url>[^#]+)(?:#(?P<model>.+))?")
_ERROR_OCTETS: Final = 64 * 1024  # of an error response, after which no more is read: JSON, or the start of a page
_ERROR_S: Final = 2.0  # to wait for its end; the status alone is enough
# In all, after the terminal event: usage, Bedrock's metadata and the last-chunk may follow it (SDKs: 0.1).
GRACE_S: Final = 0.2


class AnswerFailed(ChunkwireError):
    """The answer failed or was incomplete.

    Attributes:
        error: the reason, and whose fault it is.
        text, reasoning, tool_calls, usage, stop: the part received before, as in `TokenStream`.
    """

    def __init__(self, error: ProviderError, partial: TokenStream | None = None) -> None:
        super().__init__(f"{error.kind.value}: {error.message}")
        self.error = error
        self.text = "" if partial is None else partial.text
        self.reasoning = "" if partial is None else partial.reasoning
        self.tool_calls = () if partial is None else partial.tool_calls
        self.usage = None if partial is None else partial.usage
        self.stop = None if partial is None else partial.stop


class TokenStream:
    """An answer as it arrives: an async iterator of `Text`, `Reasoning`, `ToolCall`, `Usage` and `Stop`.

    It keeps the whole answer, so the content is limited: `max_octets` of `tokens`.

    Attributes:
        usage: tokens as counted by the provider; None until it reports them.
        stop: why the model stopped; None until it has.
        id, model: "" until the provider reports them.
    """

    def __init__(self, stream: Stream, reader: AnswerReader, key: str, max_octets: int) -> None:
        self.usage: Usage | None = None
        self.stop: StopReason | None = None
        self.id = ""
        self.model = ""
        self._stream = stream
        self._reads: Reads = stream.reads(whole_frames=False)
        self._reader = reader
        self._key = key
        self._max_octets = max_octets
        self._octets = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self._ready: list[AnswerEvent] = []
        self._give_up = math.inf  # on trio's clock: the end of the grace after the terminal event
        self._is_over = False

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The reasoning so far, if the provider sends it."""
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> tuple[WholeToolCall, ...]:
        """The tool calls so far; complete only once the answer is."""
        return whole_calls(self._calls)

    def __aiter__(self) -> AsyncIterator[AnswerEvent]:
        return self

    async def __anext__(self) -> AnswerEvent:
        while True:
            while not self._ready:
                if self._is_over:
                    raise StopAsyncIteration
                self._ready = await self._more()
            event = self._ready.pop(0)
            if self._note(event):
                return event

    async def texts(self) -> AsyncIterator[str]:
        """Yield only the pieces of the text."""
        async for event in self:
            if isinstance(event, Text):
                yield event.text

    async def read(self) -> str:
        """Return the whole text."""
        async for _ in self:
            pass  # `text` has it
        return self.text

    async def _more(self) -> list[AnswerEvent]:
        """Return the events of the next receive, or those of the end."""
        if self._reader.is_complete:  # the grace begins at the first wait: the caller may have taken its time
            self._give_up = min(self._give_up, trio.current_time() + GRACE_S)
        try:
            with trio.move_on_at(self._give_up):
                async for read in self._reads:
                    octets = content(read)
                    self._octets += len(octets)
                    if self._octets > self._max_octets:
                        raise TooLong("the content of an answer", self._max_octets, "octets")
                    return self._reader.feed(octets)
        except ChunkwireError as error:
            self._is_over = True
            return self._reader.end_of_input(as_provider_error(error))
        self._is_over = True
        return self._reader.end_of_input()

    def _note(self, event: AnswerEvent) -> bool:
        """Keep the values of an event; say whether the caller gets it."""
        match event:
            case Text():
                self._text.append(event.text)
            case Reasoning():
                self._reasoning.append(event.text)
            case ToolCall():
                self._calls.append(event)
            case Usage():
                self.usage = event
            case Stop():
                self.stop = event.reason
            case ProviderError():
                self._is_over = True
                raise AnswerFailed(_without_key(event, self._key), self)
            case _:
                if isinstance(event, Started):
                    self.id, self.model = event.id, event.model
                return False
        return True


class StreamOptions(TypedDict, total=False):
    """Options of `tokens` for its request; see `open`."""

    connect_timeout: float
    head_timeout: float
    idle_timeout: float
    total_timeout: float
    tls: ssl.SSLContext | None
    retry: Retry
    limits: Limits
    record_to: Callable[[Record], None] | None
    judges_content: bool
    pool: Pool | None
    version: Literal["1.0", "1.1"]


@asynccontextmanager
async def tokens(
    provider: str,
    question: str | Question,
    *,
    key: str = "",
    max_octets: int = MAX_CONTENT_OCTETS,
    **options: Unpack[StreamOptions],
) -> AsyncIterator[TokenStream]:
    """Ask a model, and yield its answer once the head of the response has come.

    Leaving the block early ends the provider's stream at once. Iterating raises `AnswerFailed` if the answer fails, is
    incomplete or is empty; the exception has the part received before.

    Args:
        provider: `DIALECT:URL#MODEL`, such as `anthropic:https://api.anthropic.com#claude-5`. The URL is the SDK's
            base_url; see `build_request`.
        question: the user's text, or a `Question`, whose model, if it has one, overrides the provider's.
        key: sent as the dialect requires; "" for none. It is redacted in the message of an `AnswerFailed`, unless it
            has less than 4 characters.
        max_octets: of content: the text and the framing of its events; a longer answer fails.
        options: see `open`.

    Raises:
        LocalError: the provider, the question or an option is not valid.
        AnswerFailed: no response, or one with a status of 300 or more.
    """
    refuse_unknown(options, ("key", "max_octets", *StreamOptions.__annotations__), by="tokens()")
    dialect, url, model = parse_target(provider)
    given: object = question
    if not isinstance(given, str | Question):
        wanted = 'a text, or client.Question("", (client.Message("user", "…"),))'
        raise LocalError(f"question: expected {wanted}, got {type(given).__name__}")
    asked = Question(model, (Message("user", question),)) if isinstance(question, str) else question
    asked = asked if asked.model else replace(asked, model=model)
    if not asked.model:
        raise LocalError(f"expected a model: {provider}#MODEL, or one in the question")
    request = build_request(dialect, url, asked, key)
    where = replace(url, target=request.target)
    answer: TokenStream | None = None
    try:
        async with open_stream("POST", where, fields=request.fields, body=request.body, **options) as stream:
            if stream.head.status >= 300:
                raise AnswerFailed(_without_key(await read_refusal(stream, dialect), key))
            answer = TokenStream(stream, dialect.reader(), key, max_octets)
            yield answer
    except LocalError:
        raise
    except ChunkwireError as error:
        if answer is not None or isinstance(error, AnswerFailed):
            raise
        raise AnswerFailed(_without_key(as_provider_error(error), key)) from error


def as_provider_error(error: ChunkwireError) -> ProviderError:
    """Translate an error of a request or its response to a `ProviderError` with `is_ours`.

    Raises:
        ChunkwireError: the same error, if it is of another kind.
    """
    match error:
        case DialError():
            kind = ErrorKind.TIMEOUT if error.kind == "timeout" else ErrorKind.UNREACHABLE
        case Deadline():
            kind = ErrorKind.TIMEOUT
        case PeerGone() | IncompleteHead():
            kind = ErrorKind.UNREACHABLE
        case IncompleteBody():
            kind = ErrorKind.INCOMPLETE
        case FramingError() | HeadError() | TooLong():
            kind = ErrorKind.BROKEN
        case _:
            raise error
    return ProviderError(kind, str(error), is_ours=True)


async def read_refusal(stream: Stream, dialect: Dialect) -> ProviderError:
    """Return the error in a response that is no answer: by its status, and by as much of its body as comes in time."""
    octets = b""
    with trio.move_on_after(_ERROR_S):
        try:
            async for read in stream.reads(whole_frames=False):
                octets += content(read)
                if len(octets) >= _ERROR_OCTETS:
                    break
        except (IncompleteBody, FramingError, Deadline):
            pass  # the status alone is enough
    return dialect.read_error(stream.head.status, stream.head.fields, octets, time.time())


def _without_key(error: ProviderError, key: str) -> ProviderError:
    return replace(error, message=redacted(error.message, [key]))


def parse_target(text: str) -> tuple[Dialect, Url, str]:
    """Return the dialect, the URL and the model of `DIALECT:URL#MODEL`; the model is "" where it names none.

    Raises:
        LocalError: it is no such text, the dialect is unknown, or the URL is not valid.
    """
    found = _SPEC.fullmatch(text)
    dialect = None if found is None else DIALECTS.get(found["dialect"])
    if found is None or dialect is None:
        hint = near(found["dialect"], DIALECTS) if found is not None else ""
        wanted = f"expected DIALECT:URL#MODEL, the dialect one of {', '.join(DIALECTS)}"
        raise LocalError(f"{wanted}, got {text!r:.80}{hint}")
    return dialect, parse_url(found["url"]), found["model"] or ""


def build_request(dialect: Dialect, url: Url, question: Question, key: str) -> ModelRequest:
    """Return the request for a question to a provider's URL.

    The dialect's path is appended to that of the URL, unless that ends as a request's path of this dialect or of
    `openai`. The query is the dialect's own (`alt=sse`, `api-version`) and the URL's, which has precedence; with the
    path of `openai` in the URL of another dialect, only the URL's.
    """
    octets, _, query = url.target.partition(b"?")
    request = dialect.build_request(question, base=octets, key=key)
    path, target = octets.decode("latin-1"), request.target
    if dialect.matches_path(path):
        target = octets + b"?" + dialect.query_at(path).encode()
    elif DIALECTS["openai"].matches_path(path):
        target = octets
    return replace(request, target=_with_query(target, query))


def _with_query(target: bytes, query: bytes) -> bytes:
    """Return a target with the parameters of another query added; they replace its own of the same name."""
    path, _, own = target.partition(b"?")
    names = {pair.partition(b"=")[0] for pair in query.split(b"&")}
    kept = [pair for pair in own.split(b"&") if pair and pair.partition(b"=")[0] not in names]
    joined = b"&".join([*kept, *([query] if query else [])])
    return b"%b?%b" % (path, joined) if joined else path
