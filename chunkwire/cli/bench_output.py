"""What `bench` prints and writes of a result, and the conditions that it was taken under."""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
from collections.abc import Sequence

from chunkwire.cli.bench_files import FLAGS, write_whole
from chunkwire.cli.bench_turns import Bench
from chunkwire.cli.main import version
from chunkwire.cli.terminal import width_of
from chunkwire.tools.bench.forms import go_lines, hlog_lines, junit
from chunkwire.tools.bench.limits import Requirement
from chunkwire.tools.bench.load import Opening
from chunkwire.tools.bench.page import page
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.view import lines, to_json
from chunkwire.tools.paint import PLAIN, wrapped


def say(line: str) -> None:
    """Print a message on standard error, on a terminal in lines of whole words."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    print(*wrapped("chunkwire: ", PLAIN.text(line), width), sep="\n", file=sys.stderr, flush=True)


def show(made: Bench, requirements: Sequence[Requirement], complaints: Sequence[str]) -> list[str]:
    """Print the figures and write the files; return what went wrong with them.

    Args:
        complaints: why nothing was measured, for JUnit.
    """
    options = made.options
    result = BenchResult(
        url=options.url,
        gathered=made.gathered,
        conditions=conditions(made),
        baseline=made.baseline,
        baseline_url=options.baseline,
        is_partial=made.is_partial,
    )
    if options.format == "json":
        print(to_json(result))
    elif options.format == "go":
        print(*go_lines(result), sep="\n")
    elif "-" not in [getattr(options, name) for name in FLAGS]:
        width = width_of(sys.stdout) if sys.stdout.isatty() else None  # what reads a pipe wants whole lines
        print(*lines(result, width=width, until=made.until), sep="\n")
    written = []
    if options.html:
        written.append(write_whole("html", options.html, page(result)))
    if options.junit:
        written.append(write_whole("junit", options.junit, junit(requirements, result, complaints)))
    if options.hlog:
        text = "".join(f"{line}\n" for line in hlog_lines(result.gathered))
        written.append(write_whole("hlog", options.hlog, text))
    return [trouble for trouble in written if trouble]


def conditions(made: Bench) -> dict[str, object]:
    """Return what the figures were taken under."""
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
        "chunkwire": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "sockets": "TCP_NODELAY, receive buffer as the kernel sets it",
    }
