"""`origins`: time from a handler's write of a chunk to its client, and the server's CPU.

All handlers do the same (`bench.peers.stamps`). Latency is from the stamp, just before the write, to the client's read;
`late` is from the planned moment, so it includes the lateness of the server's timers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.meter import measure
from bench.processes import free_port, running
from bench.results import Column, Round, Table
from bench.rounds import DIRECT, Plan, interleave
from bench.servers import SERVERS, chosen_servers
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
    """Number of streams; chunks and interval of each."""

    streams: int
    chunks: int
    interval_us: int
    warmup_ms: int = 500


CROWDS = {"1": Crowd(1, 1500, 2000), "1000": Crowd(1000, 160, 50000)}
QUICK = {"1": Crowd(1, 150, 2000, 20), "1000": Crowd(20, 20, 50000, 50)}


def origins(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for one stream and one for a thousand."""
    names = chosen_servers(plan)
    for name in plan.choose(CROWDS):
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
    """Return a measurement of the meter's own origin, in C: the lower bound."""

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
