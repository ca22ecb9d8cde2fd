"""Signs that figures do not measure the target: saturation, the meter's own error, and a clock that was set.

The rule here: pure. Saturation means that origin, server or meter cannot keep up with the load, so latencies are those
of a queue. Its signs: lateness that grows during the run, a meter that is hardly ever idle, and a rate that the meter
cannot reach. The meter's own error is measured in the same run: the lateness of its timers, and the delay of its reads.
A figure that is mostly own error is not a measurement of the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.net.stamps import STEP_NS
from chunkwire.tools.bench.histogram import bounds
from chunkwire.tools.bench.rounds import Gathered, Trend
from chunkwire.tools.bench.segments import CLOCK_STEP, PLAN, TIMER, WAKE
from chunkwire.tools.bench.statistics import DEFINITIONS, FROM_STAMPS, MIN_BEYOND, percentile_of
from chunkwire.tools.paint import three_digits

MIN_GROWTH_SECONDS: Final = 0.05
"""Smaller growth may be a pause of the machine at the end of the run."""
MIN_GROWTH_SHARE: Final = 0.05
"""Growth of the delay in s, for each second of sampling: at 0.05, the load is 5 % more than can be handled."""
MIN_BEHIND_SECONDS: Final = 0.25
"""A smaller delay behind the rate may be a pause of the machine."""
BUSY_SHARE: Final = 0.9
"""Above this busy share of the meter, frames wait for it in the kernel."""

MAX_OWN_SHARE: Final = 0.5
"""If the meter's own error is a larger share of a figure, the figure does not measure the target."""

EARLY_NS: Final = 100_000
EARLY_SHARE: Final = 0.01
"""An origin writes early if more than this share of its frames are written more than `EARLY_NS` before the plan."""
COARSE_NS: Final = 100_000
"""A clock with such a step is as coarse as what is measured: `added` is often less than 0.1 ms on one machine."""
OWN_ERROR: Final = {WAKE: "arrival to our read", TIMER: "lateness of our timers"}
_LOOKED_AT: Final = (50.0, 99.0)


def warnings(trends: Sequence[Trend]) -> Iterator[str]:
    """Yield a line for each sign of saturation.

    Args:
        trends: one for each run of a target. Growth is a sign if half of the runs or more show it; of the others, one
            run is enough.
    """
    growing = [
        trend
        for trend in trends
        if trend.written_later + trend.arrived_later > max(MIN_GROWTH_SECONDS, MIN_GROWTH_SHARE * trend.seconds)
    ]
    if growing and 2 * len(growing) >= len(trends):
        worst = max(growing, key=lambda trend: trend.behind)
        if worst.written_later > worst.arrived_later:
            cause = "the delay from plan to write grows, so the origin cannot keep up with this load"
        else:
            cause = "the delay from write to arrival grows, so the server, the path or this meter cannot keep up"
        behind = f"at the end frames were {three_digits(worst.behind)} s late"
        yield f"saturated: {cause}; {behind}: the figures are those of a queue"
    busy = [trend.busy for trend in trends if trend.busy is not None and trend.busy > BUSY_SHARE]
    if busy:
        share = f"{max(busy) * 100:.0f} %"
        yield f"saturated: this meter was busy {share} of the time, so late, added and gap may include its own delay"
    if line := rate_missed(trends):
        yield line


def stamp_lines(gathered: Gathered) -> Iterator[str]:
    """Yield what the stamps of the origin say against the figures: early writes, and perhaps a coarse clock."""
    early = [(bounds(bucket), n) for bucket, n in gathered.samples(PLAN).counts()]
    count, of = sum(n for (_, high), n in early if high < -EARLY_NS), sum(n for _, n in early)
    if count > EARLY_SHARE * of:
        least, most = f"{EARLY_NS / 1e6:g} ms", f"{-gathered.samples(PLAN).smallest / 1e6:.2f} ms"
        why = "late is too small there, and says nothing of the server's speed; setTimeout of Node.js may be 1 ms early"
        early_by = f"more than {least} before they were planned, by up to {most}"
        yield f"the origin wrote {count} of {of} frames {early_by}: {why}"
    steps = gathered.samples(CLOCK_STEP)
    names = ", ".join(name for name in FROM_STAMPS if gathered.has(name))  # none may be left of several hosts
    if names and steps.n >= MIN_BEYOND and steps.smallest >= COARSE_NS:
        step = f"{steps.smallest / 1e6:g} ms"
        seen = f"all {steps.n} moments of writes that the frames give are multiples of {step}"
        yield f"{seen}; if the origin's clock has such steps, {names}, and their differences, are only known to {step}"


def rate_missed(trends: Sequence[Trend]) -> str:
    """Return a line if the meter missed the rate of streams in a run; "" if it did not."""
    missed = [
        trend for trend in trends if trend.behind_rate > max(MIN_BEHIND_SECONDS, MIN_GROWTH_SHARE * trend.seconds)
    ]
    if not missed:
        return ""
    worst = max(missed, key=lambda trend: trend.behind_rate)
    behind = f"after {three_digits(worst.seconds)} s it was {three_digits(worst.behind_rate)} s behind"
    return f"the rate was not reached: this meter cannot begin streams so fast, {behind}"


def own_line(gathered: Gathered) -> str:
    """Return the meter's own error as a line; "" if it was not measured."""
    parts = []
    reads = gathered.quantity(WAKE)
    unknown = reads.of - reads.known
    some = f"{reads.known} of {reads.of} " if unknown else ""
    for name, text in ((WAKE, f"it read {some}frames {{}} after they arrived"), (TIMER, "its timers were {} late")):
        samples = gathered.samples(name)
        values = ((percentage, percentile_of(samples, percentage)) for percentage in _LOOKED_AT)
        shown = [f"{value / 1e6:.3f} ms (p{percentage:g})" for percentage, value in values if value is not None]
        if shown:
            parts.append(text.format(", ".join(shown)))
        if name == WAKE and unknown:
            parts.append(f"how late it read {unknown} of {reads.of}, which came with later ones, is not known")
    return f"this meter's own error: {'; '.join(parts)}" if parts else ""


def inexact_line(gathered: Gathered) -> str:
    """Return which samples are inexact, and why; "" if none is."""
    quantities = {name: gathered.quantity(name) for name in DEFINITIONS}
    shown = ", ".join(f"{name} {one.inexact} of {one.known}" for name, one in quantities.items() if one.inexact)
    return shown and (
        f"inexact: {shown}: such a frame counts as arrived with the last one of its receive, so a pause of this meter "
        "may be in it, which is not the server's; ≤ marks a figure that rests on such samples, in hold and gap ≈"
    )


def void_reasons(gathered: Gathered, *, by_process: str, has_rate: bool) -> Iterator[str]:
    """Yield why a run is void: a figure is mostly the meter's own error, or the rate was missed.

    Args:
        by_process: why frames are timed after their read; "" where the kernel times them.
        has_rate: streams begin at a rate, so `first` is measured from their planned beginning.
    """
    compared: dict[tuple[str, str], str] = {("first", TIMER): ""} if has_rate else {}
    if by_process:
        own = WAKE if gathered.has(WAKE) else TIMER
        stands = "" if own == WAKE else "; how late is not known, so timers stand for it, which are rounded up to 1 ms"
        why = f" ({by_process}: frames are timed after their read{stands})"
        compared["added" if gathered.has("added") else "first", own] = why
    for (name, own), why in compared.items():
        yield from (line + why for line in _own_error(gathered, name, own))
    # If all streams failed, their errors are reported, not the rate.
    is_answered = gathered.has("first") or gathered.failed < gathered.streams
    if has_rate and is_answered and (line := rate_missed(gathered.trends)):
        yield line


def _own_error(gathered: Gathered, name: str, own: str) -> Iterator[str]:
    """Yield a line if own error is more than `MAX_OWN_SHARE` of a figure at a percentile, the first one only."""
    for percentage in _LOOKED_AT:
        value, error = (percentile_of(gathered.samples(one), percentage) for one in (name, own))
        if value is not None and error is not None and error > max(0, value) * MAX_OWN_SHARE:
            what = "it reads frames" if own == WAKE else "its timers are"
            own_error = f"this meter's own error is too large for that: {what} {error / 1e6:.3f} ms late"
            yield f"{name} p{percentage:g} is {value / 1e6:.3f} ms, and {own_error} at p{percentage:g}"
            return


def step_line(step_ns: int) -> str:
    """Return why a run is void if the wall clock was set in it; "" if it was not."""
    if abs(step_ns) <= STEP_NS:
        return ""
    return f"the wall clock was set during the run, by {step_ns / 1e6:+.3f} ms, and frames are timed by it"
