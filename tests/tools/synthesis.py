"""Runs of a probe that never took place: an origin writes, a hop does something to it, a client records.

What a hop does is a function from writes to reads, each a moment and its octets, so that any buffer can be tried
without a clock.
"""

import json
import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from chunkwire.net.heads import Field
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.tools.probe.arrival import Run, read_runs
from chunkwire.tools.probe.fixes import Fix, advice_for
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.probe.result import ProbeResult, result_of
from chunkwire.tools.probe.verdict import Finding, HopVerdict
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner

Octets = tuple[float, bytes]
Holding = Callable[[list[Octets]], list[Octets]]
EPOCH = 1_800_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What is asked of an origin; seconds."""

    n: int = 20
    interval: float = 0.05
    size: int = 0
    burst: int = 1
    delay: float = 0.0
    mark: bool = False
    nonce: str = "run1"
    method: bytes = b"GET"
    accept: bytes = b"gzip"

    @property
    def target(self) -> bytes:
        asked = {"n": self.n, "interval": f"{self.interval * 1000:g}ms", "nonce": self.nonce}
        asked |= {"size": self.size} if self.size else {}
        asked |= {"burst": self.burst} if self.burst > 1 else {}
        asked |= {"delay": f"{self.delay * 1000:g}ms"} if self.delay else {}
        asked |= {"mark": 1} if self.mark else {}
        return b"/probe?" + "&".join(f"{name}={value}" for name, value in asked.items()).encode()

    def written(self, lateness: Callable[[int], float]) -> list[Octets]:
        """Return the events and their moments, s since the request; event k is written `lateness(k)` s late."""
        noise = random.Random(1)
        events = []
        for k in range(self.n):
            planned = 0.001 + self.delay + k // self.burst * self.interval
            actual = planned + lateness(k)
            about = {
                "n": k + 1,
                "of": self.n,
                "nonce": self.nonce,
                "planned_ns": round((EPOCH + planned) * 1e9),
                "actual_ns": round((EPOCH + actual) * 1e9),
            }
            about |= {"pad": noise.randbytes(self.size).hex()[: self.size - 120]} if self.size else {}
            events.append((actual, b"data: %b\n\n" % json.dumps(about).encode()))
        return events


def on_time(writes: list[Octets]) -> list[Octets]:
    return writes


def to_end(writes: list[Octets]) -> list[Octets]:
    return [(writes[-1][0], octets) for _, octets in writes]


def to_octets(size: int) -> Holding:
    """Hold until `size` octets have gathered; the rest leaves at the end."""

    def hold(writes: list[Octets]) -> list[Octets]:
        held, reads = b"", []
        for t, octets in writes:
            held += octets
            while len(held) >= size:
                reads.append((t, held[:size]))
                held = held[size:]
        return [*reads, (writes[-1][0], held)] if held else reads

    return hold


def for_time(seconds: float) -> Holding:
    """Hold what comes until so long after the first held octet; the end releases the rest."""

    def hold(writes: list[Octets]) -> list[Octets]:
        reads, due = [], -1.0
        for t, octets in writes:
            due = t + seconds if t > due else due
            reads.append((min(due, writes[-1][0]), octets))
        return reads

    return hold


def later(seconds: float) -> Holding:
    """Hold each octet for so long, those at the end too."""
    return lambda writes: [(t + seconds, octets) for t, octets in writes]


def close_behind(seconds: float) -> Holding:
    """Hold for so long what comes close behind something else: Nagle, and an ACK that is delayed."""

    def hold(writes: list[Octets]) -> list[Octets]:
        free = -1.0
        reads = []
        for t, octets in writes:
            late = seconds if t - free < 0.01 else 0.0
            free = t
            reads.append((t + late, octets))
        return reads

    return hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What lies between the origin and the client.

    Attributes:
        hold: what is done to the content.
        coding: a content coding that is added; it is flushed for each event unless `is_lazy`.
        chunks: each read is a chunk; False: the body is delimited by close.
        keeps_marks: extensions and the trailer get through.
        head_with_body: the response head comes with the first octet of the body; else at once.
        cut: after so many events the connection ends, and `silence` s later is that seen.
        jitter: s, at most, by which each read is later.
        lateness: s by which the origin writes event k late.
        nonce: of another run, from a cache.
    """

    hold: Holding = on_time
    coding: str = ""
    is_lazy: bool = True
    chunks: bool = True
    keeps_marks: bool = True
    head_with_body: bool = False
    fields: tuple[Field, ...] = ((b"Content-Type", b"text/event-stream"),)
    status_line: bytes = b"HTTP/1.1 200 OK"
    cut: int | None = None
    silence: float = 0.0
    jitter: float = 0.0
    lateness: Callable[[int], float] = lambda _: 0.0
    nonce: str | None = None


def arrivals(probe: Probe, path: Path) -> list[Octets]:
    """Return the content as it arrives: the reads of one moment are one."""
    writes = replace(probe, nonce=path.nonce or probe.nonce).written(path.lateness)
    if path.coding in ("gzip", "deflate"):
        writes = _deflated(writes, wbits=31 if path.coding == "gzip" else 15, is_lazy=path.is_lazy)
    reads = path.hold(writes)[: path.cut]
    chance = random.Random(7)
    late = sorted((t + chance.uniform(0.0, path.jitter), number) for number, (t, _) in enumerate(reads))
    moments = [(t, reads[number][1]) for (t, _), number in zip(late, range(len(reads)), strict=True)]
    return [(t, b"".join(octets for _, octets in same)) for t, same in groupby(moments, key=lambda read: read[0])]


def _deflated(writes: list[Octets], *, wbits: int, is_lazy: bool) -> list[Octets]:
    coder = zlib.compressobj(wbits=wbits)
    coded = []
    for t, octets in writes:
        more = coder.compress(octets) + (b"" if is_lazy else coder.flush(zlib.Z_SYNC_FLUSH))
        coded.append((t, more))
    coded.append((writes[-1][0], coder.flush()))
    return [write for write in coded if write[1]]


def records_of(probe: Probe, path: Path) -> list[Record]:
    """Return what a client records of one run."""
    records: list[Record] = []
    reads = arrivals(probe, path)
    sent = Recorder(records.append, stream=1, point="client.sent", way="request")
    got = Recorder(records.append, stream=1, point="client.received")
    accept = ((b"Accept-Encoding", probe.accept),) if probe.accept else ()
    sent.request(0.0, probe.method, probe.target, ((b"Host", b"x"), *accept), EPOCH)
    coding = ((b"Content-Encoding", path.coding.encode()),) if path.coding else ()
    head_t = reads[0][0] if path.head_with_body and reads else 0.001
    got.head(head_t, path.status_line, (*path.fields, *coding))
    scanner: BodyScanner = ChunkedScanner() if path.chunks else CloseScanner()
    _receive(got, scanner, _framed(reads, probe, path))
    is_cut = path.cut is not None and path.chunks
    end = (reads[-1][0] if reads else head_t) + path.silence
    got.end(end, "cut" if is_cut else "complete")
    return records


def _framed(reads: list[Octets], probe: Probe, path: Path) -> Iterable[Octets]:
    if not path.chunks:
        return reads
    marks = probe.mark and path.keeps_marks
    framed = [(t, encode_chunk(octets, b";n=%d" % n if marks else b"")) for n, (t, octets) in enumerate(reads, 1)]
    trailers = ((b"Chunkwire-Events", b"1"),) if marks else ()
    return framed if path.cut is not None else [*framed, (framed[-1][0], encode_last_chunk(trailers))]


def _receive(recorder: Recorder, scanner: BodyScanner, reads: Iterable[Octets]) -> None:
    for number, (t, octets) in enumerate(reads, 1):
        events: list[Event] = []
        scanner.scan(octets, len(octets), events)
        recorder.body(t, events, number)


def run_of(probe: Probe = Probe(), path: Path = Path(), *, clock: str | None = None, our_delay: float = 0.0) -> Run:
    """Return one run, read back from its records."""
    (run,) = read_runs(records_of(probe, path), hop="hop")
    return replace(run, clock=clock, our_delay=our_delay)


def hop_of(path: Path = Path(), *probes: Probe, name: str = "hop", clock: str | None = None) -> Hop:
    """Return a hop with the runs of these probes."""
    return Hop(name, tuple(run_of(probe, path, clock=clock) for probe in probes or (Probe(),)))


def unstamped(hop: Hop) -> Hop:
    """Return a hop as a stream without stamps would show it."""
    return replace(hop, runs=tuple(_unstamped(run) for run in hop.runs))


def _unstamped(run: Run) -> Run:
    assert run.request is not None
    units = tuple(replace(unit, stamp=None) for unit in run.units)
    return replace(run, units=units, request=run.request._replace(target="/stream"))


def fixes_for(verdict: HopVerdict) -> list[Fix]:
    """Return the changes that a verdict is offered, the best founded first."""
    return [advice.fix for advice in advice_for(verdict)]


def result_on(*verdicts: HopVerdict, findings: Sequence[Finding] = ()) -> ProbeResult:
    """Return a result with these verdicts."""
    return result_of(verdicts, findings)
