"""Tell a buffer of octets from a timer, by runs at different rates.

The rule here: pure, on what each run shows. A buffer that waits for octets releases the same number at any rate, and
waits less the faster it fills. A timer waits the same time, and releases more. So one rate proves neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from chunkwire.tools.probe.holding import HOLD_SECONDS, Observation, Shape

_SAME_OCTETS: Final = 1.25
"""A buffer may release a little more or less each time: by a coding's blocks, or by its own framing."""
_SAME_TIME: Final = 1.3
"""A timer is as late as the scheduler, and may start before the last octet of the first event."""

_PUSHED_SHARE: Final = 0.5
"""A full buffer is released when more is written; what is released at other moments waited for time."""
_LONGER_SECONDS: Final = 2 * HOLD_SECONDS
"""A run held to its end disproves a timer only if it is so much longer than the waits in another run."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """What a hop waits for: octets or time; the other is None. Both: it may be either, or `passing` is given."""

    octets: int | None  # that gather before they are released
    seconds: float | None  # that they wait
    # octets of smaller events that are not held; None where none were seen. The hop then keeps the end of each large
    # frame until the next one comes.
    passing: int | None = None


@dataclass(frozen=True, slots=True)
class _Measure:
    """Runs with one request: octets a second, and what a typical release had."""

    rate: float
    octets: float
    floor: float  # octets that were not enough: a release's without those of its last event
    seconds: float
    event_octets: float  # of one event
    pushed: float  # share of its releases that came with a write
    is_ordered: bool  # an order shows that share: the release came before another frame was written, or only after


def measure_buffer(observations: Iterable[Observation]) -> Buffer | None:
    """Return what a hop waits for, as far as these runs of one hop show; None where nothing left early in any.

    Runs that were held to the end, or not at all, count too, except behind a barrier: a buffer that small events do not
    fill and larger ones do is one of octets. Runs without stamps do not count.
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
    is_filled = any(_shows_that_size_matters(observed, slow) for same in by_setting.values() for observed in same)
    if is_filled or (is_by_octets and not is_by_time):
        return Buffer(round(slow.octets), None)
    if is_by_time and not is_by_octets:
        return Buffer(None, median(waits))
    return Buffer(round(slow.octets), slow.seconds)


def _size_that_passes(observations: list[Observation], slow: _Measure) -> int | None:
    """Return the octets of these events if they passed at once and the held ones are larger; else None."""
    if any(observed.shape is not Shape.ON_TIME for observed in observations):
        return None
    octets = median(observed.run.octets / len(observed.run.units) for observed in observations)
    return round(octets) if octets < slow.event_octets else None


def _shows_that_size_matters(observed: Observation, slow: _Measure) -> bool:
    """Say whether a run shows that octets matter: larger events pass at once, or smaller ones never filled it.

    Held to the end proves that only if the run was clearly longer than what a timer would have waited.
    """
    return observed.shape is Shape.ON_TIME or (
        observed.shape is Shape.TO_END and observed.span > slow.seconds + _LONGER_SECONDS
    )


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
    event_octets = median(observed.run.octets / len(observed.run.units) for observed in observations)
    pushed = sum(each.is_pushed for each in early) / len(early)
    return _Measure(rate, octets, floor, waited, event_octets, pushed, is_ordered)
