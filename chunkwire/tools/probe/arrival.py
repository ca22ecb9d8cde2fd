"""One stream as it arrived at one point, and what its heads say, made from its records; verdicts are made from it.

The rule here: records in, values out; nothing is judged. A `Run` is one request and its response as one observer saw
them. Its units are what verdicts time: the stamped events, else the server-sent events (two or more, with all octets
recorded), else the frames or reads of the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final
from urllib.parse import parse_qsl

from chunkwire.origin.barrier import HINTS
from chunkwire.record.values import (
    AckRecord,
    DataRecord,
    EndRecord,
    FrameRecord,
    HeadRecord,
    Record,
    RequestRecord,
    TextFields,
    TrailersRecord,
)
from chunkwire.tools.paint import page_text
from chunkwire.tools.stamps import ContentReader, Stamp

RUN_PARAMETERS: Final = frozenset({"nonce", "barrier", "ack_head"})
"""Query parameters that may differ between repetitions: IDs of one run, and whether its first frame waits for the
acknowledgement of the head."""

_NAMING: Final = ("server", "via", "x-powered-by")
# Fields that a vendor's hops add, where the fields above may not name it.
_VENDOR_FIELDS: Final = {
    "cf-ray": "Cloudflare",
    "x-amz-cf-id": "CloudFront",
    "apigw-requestid": "API Gateway",
    "x-amz-apigw-id": "API Gateway",
    "x-envoy-upstream-service-time": "Envoy",
    "x-fastly-request-id": "Fastly",
}
_PACE: Final = frozenset({"n", "interval"})

_PAGE_TYPE: Final = re.compile(r"text/(?:html|plain)|application/(?:[a-z.]+\+)?json", re.IGNORECASE)
_PAGE_FRAMES: Final = 8  # of an error's page that are looked at
_BEGINNING_OCTETS: Final = 65536  # of content, to tell one stream from another

# Fields of a response by which a hop may decide whether to hold it.
_FREEING: Final = frozenset({"x-accel-buffering", "cache-control", "incremental", "content-encoding", "content-type"})

# The points where a response is observed, from the origin outward.
_POINTS: Final = ("origin.sent", "gateway.received", "gateway.sent", "client.received")


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a stream whose arrival is known."""

    t: float  # s since the request, when its last octet had come
    read: int  # number of the receive that brought it, from 1; 0 if it came before the observer began
    end: int  # octets of content, as received, up to the end of the frame or read that brought it
    stamp: Stamp | None = None  # None where it has none


@dataclass(frozen=True, slots=True)
class Run:
    """One request and its response at one point."""

    hop: str  # name of the hop where it was seen, such as "nginx:8080"; the point where nothing names it
    point: str = "client.received"  # where at the hop it was seen, one of `_POINTS`
    request: RequestRecord | None = None
    head: HeadRecord | None = None  # of the final response; None where none came
    units: tuple[Unit, ...] = ()  # in the order of their arrival, all stamped or none
    pieces: tuple[Unit, ...] = ()  # frames, the last-chunk left out, or the reads of a body that is not chunked
    chunks: int = 0  # whole or begun; 0 where the body is not chunked
    extended: int = 0  # chunks with an extension
    trailers: tuple[str, ...] = ()  # names of the trailer fields
    is_chunked: bool = False  # a frame was seen, even if only the last-chunk
    is_whole: bool = True  # the records hold all content, and it could be read
    beginning: bytes = b""  # of the content, decoded, up to what is missing; `ContentReader.beginning`
    end: EndRecord | None = None
    connect: float | None = None  # s that opening a TCP connection to the hop took; None where unknown
    our_delay: float = 0.0  # s, the most that the observer's own timer was late; 0 where it was not measured
    early: int = 0  # pieces that came before the observer began, at an unknown time; they are not in `units`
    page: str = ""  # what the page of an error says, in a few words; empty for no error, or no text
    # what had come at each acknowledgement of a barrier, in order, the head's (n=0) too; empty without a barrier
    acks: tuple[AckRecord, ...] = ()
    # name of the clock of `t` and of the request's wall time; times of different clocks are not compared
    clock: str | None = None

    @property
    def is_ordered(self) -> bool:
        """Say whether the stream had a barrier, so that it is judged by order and not by time."""
        return bool(self.acks)

    @property
    def is_stamped(self) -> bool:
        """Say whether the units have stamps."""
        return bool(self.units) and self.units[0].stamp is not None

    @property
    def written(self) -> int:
        """How many frames the origin wrote in this run, by its barrier; else how many units came."""
        return self.acks[-1].n if self.acks else len(self.units) + self.early

    def chunks_due(self, before: Run | None) -> int:
        """Return how many chunks come from a hop that changes none: as many for each frame as from the hop before.

        An application may write more or fewer frames in each run, so the numbers of chunks alone are not compared.
        """
        if before is None or not (before.is_chunked and before.written):
            return self.written
        return round(before.chunks * self.written / before.written)

    @property
    def stamps(self) -> tuple[Stamp, ...]:
        """The stamps of the units; empty where they have none."""
        return tuple(unit.stamp for unit in self.units if unit.stamp is not None)

    @property
    def status(self) -> int | None:
        """The status of the final response; None without one."""
        return self.head.status or None if self.head is not None else None

    @property
    def asked(self) -> dict[str, str]:
        """The query parameters of the request."""
        return dict(parse_qsl(self.request.target.partition("?")[2])) if self.request is not None else {}

    @property
    def setting(self) -> tuple[object, ...]:
        """What this request asks for; equal for repetitions."""
        if self.request is None:
            return ()
        asked = {name: value for name, value in self.asked.items() if name not in RUN_PARAMETERS}
        coding = joined(self.request.fields, "accept-encoding")
        return (self.request.method, self.request.target.partition("?")[0], tuple(sorted(asked.items())), coding)

    @property
    def coding(self) -> str:
        """The content coding of the response; empty for none."""
        coding = self.response_field("content-encoding").strip().lower()
        return "" if coding == "identity" else coding

    @property
    def media_type(self) -> str:
        """The media type of the response without its parameters; empty where it says none."""
        return self.response_field("content-type").partition(";")[0].strip().lower()

    @property
    def octets(self) -> int:
        """Octets of content that came, as received."""
        return self.pieces[-1].end if self.pieces else 0

    @property
    def reads(self) -> int:
        """Receives that brought pieces; all early pieces count as one."""
        return len({piece.read for piece in self.pieces})

    def response_field(self, name: str) -> str:
        """Return the value of a field of the response head, as `joined`."""
        return joined(self.head.fields, name) if self.head is not None else ""


def joined(fields: TextFields, name: str) -> str:
    """Return the value of a field by its lower-case name, same-name values joined; empty for none."""
    return ", ".join(value for key, value in fields if key.lower() == name)


def read_run(records: Iterable[Record], hop: str) -> Run:
    """Return the first of `read_runs`; an empty run where the records have no response."""
    return next(iter(read_runs(records, hop=hop)), Run(hop))


def read_runs(records: Iterable[Record], *, hop: str | None = None) -> list[Run]:
    """Return the responses in records: the points from the origin outward, each point's in the order of the records.

    Args:
        hop: name of the hop where the records give none; None takes the point's name.
    """
    found: dict[tuple[str | None, str, int], list[Record]] = {}
    requests: dict[tuple[str | None, int], RequestRecord] = {}
    for record in records:
        if isinstance(record, RequestRecord):
            requests.setdefault((record.hop, record.stream), record)
        elif record.way == "response" and record.point in _POINTS:
            found.setdefault((record.hop, record.point, record.stream), []).append(record)
    runs = [
        replace(_run_of(its_hop or hop or point, response), point=point, request=requests.get((its_hop, stream)))
        for (its_hop, point, stream), response in found.items()
    ]
    return sorted(runs, key=lambda run: _POINTS.index(run.point))


def _run_of(hop: str, records: Sequence[Record]) -> Run:
    # A status line without a status is not final either.
    head = next((each for each in reversed(records) if isinstance(each, HeadRecord) and each.status >= 200), None)
    coding = joined(head.fields, "content-encoding") if head is not None else ""
    reader = ContentReader(coding, kept_octets=_BEGINNING_OCTETS)
    bodies = [each for each in records if isinstance(each, FrameRecord | DataRecord) and each.size]
    frames = [each for each in bodies if isinstance(each, FrameRecord)]
    stamped, events, pieces = list[Unit](), list[Unit](), list[Unit]()
    end = next((each for each in reversed(records) if isinstance(each, EndRecord)), None)
    octets = 0
    for record in bodies:
        if not (isinstance(record, FrameRecord) and record.partial):
            octets += record.size
        elif end is not None:
            octets = max(octets, end.octets)  # the last of the body: its data may be cut, or left out
        else:
            octets += len(record.data or b"")
        pieces.append(Unit(record.t, record.read, octets))
        stamps, ended = reader.feed(record.data or b"")
        stamped += [replace(pieces[-1], stamp=stamp) for stamp in stamps]
        events += [pieces[-1]] * ended
        if record.data is None or record.cut:
            reader.lose()
    is_whole = all(record.data is not None and not record.cut for record in bodies)
    return Run(
        hop,
        head=head,
        units=tuple(unit for unit in stamped or (events if is_whole and len(events) > 1 else pieces) if unit.read),
        early=sum(not piece.read for piece in pieces),
        pieces=tuple(pieces),
        chunks=len(frames),
        extended=sum(";" in frame.line for frame in frames),
        trailers=tuple(name for each in records if isinstance(each, TrailersRecord) for name, _ in each.fields),
        is_chunked=any(isinstance(each, FrameRecord) for each in records),
        is_whole=is_whole and reader.is_readable,
        page=_page_of(head, bodies),
        beginning=bytes(reader.beginning),
        acks=tuple(each for each in records if isinstance(each, AckRecord)),
        end=end,
    )


def _page_of(head: HeadRecord | None, bodies: Sequence[FrameRecord | DataRecord]) -> str:
    """Return what an error's page says; empty for no error, and for content that is no text."""
    if head is None or head.status < 400 or not _PAGE_TYPE.match(joined(head.fields, "content-type")):
        return ""
    if joined(head.fields, "content-encoding"):
        return ""
    return page_text(b"".join(body.data or b"" for body in bodies[:_PAGE_FRAMES]))


def own_names(run: Run, before: Run | None) -> str:
    """Return the names of software that a hop gives and the hop before (nearer to the origin) does not.

    They are in Server, Via, X-Powered-By, Chunkwire-Mode and vendors' fields. A proxy may add its own name, or pass on
    those of hops nearer to the origin.
    """
    own = [said for name in _NAMING for said in _software_names(run, name) if said not in _software_names(before, name)]
    mode = run.response_field("chunkwire-mode")
    if mode and (before is None or before.response_field("chunkwire-mode") != mode):
        own.append(f"Chunkwire-Mode: {mode}")
    vendors = [
        vendor
        for name, vendor in _VENDOR_FIELDS.items()
        if run.response_field(name) and (before is None or not before.response_field(name))
    ]
    return ", ".join(dict.fromkeys((*own, *vendors)))


def names_passed_on(run: Run, before: Run | None) -> str:
    """Return the names that both hops give: this one's own, or the other's passed on."""
    same = [
        run.response_field(name)
        for name in _NAMING
        if before is not None and run.response_field(name) == before.response_field(name)
    ]
    return ", ".join(dict.fromkeys(name for name in same if name))


def freeing_fields(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the fields of a response that may free a stream, and those that the origin was asked for.

    A hop may have removed the latter.
    """
    for name, value in run.head.fields if run.head is not None else ():
        if name.lower() in _FREEING:
            yield name.lower(), value
    for hint in run.asked.get("hints", "").split(","):
        if hint in HINTS:
            name, value = (octets.decode("ascii") for octets in HINTS[hint])
            yield name.lower(), value


def _software_names(run: Run | None, name: str) -> list[str]:
    """Return the members of a field that names software."""
    parts = run.response_field(name).split(",") if run is not None else []
    return [said for part in parts if (said := part.strip())]


class Variation(Enum):
    """How a run's request differs from that of the first run of its hop."""

    NONE = "a repetition"
    SIZE = "events of another size"
    POST = "POST instead of GET"
    IDENTITY = "no content coding asked for"
    BURST = "frames back to back"
    DELAY = "a pause between head and first event"
    MARK = "extensions and a trailer"
    OTHER = "something else"


_BY_PARAMETER = {"burst": Variation.BURST, "delay": Variation.DELAY, "mark": Variation.MARK}


def variation_of(base: Run, run: Run) -> Variation:
    """Return what a run's request varies; where it varies more than one thing, `OTHER`.

    A burst, a delay or a mark comes with a pace of its own: that is no second difference.
    """
    if base.request is None or run.request is None:
        return Variation.NONE
    here, there = run.asked, base.asked
    found: set[Variation] = set()
    if run.request.method != base.request.method:
        found.add(Variation.POST if run.request.method == "POST" else Variation.OTHER)
    if _codings(run) != _codings(base):
        found.add(Variation.OTHER if _codings(run) else Variation.IDENTITY)
    if _added(run) != _added(base):
        found.add(Variation.OTHER)
    names = {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)} - RUN_PARAMETERS
    found |= {_BY_PARAMETER[name] for name in names if name in _BY_PARAMETER}
    if "size" in names:
        found.add(Variation.SIZE)
    if names - _BY_PARAMETER.keys() - _PACE - {"size"} or (names & _PACE and not found & set(_BY_PARAMETER.values())):
        found.add(Variation.OTHER)
    if not found:
        return Variation.NONE
    return found.pop() if len(found) == 1 else Variation.OTHER


def _added(run: Run) -> str:
    """Return what a barrier was asked to add to the response (`forward.barrier`); empty for nothing."""
    return joined(run.request.fields, "chunkwire-barrier").partition("; ")[2] if run.request is not None else ""


def _codings(run: Run) -> str:
    """Return the content codings that a request accepts, in lower case; empty for none, or identity alone."""
    said = joined(run.request.fields, "accept-encoding").strip().lower() if run.request is not None else ""
    return "" if said == "identity" else said
