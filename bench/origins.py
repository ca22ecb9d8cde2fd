"""`origins`: how soon a chunk that a handler writes is at the client, and what it costs the server.

Every handler does the same (see `bench.peers.stamps`). The latency is from the stamp, taken just before the write,
to the client's read; `late` is the arrival against the planned moment, so it holds the server's timers too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.meter import measure
from bench.processes import free_port, running
from bench.results import Column, Round, Table
from bench.rounds import DIRECT, Plan, interleave
from bench.servers import OWN, SERVERS, is_installed
from bench.targets import judged
from bench.workshop import Workshop

COLUMNS = (
    Column("p50", "p50", "µs"),
    Column("p99", "p99", "µs"),
    Column("p999", "p99.9", "µs"),
    Column("max", "max", "µs"),
    Column("late_p50", "late p50", "µs"),
    Column("late_p99", "late p99", "µs"),
    Column("cpu_us_per_frame", "CPU a chunk", "µs"),
    Column("relay_rss_kb", "RSS", "MB", 1 / 1024),
    Column("samples", "n"),
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many streams, and each one's chunks and interval."""

    streams: int
    chunks: int
    interval_us: int
    warmup_ms: int = 500


CROWDS = {"1": Crowd(1, 1500, 2000), "1000": Crowd(1000, 160, 50000)}
QUICK = {"1": Crowd(1, 150, 2000, 20), "1000": Crowd(50, 12, 50000, 50)}


def origins(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for one stream and one for a thousand."""
    names = [name for name in SERVERS if name == OWN or (plan.takes(name) and is_installed(name))]
    for name in plan.choose(list(CROWDS)):
        crowd = (QUICK if plan.is_quick else CROWDS)[name]
        measures = {DIRECT: _direct(workshop, crowd), **{each: _server(workshop, each, crowd) for each in names}}
        rows = interleave(measures, plan.rounds, what=f"origins/{name}")
        rate = 1e6 / crowd.interval_us
        shows = f"handlers that stamp their chunks: streams {crowd.streams}, {rate:g} chunks/s each"
        yield judged(Table(f"origins/{name}", shows, COLUMNS, rows))


def _arguments(crowd: Crowd) -> dict[str, str | int]:
    return {
        "mode": "paced",
        "streams": crowd.streams,
        "count": crowd.chunks,
        "interval": crowd.interval_us,
        "warmup": crowd.warmup_ms,
        "path": f"/?n={crowd.chunks}&us={crowd.interval_us}",
    }


def _direct(workshop: Workshop, crowd: Crowd) -> Callable[[], Round]:
    """Return what measures the meter's own origin: the floor, in C."""

    def once() -> Round:
        port = free_port()
        return _with_lateness(measure(workshop, _arguments(crowd), target=port, origin=port))

    return once


def _server(workshop: Workshop, name: str, crowd: Crowd) -> Callable[[], Round]:
    def once() -> Round:
        port = free_port()
        with running(name, SERVERS[name](workshop, port), port, core=workshop.cores.server) as server:
            return _with_lateness(measure(workshop, _arguments(crowd), target=port, origin=None, server=server))

    return once


def _with_lateness(measured: Round) -> Round:
    late = {f"late_{name.removeprefix('planned_')}": us for name, us in measured.figures.items() if "planned_" in name}
    return Round({**measured.figures, **late}, measured.curve, measured.error)
