"""Print and write the result of `bench`, with its findings and conditions, and return the exit code."""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from chunkwire.cli.bench_turns import Bench
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import version
from chunkwire.cli.output_files import write_asked
from chunkwire.cli.terminal import result_printed, say, width_of
from chunkwire.tools.bench.forms import go_lines, hlog_lines, junit, read_hlog
from chunkwire.tools.bench.limits import Allowance, Precision, Requirement, missed_lines, streams_line
from chunkwire.tools.bench.load import Opening
from chunkwire.tools.bench.page import page
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.saturation import warnings
from chunkwire.tools.bench.statistics import DEFINITIONS
from chunkwire.tools.bench.view import lines, to_json

FILE_FLAGS = ("html", "csv", "hlog", "junit", "save")


def result_of(made: Bench) -> BenchResult:
    """Return the result of a bench that has run."""
    return BenchResult(
        url=made.options.url,
        gathered=made.gathered,
        conditions=conditions(made),
        baseline=made.baseline,
        baseline_url=made.options.baseline,
        is_partial=made.is_partial,
    )


def read_result(path: str) -> BenchResult:
    """Return the result in a file that --json or --hlog has written; `-` is standard input.

    Raises:
        LocalError: the file has no result.
        OSError: it cannot be read.
    """
    octets = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    if not octets.startswith((b"#", b'"Start', b"Tag=")):
        return BenchResult.from_json(octets, where=path)
    gathered = read_hlog(octets.decode("utf-8", "replace").splitlines(), where=path)
    conditions = {"from": "an HdrHistogram log, which has no numbers of streams, frames and failures"}
    return BenchResult(url=path, gathered=gathered, conditions=conditions)


def report(
    result: BenchResult,
    options: argparse.Namespace,
    requirements: Sequence[Requirement],
    *,
    until: Precision | None = None,
    troubles: Sequence[str] = (),
    complaints: Sequence[str] = (),
) -> int:
    """Print the figures, write the files, print the findings; return the exit code.

    Args:
        troubles: messages about files that could not be written during the measurement, and about --hop.
        complaints: why the figures are not a measurement of the target; then they are shown only with --force.
    """
    is_void = bool(complaints) and not options.force
    beginning, void_code = ("nothing was measured: ", ExitCode.FINDING) if is_void else ("", ExitCode.OK)
    parts = [part for part in (result.gathered, result.baseline) if part is not None]
    is_shown = not is_void and options.format == "text"
    noted = tuple(line for part in parts for line in warnings(part.trends)) if is_shown else ()
    found = [(beginning + line, void_code) for line in complaints if not line.endswith(noted)]
    found += findings(result, requirements, until)
    nothing = [line for line, _ in found if "nothing was measured" in line]
    texts = {"junit": lambda: junit(requirements, result, nothing)}
    if not is_void:
        with result_printed():
            show(result, options, until)
        texts = {"html": lambda: page(result), **texts, "hlog": lambda: "\n".join([*hlog_lines(result.gathered), ""])}
    written = [*troubles, *write_asked(options, texts)]
    code = ExitCode.OK
    for line, its_code in (*found, *((trouble, ExitCode.USAGE) for trouble in written)):
        say(line)
        code = code or its_code
    return code


def show(result: BenchResult, options: argparse.Namespace, until: Precision | None) -> None:
    """Print the figures as --format says; as text only if no file goes to standard output."""
    if options.format == "json":
        print(to_json(result))
    elif options.format == "go":
        print(*go_lines(result), sep="\n")
    elif "-" not in [getattr(options, name) for name in FILE_FLAGS]:
        width = width_of(sys.stdout) if sys.stdout.isatty() else None  # lines of a pipe do not break
        print(*lines(result, width=width, until=until), sep="\n")


def findings(
    result: BenchResult, requirements: Sequence[Requirement], until: Precision | None
) -> Iterator[tuple[str, ExitCode]]:
    """Yield each finding as a line with its exit code."""
    allowances = [one for one in requirements if isinstance(one, Allowance)]
    limits = [one for one in requirements if one not in allowances]
    for name, gathered in (("", result.gathered), ("the baseline: ", result.baseline)):
        if gathered is None:
            continue
        streams = streams_line(gathered)
        if not any(map(gathered.has_seen, DEFINITIONS)):
            is_silent = any(kind.startswith("no frame") for kind in gathered.failures)
            hint = "; does a hop hold the stream? chunkwire probe shows it" if is_silent else ""
            yield f"{name}nothing was measured, no frame arrived: {streams}{hint}", nothing_code(gathered)
            continue
        for line in missed_lines(allowances, gathered):
            yield f"{name}{line}", ExitCode.FINDING
        if gathered.streams and not gathered.frames:
            yield f"{name}nothing was measured, no frame arrived while it sampled: {streams}", ExitCode.FINDING
        if until is not None and not result.is_partial and not until.is_reached(gathered):
            yield f"{name}{not_reached(until, gathered)}", ExitCode.FINDING
    if any(map(result.gathered.has_seen, DEFINITIONS)):
        for line in missed_lines(limits, result.gathered):
            yield line, ExitCode.FINDING


def not_reached(until: Precision, gathered: Gathered) -> str:
    """Return the finding that --until was not reached."""
    needed = until.needed(gathered)
    more = f"; about {needed:.2g} s might be enough (-z {needed:.0f}s)" if needed else ""
    return f"--until {until.text}: not reached: {until.line(gathered)}{more}"


def nothing_code(gathered: Gathered) -> ExitCode:
    """Return the exit code if no frame arrived: that of the failure which all streams share, else TIMEOUT."""
    for beginning, code in (("no connection", ExitCode.NO_CONNECTION), ("status", ExitCode.HTTP_ERROR)):
        if gathered.failures and all(kind.startswith(beginning) for kind in gathered.failures):
            return code
    return ExitCode.TIMEOUT


def conditions(made: Bench) -> dict[str, object]:
    """Return the conditions of the measurement, by name."""
    options, seconds = made.options, made.seconds
    if made.arrivals is not None:
        load: dict[str, object] = {"rate": f"{made.arrivals.rate:g}/s ({made.arrivals.spacing})"}
    else:
        load = {"streams": options.streams, "opened": options.open or str(Opening.STAGGERED)}
    found = [part for part in (made.gathered, made.baseline) if part is not None]
    left_out = ", ".join(f"{part.warmup:.3g} s" for part in found)
    return {
        **load,
        "seconds": "until all ended" if math.isinf(seconds) else seconds,
        "warm-up": f"{left_out} (found)" if options.warmup is None else f"{options.warmup:g} s",
        **({"turns": made.turns} if made.base is not None else {}),
        **made.clocks.conditions(),
        "host": platform.node(),
        "chunkwire": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "sockets": "TCP_NODELAY, receive buffer as the kernel sets it",
    }
