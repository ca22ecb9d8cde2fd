"""The gates, in one command: `python -m tests` runs them all, `python -m tests types wire` only those named.

Each gate is a program run from the root of the tree; one failing does not hide the others. Gates run one after another,
the quick ones first; inside a gate pytest-xdist runs the tests in several processes, except for the bench against real
streams, which measures time. What this module must not know: anything about chunkwire beyond the folders that its gates
name.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# Most tests compute, and a few wait: one process more than there are cores keeps each core busy.
COMPUTING = ("-n", str(CORES + 1))
# Most tests with real programs wait for paced streams: 0.3 cores each.
WAITING = ("-n", str(CORES + 2))
# A worker takes neighbouring tests, which share the servers of their file, and at the end some of a slower worker's.
PARALLEL = ("pytest", "-q", "--dist", "worksteal")
TIMED = ("tests/real_probe/test_bench.py", "tests/real_probe/test_bench_failures.py")


@dataclass(frozen=True, slots=True)
class Gate:
    """A named check: it holds when each of its commands, run in order, exits 0."""

    name: str
    promise: str
    commands: tuple[tuple[str, ...], ...]


GATES = (
    Gate("format", "ruff format --check", (("ruff", "format", "--check", "--quiet", "."),)),
    Gate("lint", "ruff check", (("ruff", "check", "--quiet", "."),)),
    Gate("types", "mypy --strict", (("mypy", "--strict", "--no-error-summary", "chunkwire", "tests", "bench"),)),
    Gate(
        "wire",
        "pytest of the codec, every branch taken",
        (("coverage", "run", "-m", "pytest", "-q", "tests/wire", "tests/record"), ("coverage", "report")),
    ),
    Gate(
        "rooms",
        "pytest of the other rooms",
        (
            (
                *PARALLEL,
                *COMPUTING,
                "tests",
                "--ignore=tests/wire",
                "--ignore=tests/record",
                "--ignore=tests/real",
                "--ignore=tests/real_probe",
            ),
        ),
    ),
    Gate("floor", "pytest of net and server on the oldest trio and h11", (("tests.floor", *COMPUTING),)),
    Gate("real", "pytest with real programs", ((*PARALLEL, *WAITING, "tests/real"),)),
    Gate(
        "probe",
        "pytest of verdicts about real proxies, and of the bench, which measures time",
        (
            (*PARALLEL, *WAITING, "tests/real_probe", *(f"--ignore={path}" for path in TIMED)),
            ("pytest", "-q", *TIMED),
        ),
    ),
)


def main(names: list[str]) -> int:
    """Run the gates named, or all of them; return 0 when all held, 1 when one did not, 2 for a wrong name or set-up."""
    known = [gate.name for gate in GATES]
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"tests: expected gates out of {', '.join(known)}, got {', '.join(unknown)}", file=sys.stderr)
        return 2
    if missing := [name for name in ("ruff", "mypy", "pytest", "xdist") if find_spec(name) is None]:
        print(f"tests: {missing[0]} is missing; pip install -e '.[test]' brings it", file=sys.stderr)
        return 2
    lines: list[str] = []
    failed: list[str] = []
    for gate in GATES:
        if names and gate.name not in names:
            continue
        print(f"── {gate.name}: {gate.promise}", flush=True)
        started = time.monotonic()
        if not holds(gate):
            failed.append(gate.name)
        verdict = "FAILED" if gate.name in failed else "ok"
        lines.append(f"   {gate.name:<7} {verdict:<7} {time.monotonic() - started:6.1f} s   {gate.promise}")
    print("── gates", *lines, sep="\n", flush=True)
    if failed:
        print(f"{len(failed)} of {len(lines)} gates failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def holds(gate: Gate) -> bool:
    """Run a gate's commands up to the first that fails; say whether all exited 0."""
    return all(
        subprocess.run((sys.executable, "-m", *command), cwd=ROOT, check=False).returncode == 0
        for command in gate.commands
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
