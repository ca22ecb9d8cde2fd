"""What one run shows, by the order of its events or by their arrival times; no verdict on the hop.

The rule here: one run in, one `Observation` out, and the thresholds of that stand here, each with its reason. The shape
of a stream behind a barrier rests on its order alone: what had come when each frame was acknowledged. Else stamped
events are judged by their hold: arrival minus actual write, less the smallest such difference of the run, so that
neither another clock nor a long way counts. Without stamps only arrivals are known, and their shape proves little.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from chunkwire.tools.probe.arrival import Run, Unit
from chunkwire.wire.durations import parse_duration

HOLD_SECONDS: Final = 0.020
"""A hold counts if it is longer. Half of the shortest that software makes (Linux delays an ACK by 40 ms, which Nagle's
algorithm waits for; a corked socket waits 200 ms), and several times what a busy scheduler adds (3-5 ms measured)."""

HELD_SHARE: Final = 0.25
"""Share of the events that must be held. One stall of a machine delays a few neighbours; a buffer delays most."""

MIN_HELD: Final = 3
"""At least so many events, for short streams: one stall of 100 ms reaches two events that are 50 ms apart."""

MIN_SPAN_SECONDS: Final = 0.1
"""The origin must have written over at least this long: five holds. In less, everything is one burst anyway."""

END_SHARE: Final = 0.9
"""Held to the end: the first event waited for nine tenths of the time that the origin took for all of them, and nine
tenths of the others were held."""

TOGETHER_SECONDS: Final = 0.005
"""Events arrived together when not more than this lies between two: a read, and time to write the rest of a burst."""

BURST_EVENTS: Final = 3
"""Unstamped arrivals are called bursts if they bring so many events on average: tokens may come in pairs."""

BUSY_SECONDS: Final = HOLD_SECONDS
"""When our own timer was late by a hold, what looks like a hold may be our own lateness."""

ORDER_REQUESTS: Final = 20
"""Requests that the same hop must answer after a frame was written, and before it comes, for the frame to be held. A
hop that streams has sent it on before the first of them."""

SOME_REQUESTS: Final = 3
"""So many answers before one frame prove nothing, since a thread of the hop may wait for a core. If so many come before
each of `MOST_SHARE` of the frames, and `ORDER_REQUESTS` in all, frames are held for a short time."""

MOST_SHARE: Final = 2 / 3
"""Share of the frames that `SOME_REQUESTS` answers must precede: no thread waits for a core at two frames of three."""


class Shape(enum.Enum):
    """What one run looks like; the last three, and some that are too short, by arrival times alone."""

    ON_TIME = "each event arrives when it was written"
    TO_END = "nothing arrives until everything was written"
    IN_BURSTS = "events wait, and arrive together"
    BACK_TO_BACK = "events written together arrive apart"
    ORIGIN_LATE = "the origin writes late, in bursts"
    TOO_SHORT = "too short to tell"
    UNDECIDED = "the order shows neither a hold nor a stream"
    SPREAD = "arrivals are spread"
    ONE_BURST = "all at one moment: held, or written so"
    BURSTY = "in bursts: held, or written so"


HELD_SHAPES: Final = frozenset({Shape.TO_END, Shape.IN_BURSTS, Shape.BACK_TO_BACK})


@dataclass(frozen=True, slots=True)
class Release:
    """Events that arrived together."""

    t: float  # when, s since the request
    waited: float  # s that the longest-held of them had waited; 0.0 where nothing says
    octets: int  # of content that came with it, as received
    events: int  # how many
    is_pushed: bool = False  # it came when the origin wrote the last of them, or the event after that


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run shows."""

    run: Run
    shape: Shape
    longest: float | None = None  # s, the longest hold; None without stamps
    # s from the origin's first write to its last; behind a barrier from the first acknowledgement to the last, above 0;
    # by arrival times alone from the first arrival to the last
    span: float = 0.0
    releases: tuple[Release, ...] = ()  # the groups in which events arrived
    # s, the smallest difference of arrival and write, across two clocks: compare it only with that of another run; None
    # without stamps or without the wall time of the request
    base: float | None = None

    @property
    def is_held(self) -> bool:
        """Say whether this run alone shows holding."""
        return self.shape in HELD_SHAPES

    @property
    def is_spread(self) -> bool:
        """Say whether its events came over a time that is long enough to compare another hop with."""
        return self.shape in (Shape.SPREAD, Shape.ON_TIME) and self.span >= MIN_SPAN_SECONDS

    @property
    def is_timer_on_time(self) -> bool:
        """Say whether this machine's timer was on time, so that a hold is not its own lateness."""
        return self.run.is_ordered or self.run.our_delay < BUSY_SECONDS


def observe(run: Run) -> Observation:
    """Return what a run shows."""
    if run.is_ordered:
        return _observe_order(run)
    return _observe_stamped(run) if run.is_stamped else _observe_arrivals(run)


def _observe_order(run: Run) -> Observation:
    steps = [ack for ack in run.acks if ack.n]
    overtaken = [ack for ack in steps if ack.answered >= SOME_REQUESTS]
    is_mostly = len(overtaken) >= max(min(MIN_HELD, len(steps)), MOST_SHARE * len(steps))
    is_mostly = is_mostly and sum(ack.answered for ack in overtaken) >= ORDER_REQUESTS
    held = overtaken if is_mostly else [ack for ack in steps if not ack.came or ack.answered >= ORDER_REQUESTS]
    releases = tuple(_ordered_releases(run))
    is_whole = run.end is not None and run.end.framing in ("complete", "stopped")
    proofs = sum(ack.answered >= ORDER_REQUESTS for ack in held)
    if is_mostly or (proofs >= min(MIN_HELD, len(steps)) and held and len(held) >= HELD_SHARE * len(steps)):
        shape = Shape.IN_BURSTS if steps[-1].whole else Shape.TO_END
    else:
        is_prompt = len(overtaken) < max(min(MIN_HELD, len(steps)), HELD_SHARE * len(steps))
        is_proved = bool(steps) and is_whole and is_prompt and all(ack.came for ack in steps)
        shape = Shape.ON_TIME if is_proved else Shape.UNDECIDED
    if shape is Shape.TO_END and not is_whole:
        shape = Shape.UNDECIDED  # what never comes is not held
    late = [each.waited for each in releases if not each.is_pushed]
    longest = max([*holds_of(run), *late]) if run.is_stamped else None
    span = steps[-1].t - run.acks[0].t if steps else 0.0
    return Observation(run, shape, longest, max(span, 1e-6), releases, _base(run) if run.is_stamped else None)


def _ordered_releases(run: Run) -> Iterator[Release]:
    """Yield the groups in which frames came: what came between two acknowledgements, and at last with the end.

    A frame is written when the one before has been acknowledged, and not before its planned moment.
    """
    whole = octets = 0
    interval = parse_duration(run.asked.get("interval", "0")) or 0.0
    t = 0.0
    for ack in run.acks:
        t = max(t, (ack.n - 1) * interval)
        if ack.whole > whole:
            by_itself = ack.came and ack.answered >= SOME_REQUESTS
            yield Release(ack.t, ack.t - t, ack.octets - octets, ack.whole - whole, is_pushed=not by_itself)
            whole, octets = ack.whole, ack.octets
        t = ack.t
    if run.acks[-1].n > whole:
        end = run.end.t if run.end is not None else t
        yield Release(end, end - t, run.octets - octets, run.acks[-1].n - whole, is_pushed=True)


def holds_of(run: Run) -> list[float]:
    """Return how much longer than the least delayed unit each was on its way, s; all units must have stamps."""
    delays = [unit.t - written for unit, written in zip(run.units, writes_of(run), strict=True)]
    least = min(delays, default=0.0)
    return [delay - least for delay in delays]


def writes_of(run: Run) -> list[float]:
    """Return when each stamped unit was written, s since the first one was; nothing without stamps."""
    return [(stamp.actual_ns - run.stamps[0].actual_ns) / 1e9 for stamp in run.stamps]


def _observe_stamped(run: Run) -> Observation:
    holds, written = holds_of(run), writes_of(run)
    held = sum(hold > HOLD_SECONDS for hold in holds)
    longest = max(holds)
    span = max(written) - min(written)
    is_held = held >= max(MIN_HELD, HELD_SHARE * len(holds))
    if span < MIN_SPAN_SECONDS:
        shape = Shape.BACK_TO_BACK if is_held and len(holds) > MIN_HELD else Shape.TOO_SHORT
    elif _is_origin_late(run):
        shape = Shape.ORIGIN_LATE
    elif holds[0] >= END_SHARE * span and held >= END_SHARE * (len(holds) - 1):
        shape = Shape.TO_END
    else:
        shape = Shape.IN_BURSTS if is_held else Shape.ON_TIME
    return Observation(run, shape, longest, span, tuple(_releases(run, holds)), _base(run))


def _base(run: Run) -> float | None:
    if run.request is None or not run.request.wall:
        return None
    wall_ns = round(run.request.wall * 1e9)
    return min((wall_ns - stamp.actual_ns) / 1e9 + unit.t for unit, stamp in zip(run.units, run.stamps, strict=True))


def _is_origin_late(run: Run) -> bool:
    """Say whether the origin wrote a quarter of the events (and three at least) late, by its own stamps.

    Late is more than a hold, and more than half the median pause of its plan.
    """
    planned = [stamp.planned_ns for stamp in run.stamps if stamp.planned_ns is not None]
    if len(planned) < len(run.stamps):
        return False
    pauses = [(after - before) / 1e9 for before, after in pairwise(planned) if after > before]
    limit = max(HOLD_SECONDS, median(pauses) / 2 if pauses else 0.0)
    late = sum((stamp.actual_ns - due) / 1e9 > limit for stamp, due in zip(run.stamps, planned, strict=True))
    return late >= max(MIN_HELD, HELD_SHARE * len(planned))


def _releases(run: Run, holds: Sequence[float]) -> list[Release]:
    """Return the groups of units that arrived together; octets between two groups count to the later one.

    Args:
        holds: of each unit, s; zeros where there are no stamps.
    """
    written = writes_of(run)
    releases: list[Release] = []
    index = taken = 0
    for group in _together(run.units):
        waited = max(holds[index : index + len(group)], default=0.0)
        index += len(group)
        came = written[index - 1] + holds[index - 1] if written else 0.0
        is_pushed = any(abs(came - moment) <= TOGETHER_SECONDS for moment in written[index - 1 : index + 1])
        releases.append(Release(group[0].t, waited, group[-1].end - taken, len(group), is_pushed))
        taken = group[-1].end
    return releases


def _together(units: Sequence[Unit]) -> list[list[Unit]]:
    groups: list[list[Unit]] = []
    for unit in units:
        if groups and unit.t - groups[-1][-1].t <= TOGETHER_SECONDS:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return groups


def _observe_arrivals(run: Run) -> Observation:
    """Return the shape of the arrivals; nothing says when the units were written."""
    units = run.units
    releases = tuple(_releases(run, [0.0] * len(units)))
    if not units:
        return Observation(run, Shape.TOO_SHORT)
    span = units[-1].t - units[0].t
    end = max(units[-1].t, run.end.t if run.end is not None else 0.0)
    if end < MIN_SPAN_SECONDS:
        shape = Shape.TOO_SHORT
    elif span < MIN_SPAN_SECONDS:
        shape = Shape.ONE_BURST
    elif len(units) < MIN_HELD:
        shape = Shape.TOO_SHORT
    elif len(units) >= BURST_EVENTS * len(releases):
        shape = Shape.BURSTY
    else:
        shape = Shape.SPREAD
    return Observation(run, shape, None, span, releases)
