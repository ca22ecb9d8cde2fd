"""Ask one provider once, and pass on what it says.

The rule here: whatever ends the stream, the reader of the dialect says whether the answer is whole; a kind of error of
ours becomes the provider's. Leaving, for whatever reason, ends the provider's stream at once: `client.open` sees to it.
What this module must not know: other providers, retries, and how the answer is written to the caller.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import trio

import chunkwire.client
from chunkwire.ask.audit import Account
from chunkwire.ask.channel import AnswerChannel, Content
from chunkwire.ask.overload import Admission
from chunkwire.ask.providers import Provider
from chunkwire.client.answers import as_provider_error
from chunkwire.client.pool import Pool
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
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody

_ERROR_OCTETS: Final = 64 * 1024  # of an error response that are read: a JSON object, or the head of a page
_ERROR_S: Final = 2.0  # that its end is waited for: the status says enough
_IDLE_SLACK: Final = 0.1  # of the patience between two receives, by which it may last longer
_GRACE_S: Final = 0.2  # for what may follow a terminal event, Bedrock's metadata and the last-chunk; SDKs wait 0.1 s


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a provider may take, in seconds, and how often it is asked.

    Attributes:
        first_token: from the question to the first token, of reasoning or of a tool call too; models think.
        idle: between two receives after it.
        attempts: with one provider, the first included.
        backoff: first and longest wait between them.
        queue: for room at a provider.
        total: for a whole answer, all of this included.
    """

    connect: float = CONNECT_SECONDS
    first_token: float = 60.0
    idle: float = 60.0
    attempts: int = 2
    backoff: tuple[float, float] = (0.2, 2.0)
    queue: float = 30.0
    total: float = math.inf


@dataclass(frozen=True, slots=True)
class Means:
    """What every attempt uses: patience, the TLS context of https providers, and the connections kept.

    Attributes:
        note_wait: called when a provider has to wait for its caller.
        passes_reasoning: reasoning goes to the caller; otherwise it is only counted.
    """

    patience: Patience
    note_wait: Callable[[], None]
    tls: ssl.SSLContext | None = None
    pool: Pool | None = None
    passes_reasoning: bool = True


class OneAttempt:
    """One request to one provider, and its answer as far as it comes."""

    def __init__(
        self,
        provider: Provider,
        admission: Admission,
        means: Means,
        account: Account,
        channel: AnswerChannel,
    ) -> None:
        self._provider = provider
        self._admission = admission
        self._means = means
        self._account = account
        self._channel = channel
        self._reader = provider.dialect.reader()
        self._is_alive = False
        self._scope = trio.CancelScope()

    async def run(self, request: ModelRequest) -> ProviderError | None:
        """Send a request and pass its answer on; return None for a whole one.

        Cancellation: the provider's stream is ended with a reset.
        """
        patience = self._means.patience
        self._scope.deadline = trio.current_time() + patience.first_token
        with self._scope:
            return await self._exchange(request)
        what = (
            f"an octet within {patience.idle:g} s"
            if self._is_alive
            else f"a first token within {patience.first_token:g} s"
        )
        late = ProviderError(ErrorKind.TIMEOUT, f"expected {what}, got none", is_ours=True)
        return await self._take(self._reader.end_of_input(late))

    async def _exchange(self, request: ModelRequest) -> ProviderError | None:
        provider, means = self._provider, self._means
        try:
            async with chunkwire.client.open(
                request.method.decode("ascii"),
                replace(provider.url, target=request.target),
                fields=request.fields,
                body=request.body,
                connect_timeout=means.patience.connect,
                tls=means.tls if provider.url.scheme == "https" else None,
                judges_content=False,
                pool=means.pool,
            ) as stream:
                if not 200 <= stream.head.status < 300:
                    head, octets = stream.head, await _some_of(stream)
                    return provider.dialect.read_error(head.status, head.fields, octets, time.time())
                if (error := await self._read_on(stream)) is not None:
                    return error
                events = self._reader.end_of_input()
        except ChunkwireError as error:
            events = self._reader.end_of_input(as_provider_error(error))
        return await self._take(events)

    async def _read_on(self, stream: Stream) -> ProviderError | None:
        reader, idle = self._reader, self._means.patience.idle
        with trio.CancelScope() as grace:
            while (read := await stream.next_read()) is not None:
                if (error := await self._take(reader.feed(content(read)))) is not None:
                    return error
                now = trio.current_time()
                if self._is_alive and not now + idle <= self._scope.deadline < math.inf:
                    self._scope.deadline = now + idle * (1 + _IDLE_SLACK)  # not at every token: trio sorts deadlines
                if reader.is_complete:
                    grace.deadline = min(grace.deadline, now + _GRACE_S)
        return None

    async def _take(self, events: list[AnswerEvent]) -> ProviderError | None:
        """Pass events on; return the error among them."""
        account = self._account
        items: list[Content] = []
        error: ProviderError | None = None
        is_alive = False
        for event in events:
            match event:
                case Text():
                    account.tokens += 1
                    items.append(event)
                case Reasoning():
                    account.thoughts += 1
                    is_alive = True
                    if event.text and self._means.passes_reasoning:
                        items.append(event)
                case ToolCall():
                    items.append(event)
                case Started():
                    account.model = event.model or account.model
                case Usage():
                    account.usage = event
                case Stop():
                    account.stop = event.reason
                case ProviderError():
                    error = event
                    break
        if items or is_alive:
            await self._pass_on(items)
        return error

    async def _pass_on(self, items: list[Content]) -> None:
        """Pass items on; none at all shows life."""
        if not self._is_alive:
            self._is_alive = True
            self._scope.deadline = math.inf
            self._admission.show_life(trio.current_time())
        self._account.passed += len(items)
        for item in self._channel.put_nowait(items) if items else ():
            self._account.waits += 1
            self._means.note_wait()
            self._scope.deadline = math.inf  # the caller is slow, not the provider
            await self._channel.put(item)


async def _some_of(stream: Stream) -> bytes:
    """Return the beginning of a body that is an error, or as much of it as came."""
    octets = b""
    with trio.move_on_after(_ERROR_S):
        try:
            async for read in stream.reads(whole_frames=False):
                octets += content(read)
                if len(octets) >= _ERROR_OCTETS:
                    break
        except (IncompleteBody, FramingError):
            return octets
    return octets
