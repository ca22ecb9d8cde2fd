"""The origins that are compared: the command of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from bench.processes import find_program, need_program
from bench.rounds import Plan
from bench.workshop import PEERS, Workshop

ServerCommand: TypeAlias = Callable[[Workshop, int], list[str]]
"""Returns a server's command for a port; raises Trouble where its program is missing."""


def go(workshop: Workshop, port: int) -> list[str]:
    """Return the command of Go's net/http."""
    return [workshop.go_program("origin"), str(port)]


def node(workshop: Workshop, port: int) -> list[str]:
    """Return the command of node's http module."""
    return [need_program("node"), str(PEERS / "origin.js"), str(port)]


def chunkwire(workshop: Workshop, port: int) -> list[str]:
    """Return the command of a chunkwire responder, under the running interpreter."""
    return [sys.executable, "-m", "bench.peers.origin_chunkwire", str(port)]


def python_server(module: str, *words: str) -> ServerCommand:
    """Return the command of a Python server of `bench.peers`."""
    return lambda workshop, port: [workshop.peer_python(), "-m", f"bench.peers.{module}", str(port), *words]


SERVERS: Mapping[str, ServerCommand] = {
    "chunkwire": chunkwire,
    "go": go,
    "node": node,
    "uvicorn": python_server("run_uvicorn", "uvloop", "httptools"),
    "uvicorn-h11": python_server("run_uvicorn", "asyncio", "h11"),
    "hypercorn": python_server("run_hypercorn"),
    "aiohttp": python_server("run_aiohttp"),
}
OWN = "chunkwire"


def is_installed(name: str) -> bool:
    """Say whether a server's program is installed; True for Python servers, which are installed on first use."""
    return name not in ("go", "node") or find_program(name) is not None


def chosen_servers(plan: Plan) -> list[str]:
    """Return the servers to measure: ours, and the peers that are selected and installed."""
    return [name for name in SERVERS if name == OWN or (plan.takes(name) and is_installed(name))]
