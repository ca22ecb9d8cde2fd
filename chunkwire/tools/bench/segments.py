"""The segments of a frame's way: from its planned moment through each of our hops to the client's read.

The rule here: pure. A segment lies between two successive moments, and is known where both are. The moments at a hop
come from `/stamps` of its `--admin` address (`server.stampdesk`), whose lines are parsed here. No hop may
rewrite the body: a frame is identified at a hop by the number of octets of the body, as on the wire, up to its end.
Names of moments at the first gateway end in `gw1`, at the second in `gw2`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final, TypeAlias, TypeVar

from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.wire.errors import LocalError
from chunkwire.wire.jsontext import load_json

T = TypeVar("T")

ARROW: Final = " → "
WAKE: Final = f"arrived{ARROW}read"
"""From the packet's arrival to the return of our receive: the delay of this meter's own reads."""
PLAN: Final = f"planned{ARROW}written"
"""From the planned moment of a frame to its write: below zero where the origin writes before the plan."""
OWN_SEGMENTS: Final = frozenset({PLAN, f"written{ARROW}arrived", WAKE})
"""Those of a run without hops: `late` less `added`, `added`, and this meter's own error."""
TIMER: Final = "timer"
"""The lateness of this meter's timers."""
CLOCK_STEP: Final = "clock step"
"""The largest power of ten that divides a written moment, ns; not below the step of a clock that has such a step."""

MAX_FRAMES: Final = 1_000_000
"""Frames of one run that are kept until the hops are asked: 300 MB. Further ones count as unknown."""

Moment: TypeAlias = tuple[str, int]
"""A name, and ns since the epoch; 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class FrameMoments:
    """The moments of one frame that the client knows, ns since the epoch, 0 where it is not known.

    Attributes:
        second: of its read, s since sampling began.
        stream: its number.
        end: octets of the body, as on the wire, up to the end of the frame.
        planned, written: from the stamp in the frame.
        arrived, read: at the client.
    """

    second: float
    stream: int
    end: int
    planned: int
    written: int
    arrived: int
    read: int


@dataclass(frozen=True, slots=True)
class HopStamps:
    """The stamps of one body at one hop; moments are ns since the epoch, 0 where it is not known.

    Attributes:
        point: "origin" or "gateway".
        reads: (end, arrived, read) of each receive, in rising order.
        writes: (end, written, left, queued) of each write, in rising order.
    """

    point: str
    has_queued: bool
    reads: Sequence[Sequence[int]]
    writes: Sequence[Sequence[int]]

    def moments(self, end: int, suffix: str) -> list[Moment]:
        """Return the moments of the frame that ends at this octet, in the order of the way."""
        read, write = _at(self.reads, end), _at(self.writes, end)
        is_origin = self.point == "origin"
        found = [] if is_origin else [(f"arrived{suffix}", read[0]), (f"read{suffix}", read[1])]
        found.append((f"written{suffix}" if is_origin else f"passed on{suffix}", write[0]))
        if self.has_queued:
            found.append((f"queued{suffix}", write[2]))
        return [*found, (f"left{suffix}", write[1])]


def _at(rows: Sequence[Sequence[int]], end: int) -> Sequence[int]:
    """Return the moments of the call that carried the octet before `end`; stamps only where the call ended there."""
    k = bisect_left(rows, end, key=itemgetter(0))
    if k == len(rows):
        return (0, 0, 0)
    row = rows[k]
    if len(row) == 3:  # a receive: arrived, read
        return (row[1] if row[0] == end else 0, row[2])
    return (row[1], row[2], row[3]) if row[0] == end else (row[1], 0, 0)


@dataclass(slots=True)
class Segments:
    """Records the segments of one run: without hops in `take`, with hops in `finish`.

    Attributes:
        has_hops: hops will be asked for their stamps.
    """

    has_hops: bool = False
    frames: list[FrameMoments] = field(default_factory=list)
    dropped: int = 0

    def take(self, one: Round, frame: FrameMoments) -> None:
        """Take a frame that counts, and its round."""
        if not self.has_hops:
            _record(one, [*_own(frame), *_client(frame)])
        elif len(self.frames) < MAX_FRAMES:
            self.frames.append(frame)
        else:
            self.dropped += 1

    def finish(self, gathered: Gathered, stamps: Sequence[dict[int, HopStamps]]) -> None:
        """Record the segments of all frames, once.

        Args:
            stamps: of each hop that has some, in the order of the way, by the number of the stream.
        """
        frames, self.frames = self.frames, []
        names: list[str] = []
        for frame in frames:
            moments = _own(frame)
            gateways = 0
            for hop in stamps:
                # A hop without stamps of this stream: its segments count as unknown.
                known = hop.get(frame.stream) or replace(next(iter(hop.values())), reads=(), writes=())
                gateways += known.point != "origin"
                found = known.moments(frame.end, f" gw{gateways}" if gateways else "")
                moments = [one for one in moments if one[0] != found[0][0]] + found  # "written": the origin's own
            moments += _client(frame)
            _record(gathered.at(frame.second), moments)
            names = names or [name for name, _ in moments]
        for before, after in pairwise(names if self.dropped else ()):
            gathered.at(0.0).unknown[f"{before}{ARROW}{after}"] += self.dropped


def along_way(stamps: Mapping[T, Mapping[int, HopStamps]]) -> list[tuple[str, T]]:
    """Return the hops that have stamps, each with its name, in the order of the way: "origin", "gw1", "gw2".

    A body passes a hop later than the one before. Gateways that have no body in common stay in the given order.
    """
    on_way = {hop: found for hop, found in stamps.items() if found}
    bodies = [{number for number, one in found.items() if one.writes} for found in on_way.values()]
    common = min(set.intersection(*bodies), default=0) if bodies else 0

    def place(hop: T) -> tuple[bool, int]:
        written_ns = on_way[hop][common].writes[0][1] if common else 0
        return next(iter(on_way[hop].values())).point != "origin", written_ns

    ordered = sorted(on_way, key=place)
    origins = sum(not place(hop)[0] for hop in ordered)
    return [("origin" if n <= 0 else f"gw{n}", hop) for n, hop in enumerate(ordered, 1 - origins)]


def _own(frame: FrameMoments) -> list[Moment]:
    """Return the moments in the frame's stamp; none where it has no stamp."""
    if not frame.written:
        return []
    planned = [("planned", frame.planned)] if frame.planned else []
    return [*planned, ("written", frame.written)]


def _client(frame: FrameMoments) -> list[Moment]:
    return [("arrived", frame.arrived), ("read", frame.read)]


def _record(one: Round, moments: Iterable[Moment]) -> None:
    for (before, start), (after, end) in pairwise(moments):
        one.record(f"{before}{ARROW}{after}", end - start if start and end else None)


def names_of(gathered: Gathered) -> list[str]:
    """Return the names of all segments that have samples, known or not, in the order of the way."""
    found = dict.fromkeys(
        name for one in gathered.rounds for part in (one.samples, one.unknown) for name in part if ARROW in name
    )
    ordered: list[str] = []
    starts = {name.split(ARROW)[0]: name for name in found}
    ends = {name.split(ARROW)[1] for name in found}
    for start in [start for start in starts if start not in ends]:
        place: str | None = starts.get(start)
        while place is not None and place not in ordered:
            ordered.append(place)
            place = starts.get(place.split(ARROW)[1])
    return [*ordered, *(name for name in found if name not in ordered)]


def parse_stamps(text: str, *, where: str) -> dict[int, HopStamps]:
    """Return a hop's stamps by the number of the stream, from the text that `/stamps` answers.

    Raises:
        LocalError: it has another form.
    """
    try:
        return dict(_parsed(load_json(line)) for line in text.split("\n") if line)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise LocalError(f"{where}: expected the answer of /stamps of a --stamps server, got something else") from error


def _parsed(members: dict[str, Any]) -> tuple[int, HopStamps]:
    if members["v"] != 1 or members["kind"] != "stamps":
        raise ValueError("another version, or another kind")
    base = int(members["base_ns"])
    reads, writes = (
        [[int(end), *(base + int(ns) if ns is not None else 0 for ns in row)] for end, *row in members[name]]
        for name in ("reads", "writes")
    )
    if any(len(row) != 3 for row in reads) or any(len(row) != 4 for row in writes):
        raise ValueError("a row of another length")
    stamps = HopStamps(str(members["point"]), bool(members["queued"]), reads, writes)
    return int(members["id"].rpartition("-")[2]), stamps
