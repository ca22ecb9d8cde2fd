"""Ask the providers in order until one answers, and put its tokens into a channel as they come.

The rule here: until the first token everything may be tried again, with the same provider or the next; from the first
token on, nothing is. Leaving, for whatever reason, ends the provider's stream at once: `client.open` sees to it. What
this module must not know: how the answer is written to the caller.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import trio

import chunkwire.client
from chunkwire.ask.audit import Account, Attempt
from chunkwire.ask.breaker import Pass
from chunkwire.ask.providers import Provider
from chunkwire.client.errors import Deadline
from chunkwire.client.pool import Pool
from chunkwire.client.retry import Retry
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
from chunkwire.llm.dialect import Reader
from chunkwire.llm.errors import redacted
from chunkwire.llm.question import Question
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import CONNECT_SECONDS, DialError, make_tls
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody

CHANNEL_ITEMS: Final = 100  # between the reader of a provider and the writer to the caller
_ERROR_OCTETS: Final = 64 * 1024  # of an error response that are read: a JSON object, or the head of a page
_GRACE_S: Final = 0.2  # for what may follow a terminal event, Bedrock's metadata and the last-chunk; SDKs wait 0.1 s


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The answer is over; whether it is whole or failed stands in the account."""


Item: TypeAlias = Token | End


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a provider may take, in seconds, and how often it is asked.

    Attributes:
        first_token: from the question to the first token; models think.
        idle: between two receives after it.
        attempts: with one provider, the first included.
        backoff: first and longest wait between them.
    """

    connect: float = CONNECT_SECONDS
    first_token: float = 60.0
    idle: float = 60.0
    attempts: int = 2
    backoff: tuple[float, float] = (0.2, 2.0)


class Relay:
    """The providers, and how patient to be with them.

    Attributes:
        waits: times that a provider had to wait for its caller, in all.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        patience: Patience,
        *,
        tls: ssl.SSLContext | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.providers = tuple(providers)
        self.waits = 0
        self._patience = patience
        self._retry = Retry(first=patience.backoff[0], cap=patience.backoff[1])
        self._chance = random.Random()
        has_https = any(provider.url.scheme == "https" for provider in providers)
        self._tls = tls or (make_tls() if has_https else None)
        self._pool = pool

    async def answer(self, question: Question, account: Account, channel: trio.MemorySendChannel[Item]) -> None:
        """Send the tokens of an answer, and an `End` when the account says how it went.

        Resource handling: closes the channel.

        Cancellation: the provider's stream is ended with a reset; the account says how far it had come.
        """
        async with channel:
            error: ProviderError | None = None
            for provider in self.providers:
                error = await self._ask(provider, question, account, channel) or error
                if account.is_whole or account.tokens or (error is not None and error.is_callers_fault):
                    break
            if not account.is_whole:
                account.error = error or self._nobody()
            await channel.send(End())

    def _nobody(self) -> ProviderError:
        """Return the error for a question that no breaker let pass."""
        now = trio.current_time()
        soonest = min(provider.breaker.opens_in(now) for provider in self.providers)
        message = f"expected a provider whose breaker lets questions pass, got {len(self.providers)} that do not"
        return ProviderError(ErrorKind.OVERLOADED, message, 503, retry_after=soonest)

    async def _ask(
        self, provider: Provider, question: Question, account: Account, channel: trio.MemorySendChannel[Item]
    ) -> ProviderError | None:
        """Ask one provider, again where that may help; None for a whole answer, and where its breaker says no."""
        error: ProviderError | None = None
        for attempt in range(1, self._patience.attempts + 1):
            began = trio.current_time()
            permit = provider.breaker.try_pass(began)
            if permit is None:
                wait = provider.breaker.opens_in(began)
                account.attempts.append(Attempt(provider.name, "skipped", f"breaker open for {wait:.1f} s more", 0.0))
                return error
            account.provider, account.model, account.usage, account.stop = provider.name, provider.model, None, None
            error = await self._try(provider, replace(question, model=provider.model), account, channel, permit)
            kind = None if error is None else error.kind.value
            seconds = trio.current_time() - began
            account.attempts.append(Attempt(provider.name, kind, "" if error is None else error.message, seconds))
            if error is None:
                account.is_whole = True
                return None
            if account.tokens or not error.is_retryable or error.retry_after or attempt == self._patience.attempts:
                break
            await trio.sleep(self._retry.wait(attempt, chance=self._chance))
        return error

    async def _try(
        self,
        provider: Provider,
        question: Question,
        account: Account,
        channel: trio.MemorySendChannel[Item],
        permit: Pass,
    ) -> ProviderError | None:
        """Ask once, and report to the breaker and the tally how it went."""
        provider.tally.asked += 1
        had = account.tokens
        try:
            with trio.move_on_after(self._patience.first_token) as patience:
                error = await self._stream(provider, question, account, channel, patience)
            if patience.cancelled_caught:
                message = f"expected a first token within {self._patience.first_token:g} s, got none"
                error = ProviderError(ErrorKind.TIMEOUT, message)
        except BaseException:  # cancelled: the caller left; tokens show that the provider is well
            if account.tokens > had:
                permit.succeed()
            permit.give_up()
            raise
        finally:
            provider.tally.tokens += account.tokens - had
        if error is None:
            provider.tally.answered += 1
            permit.succeed()
        elif error.is_callers_fault:
            permit.give_up()
        else:
            provider.tally.failed += 1
            permit.fail(trio.current_time(), wait=error.retry_after or 0.0)
        return error

    async def _stream(
        self,
        provider: Provider,
        question: Question,
        account: Account,
        channel: trio.MemorySendChannel[Item],
        patience: trio.CancelScope,
    ) -> ProviderError | None:
        """Send a request and pass its tokens on; None for a whole answer."""
        base = b"" if provider.url.target == b"/" else provider.url.target
        request = provider.dialect.build_request(question, base=base, key=provider.key)
        reader = provider.dialect.reader()
        try:
            async with chunkwire.client.open(
                request.method.decode("ascii"),
                replace(provider.url, target=request.target),
                fields=request.fields,
                body=request.body,
                connect_timeout=self._patience.connect,
                idle_timeout=self._patience.idle,
                tls=self._tls,
                judges_content=False,
                pool=self._pool,
            ) as stream:
                if stream.head.status != 200:
                    octets = await _some_of(stream)
                    error = provider.dialect.read_error(stream.head.status, stream.head.fields, octets, time.time())
                    return replace(error, message=redacted(error.message, [provider.key]))
                return await self._pass_on(stream, reader, account, channel, patience)
        except ChunkwireError as error:
            events = reader.end_of_input(_as_provider_error(error))
            return await self._take(events, account, channel, patience)

    async def _pass_on(
        self,
        stream: Stream,
        reader: Reader,
        account: Account,
        channel: trio.MemorySendChannel[Item],
        patience: trio.CancelScope,
    ) -> ProviderError | None:
        with trio.CancelScope() as grace:
            async for read in stream.reads(whole_frames=False):
                if (error := await self._take(reader.feed(content(read)), account, channel, patience)) is not None:
                    return error
                if reader.is_complete:
                    grace.deadline = min(grace.deadline, trio.current_time() + _GRACE_S)
        return await self._take(reader.end_of_input(), account, channel, patience)

    async def _take(
        self,
        events: list[AnswerEvent],
        account: Account,
        channel: trio.MemorySendChannel[Item],
        patience: trio.CancelScope,
    ) -> ProviderError | None:
        """Pass events on; return the error among them."""
        for event in events:
            match event:
                case Text():
                    patience.deadline = float("inf")
                    account.tokens += 1
                    await self._put(Token(event.text), account, channel)
                case Reasoning() | ToolCall():
                    patience.deadline = float("inf")
                case Started():
                    account.model = event.model or account.model
                case Usage():
                    account.usage = event
                case Stop():
                    account.stop = event.reason
                case ProviderError():
                    return event
                case _:
                    pass
        return None

    async def _put(self, item: Item, account: Account, channel: trio.MemorySendChannel[Item]) -> None:
        try:
            channel.send_nowait(item)
        except trio.WouldBlock:
            account.waits += 1
            self.waits += 1
            await channel.send(item)


async def _some_of(stream: Stream) -> bytes:
    """Return the beginning of a body that is an error."""
    octets = b""
    async for read in stream.reads():
        octets += content(read)
        if len(octets) >= _ERROR_OCTETS:
            break
    return octets


def _as_provider_error(error: ChunkwireError) -> ProviderError:
    """Return an error of ours as one of the provider's."""
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
    return ProviderError(kind, str(error))
