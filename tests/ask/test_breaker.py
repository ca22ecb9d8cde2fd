"""When a breaker lets a question pass."""

from collections.abc import Callable

import pytest

from chunkwire.ask.breaker import MAX_COOLDOWN_S, Breaker, BreakerState, Pass

good_news = pytest.mark.parametrize("report", [Pass.note_first_token, Pass.succeed])


def must_pass(breaker: Breaker, now: float) -> Pass:
    permit = breaker.try_pass(now)
    assert permit is not None
    return permit


def opened() -> Breaker:
    breaker = Breaker(failures=2, cooldown=10)
    for _ in range(2):
        must_pass(breaker, 0).fail(0)
    return breaker


def test_it_opens_at_the_nth_failure_in_a_row_and_not_before() -> None:
    breaker = Breaker(failures=3, cooldown=10)
    for _ in range(2):
        must_pass(breaker, 0).fail(0)
    assert (breaker.state(0), breaker.trial_in(0)) == (BreakerState.CLOSED, 0)
    must_pass(breaker, 0).fail(0)
    assert breaker.state(0) is BreakerState.OPEN
    assert breaker.try_pass(0) is None


@good_news
def test_a_first_token_and_a_whole_answer_reset_the_count_of_failures(report: Callable[[Pass], None]) -> None:
    breaker = Breaker(failures=2, cooldown=10)
    lasting = must_pass(breaker, 0)
    must_pass(breaker, 0).fail(0)
    report(lasting)
    must_pass(breaker, 0).fail(0)
    assert (breaker.failures, breaker.state(0)) == (1, BreakerState.CLOSED)


def test_it_stays_open_for_its_cooldown_and_is_then_half_open() -> None:
    breaker = opened()
    assert breaker.trial_in(4) == 6
    assert breaker.state(9.999) is BreakerState.OPEN
    assert breaker.state(10) is BreakerState.HALF_OPEN


def test_a_half_open_breaker_passes_one_question_at_a_time() -> None:
    breaker = opened()
    must_pass(breaker, 10)
    assert breaker.try_pass(10) is None


@good_news
def test_the_first_token_of_a_trial_or_a_whole_answer_to_it_closes_the_breaker(report: Callable[[Pass], None]) -> None:
    breaker = opened()
    report(must_pass(breaker, 10))
    assert (breaker.state(10), breaker.failures) == (BreakerState.CLOSED, 0)
    assert [breaker.try_pass(10) is None for _ in range(3)] == [False] * 3


def test_broken_answers_are_counted_across_a_trial_until_one_is_whole() -> None:
    breaker = Breaker(failures=2, cooldown=10)
    for now in (0, 0, 10):
        assert breaker.state(now) is not BreakerState.OPEN
        broken = must_pass(breaker, now)
        broken.note_first_token()
        broken.fail(now)
    assert breaker.state(10) is BreakerState.OPEN
    must_pass(breaker, 20).succeed()
    assert breaker.failures == 0


def test_a_failed_trial_opens_the_breaker_again() -> None:
    breaker = opened()
    must_pass(breaker, 10).fail(11)
    assert breaker.state(20.9) is BreakerState.OPEN
    assert breaker.state(21) is BreakerState.HALF_OPEN
    assert breaker.try_pass(21) is not None


def test_a_pass_that_is_given_up_while_closed_changes_nothing() -> None:
    breaker = Breaker(failures=1)
    must_pass(breaker, 0).give_up()
    assert breaker.state(0) is BreakerState.CLOSED


def test_a_pass_from_before_a_change_of_state_is_ignored() -> None:
    breaker = Breaker(failures=1, cooldown=10)
    late, later, failing = (must_pass(breaker, 0) for _ in range(3))
    failing.fail(0)
    late.succeed()
    assert breaker.state(0) is BreakerState.OPEN
    trial = must_pass(breaker, 10)
    later.fail(10)
    trial.succeed()
    assert breaker.state(10) is BreakerState.CLOSED


def test_only_the_first_result_of_a_pass_counts() -> None:
    breaker = Breaker(failures=1, cooldown=10)
    permit = must_pass(breaker, 0)
    permit.succeed()
    permit.fail(0)
    assert breaker.state(0) is BreakerState.CLOSED


@pytest.mark.parametrize("wait, seconds", [(0.5, 0.5), (30, 30), (86_400, MAX_COOLDOWN_S)])
def test_a_retry_after_opens_the_breaker_for_exactly_that_time_up_to_a_limit(wait: float, seconds: float) -> None:
    breaker = Breaker(failures=5, cooldown=10)
    must_pass(breaker, 0).fail(0, wait=wait)
    assert breaker.trial_in(0) == seconds
    must_pass(breaker, seconds).fail(seconds, wait=wait)
    assert breaker.trial_in(seconds) == seconds


def test_a_retry_after_of_0_counts_as_a_plain_failure() -> None:
    breaker = Breaker(failures=2, cooldown=10)
    must_pass(breaker, 0).fail(0, wait=0)
    assert breaker.state(0) is BreakerState.CLOSED
    must_pass(breaker, 0).fail(0, wait=0)
    assert breaker.trial_in(0) == 10


def test_without_a_cooldown_the_next_question_is_a_trial_at_once() -> None:
    breaker = Breaker(failures=1, cooldown=0)
    must_pass(breaker, 5).fail(5)
    assert breaker.state(5) is BreakerState.HALF_OPEN
