"""Signs of saturation: origin, server or meter cannot keep up with the load, and latencies are those of a queue.

The rule here: pure. The signs: lateness that grows during the run, a meter that is never idle, and a rate that the
meter cannot reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram, sum_of

END_SHARE: Final = 0.2
"""Share of the samples at the beginning and at the end of a run that are compared."""

LOW_SHARE: Final = 0.1
"""They are compared by their tenth percentile: a queue delays all frames, a hop that holds only some."""

MIN_SAMPLES: Final = 50
MIN_GROWTH_SECONDS: Final = 0.05
"""Smaller growth may be a pause of the machine at the end of the run."""
MIN_GROWTH_SHARE: Final = 0.05
"""Growth in s a second of sampling: at 0.05, 5 % of the load is too much."""
MIN_BEHIND_SECONDS: Final = 0.25
"""A stream at a rate that begins less late than this may be so by a pause of the machine."""
BUSY_SHARE: Final = 0.9
"""Above this busy share of the meter, frames wait for it in the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How lateness grew between the beginning and the end of one run.

    Attributes:
        seconds: of sampling.
        written_later: s, growth of the delay from plan to write.
        arrived_later: s, growth of the delay from write to arrival.
        behind: s, how late frames arrived at the end, after the plan; after the write where there is no plan.
        busy: share of the time in which the meter was not idle; None where it was not measured.
        behind_rate: s by which the latest stream began after its planned beginning; 0 without a rate.
    """

    seconds: float
    written_later: float = 0.0
    arrived_later: float = 0.0
    behind: float = 0.0
    busy: float | None = None
    behind_rate: float = 0.0


def trend_of(
    late: Sequence[DurationHistogram], added: Sequence[DurationHistogram], *, seconds: float, busy: float | None = None
) -> Trend:
    """Return the trend of one run.

    Args:
        late, added: samples in ns of its rounds, in the order of time; `late` is empty where the stream has no plan.
    """
    arrived_later = _growth(added)
    newest = sum_of((late or added)[-max(1, round(len(added) * END_SHARE)) :])
    return Trend(
        seconds=seconds,
        written_later=_growth(late) - arrived_later if late else 0.0,
        arrived_later=arrived_later,
        behind=newest.at_rank((newest.n + 1) // 2) / 1e9,
        busy=busy,
    )


def _growth(rounds: Sequence[DurationHistogram]) -> float:
    if sum(one.n for one in rounds) < MIN_SAMPLES:
        return 0.0
    some = max(1, round(len(rounds) * END_SHARE))
    first, last = (sum_of(part) for part in (rounds[:some], rounds[-some:]))
    return (_low(last) - _low(first)) / 1e9


def _low(samples: DurationHistogram) -> int:
    return samples.at_rank(max(1, round(samples.n * LOW_SHARE)))


def warnings(trends: Sequence[Trend]) -> Iterator[str]:
    """Yield a line for each sign of saturation of one target's runs; growth counts where most runs show it."""
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
        yield f"saturated: this meter was busy {share} of the time, so a part of late, added and gap is its own delay"
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
