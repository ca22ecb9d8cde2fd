"""Limits of figures and failures, and precisions: what is parsed, what holds, what is refused."""

import random
import re
from collections import Counter

import pytest

from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.limits import missed_lines, parse_limit, parse_precision
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.wire.errors import LocalError


def gathered(n: int = 20000, *, streams: int = 200, failed: int = 0) -> Gathered:
    """Return one round of 1 to n, in units of 0.1 µs, of each quantity."""
    samples = DurationHistogram(100 * k for k in range(1, n + 1))
    one = Round(1.0, n, n, dict.fromkeys(("first", "ttft", "late", "hold"), samples))
    return Gathered([one], streams=streams, failures=+Counter(cut=failed))


@pytest.mark.parametrize(
    "text, holds",
    [
        ("hold.p99=1980us", True),
        ("hold.p99=1.97ms", False),
        ("late.max=2ms", True),
        ("late.max=1999us", False),
        ("ttft.p50=1.01ms", True),
        ("ttft.p50=0.99ms", False),
        ("late.max=0s2ms", True),
    ],
)
def test_a_limit_holds_or_is_missed(text: str, holds: bool) -> None:
    assert (missed_lines([parse_limit(text)], gathered()) == []) is holds


@pytest.mark.parametrize(
    "text, n, why",
    [
        ("hold.p99=1s", 100, "fewer than 10 samples are larger than p99"),
        ("gap.max=1s", 20000, "no stream had two frames"),
        ("added.max=1s", 20000, "late and added are left out: they compare the clocks of server and client"),
    ],
)
def test_a_limit_that_cannot_be_judged_does_not_hold(text: str, n: int, why: str) -> None:
    (line,) = missed_lines([parse_limit(text)], gathered(n))
    assert line.startswith(f"{text}: not judged, {why}")


def test_a_missed_limit_says_how_many_samples_are_inexact() -> None:
    found = gathered()
    found.rounds[0].samples["inexact hold"] = DurationHistogram(range(1, 204))
    (line,) = missed_lines([parse_limit("hold.max=1ms")], found)
    assert line == "hold.max=1ms: missed, hold.max is 2.00 ms, and 203 of 20000 samples are inexact"


@pytest.mark.parametrize("inexact, line", [(200, []), (201, ["hold.max=3ms: not judged, 201 of 20000 samples are"])])
def test_a_difference_of_inexact_moments_may_be_too_small_to_hold(inexact: int, line: list[str]) -> None:
    """Fails where a bench that slept through a stream finds no gap in it."""
    found = gathered()
    ones = {"inexact hold": DurationHistogram(range(inexact)), "inexact late": DurationHistogram(range(20000))}
    found.rounds[0].samples.update(ones)
    limits = [parse_limit("hold.max=3ms"), parse_limit("late.max=3ms")]
    assert [each[: len(line[0])] for each in missed_lines(limits, found)] == line


@pytest.mark.parametrize("limit, judged", [("5ms", "missed"), ("20ms", "not judged")])
def test_a_limit_is_missed_by_what_is_exact_alone(limit: str, judged: str) -> None:
    """Fails where a pause of the meter is taken for the server's."""
    found = Gathered([Round()])
    for k in range(1000):
        found.rounds[0].record("added", 10_000_000 if k < 900 else 90_000_000, is_exact=k < 900)
    (line,) = missed_lines([parse_limit(f"added.p99={limit}")], found)
    text = f"{judged}, added.p99 is ≤90.00 ms, and 100 of 1000 samples are inexact"
    assert line == f"added.p99={limit}: {text}"


@pytest.mark.parametrize(
    "text, why",
    [
        *[(text, "expected QUANTITY.FIGURE=TIME, errors=N or errors=P%, such as hold.p99=5ms") for text in ("", "=")],
        ("hold.p99", "such as hold.p99=5ms"),
        ("eror=3", "got 'eror=3'; did you mean errors?"),
        ("hold.p98=1ms", "--limit, figure: expected one of p50, p90, p99, p99.9, max, got 'p98'"),
        (
            "nix.p99=1ms",
            "--limit, quantity: expected one of first, late, added, hold, gap, ttft, itl, icl, tpot, got 'nix'",
        ),
        ("hodl.p99=1ms", "got 'hodl'; did you mean hold?"),
        (".p99=1ms", "got ''"),
        *[(f"hold.p99={value}", f"with its unit, such as 5ms, got '{value}'") for value in ("1", "-1ms", "5%", "")],
    ],
)
def test_a_text_that_is_not_a_limit_is_refused_by_its_wrong_part(text: str, why: str) -> None:
    with pytest.raises(LocalError, match=re.escape(why)):
        parse_limit(text)


@pytest.mark.parametrize(
    "value, failed, allowed",
    [("0", 0, True), ("0", 1, False), ("2", 2, True), ("2", 3, False), ("5%", 10, True), ("5%", 11, False)],
)
def test_the_number_or_share_of_failed_streams_is_limited(value: str, failed: int, allowed: bool) -> None:
    assert (missed_lines([parse_limit(f"errors={value}")], gathered(failed=failed)) == []) is allowed


@pytest.mark.parametrize("value", ["", "-1", "x", "1.5", "101%", "%", "1 %", "1ms"])
def test_a_text_that_is_not_a_number_of_failures_is_refused(value: str) -> None:
    with pytest.raises(LocalError, match="such as 3 or"):
        parse_limit(f"errors={value}")


@pytest.mark.parametrize("text", ["p99=0%", "p99=0.0%", "late.p99=101%"])
def test_a_share_outside_0_to_100_percent_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match="above 0 % and up to 100 %"):
        parse_precision(text)


@pytest.mark.parametrize(
    "text, why",
    [
        *[(text, "such as late.p99=5%") for text in ("p99", "p99=5", "p99=-5%")],
        *[
            (text, "--until, figure: expected one of p50, p90, p99, p99.9, got ")
            for text in ("max=5%", "late.max=5%", "p98=5%")
        ],
        ("nix.p99=5%", "--until, quantity: expected one of first, "),
        ("lat.p99=5%", "got 'lat'; did you mean late?"),
    ],
)
def test_a_text_that_is_not_a_precision_is_refused_by_its_wrong_part(text: str, why: str) -> None:
    with pytest.raises(LocalError, match=re.escape(why)):
        parse_precision(text)


@pytest.mark.parametrize("text, name, percentage", [("p99.9=5%", None, 99.9), ("late.p99.9=5%", "late", 99.9)])
def test_a_precision_may_be_of_any_quantity_or_of_one(text: str, name: str | None, percentage: float) -> None:
    until = parse_precision(text)
    assert (until.quantity, until.percentage) == (name, percentage)


def noisy(rounds: int, spread: float) -> Gathered:
    """Return rounds of a thousand samples around 1 ms; the level of each round varies by a share."""
    chance = random.Random(7)

    def one() -> Round:
        level = chance.lognormvariate(0.0, spread)
        return Round(
            1.0,
            samples={
                "late": DurationHistogram(round(1e6 * level * chance.lognormvariate(0, 0.1)) for _ in range(1000))
            },
        )

    return Gathered([one() for _ in range(rounds)])


def test_a_precision_is_reached_sooner_on_a_quiet_machine_than_on_a_noisy_one() -> None:
    until = parse_precision("p50=5%")
    needed = [next(n for n in range(5, 65) if until.is_reached(noisy(n, spread))) for spread in (0.01, 0.1)]
    assert needed[0] < needed[1]


def test_a_precision_that_is_not_reached_has_an_estimate_of_the_time() -> None:
    until, found = parse_precision("late.p50=1%"), noisy(10, 0.1)
    assert not until.is_reached(found)
    needed = until.needed(found)
    assert needed is not None
    assert needed > 10.0
    assert until.line(found).startswith("late.p50 is ")
    assert until.line(found).endswith("the 95 % interval from 10 rounds in 10 s")
    assert not until.is_decided(found)


def test_too_few_rounds_have_no_interval() -> None:
    until = parse_precision("late.p50=50%")
    assert until.is_reached(noisy(5, 0.01))
    assert not until.is_reached(noisy(4, 0.01))
    why = "late.p50 has no interval: it needs 5 rounds with samples, and has 4; use a longer run"
    assert until.line(noisy(4, 0.01)) == why
    assert until.needed(noisy(4, 0.01)) is None


def test_a_precision_that_no_time_gives_says_what_gives_it() -> None:
    found = noisy(10, 0.01)
    found.rounds[0].frames = 1
    until = parse_precision("added.p50=5%")
    assert "added.p50 has no interval: the frames of this stream do not say when they were written" in until.line(found)
    assert until.is_decided(found)


def test_the_precision_of_a_figure_that_is_not_above_zero_is_never_reached() -> None:
    until = parse_precision("late.p50=50%")
    rounds = [Round(1.0, samples={"late": DurationHistogram([-5] * 100)}) for _ in range(8)]
    assert not until.is_reached(Gathered(rounds))
    assert "only a figure above zero" in until.line(Gathered(rounds))
