"""Tell a buffer of octets from a timer, by runs at different rates.

The rule here: pure, on what each run shows. A buffer that waits for octets releases the same number at any rate, and
waits less the faster it fills. A timer waits the same time, and releases more. So one rate proves neither, except
behind a barrier: there the next write comes only after an acknowledgement, and what is released before it waited for
time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from chunkwire.tools.probe.holding import HOLD_SECONDS, Observation, Shape

_SAME_OCTETS: Final = 1.25
"""Ratio of octets that count as the same: a buffer releases a little more or less each time, by a coding's blocks or by
its own framing."""
_SAME_TIME: Final = 1.3
"""Ratio of waits that count as the same, with a hold added: a timer is as late as the scheduler, and may start before
the last octet of the first event."""

_PUSHED_SHARE: Final = 0.5
"""At least this share of a buffer's releases comes when more is written; what is released at other moments waited for
time."""
_LONGER_SECONDS: Final = 2 * HOLD_SECONDS
"""A run held to its end disproves a timer only if it lasted so much longer than the waits in another run."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """What a hop waits for: octets or time; the other is None. Where both are given it may wait for either."""

    octets: int | None  # that gather before they are released
    seconds: float | None  # that they wait
    # octets of a smaller event that was not held: the hop keeps only the end of a larger frame, until the next one
    # comes; None where no such event was seen
    passing: int | None = None


@dataclass(frozen=True, slots=True)
class _Measure:
    """Runs with one request: how fast octets came, and what a typical release was."""

    setting: tuple[object, ...]  # what the runs ask for, see `Run.setting`
    rate: float  # octets a second
    octets: float  # of a release
    floor: float  # octets that were not enough: a release's without those of its last event
    seconds: float  # that the first octets of a release waited
    event_octets: float  # of one event
    pushed: float  # share of the releases that came with a write
    is_ordered: bool  # the runs had a barrier, so that `pushed` does not rest on times


def measure_buffer(observations: Iterable[Observation]) -> Buffer | None:
    """Return what a hop waits for, as far as these runs of one hop show; None where nothing left early in any.

    Runs of other requests that were held to the end, or not at all, count too: a buffer that small events do not fill
    and larger ones do is one of octets. Behind a barrier, of these only smaller events that were not held count. Runs
    that are judged by arrival times alone do not count.
    """
    by_setting: dict[tuple[object, ...], list[Observation]] = {}
    for observed in observations:
        if observed.span and (observed.longest is not None or observed.run.is_ordered):
            by_setting.setdefault(observed.run.setting, []).append(observed)
    measures = sorted(
        (measure for same in by_setting.values() if (measure := _measure(same)) is not None), key=lambda each: each.rate
    )
    if not measures:
        return None
    slow = measures[0]
    passing = [
        octets for observations in by_setting.values() if (octets := _size_that_passes(observations, slow)) is not None
    ]
    if passing:
        return Buffer(round(slow.octets), slow.seconds, max(passing))
    if slow.is_ordered:
        return Buffer(round(slow.octets), None) if slow.pushed >= _PUSHED_SHARE else Buffer(None, slow.seconds)
    is_by_octets = max(each.floor for each in measures) <= _SAME_OCTETS * min(each.octets for each in measures)
    is_by_octets = is_by_octets and min(each.pushed for each in measures) >= _PUSHED_SHARE
    waits = [each.seconds for each in measures]
    is_by_time = max(waits) <= _SAME_TIME * min(waits) + HOLD_SECONDS
    others = [observed for setting, same in by_setting.items() if setting != slow.setting for observed in same]
    is_unfilled = any(_is_unfilled(observed, slow) for observed in others)
    is_passed = any(_is_passed(observed, slow) for observed in others)
    if is_unfilled or (is_passed and slow.pushed >= _PUSHED_SHARE) or (is_by_octets and not is_by_time):
        return Buffer(round(slow.octets), None)
    if is_by_time and not (is_by_octets or is_passed):
        return Buffer(None, median(waits))
    return Buffer(round(slow.octets), slow.seconds)


def _size_that_passes(observations: list[Observation], slow: _Measure) -> int | None:
    """Return the octets of these events if they passed at once and the held ones are larger; else None."""
    if any(observed.shape is not Shape.ON_TIME for observed in observations):
        return None
    octets = _event_octets(observations)
    return round(octets) if octets < slow.event_octets else None


def _event_octets(observations: list[Observation]) -> float:
    return median(observed.run.octets / len(observed.run.units) for observed in observations)


def _is_unfilled(observed: Observation, slow: _Measure) -> bool:
    """Say whether smaller events were held to the end, for clearly longer than a timer would have held them."""
    is_held = observed.shape is Shape.TO_END and observed.span > slow.seconds + _LONGER_SECONDS
    return is_held and _event_octets([observed]) < slow.event_octets


def _is_passed(observed: Observation, slow: _Measure) -> bool:
    """Say whether larger events passed at once."""
    return observed.shape is Shape.ON_TIME and _event_octets([observed]) > slow.event_octets


def _measure(observations: list[Observation]) -> _Measure | None:
    # The last release is left out: the end of the stream causes it.
    early = [
        release for observed in observations if observed.shape is Shape.IN_BURSTS for release in observed.releases[:-1]
    ]
    is_ordered = all(observed.run.is_ordered for observed in observations)
    early = [each for each in early if (is_ordered or each.waited > HOLD_SECONDS) and each.octets > 0]
    if not early:
        return None
    rate = median(observed.run.octets / observed.span for observed in observations)
    floor = median(each.octets * (1 - 1 / each.events) for each in early)
    octets, waits = median(each.octets for each in early), sorted(each.waited for each in early)
    # Behind a barrier one frame waits at a time, and a busy machine only adds to that: take the lower quartile.
    waited = waits[len(waits) // 4] if is_ordered else median(waits)
    event_octets = _event_octets(observations)
    pushed = sum(each.is_pushed for each in early) / len(early)
    return _Measure(observations[0].run.setting, rate, octets, floor, waited, event_octets, pushed, is_ordered)
