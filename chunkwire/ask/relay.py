"""Ask the providers in order until one answers, and put what it says into a channel as it comes.

The rule here: until something of an answer has been passed on everything may be tried again, with the same provider or
the next; from then on, nothing is. Who is at fault decides what follows: an error of the question's goes to its caller
and to no breaker. What this module must not know: sockets, and how the answer is written to the caller.
"""

from __future__ import annotations

import math
import random
import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import trio

from chunkwire.ask.attempt import Means, OneAttempt, Patience
from chunkwire.ask.audit import Account, Attempt
from chunkwire.ask.channel import AnswerChannel, End
from chunkwire.ask.optional import refused_parameter
from chunkwire.ask.overload import Admission, RetryBudget, Waiter
from chunkwire.ask.providers import Provider
from chunkwire.client.pool import Pool
from chunkwire.client.retry import Retry
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.errors import redacted
from chunkwire.llm.question import ModelRequest, Question
from chunkwire.net.tls import make_tls
from chunkwire.server.metrics import Histogram

_PIECES: Final = (
    0,
    1,
    3,
    10,
    30,
    100,
    300,
    1000,
    3000,
    10_000,
)  # of an answer: a sentence has some 20, a long one 3000


class Relay:
    """The providers, and how patient to be with them.

    Attributes:
        waits: times that a provider had to wait for its caller, in all.
        broken_after: pieces passed on before an answer failed.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        patience: Patience,
        *,
        tls: ssl.SSLContext | None = None,
        pool: Pool | None = None,
        budget: RetryBudget | None = None,
        passes_reasoning: bool = True,
    ) -> None:
        has_https = any(provider.url.scheme == "https" for provider in providers)
        self.providers = tuple(providers)
        self.waits = 0
        self.budget = budget or RetryBudget()
        self.broken_after = Histogram(_PIECES)
        self._patience = patience
        self._means = Means(
            patience, self._note_wait, tls or (make_tls() if has_https else None), pool, passes_reasoning
        )
        self._retry = Retry(first=patience.backoff[0], cap=patience.backoff[1])
        self._chance = random.Random()
        self._keys = [provider.key for provider in providers]

    async def answer(
        self,
        question: Question,
        account: Account,
        channel: AnswerChannel,
        max_time: float = math.inf,
    ) -> None:
        """Send the pieces of an answer, and an `End` when the account says how it went.

        Args:
            question: its model is "" for each provider's own.
            max_time: seconds for all of it.

        Cancellation: the provider's stream is ended with a reset; the account says how far it had come.
        """
        max_time = min(max_time, self._patience.total)
        error: ProviderError | None = None
        self.budget.earn(trio.current_time())
        with trio.move_on_at(account.began + max_time) as limit:
            error = await self._ask_all(question, account, channel)
        if limit.cancelled_caught:
            error = ProviderError(ErrorKind.TIMEOUT, f"expected the whole answer within {max_time:g} s", is_ours=True)
        if not account.is_whole:
            account.error = error
            self.broken_after.observe(account.passed)
        await channel.put(End())

    def _note_wait(self) -> None:
        self.waits += 1

    async def _ask_all(self, question: Question, account: Account, channel: AnswerChannel) -> ProviderError | None:
        """Ask one provider after the other; return the last error."""
        error: ProviderError | None = None
        left = self._in_order(question.model)
        while (chosen := await self._choose(left, account)) is not None:
            provider, admission = chosen
            error = await self._ask(provider, admission, question, account, channel)
            if error is None or account.passed or error.is_callers_fault:
                return error
        return error or self._no_provider()

    def _in_order(self, model: str) -> list[Provider]:
        """Return the providers in the order in which they are asked: first those that have the model."""
        return sorted(self.providers, key=lambda provider: provider.model != model) if model else [*self.providers]

    async def _choose(self, left: list[Provider], account: Account) -> tuple[Provider, Admission] | None:
        """Take the first provider that has room out of those that are left, once there is room; None for none."""
        now = trio.current_time()
        for provider in tuple(left):
            if (admission := provider.gate.try_enter(now)) is not None:
                left.remove(provider)
                return provider, admission
            if provider.gate.is_closed(now):
                left.remove(provider)
                account.attempts.append(_skipped(provider, now))
        places = [provider.gate for provider in left if provider.gate.has_place]
        admission = await Waiter(places).wait(self._patience.queue) if places else None
        for provider in tuple(left):
            if admission is None:
                provider.gate.turned_away += 1
                account.attempts.append(_skipped(provider, trio.current_time()))
            elif provider.gate is admission.gate:
                left.remove(provider)
                return provider, admission
        return None

    def _no_provider(self) -> ProviderError:
        """Return the error for a question that no provider was asked; without a Retry-After where none is known."""
        now, count = trio.current_time(), len(self.providers)
        closed = [provider.gate.breaker.opens_in(now) for provider in self.providers if provider.gate.is_closed(now)]
        if len(closed) == count:
            message = f"expected a provider whose breaker lets questions pass, got {count} that do not"
            return ProviderError(ErrorKind.OVERLOADED, message, 503, retry_after=min(closed), is_ours=True)
        message = f"expected a provider with room for one more answer, got {count} without"
        return ProviderError(ErrorKind.OVERLOADED, message, 503, is_ours=True)

    async def _ask(
        self,
        provider: Provider,
        admission: Admission | None,
        question: Question,
        account: Account,
        channel: AnswerChannel,
    ) -> ProviderError | None:
        """Ask one provider, again where that may help; None for a whole answer."""
        account.is_callers_model = question.model not in ("", *(other.model for other in self.providers))
        question = question if account.is_callers_model else replace(question, model=provider.model)
        error: ProviderError | None = None
        attempts = 0
        while admission is not None:
            try:
                error = await self._ask_admitted(provider, admission, question, account, channel)
            finally:
                admission.leave(trio.current_time())
            attempts += 1
            if error is None or account.passed or not self._may_try_again(error, attempts):
                break
            await trio.sleep(self._retry.wait(attempts, chance=self._chance))
            admission = provider.gate.try_enter(trio.current_time())
        return error

    async def _ask_admitted(
        self,
        provider: Provider,
        admission: Admission,
        question: Question,
        account: Account,
        channel: AnswerChannel,
    ) -> ProviderError | None:
        """Ask one provider, and at once again without each parameter that it refuses."""
        left_out = provider.refused(question.model)
        while True:
            account.begin(provider.name, question.model)
            request = provider.request(question, left_out)
            error = await self._try(provider, admission, request, account, channel)
            if error is None or not error.is_callers_fault:
                provider.remember(question.model, left_out)
            name = "" if error is None or account.passed else refused_parameter(error, request)
            if not name or name in left_out:
                return error
            left_out |= {name}

    def _may_try_again(self, error: ProviderError, attempts: int) -> bool:
        if not error.is_retryable or error.retry_after or attempts >= self._patience.attempts:
            return False
        return self.budget.try_spend(trio.current_time())

    async def _try(
        self,
        provider: Provider,
        admission: Admission,
        request: ModelRequest,
        account: Account,
        channel: AnswerChannel,
    ) -> ProviderError | None:
        """Ask once, and say to gate, tally and account how it went."""
        began, had = trio.current_time(), account.tokens
        provider.tally.asked += 1
        kind, message = "cancelled", ""
        try:
            error = await OneAttempt(provider, admission, self._means, account, channel).run(request)
            if error is None:
                kind = ""
                account.is_whole = True
                provider.tally.answered += 1
                admission.permit.succeed()
                return None
            kind, message = error.kind.value, redacted(error.message, self._keys)
            is_unknown_model = account.is_callers_model and error.kind is ErrorKind.NOT_FOUND
            if not error.is_callers_fault and not is_unknown_model:
                provider.tally.failed += 1
                admission.permit.fail(trio.current_time(), wait=error.retry_after or 0.0)
            return replace(error, message=message)
        except BaseException:  # cancelled: the caller left; tokens show that the provider is well
            if account.tokens > had:
                admission.permit.succeed()
            raise
        finally:
            now, tokens = trio.current_time(), account.tokens - had
            provider.tally.tokens += tokens
            account.attempts.append(Attempt(provider.name, kind or None, message, now - began, tokens))


def _skipped(provider: Provider, now: float) -> Attempt:
    """Return the attempt that was none."""
    if provider.gate.is_closed(now):
        return Attempt(
            provider.name, "skipped", f"breaker open for {provider.gate.breaker.opens_in(now):.1f} s more", 0.0
        )
    return Attempt(provider.name, "skipped", "no room for one more answer", 0.0)
