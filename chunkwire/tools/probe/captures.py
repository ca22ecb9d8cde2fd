"""Recordings and packet captures as hops.

The rule here: text or exchanges in, hops out, pure. Each point of each hop in a recording (our JSON Lines, or a trace
of curl's) becomes a hop; points nearer to the origin come first.

Captures show one stream at several places, its frames matched by their octets. The end of each frame of the innermost
exchange counts as the moment of its write. A hop further out has the frame once as many octets of decoded content have
come there. No common clock is needed, because a hold is measured from the least delayed frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, pairwise
from typing import Final

from chunkwire.record.values import DataRecord, FrameRecord, Record, read_records
from chunkwire.tools.capture.exchanges import CapturedExchange
from chunkwire.tools.capture.load import choose
from chunkwire.tools.capture.packets import CaptureFileError
from chunkwire.tools.paint import PLAIN, wrapped
from chunkwire.tools.probe.arrival import Run, Unit, joined, read_run, read_runs
from chunkwire.tools.probe.curl_trace import is_trace, read_trace
from chunkwire.tools.probe.holding import HOLD_SECONDS, Shape, holds_of, observe
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.stamps import Stamp
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.errors import LocalError, quoted

MIN_SHARED: Final = 0.9
"""Share of the shorter content, from its first octet, that two exchanges must have in common to be one stream: the rest
may be cut, or added by a hop."""


@dataclass(frozen=True, slots=True)
class CapturedHop:
    """One stream at one place."""

    exchange: CapturedExchange
    source: str  # the file it is from; times of one file are of one clock
    content: bytes  # decoded, as far as the capture holds it
    # of each frame, or read, the moment (ns since the epoch) and the octets of content up to its end
    ends: tuple[tuple[int, int], ...]


def captured_hop(exchange: CapturedExchange, source: str) -> CapturedHop:
    """Return an exchange with its content decoded."""
    head = exchange.head
    decoder = ContentDecoder(joined(head.fields, "content-encoding") if head is not None else "")
    content, ends = bytearray(), list[tuple[int, int]]()
    for record in exchange.records:
        if isinstance(record, FrameRecord | DataRecord) and record.size and record.data is not None and not record.cut:
            content += b"".join(decoder.feed(record.data))
            ends.append((exchange.began_ns + round(record.t * 1e9), len(content)))
    return CapturedHop(exchange, source, bytes(content), tuple(ends))


def one_stream(
    hops: Sequence[CapturedHop], *, like: Sequence[CapturedHop] = (), chosen: int | None = None
) -> list[CapturedHop]:
    """Return the exchanges of one capture that carry the same stream, from the inside out.

    The outermost client asks first, so the innermost exchange began last. Of several streams the one that most
    exchanges carry is taken.

    Args:
        hops: one or more, of one capture.
        like: its first exchange, of another capture, is of the stream to take; empty where any may be taken.
        chosen: number of an exchange whose stream is taken; with `like` it is ignored.

    Raises:
        CaptureFileError: none is like `like` or has the number, or several streams have the most exchanges.
    """
    groups: list[list[CapturedHop]] = []
    for hop in hops:
        group = next((each for each in groups if _is_same(each[0], hop)), None)
        if group is None:
            groups.append([hop])
        else:
            group.append(hop)
    if like:
        groups = [group for group in groups if _is_same(group[0], like[0])]
        if not groups:
            raise CaptureFileError(
                f"{hops[0].source}: expected the stream that {like[0].source} shows, got none like it"
            )
    elif chosen is not None:
        choose([hop.exchange for hop in hops], chosen, hops[0].source)
        groups = [group for group in groups if any(hop.exchange.n == chosen for hop in group)]
    groups.sort(key=len, reverse=True)
    if len(groups) > 1 and len(groups[0]) == len(groups[1]):
        got = f"{len(hops)} exchanges of {len(groups)} streams"
        raise CaptureFileError(f"{hops[0].source}: expected one stream, got {got}; --exchange N takes one")
    return sorted(groups[0], key=lambda hop: hop.exchange.began_ns, reverse=True)


def _is_same(a: CapturedHop, b: CapturedHop) -> bool:
    """Say whether two exchanges carry the same content, as far as both go, and not between one client and server.

    Those are one request repeated, not one stream at two places.
    """
    is_repeated = a.source == b.source and (a.exchange.client, a.exchange.hop) == (b.exchange.client, b.exchange.hop)
    shorter = min(len(a.content), len(b.content))
    return not is_repeated and shorter > 0 and _shared(a.content, b.content) >= MIN_SHARED * shorter


def _shared(a: bytes, b: bytes) -> int:
    """Return how many first octets two contents have in common."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def hops_of(captured: Sequence[CapturedHop]) -> list[Hop]:
    """Return the hops of one stream, from the inside out; all are compared with the frames of the first.

    Content that differs from some octet on is matched up to there, and a note says so.
    """
    hops, reference = list[Hop](), captured[0]
    names = [hop.exchange.hop for hop in captured]
    for hop in captured:
        name = hop.exchange.hop if names.count(hop.exchange.hop) == 1 else f"{hop.exchange.hop} {hop.source}"
        run = replace(read_run(hop.exchange.records, name), clock=hop.source)
        end = hop.exchange.end
        notes = [end.error] if end is not None and end.framing == "missing" and end.error else []
        run = _stamped(run, hop, reference)
        if run.is_stamped and (at := _differs_at(hop, reference)) is not None:
            notes += [f"its content is not that of {hops[0].name} from octet {at + 1} on, and is judged up to there"]
        unmatched = "" if hop is reference or run.is_stamped else f"no whole frame of {hops[0].name} is in its content"
        hops.append(Hop(name, (run,), notes=tuple(notes), unmatched=unmatched))
    return hops


def _stamped(run: Run, hop: CapturedHop, reference: CapturedHop) -> Run:
    """Return a run with the frames of the reference as units; the stamp of each is when it was at the reference.

    The run is returned unchanged where none of them has arrived, or where it is the reference and not spread over time.
    """
    if hop is reference and observe(run).shape is not Shape.SPREAD:
        return run  # written so, or held further in: its arrivals are judged as they are
    units, arrivals = list[Unit](), list(_arrivals(reference, hop))
    of = len(_frames(reference)) if _differs_at(hop, reference) is None else len(arrivals)  # what differs is not cut
    for n, (written_ns, place) in enumerate(arrivals, 1):
        t = (hop.ends[place][0] - hop.exchange.began_ns) / 1e9
        piece = run.pieces[min(place, len(run.pieces) - 1)]
        units.append(replace(piece, t=t, stamp=Stamp(n, of, "", None, written_ns)))
    return replace(run, units=tuple(units)) if units else run


def _differs_at(a: CapturedHop, b: CapturedHop) -> int | None:
    """Return the index of the first octet in which two contents differ; None if one of them begins the other."""
    shared = _shared(a.content, b.content)
    return shared if shared < min(len(a.content), len(b.content)) else None


def _arrivals(reference: CapturedHop, hop: CapturedHop) -> Iterator[tuple[int, int]]:
    """Yield for each frame of the reference when it ended there (ns), and the place in `hop.ends` that completes it.

    Ends with the first frame that has not arrived, or whose content differs.
    """
    shared, place = _shared(hop.content, reference.content), 0
    for ended_ns, end in _frames(reference):
        while place < len(hop.ends) and hop.ends[place][1] < end:
            place += 1
        if place == len(hop.ends) or end > shared:
            return
        yield ended_ns, place


def inside_out(captured: Sequence[CapturedHop]) -> list[CapturedHop]:
    """Return the places of one stream in their order, except where that is proved wrong: from the inside out."""
    ordered = list(captured)
    for last in range(len(ordered) - 1, 0, -1):
        for n in range(last):
            if _is_outside(ordered[n], ordered[n + 1]):
                ordered[n : n + 2] = ordered[n + 1], ordered[n]
    return ordered


def _is_outside(a: CapturedHop, b: CapturedHop) -> bool:
    """Say whether `a` is proved to be further out than `b`, whatever clocks they have.

    A hop is asked before it asks the next one, and has content after that one: nothing comes sooner after the request
    further out. Else the hosts tell: the client at `b` is the server at `a`.
    """
    if a.source == b.source:  # the order is that of one clock already, see `one_stream`
        return False
    leads = _lead(b, a) > HOLD_SECONDS, _lead(a, b) > HOLD_SECONDS
    if leads[0] != leads[1]:
        return leads[0]
    (client, server), (inner_client, inner_server) = _hosts(a), _hosts(b)
    return inner_client == server and client != inner_server


def _lead(a: CapturedHop, b: CapturedHop) -> float:
    """Return how much sooner after the request some frame ended at `a` than at `b`, s; 0.0 for none."""
    if a.exchange.request is None or b.exchange.request is None:
        return 0.0
    between = b.exchange.began_ns - a.exchange.began_ns
    return max((b.ends[place][0] - ended_ns - between for ended_ns, place in _arrivals(a, b)), default=0) / 1e9


def _hosts(hop: CapturedHop) -> tuple[str, str]:
    return hop.exchange.client.rpartition(":")[0], hop.exchange.hop.rpartition(":")[0]


def _frames(hop: CapturedHop) -> list[tuple[int, int]]:
    """Return the end of the first frame, and of those after it that add content: a coding may add none for a while."""
    first = hop.ends[:1]
    return [*first, *(after for before, after in pairwise(hop.ends) if after[1] > before[1])]


def frame_lines(captured: Sequence[CapturedHop], hops: Sequence[Hop], width: int | None = None) -> list[str]:
    """Return the order of the places, and a table: when each frame was at each place, and how long it was held.

    Empty for one place, which has nothing to be compared with.

    Args:
        width: columns that lines may have; places that do not fit beside the others stand below them. None: any.
    """
    if len(captured) < 2:
        return []
    is_shown = all(a.source == b.source or _is_outside(b, a) for a, b in pairwise(captured))
    basis = "as the captures show" if is_shown else "as they were named: the captures do not show the order"
    order = f"taken as inner first: {', then '.join(hop.name for hop in hops)} ({basis})"
    octets = [end for _, end in _frames(captured[0])]
    sizes = [size - before for before, size in zip([0, *octets], octets, strict=False)]
    lead = ["  frame  octets", *(f"  {n:>5}  {size:>6}" for n, size in enumerate(sizes, 1))]
    lines = wrapped("", PLAIN.text(order), width)
    lines += ["ms since the first frame there; held: ms longer on its way than the fastest"]
    table = lead
    for hop in hops:
        cells = _padded([hop.name, *_column(hop)], len(lead))
        if table is not lead and width is not None and len(table[0] + cells[0]) > width:
            lines, table = [*lines, *table], lead
        table = [row + cell for row, cell in zip(table, cells, strict=True)]
    return [*lines, *table]


def _padded(cells: Sequence[str], count: int) -> list[str]:
    """Return so many cells of one width, `-` for those that there are not."""
    column = [*cells, *"-" * (count - len(cells))][:count]
    return [f"  {cell:>{max(map(len, column))}}" for cell in column]


def _column(hop: Hop) -> list[str]:
    """Return the cells of one hop: ms since its first frame and, where the frames have stamps, `holds_of` in ms."""
    run = hop.runs[0]
    first = run.units[0].t if run.units else 0.0
    if not run.is_stamped:
        return [f"{(unit.t - first) * 1000:.1f}" for unit in run.units]
    return [
        f"{(unit.t - first) * 1000:.1f} held {hold * 1000:.1f}"
        for unit, hold in zip(run.units, holds_of(run), strict=True)
    ]


def read_recording(text: str, *, name: str) -> list[Hop]:
    """Return the hops of a recording.

    Args:
        name: what to call a hop that the recording does not name.

    Raises:
        LocalError: it is neither form, is malformed, or holds no response.
    """
    connect = None
    records: Iterable[Record]
    if is_trace(text.partition("\n")[0]):
        trace = read_trace(text)
        records, connect = trace.records, trace.connect
    elif text.lstrip().startswith("{"):
        records = read_records(text.split("\n"), name)
    else:
        got = quoted(text.encode("utf-8", "surrogateescape"), 16) if text else "an empty file"
        raise LocalError(f"{name}: expected a capture, records (JSON Lines) or a curl --trace, got {got}")
    runs = [replace(run, connect=connect, clock=name) for run in read_runs(records, hop=name)]
    if not runs:
        raise LocalError(f"{name}: expected a response in the recording, got none")
    if connect is None:  # the way from a hop to the client may take any time
        runs = [replace(run, clock=None) if run.point == "client.received" else run for run in runs]
    return list(_hops(runs))


def matched(hops: Sequence[Hop], inner: Sequence[Hop]) -> list[Hop]:
    """Return hops of one recording, marked where they show another stream than the innermost hop of another one.

    Runs of one request are of one stream, though their content may differ, as by a time in it; else the content tells.
    Runs with stamps or a barrier are judged one by one. Content that was not recorded is not compared.
    """
    reference = next((hop for hop in inner if _is_comparable(hop.runs[0])), None) if inner else None
    return [hop if reference is None else _matched(hop, reference) for hop in hops]


def compared(hop: Hop, inner: Sequence[Hop]) -> Hop:
    """Return a hop that was asked, noted where its content is not that of a recording further in.

    It is judged all the same: each request to a language model has another answer, and ids of its own.
    """
    if not (inner and hop.runs):
        return hop
    run, found = hop.runs[0], matched([hop], inner)[0].unmatched
    if run.pieces and not (run.beginning or found):
        found = "its content is not decoded" + (f" ({run.coding})" if run.coding else "")
    return replace(hop, notes=(*hop.notes, f"{found}, so that only times are compared")) if found else hop


def _is_comparable(run: Run) -> bool:
    return bool(run.beginning) and not (run.is_stamped or run.is_ordered)


def _matched(hop: Hop, reference: Hop) -> Hop:
    run, inner = hop.runs[0], reference.runs[0]
    is_repeated = run.request is not None and run.setting == inner.setting
    shared = _shared(run.beginning, inner.beginning)
    is_shared = shared >= MIN_SHARED * min(len(run.beginning), len(inner.beginning))
    if is_repeated or is_shared or not _is_comparable(run):
        return hop
    return replace(hop, unmatched=f"its content is not that of {reference.name}, from octet {shared + 1} on")


def _hops(runs: Iterable[Run]) -> Iterator[Hop]:
    """Yield a hop for each hop and point, in the order of their first runs; of several points each is in the name.

    Runs at the beginning that show no order are left out if others follow: the probe asked again because of them.
    """
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.hop, run.point), []).append(run)
    points = {point for _, point in found}
    for (hop, point), its_runs in found.items():
        counted = dropwhile(lambda run: run.is_ordered and observe(run).shape is Shape.UNDECIDED, its_runs)
        yield Hop(f"{hop} {point}" if len(points) > 1 else hop, tuple(counted) or tuple(its_runs))
