"""Runs flushmeter, the meter in C: its workloads, its command line, and its JSON as a round."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.processes import Running, Trouble
from bench.results import Column, Round
from bench.workshop import Workshop

_WITHIN = 120  # s; the meter itself gives up after 55


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the meter.

    Attributes:
        shows: its description, in a line.
        arguments: of the meter.
        quick: arguments that `--quick` changes: few samples, to see that everything runs.
    """

    name: str
    shows: str
    arguments: Mapping[str, str | int]
    quick: Mapping[str, str | int]

    def of(self, *, is_quick: bool) -> dict[str, str | int]:
        """Return the arguments."""
        return {**self.arguments, **(self.quick if is_quick else {})}

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its table."""
        return {"bulk": BULK_COLUMNS, "pingpong": RALLY_COLUMNS}.get(str(self.arguments["mode"]), LATENCY_COLUMNS)


def paced(
    name: str, shows: str, *, streams: int, count: int, interval_us: int, quick: Mapping[str, str | int]
) -> Workload:
    """Return a workload of streams that each send a chunk every `interval_us`."""
    arguments: dict[str, str | int] = {"mode": "paced", "streams": streams, "count": count, "interval": interval_us}
    return Workload(name, shows, arguments, quick)


def _bulk(name: str, shows: str, *, size: int, count: int, mix: int = 1, ext: int = 0) -> Workload:
    arguments: dict[str, str | int] = {"mode": "bulk", "size": size, "count": count, "mix": mix, "ext": ext}
    return Workload(name, shows, arguments, {"count": count // 20})


WORKLOADS: Mapping[str, Workload] = {
    one.name: one
    for one in (
        Workload(
            "rally",
            "one stream, the next chunk after the last one arrived",
            {"mode": "pingpong", "count": 30000, "warmup": 50},
            {"count": 3000, "warmup": 5},
        ),
        paced(
            "one",
            "one stream, a chunk every 2 ms",
            streams=1,
            count=1500,
            interval_us=2000,
            quick={"count": 200, "warmup": 50},
        ),
        paced(
            "many",
            "1000 streams, 20 chunks/s each",
            streams=1000,
            count=80,
            interval_us=50000,
            quick={"streams": 20, "count": 20, "warmup": 100},
        ),
        paced(
            "crowd",
            "5000 streams, 2 chunks/s each",
            streams=5000,
            count=14,
            interval_us=500000,
            quick={"streams": 50, "count": 6, "warmup": 100, "interval": 200000},
        ),
        _bulk("bulk64k", "64 KiB chunks as fast as they go", size=65536, count=20000),
        _bulk("bulk1k", "1 KiB chunks as fast as they go", size=1024, count=600000),
        _bulk("bulk32", "32 B chunks as fast as they go", size=32, count=2000000),
        _bulk("bulkmix", "chunks of 16 to 47 B, mixed, as fast as they go", size=32, count=2000000, mix=32),
        _bulk(
            "bulkext", "32 B chunks, each with an extension `;t=123`, as fast as they go", size=32, count=2000000, ext=3
        ),
    )
}

LATENCY_COLUMNS = (
    Column("p50", "p50", "µs"),
    Column("p99", "p99", "µs"),
    Column("p999", "p99.9", "µs"),
    Column("max", "max", "µs"),
    Column("planned_p99", "planned p99", "µs"),
    Column("cpu_us_per_frame", "CPU a frame", "µs"),
    Column("relay_rss_kb", "RSS", "MB", 1 / 1024),
    Column("samples", "n"),
)
RALLY_COLUMNS = tuple(column for column in LATENCY_COLUMNS if column.key != "planned_p99")  # no moment is planned
BULK_COLUMNS = (
    Column("mb_per_s", "MB/s"),
    Column("frames_per_s", "frames", "M/s", 1e-6),
    Column("cpu_s_per_gb", "CPU a GB", "s"),
    Column("relay_rss_kb", "RSS", "MB", 1 / 1024),
)


def meter_program(workshop: Workshop) -> str:
    """Return the path of the meter."""
    return workshop.c_program("flushmeter", "flushmeter.c", "origin.c", "client.c")


def meter_argv(workshop: Workshop, arguments: Mapping[str, str | int], *, target: int, origin: int | None) -> list[str]:
    """Return the meter's command; `origin` is the port of its own origin, None where the target is the origin."""
    ends = ["--target", str(target), *(["--external"] if origin is None else ["--origin", str(origin)])]
    core = [] if workshop.cores.meter is None else ["--cpu", str(workshop.cores.meter)]
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    return [meter_program(workshop), *ends, *core, *words]


def measure(
    workshop: Workshop,
    arguments: Mapping[str, str | int],
    *,
    target: int,
    origin: int | None,
    server: Running | None = None,
) -> Round:
    """Run the meter once.

    Args:
        target: the port that its client connects to.
        origin: the port of its own origin; None where the target is the origin.
        server: the process whose CPU and memory are measured.

    Raises:
        Trouble: the meter gave no figures.
    """
    argv = meter_argv(workshop, arguments, target=target, origin=origin)
    if server is not None:
        argv += ["--pid", str(server.busy_pid)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_WITHIN, check=False)
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"the meter did not end within {_WITHIN} s") from error
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise Trouble(f"the meter gave no figures: {done.stderr.strip()[-200:]}") from None
    return to_round(result, arguments)


def to_round(result: Mapping[str, Any], asked: Mapping[str, str | int]) -> Round:
    """Return the meter's JSON as a round, which does not count if a part of the workload is missing."""
    figures = {name: float(value) for name, value in result.items() if isinstance(value, int | float)}
    if not figures["relay_rss_kb"]:  # no process was measured: these figures are unknown, not 0
        for name in ("relay_rss_kb", "relay_cpu_s", "cpu_us_per_frame", "cpu_s_per_gb"):
            figures.pop(name, None)
    lost = figures["lost"] = figures["cut"] + figures["unfinished"]
    curve = tuple((fraction, us) for fraction, us in result.get("curve", []))
    return Round(figures, curve, _what_is_missing(figures, asked) or (f"{lost:.0f} streams lost" if lost else ""))


def _what_is_missing(figures: Mapping[str, float], asked: Mapping[str, str | int]) -> str:
    """Return what is missing of the workload, as after an error page, which also ends properly; "" where nothing is."""
    if asked["mode"] == "bulk":
        # Sizes that --mix varies have the same mean; the last block of chunks is always sent whole.
        least = 0.95 * int(asked["size"]) * int(asked["count"])
        return "" if figures["octets"] >= least else f"{figures['octets']:.0f} octets came, not {least:.0f}"
    unbegun = figures["streams"] - figures["begun"]
    if unbegun:
        return f"{unbegun:.0f} streams without a chunk"
    return "" if figures["samples"] else "no sample: the first stream ended before all had begun and been warmed up"
