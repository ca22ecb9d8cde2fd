"""Gates with their queues, and the budget of retries."""

import trio

from chunkwire.ask.breaker import Breaker
from chunkwire.ask.overload import RETRY_FLOOR, Admission, ProviderGate, RetryBudget, Waiter
from tests.patience import PATIENCE


def gate(*, most: int = 1, most_waiting: int = 10) -> ProviderGate:
    return ProviderGate(Breaker(failures=1, cooldown=10), most=most, most_waiting=most_waiting)


def must_enter(gate: ProviderGate, now: float = 0.0) -> Admission:
    entry = gate.try_enter(now)
    assert entry is not None
    return entry


def fail(gate: ProviderGate) -> None:
    """Open the breaker of a gate; it is half-open 10 s later."""
    failed = must_enter(gate)
    failed.permit.fail(0)
    failed.leave(0)


async def waited(waiter: Waiter) -> Admission | None:
    """Return what a waiter was let in by; it must have been by now."""
    with trio.fail_after(PATIENCE):
        return await waiter.wait(0.0)


def test_a_gate_admits_up_to_its_limit() -> None:
    full = gate(most=2)
    entries = [must_enter(full), must_enter(full)]
    assert full.try_enter(0) is None
    entries[0].leave(0)
    must_enter(full)
    assert full.running == 2


async def test_waiters_are_admitted_in_order_and_before_newcomers() -> None:
    full = gate()
    entry = must_enter(full)
    first, second = Waiter([full]), Waiter([full])
    entry.leave(0)
    assert full.try_enter(0) is None
    entry = await waited(first) or entry
    assert entry.gate is full
    assert (full.waiting, full.running) == (1, 1)
    entry.leave(0)
    assert await waited(second) is not None
    assert full.waiting == 0


async def test_a_waiter_at_two_gates_takes_the_first_that_opens_and_leaves_the_other() -> None:
    one, other = gate(), gate()
    must_enter(one)
    entry = must_enter(other)
    waiter = Waiter([one, other])
    entry.leave(0)
    found = await waited(waiter)
    assert found is not None
    assert found.gate is other
    assert (one.waiting, other.waiting) == (0, 0)


async def test_a_waiter_gives_up_at_its_timeout(autojump_clock: trio.testing.MockClock) -> None:
    full = gate()
    must_enter(full)
    assert await Waiter([full]).wait(5.0) is None
    assert (trio.current_time(), full.waiting) == (5.0, 0)


async def test_a_waiter_cancelled_while_it_is_admitted_gives_its_place_back() -> None:
    full = gate()
    entry = must_enter(full)
    waiter = Waiter([full])
    with trio.CancelScope() as scope:
        entry.leave(0)
        scope.cancel()
        await waiter.wait(5.0)
    assert (full.running, full.waiting) == (0, 0)


async def test_waiters_of_a_trial_are_admitted_at_its_first_token() -> None:
    tried = gate(most=3)
    fail(tried)
    assert tried.is_breaker_open(0)
    trial = must_enter(tried, 10)
    waiters = [Waiter([tried]) for _ in range(3)]
    assert (tried.is_breaker_open(10), tried.waiting) == (False, 3)
    trial.note_first_token(10)
    assert (tried.running, tried.waiting) == (3, 1)
    assert await waited(waiters[1]) is not None


async def test_a_failed_trial_rejects_the_waiters_of_its_gate_alone() -> None:
    tried, full = gate(), gate()
    must_enter(full)
    fail(tried)
    trial = must_enter(tried, 10)
    here, both = Waiter([tried]), Waiter([tried, full])
    trial.permit.fail(10)
    trial.leave(10)
    assert await waited(here) is None
    assert (tried.waiting, full.waiting) == (0, 1)
    assert await waited(both) is None


async def test_a_trial_that_is_given_up_makes_the_next_waiter_the_trial() -> None:
    tried = gate()
    fail(tried)
    trial = must_enter(tried, 10)
    first, second = Waiter([tried]), Waiter([tried])
    trial.leave(10)
    entry = await waited(first)
    assert entry is not None
    assert entry.permit.is_trial
    assert await waited(second) is None


def test_an_idle_budget_has_its_floor_of_retries_and_regains_them() -> None:
    budget = RetryBudget()
    assert [budget.try_spend(0) for _ in range(int(RETRY_FLOOR) + 1)] == [True] * int(RETRY_FLOOR) + [False]
    assert [budget.try_spend(1), budget.try_spend(1)] == [True, False]
    assert (budget.spent, budget.refused) == (int(RETRY_FLOOR) + 1, 2)


def test_each_question_earns_a_share_of_a_retry() -> None:
    budget = RetryBudget(share=0.5)
    while budget.try_spend(0):
        pass
    for _ in range(3):
        budget.earn(0)
    assert [budget.try_spend(0), budget.try_spend(0)] == [True, False]


def test_what_is_earned_is_bounded() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget.earn(0)
    assert budget.left(0) == 100


def test_a_share_of_0_allows_no_retry() -> None:
    budget = RetryBudget(share=0)
    budget.earn(0)
    assert not budget.try_spend(1000)
