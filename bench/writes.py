"""`writes`: the same frame written in different ways, and what becomes of it: TCP segments, calls, CPU, latency.

Plain sockets and blocking calls, so that only the way of writing differs. The sender is a process on the servers'
core, the reader is this one, on the meter's; the chunks are those of every other experiment.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from bench import stats
from bench.processes import HOST, ROOT, Trouble, end, free_port, pinned
from bench.results import Column, Round, Table
from bench.rounds import Plan, interleave
from bench.strategies import QUESTION, STRATEGIES, TURNS
from bench.workshop import Workshop

COLUMNS = (
    Column("segments", "segments a frame"),
    Column("calls", "calls a frame"),
    Column("p50", "p50", "µs"),
    Column("p99", "p99", "µs"),
    Column("max", "max", "µs"),
    Column("cpu_us", "sender's CPU a frame", "µs"),
    Column("samples", "n"),
)


@dataclass(frozen=True, slots=True)
class Stream:
    """The frames of one kind of stream.

    Attributes:
        spacing_us: between planned moments; 0 for as fast as they go, TURNS for an answer to each question.
    """

    shows: str
    frames: int
    spacing_us: int


STREAMS = {
    "spaced": Stream("a 64-octet frame every 2 ms", 1500, 2000),
    "turns": Stream("a question on a kept connection, a head, and a 64-octet frame in answer", 100, TURNS),
    "dense": Stream("64-octet frames one after another", 20000, 0),
}
QUICK_FRAMES = 40
_STAMP = re.compile(rb"T(\d{19})[^\r]*\r\n")


def writes(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table of frames with time between them, and one without."""
    for kind in plan.choose(list(STREAMS)):
        stream = STREAMS[kind]
        if plan.is_quick:
            stream = replace(stream, frames=QUICK_FRAMES)
        measures = {name: _measure(workshop, name, stream) for name in STRATEGIES}
        rows = interleave(measures, plan.rounds, what=f"writes/{kind}")
        note = "" if stream.spacing_us else "A latency here is mostly the queue of the frames before."
        yield Table(f"writes/{kind}", f"{stream.shows}, written in different ways", COLUMNS, rows, note=note)


def _measure(workshop: Workshop, name: str, stream: Stream) -> Callable[[], Round]:
    def once() -> Round:
        port = free_port()
        numbers = (stream.frames, stream.spacing_us)
        words = [str(port), name, *map(str, numbers)]
        argv = pinned([sys.executable, "-m", "bench.strategies", *words], workshop.cores.server)
        with closing(socket.create_server((HOST, port))) as listener:
            listener.settimeout(15)
            sender = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                samples = _read_on_core(listener, workshop.cores.meter, asks=stream.spacing_us == TURNS)
                said, complaint = sender.communicate(timeout=15)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Trouble(f"{name}: {error}") from error
            finally:
                end(sender)
        if sender.returncode:
            raise Trouble(f"{name}: {complaint.decode(errors='replace').strip().splitlines()[-1]}")
        figures: dict[str, float] = json.loads(said)
        return Round({**figures, **stats.summary(samples)}, stats.curve(samples))

    return once


def _read_on_core(listener: socket.socket, core: int | None, *, asks: bool) -> list[float]:
    """Read a sender's frames to their end, on a core; return each one's latency in µs."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        stream, _ = listener.accept()
        with stream:
            return _read(stream, asks=asks)
    finally:
        os.sched_setaffinity(0, before)


def _read(stream: socket.socket, *, asks: bool) -> list[float]:
    """Return each frame's latency in µs; with `asks`, ask for each of them."""
    stream.settimeout(15)
    samples: list[float] = []
    held = b""
    if asks:
        stream.sendall(QUESTION)
    while octets := stream.recv(65536):
        arrived = time.time_ns()
        held += octets
        read = 0
        for stamp in _STAMP.finditer(held):  # a frame counts with its last octet
            samples.append((arrived - int(stamp[1])) / 1000)
            read = stamp.end()
            if asks:
                stream.sendall(QUESTION)
        held = held[read:]
    return samples
