"""Make verdicts from runs: on one hop, and on a chain of hops from the inside out.

The rule here: pure, and false negatives are preferred to false positives. A hop holds if two thirds of the runs with
one request are held, without those in which our own timer was late. Without stamps and without a barrier, the first run
decides. Behind a hop that holds, another hold cannot be seen, so it is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from chunkwire.tools.paint import number
from chunkwire.tools.probe.arrival import Run, Variation, freeing_fields, names_passed_on, own_names, variation_of
from chunkwire.tools.probe.bursts import measure_buffer
from chunkwire.tools.probe.defects import BROKEN, defect_of, first_frames, is_left
from chunkwire.tools.probe.holding import HOLD_SECONDS, MIN_HELD, Observation, Shape, observe
from chunkwire.tools.probe.verdict import (
    CUTTING,
    DEFECTS,
    ELSEWHERE,
    IDENTITY,
    POST,
    PROVABLE,
    Evidence,
    HopVerdict,
    Kind,
    Proof,
    milliseconds,
)
from chunkwire.wire.durations import parse_duration

AGREEING: Final = 2 / 3
"""Share of a hop's repetitions that must be held before it is said to hold: two of three, or the one of a recording."""

HEAD_SHARE: Final = 0.5
"""The origin pauses between head and first event. A head is held if it comes after more than half of the pause."""

MIN_ORDERED: Final = 2
"""Frames that an order needs: after a single frame none is written that it could come before."""

MERGED_SHARE: Final = 0.1
"""Share of the chunks that may be merged or split without being reported: a stall of a few ms makes a hop join two."""

# What a probe's `mark` adds to the framing.
_MARKS: Final[Mapping[str, Callable[[Run], bool]]] = {
    "extensions": lambda run: run.extended > 0,
    "trailer": lambda run: bool(run.trailers),
}


@dataclass(frozen=True, slots=True)
class Hop:
    """What is known of one hop."""

    name: str  # such as "nginx:8080"
    runs: tuple[Run, ...] = ()  # repetitions of one request first, then variations of it
    error: str = ""  # why there is no run; empty where there is
    arrived: str = ""  # how the request reached the origin, by its journal or a barrier; empty if unknown
    unproved: str = ""  # why its runs show no order of events; empty where they do, or where that was not tried
    unmatched: str = ""  # why its content is not that of the hops further in; empty where it may be
    notes: tuple[str, ...] = ()  # half lines of what else is known of it


@dataclass(frozen=True, slots=True)
class _Observations:
    """What the runs of one hop show, by what was varied."""

    plain: tuple[Observation, ...]
    varied: dict[Variation, tuple[Observation, ...]]

    @property
    def run(self) -> Run:
        return self.plain[0].run

    @property
    def all(self) -> list[Observation]:
        return [*self.plain, *(observed for some in self.varied.values() for observed in some)]

    def of(self, variation: Variation) -> tuple[Observation, ...]:
        return self.varied.get(variation, ())

    def marked_runs_lack(self, has: Callable[[Run], bool]) -> bool:
        """Say whether the runs that were asked for with extensions and a trailer all lack what `has` looks for."""
        marked = self.of(Variation.MARK)
        return bool(marked) and not any(has(observed.run) for observed in marked)


def judge_chain(hops: Iterable[Hop]) -> list[HopVerdict]:
    """Return a verdict for each hop, given from the inside out."""
    verdicts: list[HopVerdict] = []
    inner: Hop | None = None
    for hop in hops:
        verdict = judge_hop(hop, inner=inner)
        kinds = {each.kind for each in verdicts}
        holder = next((each for each in verdicts if each.is_holding), None)
        if verdict.kind is Kind.ORIGIN_BURSTS and Kind.ORIGIN_BURSTS in kinds:
            verdict = replace(verdict, kind=Kind.NOT_JUDGED, reason="behind an origin that bursts")
        elif holder is not None and (verdict.is_holding or verdict.kind in (Kind.UNSURE, Kind.SUSPECT)):
            verdict = replace(verdict, kind=Kind.NOT_JUDGED, reason="behind a hop that holds", details=())
        elif verdict.kind is Kind.SUSPECT and Kind.SUSPECT in kinds:
            verdict = replace(verdict, kind=Kind.NOT_JUDGED, reason="it comes like that from a hop further in")
        elif kinds & CUTTING and verdict.kind in CUTTING:
            verdict = replace(verdict, kind=Kind.NOT_JUDGED, reason="behind a hop that cuts", details=())
        elif holder is not None and verdict.is_streaming:
            why = f"though {holder.hop} holds: not on its way, not always, or the order is another"
            verdict = replace(verdict, details=(*verdict.details, why))
        is_innermost = not any(each.is_streaming for each in verdicts)
        asks_old = hop.arrived.startswith("HTTP/1.0") and not any(each.asks_old for each in verdicts)
        verdicts.append(replace(verdict, is_innermost=is_innermost, asks_old=asks_old))
        is_undecided = verdict.kind in (Kind.UNSURE, Kind.SUSPECT) and not verdict.is_elsewhere
        if verdict.is_streaming or (inner is None and is_undecided):
            inner = hop
    return verdicts


def judge_hop(hop: Hop, *, inner: Hop | None = None) -> HopVerdict:
    """Return the verdict on one hop.

    Args:
        inner: the nearest hop further in that streams, else the first undecided one: to compare with.
    """
    if not hop.runs:
        return HopVerdict(hop=hop.name, kind=Kind.UNREACHABLE, reason=hop.error or "no run of it")
    seen = _observations_of(hop.runs)
    before = _observations_of(inner.runs) if inner is not None and inner.runs and not hop.unmatched else None
    verdict = _verdict_of(seen, before)
    was_left = seen.run.end is None or seen.run.end.framing == "client-gone"
    if hop.unproved.startswith(ELSEWHERE) and (was_left or verdict.kind not in DEFECTS):
        verdict = _unsure_verdict("no request through it came to the barrier")
    if hop.unmatched and (verdict.is_streaming or verdict.is_holding):
        verdict = _unsure_verdict(f"{hop.unmatched}: another stream, or another run")
    first = before.run if before is not None else None
    return replace(
        verdict,
        hop=hop.name,
        runs=hop.runs,
        details=(*verdict.details, *_what_was_seen(verdict, seen.run), *hop.notes),
        proof=_proof(verdict, seen),
        unproved="" if verdict.kind in DEFECTS else hop.unproved,
        evidence=_evidence(hop, seen),
        software=own_names(seen.run, first),
        passed_on=names_passed_on(seen.run, first),
        tried=_changes_tried(seen),
        present=tuple(field for run in (seen.run, first) if run is not None for field in freeing_fields(run)),
    )


def _what_was_seen(verdict: HopVerdict, run: Run) -> Iterator[str]:
    if verdict.kind in PROVABLE and is_left(run) and first_frames(run) not in verdict.reason:
        yield f"by {first_frames(run)}"


def _proof(verdict: HopVerdict, seen: _Observations) -> Proof | None:
    if verdict.kind not in PROVABLE:
        return None
    by_order = Proof.PROVED if verdict.is_streaming else Proof.BY_ORDER
    return by_order if all(observed.run.is_ordered for observed in seen.plain) else Proof.BY_TIME


def _observations_of(runs: Sequence[Run]) -> _Observations:
    by_variation: dict[Variation, list[Observation]] = {}
    for run in runs:
        by_variation.setdefault(variation_of(runs[0], run), []).append(observe(run))
    plain = tuple(by_variation.pop(Variation.NONE))
    return _Observations(plain, {variation: tuple(seen) for variation, seen in by_variation.items()})


def _verdict_of(seen: _Observations, before: _Observations | None) -> HopVerdict:
    """Return the verdict on one hop, without its name and its evidence."""
    inner = before.run if before is not None else None
    defects = [defect for observed in seen.plain if (defect := defect_of(observed.run, inner)) is not None]
    if len(defects) * 2 > len(seen.plain):
        return defects[0]
    varied = (defect_of(observed.run, inner) for some in seen.varied.values() for observed in some)
    cached = next((defect for defect in varied if defect is not None and defect.kind is Kind.CACHED), None)
    if cached is not None:
        return cached  # the response is an old one: its times say nothing
    quiet = tuple(observed for observed in seen.plain if observed.is_timer_on_time)
    held = sum(observed.is_held for observed in quiet)
    if 2 * sum(observed.shape is Shape.ORIGIN_LATE for observed in quiet) > len(seen.plain):
        return HopVerdict(kind=Kind.ORIGIN_BURSTS)
    if held and held >= AGREEING * len(quiet):
        return _holding_verdict(replace(seen, plain=quiet), inner)
    if not quiet and any(observed.is_held for observed in seen.plain):
        late = max(observed.run.our_delay for observed in seen.plain)
        return _unsure_verdict(f"this machine was too busy: its own timer was {milliseconds(late)} late")
    if held:
        return _unsure_verdict(f"held in {held} of {len(quiet)} runs")
    if any(observed.shape is Shape.UNDECIDED for observed in seen.plain):
        return _unsure_verdict("some frames were held and some were not, or it did not come to its end")
    if not seen.run.is_stamped and not seen.run.is_ordered:
        return _verdict_by_arrivals(seen, before)
    return _streaming_verdict(seen, before)


def _unsure_verdict(reason: str) -> HopVerdict:
    return HopVerdict(kind=Kind.UNSURE, reason=reason)


def _holding_verdict(seen: _Observations, inner: Run | None) -> HopVerdict:
    """Return in which way a hop holds; two thirds of the plain runs or more are held."""
    run = seen.run
    is_merged = run.is_chunked and run.is_stamped and run.chunks < len(run.units)
    details = (f"{number(len(run.units), 'chunk')} became {run.chunks}",) if is_merged else ()
    buffer = measure_buffer((*seen.plain, *seen.of(Variation.SIZE)))
    kind, reason = Kind.TO_END, f"all of {first_frames(run)}" if is_left(run) else "to the end"
    octets = seconds = remaining = None
    if buffer is not None:
        octets, seconds = buffer.octets, buffer.seconds
        if buffer.passing is not None:
            kind, reason = Kind.HOLDS, f"the end of a frame until the next; frames of {buffer.passing} octets pass"
        elif seconds is None:
            kind, reason = Kind.TO_OCTETS, f"to {octets} octets"
        elif octets is None:
            kind, reason = Kind.FOR_TIME, milliseconds(seconds)
        else:
            kind, reason = Kind.HOLDS, f"in bursts of {octets} octets or {milliseconds(seconds)}"
    if _is_compressed(seen, inner, waits_for_time=seconds is not None):
        kind, without = Kind.COMPRESSED, measure_buffer(seen.of(Variation.IDENTITY))
        if without is not None and (remaining := without.seconds) is not None:
            details = (*details, f"without the coding still {milliseconds(remaining)}")
    elif _is_freed(seen.of(Variation.POST)):
        kind = Kind.GET_ONLY
    elif kind is Kind.FOR_TIME and run.coding and (inner is None or inner.coding != run.coding):
        details = (*details, f"it also compresses ({run.coding}), which may hold more once this is mended")
    reason = "" if kind in (Kind.TO_OCTETS, Kind.FOR_TIME) else reason
    return HopVerdict(kind=kind, reason=reason, details=details, octets=octets, seconds=seconds, remaining=remaining)


def _is_freed(seen: Sequence[Observation]) -> bool:
    """Say whether a variation was tried, and each run of it came through."""
    return bool(seen) and all(observed.shape in (Shape.ON_TIME, Shape.SPREAD) for observed in seen)


def _is_compressed(seen: _Observations, inner: Run | None, *, waits_for_time: bool = True) -> bool:
    """Say whether the hop holds because of a coding: by what was tried, else if it adds one and no POST streams.

    A hop that waits for octets or the end with the coding, and without it for a time alone, holds because of both.
    """
    coding, plain = seen.run.coding, seen.of(Variation.IDENTITY)
    if plain:
        timer = measure_buffer(plain)
        return _is_freed(plain) or (not waits_for_time and timer is not None and timer.octets is None)
    return bool(coding) and (inner is None or inner.coding != coding) and not _is_freed(seen.of(Variation.POST))


def _verdict_by_arrivals(seen: _Observations, before: _Observations | None) -> HopVerdict:
    """Return what the shape of the first run's arrivals says, compared with the hop before where that is known."""
    observed = seen.plain[0]
    first = _median([each.run.units[0].t for each in seen.plain if each.run.units]) or 0.0
    inner = before.plain[0] if before is not None else None
    is_spread_before = inner is not None and inner.is_spread
    bursts = f"{len(observed.releases)} bursts"
    is_compressed = _is_compressed(seen, before.run if before is not None else None)
    if observed.run.point == "origin.sent" and observed.shape in (Shape.ONE_BURST, Shape.BURSTY):
        return HopVerdict(kind=Kind.ORIGIN_BURSTS)
    match observed.shape:
        case Shape.SPREAD:
            return HopVerdict(kind=Kind.STREAMS, details=("by arrival times alone, which cannot show a short hold",))
        case Shape.ONE_BURST if inner is not None and is_spread_before and first > inner.span / 2:
            kind, reason = (Kind.COMPRESSED, "to the end") if is_compressed else (Kind.TO_END, "")
            return HopVerdict(kind=kind, reason=reason, details=("by comparison with the hop before",))
        case Shape.BURSTY if is_spread_before:
            kind = Kind.COMPRESSED if is_compressed else Kind.HOLDS
            return HopVerdict(kind=kind, reason=f"in {bursts}, spread out at the hop before")
        case Shape.ONE_BURST if observed.run.end is not None and observed.run.end.framing == "missing":
            return _unsure_verdict("too few events before what the capture lacks")
        case Shape.ONE_BURST:
            return HopVerdict(kind=Kind.SUSPECT, reason=f"all of it at once, after {milliseconds(first)}")
        case Shape.BURSTY:
            return HopVerdict(kind=Kind.SUSPECT, reason=f"in {bursts}")
    if observed.run.early:
        early = number(observed.run.early, "frame was", "frames were")
        return _unsure_verdict(f"{early} there before the recording began, at no known time")
    if not observed.run.pieces:
        is_head = observed.run.request is not None and observed.run.request.method == "HEAD"
        return _unsure_verdict("an answer to HEAD has no content" if is_head else "no content came")
    return _unsure_verdict("too short, or too few events, for arrival times to tell")


def _streaming_verdict(seen: _Observations, before: _Observations | None) -> HopVerdict:
    """Return the verdict on a hop whose paced events are on time: what its other runs show, else that it streams."""
    if seen.plain[0].shape is Shape.TOO_SHORT:
        return _unsure_verdict("too few events, or too close, for a hold to show")
    if (gathered := _events_in_one_frame(seen.run)) > 0:
        coding = f", {seen.run.coding}" if seen.run.coding else ""
        return HopVerdict(kind=Kind.ORIGIN_BURSTS, reason=f"{number(gathered, 'event')} in one frame{coding}")
    if seen.run.is_ordered and sum(ack.n > 0 for ack in seen.run.acks) < MIN_ORDERED:
        return _unsure_verdict("only one frame: an order needs two; does the application stream?")
    bursts = [observed for observed in seen.of(Variation.BURST) if observed.is_timer_on_time]
    if bursts and all(observed.is_held for observed in bursts):
        seconds = median(observed.longest or 0.0 for observed in bursts)
        return HopVerdict(kind=Kind.FOR_TIME, seconds=seconds, reason="what follows close behind another frame")
    if (constant := _constant_hold(seen, before)) is not None:
        return HopVerdict(kind=Kind.FOR_TIME, seconds=constant, reason="each frame alike, against the hop before")
    losses = ", ".join(_framing_changes(seen, before))
    if _is_head_held(seen) and not (before is not None and _is_head_held(before)):
        return HopVerdict(kind=Kind.HEAD_HELD, details=(f"re-framed: {losses}",) if losses else ())
    return HopVerdict(kind=Kind.REFRAMED if losses else Kind.STREAMS, reason=losses)


def _events_in_one_frame(run: Run) -> int:
    """Return how many events came in one read behind a barrier, if these are all; else 0.

    Behind a barrier each frame that is not held comes by itself, so the application wrote these events in one frame: a
    compressor that is not flushed writes its header first, and all content at the end.
    """
    is_gathered = run.is_ordered and not run.is_stamped and len({unit.read for unit in run.units}) == 1
    return len(run.units) if is_gathered and len(run.units) >= MIN_HELD else 0


def _constant_hold(seen: _Observations, before: _Observations | None) -> float | None:
    """Return by how much all events came later than at the hop before, s; None if the way may explain it.

    Both hops' runs must have been timed by one clock, against one origin's clock; else None. The way explains at most
    twice what connections to both take together. One that was not timed counts as no way, as in one capture.
    """
    clock = seen.run.clock
    if before is None or clock is None or seen.run.is_ordered:
        return None
    ours = [observed.base for observed in seen.plain if observed.base is not None]
    theirs = [
        observed.base
        for observed in before.all
        if observed.base is not None and observed.run.clock == clock and not observed.is_held
    ]
    if not ours or not theirs:
        return None
    way = (seen.run.connect or 0.0) + (before.run.connect or 0.0)
    added = min(ours) - min(theirs)
    return added if added > HOLD_SECONDS + 2 * way else None


def _is_head_held(seen: _Observations) -> bool:
    heads = [ack for observed in seen.plain for ack in observed.run.acks if not ack.n]
    if heads:
        return not any(ack.came for ack in heads)
    delayed = [each.run for each in seen.of(Variation.DELAY) if each.run.head is not None and each.run.stamps]
    return bool(delayed) and all(_is_head_late(run) for run in delayed)


def _is_head_late(run: Run) -> bool:
    """Say whether the head came late in the origin's pause between head and first event (`HEAD_SHARE`)."""
    rest = run.units[0].t - run.head.t if run.head is not None else 0.0
    return rest < HEAD_SHARE * (parse_duration(run.asked.get("delay", "0")) or 0.0)


def _framing_changes(seen: _Observations, before: _Observations | None) -> Iterator[str]:
    """Yield what of the framing and the media type did not survive this hop, in words."""
    run, theirs = seen.run, before.run if before is not None else None
    sent = run.chunks_due(theirs)
    if (theirs.is_chunked if theirs is not None else run.is_stamped) and not run.is_chunked:
        yield "no longer chunked"
    elif run.is_chunked and all(abs(observed.run.chunks - sent) > MERGED_SHARE * sent for observed in seen.plain):
        yield f"{number(sent, 'chunk')} became {run.chunks}"
    for name, has in _MARKS.items():
        if run.is_chunked and seen.marked_runs_lack(has) and not (before is not None and before.marked_runs_lack(has)):
            yield f"{name} lost"
    if theirs is not None and theirs.media_type != run.media_type:
        yield f"{theirs.media_type or 'no media type'} became {run.media_type or 'none'}"
    if any(observed.run.end is not None and observed.run.end.framing in BROKEN for observed in seen.of(Variation.MARK)):
        yield "a body with a trailer broken off"


def _evidence(hop: Hop, seen: _Observations) -> Evidence:
    runs = [observed.run for observed in seen.plain]
    longest = [observed.longest for observed in seen.plain if observed.longest is not None]
    connects = [run.connect for run in runs if run.connect is not None]
    return Evidence(
        runs=len(runs),
        held_runs=sum(observed.is_held for observed in seen.plain),
        first=_median([run.units[0].t for run in runs if run.units]),
        head=_median([run.head.t for run in runs if run.head is not None]),
        events=len(runs[0].units),
        chunks=runs[0].chunks,
        reads=runs[0].reads,
        longest_hold=_median(longest),
        span=seen.plain[0].span,
        connect=min(connects, default=None),
        our_delay=max(run.our_delay for run in runs),
        coding=runs[0].coding,
        arrived=hop.arrived,
        acked=max(run.acks[-1].n for run in runs) if runs[0].acks else 0,
        overtaking=sum(ack.answered for run in runs for ack in run.acks),
        octets_held=max((observed.run.octets for observed in seen.all if observed.shape is Shape.TO_END), default=0),
    )


def _median(seconds: Sequence[float]) -> float | None:
    return median(seconds) if seconds else None


def _changes_tried(seen: _Observations) -> tuple[tuple[str, bool], ...]:
    """Return each change that the runs of one hop tried, and whether it freed the stream."""
    varied = {POST: seen.of(Variation.POST), IDENTITY: seen.of(Variation.IDENTITY)}
    return tuple((change, _is_freed(some)) for change, some in varied.items() if some)
