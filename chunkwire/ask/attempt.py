"""Ask one provider once, and pass its answer on.

The rule here: whatever ends the stream, the dialect's reader decides whether the answer is whole. An error of
connection or framing becomes a ProviderError. When an attempt ends early, the provider's stream is reset at once.
What this module must not know: other providers, retries, and how the answer is written to the caller.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import trio

import chunkwire.client
from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import AnswerChannel, Content
from chunkwire.ask.overload import Admission
from chunkwire.ask.providers import Provider
from chunkwire.client.answers import GRACE_S, as_provider_error, read_refusal
from chunkwire.client.opening import Retry
from chunkwire.client.stream import Stream
from chunkwire.client.views import content
from chunkwire.llm.answer import (
    AnswerEvent,
    ErrorKind,
    ProviderError,
    Reasoning,
    Started,
    Stop,
    Text,
    ToolCall,
    Usage,
)
from chunkwire.llm.question import ModelRequest
from chunkwire.net.dial import CONNECT_SECONDS
from chunkwire.net.pool import Pool
from chunkwire.wire.errors import ChunkwireError

_IDLE_SLACK: Final = 0.1  # a stream may be idle for longer than `Patience.idle_timeout` by up to this fraction of it
# One attempt. If a pooled connection ends without an answer, the client repeats even a POST on a new connection.
_ONE_ATTEMPT: Final = Retry(attempts=1, is_repeatable=True)


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts of a question in seconds, and the number of attempts."""

    connect_timeout: float = CONNECT_SECONDS
    first_token_timeout: float = 60.0  # from the request to the first token, also of reasoning or of a tool call
    idle_timeout: float = 60.0  # between two receives after the first token
    attempts: int = 2  # with one provider, the first included
    backoff: tuple[float, float] = (0.2, 2.0)  # the longest wait before the second attempt, and before any attempt
    queue_timeout: float = 30.0  # for room at a provider
    max_time: float = math.inf  # for a whole answer, all of this included


@dataclass(frozen=True, slots=True)
class AttemptOptions:
    """Options of all attempts of a relay."""

    patience: Patience
    note_wait: Callable[[], None]  # called when the channel to the caller is full
    tls: ssl.SSLContext | None = None  # for https providers
    pool: Pool | None = None
    passes_reasoning: bool = True  # reasoning goes to the caller; otherwise it is only counted


class OneAttempt:
    """One request to one provider, and its answer as far as it comes."""

    def __init__(
        self,
        provider: Provider,
        admission: Admission,
        options: AttemptOptions,
        entry: AuditEntry,
        channel: AnswerChannel,
    ) -> None:
        self._provider = provider
        self._admission = admission
        self._options = options
        self._entry = entry
        self._channel = channel
        self._reader = provider.dialect.reader()
        self._has_begun = False  # the first token, also of reasoning or of a tool call, has come
        self._scope = trio.CancelScope()

    async def run(self, request: ModelRequest) -> ProviderError | None:
        """Send a request and pass its answer on; return None for a whole answer.

        Raises:
            ChunkwireError: one that `as_provider_error` does not translate.

        Cancellation: the provider's stream is ended with a reset.
        """
        patience = self._options.patience
        self._scope.deadline = trio.current_time() + patience.first_token_timeout
        with self._scope:
            return await self._exchange(request)
        what, seconds = "a first token", patience.first_token_timeout
        if self._has_begun:
            what, seconds = "an octet", patience.idle_timeout
        late = ProviderError(ErrorKind.TIMEOUT, f"expected {what} within {seconds:g} s, got none", is_ours=True)
        return await self._take(self._reader.end_of_input(late))

    async def _exchange(self, request: ModelRequest) -> ProviderError | None:
        provider, options = self._provider, self._options
        try:
            async with chunkwire.client.open(
                request.method.decode("ascii"),
                replace(provider.url, target=request.target),
                fields=request.fields,
                body=request.body,
                connect_timeout=options.patience.connect_timeout,
                tls=options.tls if provider.url.scheme == "https" else None,
                judges_content=False,
                pool=options.pool,
                retry=_ONE_ATTEMPT,
            ) as stream:
                if not 200 <= stream.head.status < 300:
                    return await read_refusal(stream, provider.dialect)
                if (error := await self._read_on(stream)) is not None:
                    return error
                events = self._reader.end_of_input()
        except ChunkwireError as error:
            events = self._reader.end_of_input(as_provider_error(error))
        return await self._take(events)

    async def _read_on(self, stream: Stream) -> ProviderError | None:
        reader, idle = self._reader, self._options.patience.idle_timeout
        with trio.CancelScope() as grace:
            while (read := await stream.next_read()) is not None:
                if (error := await self._take(reader.feed(content(read)))) is not None:
                    return error
                now = trio.current_time()
                is_far = (
                    now + idle <= self._scope.deadline < math.inf
                )  # then it is kept: trio sorts deadlines at each change
                if self._has_begun and not is_far:
                    self._scope.deadline = now + idle * (1 + _IDLE_SLACK)
                if reader.is_complete:
                    grace.deadline = min(grace.deadline, now + GRACE_S)
        return None

    async def _take(self, events: list[AnswerEvent]) -> ProviderError | None:
        """Pass the content of events on; return the error among them."""
        entry = self._entry
        items: list[Content] = []
        error: ProviderError | None = None
        has_reasoning = False
        for event in events:
            match event:
                case Text():
                    entry.tokens += 1
                    items.append(event)
                case Reasoning():
                    entry.thoughts += 1
                    has_reasoning = True
                    if event.text and self._options.passes_reasoning:  # "": withheld by the provider, or begins
                        items.append(event)
                case ToolCall():
                    items.append(event)
                case Started():
                    entry.model = event.model or entry.model
                case Usage():
                    entry.usage = event
                case Stop():
                    entry.stop = event.reason
                case ProviderError():
                    error = event
                    break
        if items or has_reasoning:
            await self._pass_on(items)
        return error

    async def _pass_on(self, items: list[Content]) -> None:
        """Pass items on; an empty list reports that reasoning came of which nothing is passed on."""
        if not self._has_begun:
            self._has_begun = True
            self._scope.deadline = math.inf
            self._admission.note_first_token(trio.current_time())
        self._entry.passed += len(items)
        rest = self._channel.put_nowait(items)
        while rest:
            self._entry.waits += 1
            self._options.note_wait()
            self._scope.deadline = math.inf  # the caller is slow, not the provider; `_read_on` sets the next one
            await self._channel.put(rest[0])
            rest = self._channel.put_nowait(rest[1:])
