"""`bench --dask ADDRESS`: the same bench on the workers of a Dask cluster at once, and the sum of their results.

The rule here: an agent that failed is named, and the output says that its share is missing. An agent is a process
`chunkwire bench --json` on a worker; it is never run twice.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import trio

from chunkwire.cli.asking import read_request
from chunkwire.cli.bench_output import report
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import version
from chunkwire.cli.terminal import say
from chunkwire.client.request import Body
from chunkwire.tools.bench.limits import Requirement
from chunkwire.tools.bench.result import BenchResult, merged
from chunkwire.wire.errors import LocalError, missing_package

CONNECT_SECONDS = 10.0
POLL_SECONDS = 0.5
"""Interval of asking for the workers: a task on a worker that has gone would never end."""


@dataclass(frozen=True, slots=True)
class AgentEnd:
    """How an agent ended: its output, or why it failed."""

    agent: str
    printed: str = ""
    trouble: str = ""


async def run(options: argparse.Namespace, requirements: Sequence[Requirement]) -> int:
    """Run the agents, print the sum; return the exit code.

    Raises:
        LocalError: distributed is missing, there is no worker, the versions of chunkwire differ, or -d has no text.
    """
    try:
        import distributed
    except ImportError as error:
        raise LocalError(missing_package("--dask", "distributed")) from error
    if not options.quiet:
        say(f"connecting to {options.dask}")
    try:
        client = await trio.to_thread.run_sync(_connect, distributed, options.dask)
    except (OSError, ValueError, MemoryError) as error:  # MemoryError: another server's octets read as a huge length
        reason = " ".join(str(error).split())[:200] or "another server answers"
        say(f"no Dask scheduler at {options.dask}: {reason}")
        return ExitCode.NO_CONNECTION
    try:
        ends = await trio.to_thread.run_sync(_run_agents, client, options, abandon_on_cancel=True)
    finally:
        client.close(timeout=2)
    return _conclude(options, requirements, ends)


def _connect(distributed: Any, address: str) -> Any:
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except ValueError:
        client.status = "closed"  # or its finalizer waits 20 s for a loop that does not run, and prints a traceback
        raise
    return client


def _conclude(options: argparse.Namespace, requirements: Sequence[Requirement], ends: Sequence[AgentEnd]) -> int:
    results = [BenchResult.from_json(end.printed, where=end.agent) for end in ends if end.printed]
    failed = [end for end in ends if not end.printed]
    for end in failed:
        say(f"{end.agent} failed: {end.trouble}")
    if failed:
        say(f"their share is missing: the result has {len(results)} of {len(ends)} agents")
    if not results:
        return ExitCode.TIMEOUT
    code = report(merged(results, clocks_agree=options.clocks_agree), options, requirements)
    return code or (ExitCode.FINDING if failed else ExitCode.OK)


def _run_agents(client: Any, options: argparse.Namespace) -> list[AgentEnd]:
    workers = client.run_on_scheduler(_workers)
    if not workers:
        raise LocalError(f"{options.dask}: the scheduler has no workers")
    _check_versions(client)
    words, count = agent_words(options), options.agents or len(workers)
    running = {}
    for n in range(count):
        worker = workers[n % len(workers)]
        future = client.submit(run_agent, words, n, workers=[worker], pure=False, retries=0)
        running[future] = (f"agent {n + 1} of {count} on {worker}", worker)
    return list(_ends(client, running))


def _ends(client: Any, running: dict[Any, tuple[str, str]]) -> Iterator[AgentEnd]:
    """Yield how each agent ended, in the order of their ends."""
    import distributed

    while running:
        for future in [one for one in running if one.done()]:
            yield _end_of(future, running.pop(future)[0])
        there = client.run_on_scheduler(_workers)
        for future in [one for one, (_, worker) in running.items() if worker not in there and not one.done()]:
            future.cancel()
            yield AgentEnd(running.pop(future)[0], trouble="its worker has gone")
        if running:
            with client.as_current(), suppress(TimeoutError):
                distributed.wait(list(running), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")


def _end_of(future: Any, agent: str) -> AgentEnd:
    if future.status != "finished":
        return AgentEnd(agent, trouble=" ".join(str(future.exception() or future.status).split())[:200])
    code, printed, said = future.result()
    if printed and code in (ExitCode.OK, ExitCode.FINDING):
        return AgentEnd(agent, printed)
    return AgentEnd(agent, trouble=f"exit code {code}: {' '.join(said.split())[-200:]}")


def _check_versions(client: Any) -> None:
    """Check that all workers have this version of chunkwire.

    Raises:
        LocalError: one has another version, or cannot run chunkwire.
    """
    try:
        found = client.run(version)
    except Exception as error:  # a worker may raise anything
        raise LocalError(f"a worker cannot run chunkwire: {' '.join(str(error).split())[:200]}") from error
    others = [f"{worker} has {its}" for worker, its in found.items() if its != version()]
    if others:
        raise LocalError(f"expected chunkwire {version()} on every worker: {'; '.join(others)}")


def _workers(dask_scheduler: Any) -> list[str]:
    """Return the addresses of the workers. Dask fills in the parameter by its name."""
    return list(dask_scheduler.workers)


def run_agent(words: Sequence[str], _number: int) -> tuple[int, str, str]:
    """Run the bench on a worker; return its exit code, standard output and standard error."""
    command = [sys.executable, "-m", "chunkwire", "bench", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def agent_words(options: argparse.Namespace) -> list[str]:
    """Return the command line of an agent: that of this bench, without the flags for the sum."""
    words = [options.url, "--json", "-q", "--limit", "errors=100%"]
    for name in ("rate", "arrivals", "open", "total", "duration", "warmup", "until", "baseline", "start_at", "stamps"):
        words += _flag(name, getattr(options, name))
    words += _flag("streams", options.streams) if options.rate is None else []
    words += [word for line in options.header for word in _flag("header", line)]
    words += _flag("data", _text_of(read_request(options).body))
    for name in ("method", "cafile"):
        words += _flag(name, getattr(options, name))
    words += _flag("max-time", None if math.isinf(options.max_time) else options.max_time)
    return words + ["-k"] * options.insecure + ["--force"] * options.force


def _text_of(body: Body) -> str | None:
    """Return a body as an agent's `-d` takes it.

    Raises:
        LocalError: that cannot give these octets.
    """
    if body is None:
        return None
    if not isinstance(body, bytes):
        raise LocalError("-d -: expected a body that can be sent again, to each agent")
    text = body.decode("utf-8", "replace")
    if text.encode() != body or "\0" in text or text == "-" or text.startswith("@"):
        raise LocalError("--dask and -d: expected a text, which is on the command line of each agent, got other octets")
    return text


def _flag(name: str, value: object) -> list[str]:
    """Return a flag with its value; nothing for None. Numbers are in seconds, or per second."""
    if value is None:
        return []
    text = f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return [f"--{name.replace('_', '-')}={text}"]
