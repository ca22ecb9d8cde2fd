"""The values of a probe: a verdict on a hop with its evidence, and what came of a change.

The rule here: a verdict's kind is one of a closed list, its line is what a person reads, its evidence is what it rests
on. `judge` reaches it; `fixes` knows what would mend it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from chunkwire.record.values import TextFields
from chunkwire.tools.paint import number
from chunkwire.tools.probe.arrival import Run

NO_PROBE_EVENT: Final = "no event of a probe in it"
"""The reason of a verdict about a hop that answers, as applications do, without the events of /probe."""


NO_QUERY: Final = "the origin got no query (n, interval, nonce): it was lost on the way, or a cache answered"
"""The reason of a verdict about a hop whose events have a nonce that the origin chose, as their request gave none."""


ELSEWHERE: Final = "sent no request to the barrier"
"""The beginning of why no order is known of a hop through which no request came to the barrier of --barrier-at."""


class Kind(enum.Enum):
    """The classes of a hop, each with its definition; the numbers behind the words stand in `holding`.

    "Held" means by time: a quarter of the events (and three at least) were more than 20 ms longer on their way than the
    least delayed event of the same run. By order: so many requests were answered while a frame had not come.
    """

    STREAMS = "streams"
    """Not held. Unless arrival times alone are known, frames, extensions and trailers arrive as at the hop before."""
    REFRAMED = "re-framed"
    """Not held, but chunks were merged or split, an extension or a trailer was lost, or the media type was changed."""
    HEAD_HELD = "head-held"
    """Not held, but the response head arrived only with the first octet of a body that the origin began later."""
    TO_END = "holds-to-the-end"
    """Nothing arrived before the origin had written nine tenths of the stream, not even of the largest events tried."""
    TO_OCTETS = "holds-to-octets"
    """Held until so many octets have gathered; `bursts` tells that from a time."""
    FOR_TIME = "holds-for-time"
    """Held for a time: each release (`bursts`), or only frames close behind another one, or every frame by the same
    time, compared with the hop before."""
    HOLDS = "holds"
    """Held in another way: in bursts by octets or time, or only the end of each frame. Without stamps: in bursts, but
    spread at the hop before, or not held with one thing changed."""
    COMPRESSED = "compressed-and-held"
    """Held by a hop that adds a content coding. If it was tried: without one not held, or only for a time."""
    GET_ONLY = "holds-get-only"
    """A GET is held, a POST to the same resource is not."""
    ORIGIN_BURSTS = "origin-bursts"
    """The origin itself wrote a quarter of the events late, by its own stamps; or its own record shows bursts; or it
    wrote all events in one frame, which a barrier shows."""
    CUT = "cut"
    """The body ended early: its framing says so, or events of the run are missing."""
    IDLE_CUT = "idle-cut"
    """Cut, and nothing had come for half a second or more before."""
    CACHED = "cached"
    """The events are those of another run (their nonce), or the response has an Age of a second or more."""
    NOT_THE_STREAM = "not-the-stream"
    """Another status than 200, another media type than the hop before, a page that asks whether the client is human, no
    stamps where stamps were asked for, or events of our origin that no query of ours had asked for."""
    UNREACHABLE = "unreachable"
    """No connection, or no response at all."""
    NOT_JUDGED = "not-judged"
    """Held, cut, undecided or in bursts, and a hop further in as well: what this one adds cannot be seen."""
    SUSPECT = "held-or-written-so"
    """All at once or in bursts, without stamps, and no hop further in shows why: the hop holds it, or the origin writes
    it so."""
    UNSURE = "unsure"
    """No verdict: runs disagree, this machine was too busy, the stream is too short, or it is not from the barrier, or
    not that of the other recordings."""


class Proof(enum.StrEnum):
    """What a verdict on holding, or on an origin that bursts, rests on."""

    PROVED = "proved"
    """Each frame was with the client before the next one was written."""
    BY_ORDER = "by order"
    """The same hop answered requests that were sent after a frame had been written, before that frame came; or the
    origin wrote all events in one frame."""
    BY_TIME = "by time"
    """Only when frames came is known, and mostly when they were written."""


HOLDING: Final = frozenset({Kind.TO_END, Kind.TO_OCTETS, Kind.FOR_TIME, Kind.HOLDS, Kind.COMPRESSED, Kind.GET_ONLY})
STREAMING: Final = frozenset({Kind.STREAMS, Kind.REFRAMED, Kind.HEAD_HELD})
CUTTING: Final = frozenset({Kind.CUT, Kind.IDLE_CUT})
UNDECIDED: Final = frozenset({Kind.SUSPECT, Kind.UNSURE})
DEFECTS: Final = CUTTING | {Kind.CACHED, Kind.NOT_THE_STREAM, Kind.UNREACHABLE}
"""What the response itself shows, whenever it came."""
PROVABLE: Final = HOLDING | STREAMING | {Kind.ORIGIN_BURSTS}
"""What rests on a `Proof`."""


# The verdict in words; a blank or a colon at the end is left out.
_CLAIMS: Final = {
    Kind.STREAMS: "streams",
    Kind.REFRAMED: "streams; re-framed: {reason}",
    Kind.HEAD_HELD: "streams; head held until the first octet",
    Kind.TO_END: "HOLDS {reason}",
    Kind.TO_OCTETS: "HOLDS to {octets} octets",
    Kind.FOR_TIME: "HOLDS {time} {reason}",
    Kind.HOLDS: "HOLDS {reason}",
    Kind.COMPRESSED: "COMPRESSED{coding}, and then HOLDS {reason}",
    Kind.GET_ONLY: "HOLDS a GET {reason}, streams a POST",
    Kind.ORIGIN_BURSTS: "the origin itself bursts: {reason}",
    Kind.CUT: "CUT, {reason}",
    Kind.IDLE_CUT: "CUT after {seconds:.1f} s of silence",
    Kind.CACHED: "CACHED: {reason}",
    Kind.NOT_THE_STREAM: "not the stream: {reason}",
    Kind.UNREACHABLE: "no answer: {reason}",
    Kind.NOT_JUDGED: "not judged: {reason}",
    Kind.SUSPECT: "held, or written so: {reason}",
    Kind.UNSURE: "unsure: {reason}",
}

# What may be changed to see whether it frees a stream, as it is printed and as rows of the table refer to it.
POST: Final = "POST"
IDENTITY: Final = "no Accept-Encoding in the request"
HTTP_1_0: Final = "HTTP/1.0 in the request"
ACCEL: Final = "X-Accel-Buffering: no in the response"
NO_TRANSFORM: Final = "Cache-Control: no-transform in the response"
INCREMENTAL: Final = "Incremental: ?1 in both heads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on: the runs of one request, and of several the first one unless a member says otherwise."""

    runs: int = 0  # how many runs with the same request
    held_runs: int = 0  # in how many of them events were held
    first: float | None = None  # s, request sent to first event (or frame) complete; the median over the runs
    head: float | None = None  # s, request sent to response head; the median over the runs
    events: int = 0  # stamped or server-sent ones, or frames
    chunks: int = 0  # as received, 0 where the body was not chunked
    reads: int = 0  # receives that brought them
    longest_hold: float | None = None  # s, the median over the runs; None without stamps
    span: float = 0.0  # s, how long the origin wrote, as `Observation.span`
    connect: float | None = None  # s, a TCP connection to the hop; None where unknown
    our_delay: float = 0.0  # s, the most that our own timer was late in any run; 0 where it was not measured
    coding: str = ""  # of the content; empty for none
    # how the request reached the origin, by its journal or a barrier: version, Via, Accept-Encoding; empty if unknown
    arrived: str = ""
    acked: int = 0  # frames of a run that were each written after the one before was acknowledged; 0 without a barrier
    overtaking: int = 0  # requests that the same hop answered while the head or a frame had not come, in all runs
    octets_held: int = 0  # content of the largest run that was held to the end, variations included; 0 where none was


@dataclass(frozen=True, slots=True, kw_only=True)
class HopVerdict:
    """What can be said of one hop."""

    hop: str = ""
    kind: Kind
    reason: str = ""  # a half line, such as "held in 1 of 3 runs"; may be empty
    details: tuple[str, ...] = ()  # more half lines
    octets: int | None = None  # the size of the buffer; None where it is unknown, or something else holds
    seconds: float | None = None  # the time held, or the silence before a cut
    remaining: float | None = (
        None  # s that a hop which compresses still holds without the coding; None for no such hold
    )
    evidence: Evidence = field(default_factory=Evidence)
    software: str = ""  # the names that the hop gives and the hop before does not; may be empty
    passed_on: str = ""  # the names that both give: this hop's own, or the other's passed on
    tried: tuple[tuple[str, bool], ...] = ()  # each change that was tried, and whether the stream came through with it
    # (lower-case name, value) of fields that may free a stream and that the response has, at this hop or the one before
    present: TextFields = ()
    proof: Proof | None = None  # what it rests on; None where its kind is not in `PROVABLE`
    unproved: str = ""  # why it rests on no order of events; empty if it does, if that was not tried, and for `DEFECTS`
    is_innermost: bool = False  # no hop further in was seen to stream, so that one of those may hold it instead
    asks_old: bool = False  # the request reached the origin in HTTP/1.0, and through no hop further in
    runs: tuple[Run, ...] = ()  # the hop's runs; empty where there was no answer

    @property
    def freed_by(self) -> tuple[str, ...]:
        """The changes with which the stream came through."""
        return tuple(change for change, frees in self.tried if frees)

    @property
    def is_holding(self) -> bool:
        """The hop holds the stream."""
        return self.kind in HOLDING

    @property
    def is_streaming(self) -> bool:
        """Each event comes through when it is written."""
        return self.kind in STREAMING

    @property
    def is_elsewhere(self) -> bool:
        """The hop does not lead to the application that was to be probed, as far as is known."""
        return self.unproved.startswith(ELSEWHERE)

    @property
    def is_awaited(self) -> bool:
        """The hop took the request, and had sent no head when we left."""
        end = self.runs[0].end if self.kind is Kind.UNREACHABLE and self.runs else None
        return end is not None and end.framing == "timeout"

    @property
    def bound(self) -> str:
        """What bounds the buffer that holds: "octets", "time", "octets or time"; "none" where no bound was seen.

        Empty where the hop does not hold.
        """
        if not self.is_holding:
            return ""
        bounds = [word for word, limit in (("octets", self.octets), ("time", self.seconds)) if limit is not None]
        return " or ".join(bounds) or "none"

    @property
    def is_conforming(self) -> bool | None:
        """The hop conforms to RFC 10036; None where it does not hold, or `has` finds no Incremental field.

        `?1` allows a buffer with a bound, in octets or in time; `?0` allows any.
        """
        if not self.is_holding or not (self.has("Incremental: ?1") or self.has("Incremental: ?0")):
            return None
        return self.bound != "none" or not self.has("Incremental: ?1")

    def has(self, line: str) -> bool:
        """Say whether `present` has a field line; its value may be one of several, or a parameter."""
        name, _, value = line.lower().partition(": ")
        return any(
            name == its_name and value in (part.strip().lower() for part in re.split("[,;]", its_value))
            for its_name, its_value in self.present
        )

    @property
    def proved_line(self) -> str:
        """`line`, and what it rests on where its kind is in `PROVABLE`."""
        return f"{self.line} ({self.proof})" if self.proof is not None and self.kind in PROVABLE else self.line

    @property
    def line(self) -> str:
        """The verdict as a person reads it."""
        return "; ".join((self.claim, *self.details, *self._incremental))

    @property
    def _incremental(self) -> Iterator[str]:
        if self.is_conforming is None:
            return
        if not self.has("Incremental: ?1"):
            yield "Incremental: ?0 allows that (RFC 10036)"
        elif self.is_conforming:
            yield f"bounded by {self.bound}, which Incremental: ?1 allows (RFC 10036)"
        else:
            seen = f" in {number(self.evidence.octets_held, 'octet')}" if self.evidence.octets_held else ""
            yield f"no bound seen{seen}, though Incremental: ?1 asks for one (RFC 10036)"

    @property
    def claim(self) -> str:
        """The verdict without its details."""
        coding = f" ({self.evidence.coding})" if self.evidence.coding else ""
        seconds, time = self.seconds or 0.0, milliseconds(self.seconds)
        claim = _CLAIMS[self.kind].format(
            reason=self.reason or ("to the end" if self.kind is Kind.TO_END else ""),
            octets=self.octets,
            seconds=seconds,
            time=time,
            coding=coding,
        )
        return claim.rstrip(" :")


def milliseconds(seconds: float | None) -> str:
    """Return a time in ms, as a verdict says it; None is 0 ms."""
    return f"{(seconds or 0.0) * 1000:.0f} ms"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one change."""

    change: str  # what was changed, such as "X-Accel-Buffering: no in the response"
    outcome: str  # a half line
    frees: bool | None = None  # with the change the stream came through; None if not known, or not what was tried
    is_of_pace: bool = False  # the change was when the origin writes: it is no remedy
