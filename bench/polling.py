"""`polling`: CPU of a relay that is idle or nearly idle, and its time to a new response meanwhile.

Three states: no stream; a thousand silent ones; fifty mixed ones (25 silent, 25 with 20 chunks/s each), to which a
silent one is added every 50 ms. CPU is the relay's own, in percent of a core.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench import stats
from bench.gateways import PEERS_OF_DEBIAN, Command
from bench.holder import Holder
from bench.meter import meter_argv, to_round
from bench.processes import Running, Trouble, end, free_port, start
from bench.relays import relay, relay_commands
from bench.results import Column, Round, Table
from bench.rounds import Plan, interleave
from bench.workshop import Workshop

COLUMNS = (
    Column("idle_percent", "no stream", "% CPU"),
    Column("silent_percent", "1000 silent", "% CPU"),
    Column("mixed_percent", "50 mixed", "% CPU"),
    Column("mixed_p50", "mixed p50", "µs"),
    Column("mixed_p99", "mixed p99", "µs"),
    Column("new_p50_ms", "new exchange p50", "ms"),
    Column("new_max_ms", "max", "ms"),
)


@dataclass(frozen=True, slots=True)
class IdleStates:
    """Seconds of each of the first two states, number of silent streams, chunks of each mixed stream."""

    seconds: float
    silent: int
    chunks: int


FULL, QUICK = IdleStates(3.0, 1000, 100), IdleStates(0.3, 50, 30)
MIXED = 25


def polling(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield one table."""
    load = QUICK if plan.is_quick else FULL
    commands = relay_commands(plan, PEERS_OF_DEBIAN)
    measures = {name: _measure(workshop, name, command, load) for name, command in commands.items()}
    rows = interleave(measures, plan.rounds, what="polling")
    shows = f"a relay with no stream, with {load.silent} silent ones, with 50 mixed ones"
    yield Table("polling", shows, COLUMNS, rows)


def _measure(workshop: Workshop, name: str, command: Command, load: IdleStates) -> Callable[[], Round]:
    def once() -> Round:
        return Round({**_silent(workshop, name, command, load), **_mixed(workshop, name, command, load)})

    return once


def _silent(workshop: Workshop, name: str, command: Command, load: IdleStates) -> dict[str, float]:
    origin = free_port()
    with relay(workshop, name, command, upstream=origin) as server, Holder(origin) as holder:
        idle = _percent(server, load.seconds)
        holder.open(server.port, load.silent)
        return {"idle_percent": idle, "silent_percent": _percent(server, load.seconds)}


def _percent(server: Running, seconds: float) -> float:
    """Return the CPU that a server uses during the next seconds, in percent of a core."""
    began, used = time.monotonic(), server.cpu_seconds()
    time.sleep(seconds)
    return 100 * (server.cpu_seconds() - used) / (time.monotonic() - began)


def _mixed(workshop: Workshop, name: str, command: Command, load: IdleStates) -> dict[str, float]:
    origin = free_port()
    arguments: dict[str, str | int] = {
        "mode": "paced",
        "streams": MIXED,
        "count": load.chunks,
        "interval": 50000,
        "warmup": 100,
    }
    with relay(workshop, name, command, upstream=origin) as server, Holder() as holder:
        argv = meter_argv(workshop, arguments, target=server.port, origin=origin)
        meter = start(argv, None, stdout=subprocess.PIPE)
        try:
            time.sleep(0.3)  # until the meter has opened its streams
            holder.open(server.port, MIXED, path="/silent")
            holder.first_ms.clear()
            began, used = time.monotonic(), server.cpu_seconds()
            until = began + load.chunks * 0.05 - 1.0
            while time.monotonic() < until or not holder.first_ms:
                holder.open(server.port, 1, path="/silent")
                time.sleep(0.05)
            percent = 100 * (server.cpu_seconds() - used) / (time.monotonic() - began)
            said, _ = meter.communicate(timeout=60)
        finally:
            end(meter)
    return {"mixed_percent": percent, **_latencies(said, arguments), **_new_exchanges(holder.first_ms)}


def _latencies(said: bytes, arguments: Mapping[str, str | int]) -> dict[str, float]:
    try:
        measured = to_round(json.loads(said), arguments)
    except ValueError as error:
        raise Trouble("the meter gave no figures") from error
    if measured.error:
        raise Trouble(measured.error)
    return {f"mixed_{name}": measured.figures[name] for name in ("p50", "p99") if name in measured.figures}


def _new_exchanges(first_ms: list[float]) -> dict[str, float]:
    figures = stats.summary(first_ms)
    return {f"new_{name}_ms": figures[name] for name in ("p50", "max") if name in figures}
