"""A circuit breaker: whether to ask a provider, decided by its latest answers.

    CLOSED     every question passes; `failures` in a row, or one with a wait that the provider asks for → OPEN
    OPEN       none passes, until the cooldown or that wait is over → HALF_OPEN
    HALF_OPEN  one question passes as a trial: first token → CLOSED, failure → OPEN, given up → another one may try

Two counts of failures in a row: those before the first token, reset by a first token, as the end of an answer may be
minutes away; and answers that broke off after it, reset by a whole answer.

The rule here: pure; the time is given, in seconds on one monotonic clock. The result of a pass that was given before
the latest change of state is ignored.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final

FAILURES: Final = 5  # in a row, until it opens (Hystrix: 20 in 10 s and half of them; Envoy's outlier detection: 5)
COOLDOWN_S: Final = 10.0  # that it stays open (Envoy's base ejection time is 30 s, Hystrix's sleep window 5 s)
MAX_COOLDOWN_S: Final = 300.0  # that a longer Retry-After is cut to, which may be hours where a quota is used up


@unique
class BreakerState(StrEnum):
    """The states; see the module."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """The breaker of one provider.

    Args:
        failures: how many in a row open it.
        cooldown: seconds for which it stays open.
    """

    def __init__(self, *, failures: int = FAILURES, cooldown: float = COOLDOWN_S) -> None:
        self._most = failures
        self._cooldown = cooldown
        self._failures = 0  # before a token
        self._broken = 0  # after one
        self._open_until: float | None = None  # None is closed
        self._has_trial = False
        self._era = 0  # counts the changes of state

    def state(self, now: float) -> BreakerState:
        """Return the state."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    def trial_in(self, now: float) -> float:
        """Return the seconds until an open breaker lets a trial pass; 0 if it is not open."""
        return max(0.0, (self._open_until or now) - now)

    @property
    def failures(self) -> int:
        """The higher of the two counts of failures in a row."""
        return max(self._failures, self._broken)

    def try_pass(self, now: float) -> Pass | None:
        """Return a pass for one question, None where none may pass."""
        state = self.state(now)
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._has_trial):
            return None
        if state is BreakerState.HALF_OPEN:
            self._has_trial = True
            self._era += 1
        return Pass(self, self._era, is_trial=state is BreakerState.HALF_OPEN)

    def _note_first_token(self) -> None:
        self._failures = 0
        if self._open_until is not None:
            self._era += 1
            self._open_until = None
            self._has_trial = False

    def _note_failure(self, now: float, wait: float, *, is_trial: bool, is_broken: bool) -> None:
        if is_broken:
            self._broken += 1
        else:
            self._failures += 1
        if is_trial or self.failures >= self._most or wait > 0:
            self._era += 1
            self._has_trial = False
            self._open_until = now + (min(wait, MAX_COOLDOWN_S) if wait > 0 else self._cooldown)


class Pass:
    """The permission to ask once. The first call of `succeed`, `fail` or `give_up` ends it; later ones are ignored."""

    def __init__(self, breaker: Breaker, era: int, *, is_trial: bool) -> None:
        self._breaker: Breaker | None = breaker
        self._era = era
        self._has_token = False
        self.is_trial = is_trial  # it was given in HALF_OPEN, and no token has come

    def note_first_token(self) -> None:
        """Report the first token."""
        breaker = self._breaker
        if breaker is not None and breaker._era == self._era:
            breaker._note_first_token()
            self._era = breaker._era
            self._has_token = True
            self.is_trial = False

    def succeed(self) -> None:
        """Report a whole answer."""
        if (breaker := self._end()) is not None:
            breaker._note_first_token()
            breaker._broken = 0

    def fail(self, now: float, *, wait: float = 0.0) -> None:
        """Report a failure.

        Args:
            wait: seconds that the provider asks to wait: the breaker opens at once, for as long, at most
                `MAX_COOLDOWN_S`. 0 for none: it opens only after enough failures in a row, for its cooldown.
        """
        if (breaker := self._end()) is not None:
            breaker._note_failure(now, wait, is_trial=self.is_trial, is_broken=self._has_token)

    def give_up(self) -> None:
        """Report neither: the caller left, or was at fault."""
        if (breaker := self._end()) is not None and self.is_trial:
            breaker._has_trial = False

    def _end(self) -> Breaker | None:
        """Return the breaker, None where the result is to be ignored."""
        breaker, self._breaker = self._breaker, None
        return breaker if breaker is not None and breaker._era == self._era else None
