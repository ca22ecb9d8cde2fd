"""`writes`: TCP segments, calls, CPU and latency of the same frame, written in different ways.

Plain sockets and blocking calls, so that only the way of writing differs. The sender is a process on the servers' core,
the reader is this process, on the meter's core. The chunks are those of the other experiments.
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
from bench.processes import HOST, Trouble, end, free_port, start
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
class FramePlan:
    """The frames of a stream.

    Attributes:
        spacing_us: between planned moments; 0: as fast as possible; TURNS: an answer to each question.
    """

    shows: str
    frames: int
    spacing_us: int


STREAMS = {
    "spaced": FramePlan("a 64-octet frame every 2 ms", 1500, 2000),
    "turns": FramePlan("a question on a kept connection, a head, and a 64-octet frame in answer", 100, TURNS),
    "dense": FramePlan("64-octet frames one after another", 20000, 0),
}
QUICK_FRAMES = 40
_STAMP = re.compile(rb"T(\d{19})[^\r]*\r\n")


def writes(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each kind of stream."""
    for kind in plan.choose(STREAMS):
        stream = STREAMS[kind]
        if plan.is_quick:
            stream = replace(stream, frames=QUICK_FRAMES)
        measures = {name: _measure(workshop, name, stream) for name in STRATEGIES}
        rows = interleave(measures, plan.rounds, what=f"writes/{kind}")
        note = "" if stream.spacing_us else "Latencies here are mostly those of a queue."
        yield Table(f"writes/{kind}", f"{stream.shows}, written in different ways", COLUMNS, rows, note=note)


def _measure(workshop: Workshop, name: str, stream: FramePlan) -> Callable[[], Round]:
    def once() -> Round:
        port = free_port()
        numbers = (stream.frames, stream.spacing_us)
        words = [str(port), name, *map(str, numbers)]
        argv = [sys.executable, "-m", "bench.strategies", *words]
        with closing(socket.create_server((HOST, port))) as listener:
            listener.settimeout(15)
            sender = start(argv, workshop.cores.server, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
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
    """Read a sender's frames to their end on one core; return each frame's latency in µs."""
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
    """Return each frame's latency in µs; with `asks`, send a question for each frame."""
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
