"""Signs that figures do not measure the target: saturation, the meter's own error, and a clock that was set.

The rule here: pure. With saturation, origin, server or meter cannot keep up with the load, and latencies are those of a
queue. Its signs: lateness that grows during the run, a meter that is hardly ever idle, and a rate that the meter cannot
reach. The meter's own error is measured in the same run: the lateness of its timers, and the delay of its reads. Where
it is most of a figure, the figure is not a measurement of the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.net.stamps import STEP_NS
from chunkwire.tools.bench.rounds import Gathered, Trend
from chunkwire.tools.bench.segments import TIMER, WAKE
from chunkwire.tools.bench.statistics import percentile_of

MIN_GROWTH_SECONDS: Final = 0.05
"""Smaller growth may be a pause of the machine at the end of the run."""
MIN_GROWTH_SHARE: Final = 0.05
"""Growth in s a second of sampling: at 0.05, 5 % of the load is too much."""
MIN_BEHIND_SECONDS: Final = 0.25
"""Less lateness of a stream at a rate may come from a pause of the machine."""
BUSY_SHARE: Final = 0.9
"""Above this busy share of the meter, frames wait for it in the kernel."""

DECIDING_SHARE: Final = 0.5
"""A figure of which more than this share is the meter's own error does not measure the target."""
OWN_ERROR: Final = {WAKE: "arrival to our read", TIMER: "lateness of our timers"}
_LOOKED_AT: Final = (50.0, 99.0)


def warnings(trends: Sequence[Trend]) -> Iterator[str]:
    """Yield a line for each sign of saturation of a target's runs; growth counts where half of them or more show it."""
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
        yield f"saturated: {cause}; at the end frames were {worst.behind:.3g} s late: the figures are those of a queue"
    busy = [trend.busy for trend in trends if trend.busy is not None and trend.busy > BUSY_SHARE]
    if busy:
        share = f"{max(busy) * 100:.0f} %"
        yield f"saturated: this meter was busy {share} of the time: a part of late, added and gap may be its own delay"
    if line := rate_missed(trends):
        yield line


def rate_missed(trends: Sequence[Trend]) -> str:
    """Return by how much the meter missed the rate of streams; empty where it did not."""
    missed = [
        trend for trend in trends if trend.behind_rate > max(MIN_BEHIND_SECONDS, MIN_GROWTH_SHARE * trend.seconds)
    ]
    if not missed:
        return ""
    worst = max(missed, key=lambda trend: trend.behind_rate)
    behind = f"after {worst.seconds:.3g} s it was {worst.behind_rate:.3g} s behind"
    return f"the rate was not reached: this meter cannot begin streams so fast, {behind}"


def own_line(gathered: Gathered) -> str:
    """Return the meter's own error as a line; empty where it was not measured."""
    parts = []
    for name, text in ((WAKE, "it read frames {} after they arrived"), (TIMER, "its timers were {} late")):
        samples = gathered.samples(name)
        values = [percentile_of(samples, percentage) for percentage in _LOOKED_AT]
        shown = [
            f"{value / 1e6:.3f} ms (p{p:g})" for value, p in zip(values, _LOOKED_AT, strict=True) if value is not None
        ]
        if shown:
            parts.append(text.format(", ".join(shown)))
    return f"this meter's own error: {'; '.join(parts)}" if parts else ""


def deciding(gathered: Gathered, *, is_kernel: bool, has_rate: bool) -> Iterator[str]:
    """Yield why figures are not measurements of the target: those that are mostly the meter's own error, a missed rate.

    Args:
        is_kernel: frames are timed by the kernel, so a late read does not count.
        has_rate: streams begin at a rate, so `first` counts from their planned beginning.
    """
    if not is_kernel:
        own = WAKE if gathered.has(WAKE) else TIMER
        yield from _decided(gathered, "added" if gathered.has("added") else "first", own)
    if has_rate:
        yield from _decided(gathered, "first", TIMER)
        is_answered = gathered.has_seen("first") or gathered.failed < gathered.streams
        if is_answered and (line := rate_missed(gathered.trends)):
            yield line


def _decided(gathered: Gathered, name: str, own: str) -> Iterator[str]:
    for percentage in _LOOKED_AT:
        value, error = (percentile_of(gathered.samples(one), percentage) for one in (name, own))
        if value is not None and error is not None and error > max(0, value) * DECIDING_SHARE:
            what = "it reads so late" if own == WAKE else "its timers are so late"
            yield (
                f"{name} p{percentage:g} is {value / 1e6:.3f} ms, and {error / 1e6:.3f} ms of it may be this meter's "
                f"own error: {what}"
            )
            return


def step_line(step_ns: int) -> str:
    """Return why a run is void in which the wall clock was set; empty where it was not."""
    if abs(step_ns) <= STEP_NS:
        return ""
    return f"the wall clock was set during the run, by {step_ns / 1e6:+.3f} ms, and frames are timed by it"
