"""The conditions of a run: what a reader needs to repeat it and to judge its figures."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench.processes import ROOT, Trouble, choose_cores, find_program
from bench.rounds import Plan
from bench.workshop import version_said

SOCKET_OPTIONS = (
    "meter: TCP_NODELAY on both its ends; relays and servers: what each sets by itself; "
    "kernel: {congestion}, net.ipv4.tcp_wmem {wmem}, rmem {rmem}"
)
WARM_UP = (
    "a latency counts once every stream has had its first chunk and 500 ms more have passed (rally: 50 ms); "
    "bulk counts from the first request; wrk 1 s before; start-up one run before"
)
NOT_COMPARABLE = "not comparable"
QUICK = "--quick: few samples, to see that everything runs; do not compare figures"

# Program to the arguments that print its version.
_VERSIONS = {
    "nginx": ("-v",),
    "haproxy": ("-v",),
    "caddy": ("version",),
    "go": ("version",),
    "node": ("--version",),
    "gcc": ("--version",),
    "wrk": ("-v",),
}
_PACKAGES = ("chunkwire", "trio", "h11")


def conditions(plan: Plan, command: Sequence[str]) -> dict[str, str]:
    """Return each condition by name, in the order to print them."""
    cores = choose_cores()
    where = "one core for all: do not compare figures"
    if cores.server is not None:
        where = f"meter on core {cores.meter}, relay or server on core {cores.server}"
    found = {
        "command": shlex.join(command),
        "commit": _commit(),
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {_package(name)}" for name in _PACKAGES),
        "peers": ", ".join(f"{name} {version}" for name in _VERSIONS if (version := _version(name))),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{_cpu_model()}; {os.cpu_count()} cores, of which usable {len(os.sched_getaffinity(0))}; {where}",
        "load": f"{os.getloadavg()[0]:.2f} over the last minute when the run began",
        "sockets": _socket_options(),
        "warm-up": WARM_UP,
        "rounds": f"{plan.rounds}, each with every subject once, in random order; a figure is the median (least-most)",
    }
    return {**found, NOT_COMPARABLE: QUICK} if plan.is_quick else found


def python_peers(python: str) -> str:
    """Return the versions of the packages in a Python peers' environment."""
    script = (
        "from importlib.metadata import version as v\n"
        "print(', '.join(f'{n} {v(n)}' for n in ('uvicorn','uvloop','httptools','httpx','hypercorn','aiohttp','trio')))"
    )
    return _output([python, "-c", script])


def _commit() -> str:
    commit = _output(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"])
    if not commit:
        return "not a git clone"
    changed = _output(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return f"{commit} with changes" if changed else commit


def _package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _version(program: str) -> str:
    try:
        return version_said([find_program(program) or program, *_VERSIONS[program]])
    except Trouble:
        return ""


def _cpu_model() -> str:
    found = re.search(r"model name\s*:\s*(.+)", _text("/proc/cpuinfo"))
    return found[1] if found else platform.processor() or "unknown CPU"


def _socket_options() -> str:
    kernel = Path("/proc/sys/net/ipv4")
    return SOCKET_OPTIONS.format(
        congestion=_text(kernel / "tcp_congestion_control"),
        wmem=_text(kernel / "tcp_wmem"),
        rmem=_text(kernel / "tcp_rmem"),
    )


def _text(path: str | Path) -> str:
    try:
        return " ".join(Path(path).read_text().split()) if "sys" in str(path) else Path(path).read_text()
    except OSError:
        return ""


def _output(argv: Sequence[str]) -> str:
    """Return what a command prints; "" where it is missing or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def command_line() -> list[str]:
    """Return the command of this run."""
    return [Path(sys.executable).name, "-m", "bench", *sys.argv[1:]]
