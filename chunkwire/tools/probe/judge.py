"""From runs to verdicts: one hop by its runs, a chain of hops from the inside out.

The rule here: pure, and false negatives are preferred to false positives. A hop holds only if most of its runs with the
same request are held; runs in which our own timer was late do not count. Hops behind the first one that holds are not
judged, because what they add cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.bursts import size_up
from chunkwire.tools.probe.defects import BROKEN, defect_of
from chunkwire.tools.probe.holding import HOLD_SECONDS, MIN_HELD, Look, Shape, look_at
from chunkwire.tools.probe.naming import names_passed_on, own_names
from chunkwire.tools.probe.variations import Variation, vary
from chunkwire.tools.probe.verdict import CUTTING, IDENTITY, POST, Evidence, HopVerdict, Kind, Proof, milliseconds
from chunkwire.wire.durations import parse_duration

AGREEING: Final = 2 / 3
"""Share of a hop's runs that must be held before it is said to hold: two of three, and the one of a recording."""

HEAD_SHARE: Final = 0.5
"""A head is held when it came in the later half of the pause that the origin left between head and first event."""

MERGED_SHARE: Final = 0.1
"""Share of the chunks that may be merged or split without being reported: a stall of a few ms makes a hop join two."""

# Fields of a response that ask a hop not to hold it, or name the kind of the stream.
_FREEING: Final = frozenset({"x-accel-buffering", "cache-control", "incremental", "content-encoding", "content-type"})
# Fields that the origin adds where a probe's `hints` ask for them: a hop may remove them.
_HINTED: Final = {
    "accel": ("x-accel-buffering", "no"),
    "no-transform": ("cache-control", "no-transform"),
    "incremental": ("incremental", "?1"),
}

# What a probe's `mark` adds to the framing.
_MARKS: Final[Mapping[str, Callable[[Run], bool]]] = {
    "extensions": lambda run: run.extended > 0,
    "trailer": lambda run: bool(run.trailers),
}


@dataclass(frozen=True, slots=True)
class Hop:
    """What is known of one hop.

    Attributes:
        name: such as "nginx:8080".
        runs: repetitions of one request first, then variations of it.
        error: why there is no run; empty where there is.
        arrived: how the request reached the origin, by its journal; empty if unknown.
        unproved: why its runs show no order of events; empty where they do, or where that was not tried.
        notes: half lines of what else is known of it.
    """

    name: str
    runs: tuple[Run, ...] = ()
    error: str = ""
    arrived: str = ""
    unproved: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Looks:
    """The looks at one hop, by what was varied."""

    plain: tuple[Look, ...]
    varied: dict[Variation, tuple[Look, ...]]

    @property
    def run(self) -> Run:
        return self.plain[0].run

    @property
    def all(self) -> list[Look]:
        return [*self.plain, *(look for some in self.varied.values() for look in some)]

    def of(self, variation: Variation) -> tuple[Look, ...]:
        return self.varied.get(variation, ())

    def lacks(self, has: Callable[[Run], bool]) -> bool:
        """Say whether the runs that were asked for with extensions and a trailer all lack what `has` looks for."""
        marked = self.of(Variation.MARK)
        return bool(marked) and not any(has(look.run) for look in marked)


def judge_chain(hops: Iterable[Hop]) -> list[HopVerdict]:
    """Return a verdict for each hop; they come from the inside out, the origin first."""
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
            detail = f"though {holder.hop} holds: another way, or not always"
            verdict = replace(verdict, details=(*verdict.details, detail))
        verdicts.append(replace(verdict, is_innermost=not any(each.is_streaming for each in verdicts)))
        if verdict.is_streaming or (inner is None and verdict.kind in (Kind.UNSURE, Kind.SUSPECT)):
            inner = hop
    return verdicts


def judge_hop(hop: Hop, *, inner: Hop | None = None) -> HopVerdict:
    """Return the verdict on one hop.

    Args:
        inner: the nearest hop further in that streams, for what only a comparison can prove.
    """
    if not hop.runs:
        return HopVerdict(hop=hop.name, kind=Kind.UNREACHABLE, reason=hop.error or "no run of it")
    looks = _looks(hop.runs)
    before = _looks(inner.runs) if inner is not None and inner.runs else None
    verdict = _judge(looks, before)
    first = before.run if before is not None else None
    return replace(
        verdict,
        hop=hop.name,
        details=(*verdict.details, *hop.notes),
        proof=_proof(verdict, looks),
        unproved=hop.unproved,
        evidence=_evidence(hop, looks),
        software=own_names(looks.run, first),
        passed_on=names_passed_on(looks.run, first),
        tried=_tried(looks),
        present=tuple(field for run in (looks.run, first) if run is not None for field in _present(run)),
    )


def _proof(verdict: HopVerdict, looks: _Looks) -> Proof | None:
    if not (verdict.is_holding or verdict.is_streaming):
        return None
    if not all(look.run.is_ordered for look in looks.plain):
        return Proof.BY_TIME
    return Proof.BY_ORDER if verdict.is_holding else Proof.PROVED


def _looks(runs: Sequence[Run]) -> _Looks:
    by_variation: dict[Variation, list[Look]] = {}
    for run in runs:
        by_variation.setdefault(vary(runs[0], run), []).append(look_at(run))
    plain = tuple(by_variation.pop(Variation.NONE))
    return _Looks(plain, {variation: tuple(looks) for variation, looks in by_variation.items()})


def _judge(looks: _Looks, before: _Looks | None) -> HopVerdict:
    """Return the verdict on one hop, without its name."""
    inner = before.run if before is not None else None
    defects = [defect for look in looks.plain if (defect := defect_of(look.run, inner)) is not None]
    if len(defects) * 2 > len(looks.plain):
        return defects[0]
    varied = (defect_of(look.run, inner) for some in looks.varied.values() for look in some)
    cached = next((defect for defect in varied if defect is not None and defect.kind is Kind.CACHED), None)
    if cached is not None:
        return cached  # the events are those of another run: their times say nothing
    quiet = tuple(look for look in looks.plain if look.is_quiet)
    held = sum(look.is_held for look in quiet)
    if 2 * sum(look.shape is Shape.ORIGIN_LATE for look in quiet) > len(looks.plain):
        return HopVerdict(kind=Kind.ORIGIN_BURSTS)
    if held and held >= AGREEING * len(quiet):
        return _held(replace(looks, plain=quiet), inner)
    if not quiet and any(look.is_held for look in looks.plain):
        late = milliseconds(max(look.run.our_delay for look in looks.plain))
        return _unsure(f"this machine was too busy, its own timer {late} late")
    if held:
        return _unsure(f"held in {held} of {len(quiet)} runs")
    if any(look.shape is Shape.UNDECIDED for look in looks.plain):
        return _unsure("some frames were held and some were not, or it did not come to its end")
    if not looks.run.is_stamped and not looks.run.is_ordered:
        return _by_arrivals(looks, before)
    return _streaming(looks, before)


def _unsure(reason: str) -> HopVerdict:
    return HopVerdict(kind=Kind.UNSURE, reason=reason)


def _held(looks: _Looks, inner: Run | None) -> HopVerdict:
    """Return in which way a hop holds; the plain runs are held."""
    run = looks.run
    is_merged = run.is_chunked and run.is_stamped and run.chunks < len(run.units)
    details = (f"{len(run.units)} chunks became {run.chunks}",) if is_merged else ()
    buffer = size_up((*looks.plain, *looks.of(Variation.SIZE)))
    kind, reason = Kind.TO_END, "to the end"
    octets = seconds = None
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
    if _is_compressed(looks, inner):
        kind = Kind.COMPRESSED
    elif _is_freed(looks.of(Variation.POST)):
        kind = Kind.GET_ONLY
    reason = "" if kind in (Kind.TO_END, Kind.TO_OCTETS, Kind.FOR_TIME) else reason
    return HopVerdict(kind=kind, reason=reason, details=details, octets=octets, seconds=seconds)


def _is_freed(looks: Sequence[Look]) -> bool:
    """Say whether a variation was tried, and no run of it was held."""
    return bool(looks) and all(look.shape is Shape.ON_TIME for look in looks)


def _is_compressed(looks: _Looks, inner: Run | None) -> bool:
    """Say whether the hop holds because of a coding: by what was tried, else because it adds one."""
    coding, plain = looks.run.coding, looks.of(Variation.IDENTITY)
    if plain:
        return _is_freed(plain)
    return bool(coding) and (inner is None or inner.coding != coding) and not _is_freed(looks.of(Variation.POST))


def _by_arrivals(looks: _Looks, before: _Looks | None) -> HopVerdict:
    """Return what arrival times alone can say, and the hop before."""
    look = looks.plain[0]
    first = look.run.units[0].t if look.run.units else 0.0
    inner = before.plain[0] if before is not None else None
    is_spread_before = inner is not None and inner.shape is Shape.SPREAD
    bursts = f"{len(look.releases)} bursts"
    if look.run.point == "origin.sent" and look.shape in (Shape.ONE_BURST, Shape.BURSTY):
        return HopVerdict(kind=Kind.ORIGIN_BURSTS)
    match look.shape:
        case Shape.SPREAD:
            return HopVerdict(kind=Kind.STREAMS, details=("by arrival times alone, which show no short hold",))
        case Shape.ONE_BURST if inner is not None and is_spread_before and first > inner.span / 2:
            return HopVerdict(kind=Kind.TO_END, details=("by comparison with the hop before",))
        case Shape.BURSTY if is_spread_before:
            return HopVerdict(kind=Kind.HOLDS, reason=f"in {bursts}, spread out at the hop before")
        case Shape.ONE_BURST if look.run.end is not None and look.run.end.framing == "missing":
            return _unsure("too few events before what the capture lacks")
        case Shape.ONE_BURST:
            return HopVerdict(kind=Kind.SUSPECT, reason=f"all of it at once, after {milliseconds(first)}")
        case Shape.BURSTY:
            return HopVerdict(kind=Kind.SUSPECT, reason=f"in {bursts}")
    if look.run.early:
        return _unsure(f"{look.run.early} frames were there before the recording began, at no known time")
    return _unsure("too short, or too few events, for arrival times to tell")


def _streaming(looks: _Looks, before: _Looks | None) -> HopVerdict:
    """Return what else is to say of a hop whose paced events are on time."""
    if looks.plain[0].shape is Shape.TOO_SHORT:
        return _unsure("too few events, or too close, for a hold to show")
    if (gathered := _gathered(looks.run)) > 0:
        coding = f", {looks.run.coding}" if looks.run.coding else ""
        return HopVerdict(kind=Kind.ORIGIN_BURSTS, reason=f"{gathered} events in one frame{coding}")
    bursts = [look for look in looks.of(Variation.BURST) if look.is_quiet]
    if bursts and all(look.is_held for look in bursts):
        seconds = median(look.longest or 0.0 for look in bursts)
        return HopVerdict(kind=Kind.FOR_TIME, seconds=seconds, reason="what follows close behind another frame")
    constant = _constant_hold(looks, before)
    if constant is not None:
        return HopVerdict(kind=Kind.FOR_TIME, seconds=constant, reason="each frame alike, against the hop before")
    losses = ", ".join(_losses(looks, before))
    if _is_head_held(looks) and not (before is not None and _is_head_held(before)):
        return HopVerdict(kind=Kind.HEAD_HELD, details=(f"re-framed: {losses}",) if losses else ())
    return HopVerdict(kind=Kind.REFRAMED if losses else Kind.STREAMS, reason=losses)


def _gathered(run: Run) -> int:
    """Return how many events an application wrote in one frame, if these are all its events; else 0.

    Behind a barrier a frame that came by itself is as the application wrote it: a compressor that is not flushed writes
    its header first, and all content at the end.
    """
    is_gathered = run.is_ordered and not run.is_stamped and len({unit.read for unit in run.units}) == 1
    return len(run.units) if is_gathered and len(run.units) >= MIN_HELD else 0


def _constant_hold(looks: _Looks, before: _Looks | None) -> float | None:
    """Return a delay that all events share, s, beyond what the way explains; None where there is none.

    Both hops' runs must have been timed by one clock, against one origin's clock. The way may be as long as both
    connects take together: a packet each way for either.
    """
    clock = looks.run.clock
    if before is None or clock is None or looks.run.is_ordered:
        return None
    ours = [look.base for look in looks.plain if look.base is not None]
    theirs = [
        look.base for look in before.all if look.base is not None and look.run.clock == clock and not look.is_held
    ]
    if not ours or not theirs:
        return None
    way = (looks.run.connect or 0.0) + (before.run.connect or 0.0)
    added = min(ours) - min(theirs)
    return added if added > HOLD_SECONDS + 2 * way else None


def _is_head_held(looks: _Looks) -> bool:
    heads = [ack for look in looks.plain for ack in look.run.acks if not ack.n]
    if heads:
        return not any(ack.came for ack in heads)
    delayed = [look.run for look in looks.of(Variation.DELAY) if look.run.head is not None and look.run.stamps]
    return bool(delayed) and all(_is_head_late(run) for run in delayed)


def _is_head_late(run: Run) -> bool:
    """Say whether the head came late in the pause that the origin left between head and first event."""
    pause = run.units[0].t - run.head.t if run.head is not None else 0.0
    return pause < HEAD_SHARE * (parse_duration(run.asked.get("delay", "0")) or 0.0)


def _losses(looks: _Looks, before: _Looks | None) -> Iterator[str]:
    """Yield what of the framing did not survive this hop, in words."""
    run, theirs = looks.run, before.run if before is not None else None
    sent = theirs.chunks if theirs is not None else run.acks[-1].n if run.is_ordered else len(run.units)
    if (theirs.is_chunked if theirs is not None else run.is_stamped) and not run.is_chunked:
        yield "no longer chunked"
    elif run.is_chunked and all(abs(look.run.chunks - sent) > MERGED_SHARE * sent for look in looks.plain):
        yield f"{sent} chunks became {run.chunks}"
    for name, has in _MARKS.items():
        if run.is_chunked and looks.lacks(has) and not (before is not None and before.lacks(has)):
            yield f"{name} lost"
    if theirs is not None and theirs.media_type != run.media_type:
        yield f"{theirs.media_type or 'no media type'} became {run.media_type or 'none'}"
    if any(look.run.end is not None and look.run.end.framing in BROKEN for look in looks.of(Variation.MARK)):
        yield "a body with a trailer broken off"


def _evidence(hop: Hop, looks: _Looks) -> Evidence:
    runs = [look.run for look in looks.plain]
    longest = [look.longest for look in looks.plain if look.longest is not None]
    connects = [run.connect for run in runs if run.connect is not None]
    return Evidence(
        runs=len(runs),
        held_runs=sum(look.is_held for look in looks.plain),
        first=_median([run.units[0].t for run in runs if run.units]),
        head=_median([run.head.t for run in runs if run.head is not None]),
        events=len(runs[0].units),
        chunks=runs[0].chunks,
        reads=runs[0].reads,
        longest_hold=_median(longest),
        span=looks.plain[0].span,
        connect=min(connects, default=None),
        our_delay=max(run.our_delay for run in runs),
        coding=runs[0].coding,
        arrived=hop.arrived,
        acked=max(run.acks[-1].n for run in runs) if runs[0].acks else 0,
        overtaking=sum(ack.answered for run in runs for ack in run.acks),
        octets_held=max((look.run.octets for look in looks.all if look.shape is Shape.TO_END), default=0),
    )


def _median(seconds: Sequence[float]) -> float | None:
    return median(seconds) if seconds else None


def _tried(looks: _Looks) -> tuple[tuple[str, bool], ...]:
    """Return what the runs of one hop tried, and whether it freed the stream."""
    varied = {POST: looks.of(Variation.POST), IDENTITY: looks.of(Variation.IDENTITY)}
    return tuple((change, _is_freed(some)) for change, some in varied.items() if some)


def _present(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the fields of a response that may free a stream, those too that the origin was asked for."""
    for name, value in run.head.fields if run.head is not None else ():
        if name.lower() in _FREEING:
            yield name.lower(), value
    for hint in run.asked.get("hints", "").split(","):
        if hint in _HINTED:
            yield _HINTED[hint]
