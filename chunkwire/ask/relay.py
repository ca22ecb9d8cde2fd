"""Ask the providers in order until one answers, and put its answer into a channel as it comes.

The rule here: a failed attempt may be repeated, with the same provider or the next one, only until something of an
answer was passed on. An error of the question itself goes to the caller, and the breaker ignores it. What this module
must not know: sockets, and how the answer is written to the caller.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import trio

from chunkwire.ask.attempt import AttemptOptions, OneAttempt, Patience
from chunkwire.ask.audit import Attempt, AuditEntry
from chunkwire.ask.channel import AnswerChannel, End
from chunkwire.ask.overload import Admission, RetryBudget, Waiter
from chunkwire.ask.providers import Provider, refused_parameter
from chunkwire.client.opening import Retry
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.errors import redacted
from chunkwire.llm.question import ModelRequest, Question
from chunkwire.net.pool import Pool
from chunkwire.server.metrics import Histogram

# Bounds of a histogram of an answer's pieces: a sentence has some 20, a long answer 3000.
_PIECES: Final = (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


class Relay:
    """Asks the providers."""

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
        self.providers = tuple(providers)
        self.waits = 0  # how often a provider had to wait for its caller
        self.budget = budget or RetryBudget()
        self.broken_after = Histogram(_PIECES)  # pieces passed on before an answer failed
        self._patience = patience
        self._options = AttemptOptions(patience, self._note_wait, tls, pool, passes_reasoning)
        self._retry = Retry(first=patience.backoff[0], cap=patience.backoff[1])
        self._chance = random.Random()
        self._keys = [provider.key for provider in providers]

    async def answer(self, question: Question, entry: AuditEntry, channel: AnswerChannel, max_time: float) -> None:
        """Put the items of an answer into the channel, and an `End` once the result is in the audit entry.

        Args:
            question: its model is "" for each provider's own.
            max_time: seconds for the whole answer.

        Cancellation: the provider's stream is ended with a reset.
        """
        max_time = min(max_time, self._patience.max_time)
        error: ProviderError | None = None
        self.budget.earn(trio.current_time())
        with trio.move_on_at(entry.began + max_time) as limit:
            error = await _Asking(self, question, entry, channel).ask_all()
        if limit.cancelled_caught:
            error = ProviderError(ErrorKind.TIMEOUT, f"expected the whole answer within {max_time:g} s", is_ours=True)
        if not entry.is_whole:
            entry.error = error
            self.broken_after.observe(entry.passed)
        await channel.put(End())

    def _note_wait(self) -> None:
        self.waits += 1

    def _no_provider(self) -> ProviderError:
        """Return the error where no provider could be asked; with `retry_after` where all breakers are open."""
        now, count = trio.current_time(), len(self.providers)
        closed = [
            provider.gate.breaker.trial_in(now) for provider in self.providers if provider.gate.is_breaker_open(now)
        ]
        if len(closed) == count:
            message = f"expected a provider whose breaker lets questions pass, got {count} that do not"
            return ProviderError(ErrorKind.OVERLOADED, message, 503, retry_after=min(closed), is_ours=True)
        message = f"expected a provider with room for one more answer, got {count} without"
        return ProviderError(ErrorKind.OVERLOADED, message, 503, is_ours=True)

    def _may_try_again(self, error: ProviderError, attempts: int) -> bool:
        if not error.is_retryable or error.retry_after or attempts >= self._patience.attempts:
            return False
        return self.budget.try_spend(trio.current_time())


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question on its way through the providers."""

    relay: Relay
    question: Question
    entry: AuditEntry
    channel: AnswerChannel

    async def ask_all(self) -> ProviderError | None:
        """Ask one provider after the other; return the last error, None for a whole answer."""
        error: ProviderError | None = None
        model = self.question.model
        left = [*self.relay.providers]
        if model:
            left.sort(key=lambda provider: provider.model != model)  # those that have the model first, else as given
        self.entry.is_callers_model = model not in ("", *(provider.model for provider in left))
        while (chosen := await self._choose(left)) is not None:
            error = await self._ask(*chosen)
            if error is None or self.entry.passed or error.is_callers_fault:
                return error
        return error or self.relay._no_provider()

    async def _choose(self, left: list[Provider]) -> tuple[Provider, Admission] | None:
        """Remove from `left` the first provider that admits the question, and return it with its admission.

        If none admits it now, wait until one does, at most `Patience.queue_timeout` seconds; None if none does.
        Providers with an open breaker are removed, too. The audit entry lists those as skipped, and all that are left
        where none admits it.
        """
        now = trio.current_time()
        for provider in tuple(left):
            if (admission := provider.gate.try_enter(now)) is not None:
                left.remove(provider)
                return provider, admission
            if provider.gate.is_breaker_open(now):
                left.remove(provider)
                self.entry.attempts.append(_skipped(provider, now))
        gates = [provider.gate for provider in left if provider.gate.has_place]
        admission = await Waiter(gates).wait(self.relay._patience.queue_timeout) if gates else None
        if admission is None:
            for provider in left:
                provider.gate.turned_away += 1
                self.entry.attempts.append(_skipped(provider, trio.current_time()))
            return None
        chosen = next(provider for provider in left if provider.gate is admission.gate)
        left.remove(chosen)
        return chosen, admission

    async def _ask(self, provider: Provider, admission: Admission | None) -> ProviderError | None:
        """Ask one provider, with retries; return None for a whole answer."""
        relay, error, attempts = self.relay, None, 0
        while admission is not None:
            try:
                error = await self._ask_admitted(provider, admission)
            finally:
                admission.leave(trio.current_time())
            attempts += 1
            if error is None or self.entry.passed or not relay._may_try_again(error, attempts):
                break
            await trio.sleep(relay._retry.wait(attempts, chance=relay._chance))
            admission = provider.gate.try_enter(trio.current_time())
        return error

    async def _ask_admitted(self, provider: Provider, admission: Admission) -> ProviderError | None:
        """Ask one provider; where it refuses a parameter, ask again at once without it."""
        entry, question = self.entry, self.question
        if not entry.is_callers_model:
            question = replace(question, model=provider.model)
        left_out = provider.refused(question.model)
        while True:
            entry.begin(provider.name, question.model)
            try:
                request = provider.request(question, left_out)
            except ValueError as reason:
                return ProviderError(ErrorKind.BAD_REQUEST, str(reason), is_ours=True)
            error = await self._try(provider, admission, request)
            if error is None or not error.is_callers_fault:
                provider.remember(question.model, left_out)
            name = "" if error is None or entry.passed else refused_parameter(error, request)
            if not name or name in left_out:
                return error
            left_out |= {name}

    async def _try(self, provider: Provider, admission: Admission, request: ModelRequest) -> ProviderError | None:
        """Ask once, and report the result to breaker, counts and audit entry."""
        entry = self.entry
        began, had = trio.current_time(), entry.tokens
        provider.tally.asked += 1
        kind, message = "cancelled", ""
        try:
            error = await OneAttempt(provider, admission, self.relay._options, entry, self.channel).run(request)
            if error is None:
                kind = ""
                entry.is_whole = True
                provider.tally.answered += 1
                admission.permit.succeed()
                return None
            kind, message = error.kind.value, redacted(error.message, self.relay._keys)
            is_unknown_model = entry.is_callers_model and error.kind is ErrorKind.NOT_FOUND
            if not error.is_callers_fault and not is_unknown_model:
                provider.tally.failed += 1
                admission.permit.fail(trio.current_time(), wait=error.retry_after or 0.0)
            return replace(error, message=message)
        except BaseException:  # cancelled: the caller left, or its time is over; with tokens, the provider did not fail
            if entry.tokens > had:
                admission.permit.succeed()
            raise
        finally:
            now, tokens = trio.current_time(), entry.tokens - had
            provider.tally.tokens += tokens
            entry.attempts.append(Attempt(provider.name, kind or None, message, now - began, tokens))


def _skipped(provider: Provider, now: float) -> Attempt:
    """Return the attempt of a provider that was not asked, for the audit entry."""
    is_open = provider.gate.is_breaker_open(now)
    wait = provider.gate.breaker.trial_in(now)
    message = f"breaker open for {wait:.1f} s more" if is_open else "no room for one more answer"
    return Attempt(provider.name, "skipped", message, 0.0)
