"""Ask a language model and stream its answer: text, reasoning, tool calls, usage.

    async with chunkwire.client.tokens("openai:https://api.openai.com/v1#gpt-5", "Say hello", key=KEY) as answer:
        async for text in answer.texts():
            print(text, end="")

The rule here: one request and one answer, by `open`; the dialect's reader interprets the stream and judges whether it
was complete. What this module must not know: failover, breakers and sessions, which are in `ask`.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import trio

from chunkwire.client.errors import Deadline
from chunkwire.client.opening import open as open_stream
from chunkwire.client.stream import Stream
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
)
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.errors import redacted
from chunkwire.llm.question import Message, Question
from chunkwire.llm.reading import AnswerReader
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError, Url, parse_url
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, LocalError

_SPEC: Final = re.compile(r"(?P<dialect>[a-z-]+):(?P<url>[^#]+)(?:#(?P<model>.+))?")
_ERROR_OCTETS: Final = 64 * 1024  # read of an error response: a JSON object, or the start of an HTML page
_GRACE_S: Final = 0.2  # for usage and the last-chunk, which may follow the terminal event; SDKs wait 0.1 s


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

    Attributes:
        usage: tokens as counted by the provider; None until it reports them.
        stop: why the model stopped; None until it has.
        id, model: as reported by the provider; "" if it reports none.
    """

    def __init__(self, stream: Stream, reader: AnswerReader, key: str) -> None:
        self.usage: Usage | None = None
        self.stop: StopReason | None = None
        self.id = ""
        self.model = ""
        self._stream = stream
        self._reads: Reads = stream.reads(whole_frames=False)
        self._reader = reader
        self._key = key
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._ready: list[AnswerEvent] = []
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
        return tuple(WholeToolCall(id_, name, (more,)) for id_, name, more in self._calls.values())

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
        patience = _GRACE_S if self._reader.is_complete else float("inf")
        try:
            with trio.move_on_after(patience):
                async for read in self._reads:
                    return self._reader.feed(content(read))
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
                call = self._calls.setdefault(event.index, ["", "", ""])
                for place, more in enumerate((event.id, event.name, event.arguments)):
                    call[place] += more
            case Usage():
                self.usage = event
            case Stop():
                self.stop = event.reason
            case ProviderError():
                self._is_over = True
                raise AnswerFailed(replace(event, message=redacted(event.message, [self._key])), self)
            case _:
                if isinstance(event, Started):
                    self.id, self.model = event.id, event.model
                return False
        return True


@asynccontextmanager
async def tokens(
    provider: str, question: str | Question, *, key: str = "", **options: Any
) -> AsyncIterator[TokenStream]:
    """Ask a model, and yield its answer once the head of the response has come.

    Leaving the block early ends the provider's stream at once. Iterating raises `AnswerFailed` if the answer is an
    error, incomplete or empty; the exception has the part received before.

    Args:
        provider: `DIALECT:URL#MODEL`, such as `anthropic:https://api.anthropic.com#claude-5`. The URL is the SDK's
            base_url: the dialect's paths are appended to it.
        question: the user's text, or a `Question`, whose model overrides the provider's.
        key: sent as the dialect requires; "" for none. It is redacted in errors.
        options: of `open`: timeouts, `tls`, `retry`, `pool`, `record_to`.

    Raises:
        LocalError: the provider or the question is not valid.
        AnswerFailed: no response, or an error response.
    """
    dialect, url, model = _parse(provider)
    asked = Question(model, (Message("user", question),)) if isinstance(question, str) else question
    asked = asked if asked.model else replace(asked, model=model)
    if not asked.model:
        raise LocalError(f"expected a model: {provider}#MODEL, or one in the question")
    base = b"" if url.target == b"/" else url.target
    request = dialect.build_request(asked, base=base, key=key)
    where = replace(url, target=request.target)
    answer: TokenStream | None = None
    try:
        async with open_stream("POST", where, fields=request.fields, body=request.body, **options) as stream:
            if stream.head.status >= 300:
                raise AnswerFailed(await _refusal(stream, dialect, key))
            answer = TokenStream(stream, dialect.reader(), key)
            yield answer
    except LocalError:
        raise
    except ChunkwireError as error:
        if answer is not None or isinstance(error, AnswerFailed):
            raise
        raise AnswerFailed(as_provider_error(error)) from error


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
        case FramingError() | HeadError():
            kind = ErrorKind.BROKEN
        case _:
            raise error
    return ProviderError(kind, str(error), is_ours=True)


async def _refusal(stream: Stream, dialect: Dialect, key: str) -> ProviderError:
    octets = b""
    async for read in stream.reads(whole_frames=False):
        octets += content(read)
        if len(octets) >= _ERROR_OCTETS:
            break
    error = dialect.read_error(stream.head.status, stream.head.fields, octets, time.time())
    return replace(error, message=redacted(error.message, [key]))


def _parse(provider: str) -> tuple[Dialect, Url, str]:
    found = _SPEC.fullmatch(provider)
    dialect = None if found is None else DIALECTS.get(found["dialect"])
    if found is None or dialect is None:
        raise LocalError(f"expected DIALECT:URL#MODEL, the dialect one of {', '.join(DIALECTS)}, got {provider!r:.80}")
    return dialect, parse_url(found["url"]), found["model"] or ""
