"""Signs that a bench asked for more than somebody could do: then its figures show a queue, not a delay.

The rule here: pure. Frames that arrive ever later while the plan goes on are such a sign; so is a meter that
never waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.tools.bench.histogram import DurationHistogram, sum_of

END_SHARE: Final = 0.2
"""Share of the samples at the beginning and at the end of a run that are compared."""

LOW_SHARE: Final = 0.1
"""They are compared by their tenth percentile: a queue delays every frame, a hop that holds only some."""

MIN_SAMPLES: Final = 50
MIN_GROWTH_SECONDS: Final = 0.05
"""Growth below this may be a pause of the machine at the end of a run."""
MIN_GROWTH_SHARE: Final = 0.05
"""Growth in s a second of sampling: at 0.05, one frame in twenty is more than somebody can do."""
BUSY_SHARE: Final = 0.9
"""A loop that waits for less than a tenth of its time has frames waiting for it in the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What became of one run's lateness between its beginning and its end.

    Attributes:
        seconds: of sampling.
        written_later: s by which the origin fell further behind its plan.
        arrived_later: s by which frames arrived further behind their writes.
        behind: s, how late frames arrived in the end, against the plan; against the write where there is no plan.
        busy: share of its time in which the meter did not wait; None where it was not measured.
    """

    seconds: float
    written_later: float = 0.0
    arrived_later: float = 0.0
    behind: float = 0.0
    busy: float | None = None

    @property
    def is_growing(self) -> bool:
        """Frames came later and later."""
        return self.written_later + self.arrived_later > max(MIN_GROWTH_SECONDS, MIN_GROWTH_SHARE * self.seconds)

    @property
    def is_meter_busy(self) -> bool:
        """The meter hardly waited, so that frames waited for it."""
        return self.busy is not None and self.busy > BUSY_SHARE


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
    """Yield what most of the runs of one target show, a line each; nothing where nothing was saturated."""
    growing = [trend for trend in trends if trend.is_growing]
    if growing and 2 * len(growing) >= len(trends):
        worst = max(growing, key=lambda trend: trend.behind)
        if worst.written_later > worst.arrived_later:
            culprit = "the origin writes ever later than planned, so it cannot keep up with this load"
        else:
            culprit = "frames arrive ever later after their write, so the server, the way or this meter cannot keep up"
        yield f"saturated: {culprit}; at the end frames were {worst.behind:.3g} s late, and the figures show a queue"
    busy = [trend.busy or 0.0 for trend in trends if trend.is_meter_busy]
    if busy:
        share = f"{max(busy) * 100:.0f} %"
        yield f"saturated: this meter was busy for {share} of the time, so a part of late, added and gap is its own"
