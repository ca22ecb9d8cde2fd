"""A circuit breaker: whether to ask a provider at all, from how it answered lately.

    CLOSED     every question passes; so many failures in a row → OPEN
    OPEN       none passes, until its time is over → HALF_OPEN
    HALF_OPEN  one question passes as a trial: first token → CLOSED, failure → OPEN, given up → the next one tries

Two rows are counted: failures before any token, which the first token of an answer ends, since answers last and
failures are quick; and answers that broke off after it, which a whole answer ends.

The rule here: pure; the time is given, in seconds on one monotonic clock. A pass that was given before the state last
changed says nothing about the state there is.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final

FAILURES: Final = 5  # in a row, until it opens (Hystrix: 20 in 10 s and half of them; Envoy's outlier detection: 5)
COOLDOWN_S: Final = 10.0  # that it stays open (Envoy's base ejection time is 30 s, Hystrix's sleep window 5 s)
MAX_COOLDOWN_S: Final = 300.0  # however long a provider's Retry-After is: minutes of quota, never hours


@unique
class BreakerState(StrEnum):
    """See the module."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """The breaker of one provider.

    Args:
        failures: in a row, that open it.
        cooldown: seconds that it stays open.
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

    def opens_in(self, now: float) -> float:
        """Return the seconds until a question may pass; 0 when one may try."""
        return max(0.0, (self._open_until or now) - now)

    @property
    def failures(self) -> int:
        """Failures in a row, so far, of the longer row."""
        return max(self._failures, self._broken)

    def try_pass(self, now: float) -> Pass | None:
        """Return a pass for one question, None for no."""
        state = self.state(now)
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._has_trial):
            return None
        if state is BreakerState.HALF_OPEN:
            self._has_trial = True
            self._era += 1
        return Pass(self, self._era, is_trial=state is BreakerState.HALF_OPEN)

    @property
    def era(self) -> int:
        """How often the state has changed."""
        return self._era

    def note_life(self) -> None:
        """Take note of the first token of an answer; `Pass` calls this."""
        self._failures = 0
        if self._open_until is not None:
            self._era += 1
            self._open_until = None
            self._has_trial = False

    def note_success(self) -> None:
        """Take note of a whole answer; `Pass` calls this."""
        self.note_life()
        self._broken = 0

    def note_failure(self, now: float, wait: float, *, is_trial: bool, is_broken: bool) -> None:
        """Take note of a failure; `Pass` calls this."""
        if is_broken:
            self._broken += 1
        else:
            self._failures += 1
        if is_trial or self.failures >= self._most or wait > 0:
            self._era += 1
            self._has_trial = False
            self._open_until = now + (min(wait, MAX_COOLDOWN_S) if wait > 0 else self._cooldown)

    def note_nothing(self, *, is_trial: bool) -> None:
        """Take note of a question that was given up; `Pass` calls this."""
        if is_trial:
            self._has_trial = False


class Pass:
    """The permission to ask once; one of `succeed`, `fail` and `give_up` ends it, and what is said after it is ignored.

    Attributes:
        is_trial: it was given half-open, and no token has come.
    """

    def __init__(self, breaker: Breaker, era: int, *, is_trial: bool) -> None:
        self._breaker: Breaker | None = breaker
        self._era = era
        self._has_life = False
        self.is_trial = is_trial

    def show_life(self) -> None:
        """Say that the first token has come."""
        breaker = self._breaker
        if breaker is not None and breaker.era == self._era:
            breaker.note_life()
            self._era = breaker.era
            self._has_life = True
            self.is_trial = False

    def succeed(self) -> None:
        """Say that the answer is whole."""
        if (breaker := self._take()) is not None:
            breaker.note_success()

    def fail(self, now: float, *, wait: float = 0.0) -> None:
        """Say that it failed.

        Args:
            wait: seconds that the provider asks to be left alone, which opens the breaker for so long and no longer;
                0 for no such wish.
        """
        if (breaker := self._take()) is not None:
            breaker.note_failure(now, wait, is_trial=self.is_trial, is_broken=self._has_life)

    def give_up(self) -> None:
        """Say that nothing was learnt: the caller left, or was at fault."""
        if (breaker := self._take()) is not None:
            breaker.note_nothing(is_trial=self.is_trial)

    def _take(self) -> Breaker | None:
        breaker, self._breaker = self._breaker, None
        return breaker if breaker is not None and breaker.era == self._era else None
