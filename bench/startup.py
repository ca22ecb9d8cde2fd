"""`startup`: time until a command has printed its help, and until a server listens.

Each round is a new process, in random order. The time is from the fork to the exit, or to the first accepted connection
(tried every 0.5 ms). The first run of each does not count: it fills the caches.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

from bench.gateways import PEERS_OF_PYTHON, WITHOUT_POLLING, Route
from bench.processes import ROOT, Trouble, end, free_port, is_listening, pinned, start
from bench.relays import relay_commands
from bench.results import Column, Round, Row, Table
from bench.rounds import Plan, interleave
from bench.servers import SERVERS, chosen_servers
from bench.workshop import Workshop

COLUMNS = (Column("ms", "time", "ms"),)
TABLES = ("commands", "servers")
RUNS, QUICK_RUNS = 20, 1
_WITHIN = 15.0  # s
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "python -c pass": ("-c", "pass"),
    "import chunkwire": ("-c", "import chunkwire"),
    "chunkwire --help": ("-m", "chunkwire", "--help"),
    "chunkwire --version": ("-m", "chunkwire", "--version"),
    "chunkwire serve --help": ("-m", "chunkwire", "serve", "--help"),
    "import trio": ("-c", "import trio"),
}


def startup(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table of commands and one of servers."""
    for kind in plan.choose(TABLES):
        if kind == "commands":
            measures = {name: _exit_of(workshop, [sys.executable, *words]) for name, words in COMMANDS.items()}
            shows = "from the fork of a process to its exit"
        else:
            measures = {name: _listening(workshop, argv) for name, argv in _servers(plan, workshop).items()}
            shows = "from the fork of a server to the first connection that it accepts"
        runs = QUICK_RUNS if plan.is_quick else RUNS
        rows = interleave(measures, runs + 1, what=f"startup/{kind}")
        warm = tuple(Row(row.name, row.rounds[1:]) for row in rows)
        yield Table(
            f"startup/{kind}", shows, COLUMNS, warm, note=f"{runs} runs each, after a first one that does not count."
        )


def _servers(plan: Plan, workshop: Workshop) -> dict[str, Callable[[int], list[str]]]:
    """Return the commands of all relays and origins for a port; the relays' upstream does not exist."""
    upstream = free_port()
    peers = {**WITHOUT_POLLING, **PEERS_OF_PYTHON}
    relays = {
        f"{name}, relay": lambda port, command=command: command(workshop, Route(port, upstream))
        for name, command in relay_commands(plan, peers, own=["chunkwire"]).items()
    }
    origins = {
        f"{name}, origin": lambda port, name=name: SERVERS[name](workshop, port) for name in chosen_servers(plan)
    }

    def serve(port: int) -> list[str]:
        return [sys.executable, "-m", "chunkwire", "serve", "--listen", f"127.0.0.1:{port}", "-q"]

    return {"chunkwire serve": serve, **relays, **origins}


def _exit_of(workshop: Workshop, argv: list[str]) -> Callable[[], Round]:
    """Return a measurement of a command to its exit."""

    def once() -> Round:
        began = time.perf_counter()
        done = subprocess.run(
            pinned(argv, workshop.cores.server), cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
        took = time.perf_counter() - began
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit {done.returncode}"]
            raise Trouble(last[0])
        return Round({"ms": took * 1000})

    return once


def _listening(workshop: Workshop, argv_for: Callable[[int], list[str]]) -> Callable[[], Round]:
    """Return a measurement of a server until it accepts."""

    def once() -> Round:
        port = free_port()
        argv = argv_for(port)
        with tempfile.TemporaryFile() as log:
            began = time.perf_counter()
            process = start(argv, workshop.cores.server, stderr=log)
            try:
                while not is_listening(port):
                    if process.poll() is not None:
                        log.seek(0)
                        raise Trouble(f"ended at its start: {log.read().decode(errors='replace')[-200:]}")
                    if time.perf_counter() - began > _WITHIN:
                        raise Trouble(f"did not listen within {_WITHIN:.0f} s")
                    time.sleep(0.0005)
                return Round({"ms": (time.perf_counter() - began) * 1000})
            finally:
                end(process)

    return once
