"""`setup`: short responses through a relay, by wrk: the cost of an exchange's beginning and end.

Heads differ like those of real traffic: several layouts, each with its own request id and bearer token
(`peers/heads.lua`). Equal heads are measured, too: a relay that is faster with them has cached something.

wrk is a closed loop: it sends a request after the previous answer, so its latencies leave out requests that a stall
delays. Only its rate is compared.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.gateways import PEERS_OF_PYTHON, WITHOUT_POLLING, Command
from bench.processes import Running, Trouble, free_port, need_program, pinned, running
from bench.relays import relay, relay_commands
from bench.results import Column, Round, Table
from bench.rounds import DIRECT, Plan, interleave
from bench.targets import judged
from bench.workshop import PEERS, Workshop

COLUMNS = (
    Column("per_second", "exchanges", "/s"),
    Column("cpu_us", "CPU an exchange", "µs"),
    Column("failed", "failed"),
    Column("connections", "connections"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """The client's requests.

    Attributes:
        closes: each exchange has a connection of its own.
        differs: all heads differ.
    """

    shows: str
    closes: bool = False
    differs: bool = True


KINDS = {
    "kept": Kind("kept connections, all heads differ"),
    "equal": Kind("kept connections, all heads are equal", differs=False),
    "new": Kind("a connection for each exchange (Connection: close), all heads differ", closes=True),
}
CONNECTIONS = 32
SECONDS, QUICK_SECONDS = 3, 1


def setup(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each kind of client.

    Raises:
        Trouble: wrk or gcc is missing.
    """
    need_program("wrk")
    commands = relay_commands(plan, {**WITHOUT_POLLING, **PEERS_OF_PYTHON}, own=["chunkwire"])
    origin = free_port()
    argv = [workshop.c_program("shortorigin"), str(origin)]
    with running("shortorigin", argv, origin, core=workshop.cores.meter):
        for name in plan.choose(KINDS):
            kind = KINDS[name]
            measures: dict[str, Callable[[], Round]] = {
                DIRECT: partial(_wrk, plan, workshop, origin, kind),
                **{each: _through(plan, workshop, each, command, origin, kind) for each, command in commands.items()},
            }
            rows = interleave(measures, plan.rounds, what=f"setup/{name}")
            shows = f"responses of one 64-octet chunk, {CONNECTIONS} at once: {kind.shows}"
            note = "wrk is a closed loop: its rate is compared, its latency is not shown."
            yield judged(Table(f"setup/{name}", shows, COLUMNS, rows, note=note))


def _through(
    plan: Plan, workshop: Workshop, name: str, command: Command, origin: int, kind: Kind
) -> Callable[[], Round]:
    def once() -> Round:
        with relay(workshop, name, command, upstream=origin) as server:
            return _wrk(plan, workshop, server.port, kind, server)

    return once


def _wrk(plan: Plan, workshop: Workshop, port: int, kind: Kind, server: Running | None = None) -> Round:
    """Run wrk once, after a warm-up of 1 s, which `--quick` leaves out."""
    seconds = QUICK_SECONDS if plan.is_quick else SECONDS
    script = PEERS / ("heads.lua" if kind.differs else "wrk.lua")
    common = [need_program("wrk"), "-t1", f"-c{CONNECTIONS}", "-s", str(script)]
    what = [f"http://127.0.0.1:{port}/", *(["--", "close"] if kind.closes else [])]
    if not plan.is_quick:
        _run(pinned([*common, "-d1s", *what], workshop.cores.meter))
    used = server.cpu_seconds() if server else 0.0
    said = _run(pinned([*common, f"-d{seconds}s", *what], workshop.cores.meter))
    failed = sum(int(said[name]) for name in ("connect", "read", "write", "status", "timeout"))
    figures = {
        "per_second": said["requests"] / (said["duration_us"] / 1e6),
        "failed": float(failed),
        "connections": float(CONNECTIONS),
    }
    if server and said["requests"]:
        figures["cpu_us"] = 1e6 * (server.cpu_seconds() - used) / said["requests"]
    answered = said["requests"] - failed
    return Round(figures, error="" if answered > 0 else "no exchange succeeded")


def _run(argv: list[str]) -> dict[str, float]:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise Trouble(f"wrk gave no figures: {error}") from error
    return result
