"""What keeps a crowd of questions from a provider, and a failing provider from a crowd of retries.

    gate      one a provider: its breaker, a cap of streams at once, and a bounded queue for those who find it full
    budget    one a process: so many retries for so many questions

Who finds a gate full, or its breaker at a trial, may wait in the queues of several gates at once; the first that has
room lets it in, in the order of arrival. The rule here: what a question is, and what answers it, is not known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import trio

from chunkwire.ask.breaker import Breaker, BreakerState, Pass

MAX_STREAMS: Final = 1000  # of one provider at once; each costs two sockets and some 100 KB here
MAX_WAITING: Final = 1000  # questions in the queue of one provider; each holds a socket and its text

RETRY_SHARE: Final = 0.2  # retries earned by a question (Finagle's RetryBudget: 20 %)
RETRY_FLOOR: Final = 10.0  # retries that a process which has been idle may make at once, and regains in 10 s
_MAX_RETRIES: Final = 100.0  # saved up: what a busy hour earns must not be spent in one bad second
FLOOR_REFILL_S: Final = 10.0


class RetryBudget:
    """A token bucket of retries. Pure: the time is given, in seconds on one monotonic clock.

    Args:
        share: of a retry that each question earns.

    Attributes:
        spent, refused: retries that were made, and that were not.
    """

    def __init__(self, share: float = RETRY_SHARE) -> None:
        self.spent = 0
        self.refused = 0
        self._share = share
        self._saved = RETRY_FLOOR if share else 0.0
        self._as_of = 0.0

    def left(self, now: float) -> float:
        """Return how many retries may be made at once."""
        if self._share and self._saved < RETRY_FLOOR:
            earned = (now - self._as_of) * RETRY_FLOOR / FLOOR_REFILL_S
            self._saved = min(RETRY_FLOOR, self._saved + max(0.0, earned))
        self._as_of = now
        return self._saved

    def earn(self, now: float) -> None:
        """Count a question."""
        self._saved = min(_MAX_RETRIES, self.left(now) + self._share)

    def try_spend(self, now: float) -> bool:
        """Count a retry, if there is one left."""
        if self.left(now) < 1:
            self.refused += 1
            return False
        self._saved -= 1
        self.spent += 1
        return True


class ProviderGate:
    """What a question passes on its way to one provider.

    Args:
        most: streams at once.
        most_waiting: questions in its queue.

    Attributes:
        running: streams.
        turned_away: questions that found the queue full, or waited in vain.
    """

    def __init__(self, breaker: Breaker, *, most: int = MAX_STREAMS, most_waiting: int = MAX_WAITING) -> None:
        self.breaker = breaker
        self.most = most
        self.running = 0
        self.turned_away = 0
        self._most_waiting = most_waiting
        self._queue: deque[Waiter] = deque()

    @property
    def waiting(self) -> int:
        """Questions in the queue."""
        return len(self._queue)

    @property
    def has_place(self) -> bool:
        """Say whether one more question may wait."""
        return len(self._queue) < self._most_waiting

    def try_enter(self, now: float) -> Admission | None:
        """Return an entry for one question, None for no: full, or the breaker says no."""
        if self.running >= self.most:
            return None
        permit = self.breaker.try_pass(now)
        if permit is None:
            return None
        self.running += 1
        return Admission(self, permit)

    def is_closed(self, now: float) -> bool:
        """Say whether waiting is in vain: the breaker is open."""
        return self.breaker.state(now) is BreakerState.OPEN

    def join(self, waiter: Waiter) -> None:
        """Put a question at the end of the queue."""
        self._queue.append(waiter)

    def drop(self, waiter: Waiter) -> None:
        """Take a question out of the queue."""
        self._queue.remove(waiter)

    def settle(self, now: float) -> None:
        """Let in who may come in, and send everybody away once the breaker is open."""
        while self._queue and (entry := self.try_enter(now)) is not None:
            self._queue[0].let_in(entry)
        if self._queue and self.is_closed(now):
            for waiter in list(self._queue):
                waiter.give_up_on(self)


class Admission:
    """A place inside of a gate; `leave` gives it back."""

    def __init__(self, gate: ProviderGate, permit: Pass) -> None:
        self.gate = gate
        self.permit = permit

    def show_life(self, now: float) -> None:
        """Say that the first token has come: a trial is over, and others may come in."""
        was_trial = self.permit.is_trial
        self.permit.show_life()
        if was_trial:
            self.gate.settle(now)

    def leave(self, now: float) -> None:
        """Give the place back; a permit of which nothing was said before has taught nothing."""
        self.permit.give_up()
        self.gate.running -= 1
        self.gate.settle(now)


class Waiter:
    """A question in the queues of gates; `entry` is set where one of them let it in."""

    def __init__(self, gates: Iterable[ProviderGate]) -> None:
        self.entry: Admission | None = None
        self._gates = list(gates)
        self._is_over = trio.Event()
        for gate in self._gates:
            gate.join(self)

    def let_in(self, entry: Admission) -> None:
        """Take an entry, and leave all queues; a gate calls this."""
        self.entry = entry
        self._leave_queues()

    def give_up_on(self, gate: ProviderGate) -> None:
        """Leave the queue of one gate; a gate calls this."""
        self._gates.remove(gate)
        gate.drop(self)
        if not self._gates:
            self._is_over.set()

    def _leave_queues(self) -> None:
        while self._gates:
            self._gates.pop().drop(self)
        self._is_over.set()

    async def wait(self, patience: float) -> Admission | None:
        """Return the entry, None where no gate has one within so many seconds.

        Cancellation: what had been let in leaves again.
        """
        try:
            with trio.move_on_after(patience):
                await self._is_over.wait()
        except BaseException:
            if self.entry is not None:
                self.entry.leave(trio.current_time())
            raise
        finally:
            self._leave_queues()
        return self.entry
