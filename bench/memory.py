"""`memory`: memory of an open, silent stream at relays and origins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from bench.gateways import WITHOUT_POLLING, Command
from bench.holder import Holder
from bench.processes import Running, free_port, running
from bench.relays import relay, relay_commands
from bench.results import Column, Round, Table
from bench.rounds import Plan, interleave
from bench.servers import SERVERS, chosen_servers
from bench.workshop import Workshop

COLUMNS = (
    Column("kib_per_stream", "a stream", "KiB"),
    Column("idle_kib", "no stream", "MB", 1 / 1024),
    Column("full_kib", "all streams", "MB", 1 / 1024),
    Column("streams", "streams"),
)
TABLES = ("relays", "origins")
STREAMS, QUICK_STREAMS = 2000, 100
# The stamping origins send the first chunk at a random moment of the next hour (`bench.peers.stamps`).
_SILENT = f"/?n=2&us={3600 * 10**6}"


def memory(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table of relays and one of origins."""
    streams = QUICK_STREAMS if plan.is_quick else STREAMS
    for kind in plan.choose(TABLES):
        measures = _relays(plan, workshop, streams) if kind == "relays" else _origins(plan, workshop, streams)
        rows = interleave(measures, plan.rounds, what=f"memory/{kind}")
        last = "a head and one chunk" if kind == "relays" else "the head"
        shows = f"resident memory of {kind}: {streams} streams, open and silent after {last}"
        yield Table(f"memory/{kind}", shows, COLUMNS, rows)


def _relays(plan: Plan, workshop: Workshop, streams: int) -> dict[str, Callable[[], Round]]:
    commands = relay_commands(plan, WITHOUT_POLLING, own=["chunkwire"])
    return {name: _relay(workshop, name, command, streams) for name, command in commands.items()}


def _relay(workshop: Workshop, name: str, command: Command, streams: int) -> Callable[[], Round]:
    def once() -> Round:
        origin = free_port()
        with relay(workshop, name, command, upstream=origin) as server, Holder(origin) as holder:
            return _fill(holder, server, streams, path="/")

    return once


def _origins(plan: Plan, workshop: Workshop, streams: int) -> dict[str, Callable[[], Round]]:
    return {name: _origin(workshop, name, streams) for name in chosen_servers(plan)}


def _origin(workshop: Workshop, name: str, streams: int) -> Callable[[], Round]:
    def once() -> Round:
        port = free_port()
        argv = SERVERS[name](workshop, port)
        with running(name, argv, port, core=workshop.cores.server) as server, Holder() as holder:
            return _fill(holder, server, streams, path=_SILENT)

    return once


def _fill(holder: Holder, server: Running, streams: int, *, path: str) -> Round:
    """Open ten streams as warm-up, then the others; return the memory of these."""
    holder.open(server.port, 10, path=path)
    idle = server.resident_kib()
    holder.open(server.port, streams, path=path)
    time.sleep(0.5)  # memory of the exchange's beginning may be freed
    full = server.resident_kib()
    return Round(
        {
            "idle_kib": idle,
            "full_kib": full,
            "kib_per_stream": (full - idle) / streams,
            "streams": float(streams),
        }
    )
