"""Overload control: limits on the questions to a provider, and on retries.

    gate      one per provider: its breaker, a limit of concurrent streams, and a bounded queue
    budget    one for all providers: the number of retries, in proportion to the questions

A question that finds a gate full, or its breaker in a trial, may wait in the queues of several gates at once. The first
gate with room admits it, in the order of arrival. What this module must not know: questions and answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import trio

from chunkwire.ask.breaker import Breaker, BreakerState, Pass

MAX_STREAMS: Final = 1000  # of one provider at once; each needs two sockets and some 100 KB here
MAX_WAITING: Final = 1000  # questions in the queue of one provider; each holds a socket and its text

RETRY_SHARE: Final = 0.2  # retries earned by a question (Finagle's RetryBudget: 20 %)
RETRY_FLOOR: Final = 10.0  # retries that an idle process may make at once; refilled in 10 s
_MAX_RETRIES: Final = 100.0  # saved at most: a busy hour must not allow a burst of thousands
FLOOR_REFILL_S: Final = 10.0


class RetryBudget:
    """A token bucket of retries. Pure: the time is given, in seconds on one monotonic clock.

    Args:
        share: of a retry, added by each question; 0 for a budget without retries.
    """

    def __init__(self, share: float = RETRY_SHARE) -> None:
        self.spent = 0  # retries that were allowed
        self.refused = 0  # retries that were not
        self._share = share
        self._saved = RETRY_FLOOR if share else 0.0
        self._as_of = 0.0

    def left(self, now: float) -> float:
        """Return how many retries are allowed; a fraction below 1 allows none."""
        if self._share and self._saved < RETRY_FLOOR:
            earned = (now - self._as_of) * RETRY_FLOOR / FLOOR_REFILL_S
            self._saved = min(RETRY_FLOOR, self._saved + max(0.0, earned))
        self._as_of = now
        return self._saved

    def earn(self, now: float) -> None:
        """Count a question."""
        self._saved = min(_MAX_RETRIES, self.left(now) + self._share)

    def try_spend(self, now: float) -> bool:
        """Take a retry out of the budget; False where none is left."""
        if self.left(now) < 1:
            self.refused += 1
            return False
        self._saved -= 1
        self.spent += 1
        return True


class ProviderGate:
    """Admission of questions to one provider.

    Args:
        most: concurrent streams.
        most_waiting: questions in the queue.
    """

    def __init__(self, breaker: Breaker, *, most: int = MAX_STREAMS, most_waiting: int = MAX_WAITING) -> None:
        self.breaker = breaker
        self.most = most
        self.running = 0  # streams
        self.turned_away = 0  # questions that found the queue full, or were not admitted in time
        self._most_waiting = most_waiting
        self._queue: deque[Waiter] = deque()

    @property
    def waiting(self) -> int:
        """Questions in the queue."""
        return len(self._queue)

    @property
    def has_place(self) -> bool:
        """One more question may wait."""
        return len(self._queue) < self._most_waiting

    def try_enter(self, now: float) -> Admission | None:
        """Admit one question; None where the gate is full, or the breaker lets none pass."""
        if self.running >= self.most:
            return None
        permit = self.breaker.try_pass(now)
        if permit is None:
            return None
        self.running += 1
        return Admission(self, permit)

    def is_breaker_open(self, now: float) -> bool:
        """Say whether the breaker is open, so that no question may enter or wait."""
        return self.breaker.state(now) is BreakerState.OPEN

    def join(self, waiter: Waiter) -> None:
        """Put a question at the end of the queue."""
        self._queue.append(waiter)

    def drop(self, waiter: Waiter) -> None:
        """Take a question out of the queue."""
        self._queue.remove(waiter)

    def admit_waiting(self, now: float) -> None:
        """Admit the questions that may enter; once the breaker is open, remove all from the queue."""
        while self._queue and (admission := self.try_enter(now)) is not None:
            self._queue[0].admit(admission)
        if self._queue and self.is_breaker_open(now):
            for waiter in list(self._queue):
                waiter.give_up_on(self)


class Admission:
    """A question that a gate has admitted, until `leave`."""

    def __init__(self, gate: ProviderGate, permit: Pass) -> None:
        self.gate = gate
        self.permit = permit

    def note_first_token(self, now: float) -> None:
        """Report the first token: it ends a trial, and others may enter."""
        was_trial = self.permit.is_trial
        self.permit.note_first_token()
        if was_trial:
            self.gate.admit_waiting(now)

    def leave(self, now: float) -> None:
        """Make room for another question; if no result was reported before, the breaker counts none."""
        self.permit.give_up()
        self.gate.running -= 1
        self.gate.admit_waiting(now)


class Waiter:
    """A question in the queues of gates; `admission` is set once one of them has admitted it."""

    def __init__(self, gates: Iterable[ProviderGate]) -> None:
        self.admission: Admission | None = None
        self._gates = list(gates)
        self._is_over = trio.Event()
        for gate in self._gates:
            gate.join(self)

    def admit(self, admission: Admission) -> None:
        """Keep the admission, and leave all queues; called by a gate."""
        self.admission = admission
        self._leave_queues()

    def give_up_on(self, gate: ProviderGate) -> None:
        """Leave the queue of one gate; called by it."""
        self._gates.remove(gate)
        gate.drop(self)
        if not self._gates:
            self._is_over.set()

    def _leave_queues(self) -> None:
        while self._gates:
            self._gates.pop().drop(self)
        self._is_over.set()

    async def wait(self, patience: float) -> Admission | None:
        """Return the admission; None where no gate admits it within so many seconds, or the breakers of all open.

        Cancellation: an admission is given back.
        """
        try:
            with trio.move_on_after(patience):
                await self._is_over.wait()
        except BaseException:
            if self.admission is not None:
                self.admission.leave(trio.current_time())
            raise
        finally:
            self._leave_queues()
        return self.admission
