"""Print and write the result of `bench`, with its findings and conditions, and return the exit code."""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from chunkwire.cli.bench_turns import Bench
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import version
from chunkwire.cli.output_files import write_asked
from chunkwire.cli.terminal import result_printed, say, terminal_width
from chunkwire.client.exchange import HTTPS_HINT
from chunkwire.tools.bench.forms import go_lines, hlog_lines, junit, read_hlog
from chunkwire.tools.bench.limits import Allowance, Precision, Requirement, missed_lines, streams_line
from chunkwire.tools.bench.load import Opening
from chunkwire.tools.bench.page import page
from chunkwire.tools.bench.result import BenchResult, beginnings
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.saturation import warnings
from chunkwire.tools.bench.statistics import DEFINITIONS
from chunkwire.tools.bench.view import lines, to_json
from chunkwire.tools.paint import number, three_digits
from chunkwire.wire.errors import LocalError

FILE_FLAGS = ("html", "csv", "hlog", "junit", "save")
LONGEST_SECONDS = 86_400.0
"""The longest time of sampling that is suggested."""


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


def read_results(paths: Sequence[str]) -> list[BenchResult]:
    """Return the results in files that --json or --hlog has written; `-` is standard input.

    Raises:
        LocalError: a file has no result, or the same samples as another: they would count twice.
        OSError: one cannot be read.
    """
    found: dict[object, str] = {}
    results = []
    for path in paths:
        results.append(read_result(path))
        samples = results[-1].gathered.samples
        # A log has no negative samples, which late and added may have.
        key = tuple(tuple(samples(name).counts()) for name in ("first", "gap", "hold"))
        if any(key) and key in found:
            raise LocalError(f"{path}: expected each result once, got the samples of {found[key]} again")
        found[key] = path
    return results


def read_result(path: str) -> BenchResult:
    """Return the result in a file; raises as `read_results`."""
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
    beginning, end, void_code = "", "", ExitCode.OK
    if is_void:
        beginning, void_code = "nothing was measured: ", ExitCode.FINDING
        end = "; --force prints the figures all the same, and is no failure"
    is_noted = not is_void and is_text_shown(result, options)
    noted = tuple(line for part in result.parts for line in warnings(part.trends)) if is_noted else ()
    found = [(beginning + line + end, void_code) for line in complaints if not line.endswith(noted)]
    found += findings(result, requirements, until)
    nothing = [line for line, _ in found if "nothing was measured" in line]
    texts = {"junit": lambda: junit(requirements, result, nothing)}
    if not is_void:
        with result_printed():
            show(result, options, until)
    if not is_void and any(map(has_arrived, result.parts)):  # else old files stay
        texts |= {"html": lambda: page(result), "hlog": lambda: "\n".join([*hlog_lines(result.gathered), ""])}
    written = [*troubles, *write_asked(options, texts)]
    code = ExitCode.OK
    for line, its_code in (*found, *((trouble, ExitCode.USAGE) for trouble in written)):
        say(line)
        code = code or its_code
    return code


def show(result: BenchResult, options: argparse.Namespace, until: Precision | None) -> None:
    """Print the figures."""
    if options.json:
        print(to_json(result))
    elif options.format == "go":
        print(*go_lines(result), sep="\n")
    elif is_text_shown(result, options):
        print(*lines(result, width=terminal_width(sys.stdout), until=until), sep="\n")


def is_text_shown(result: BenchResult, options: argparse.Namespace) -> bool:
    """Say whether the figures are printed as text: only if there are some, and no file goes to standard output."""
    is_other = options.json or options.format or "-" in [getattr(options, name) for name in FILE_FLAGS]
    return not is_other and any(map(has_arrived, result.parts))


def findings(
    result: BenchResult, requirements: Sequence[Requirement], until: Precision | None
) -> Iterator[tuple[str, ExitCode]]:
    """Yield each finding as a line with its exit code."""
    allowances = [one for one in requirements if isinstance(one, Allowance)]
    limits = [one for one in requirements if one not in allowances]
    names = beginnings(result.url, result.baseline_url)
    parts = (result.gathered, result.url), (result.baseline, result.baseline_url)
    for name, (gathered, url) in zip(names, parts, strict=True):
        if gathered is None:
            continue
        streams = streams_line(gathered)
        if result.is_partial and not gathered.failed and not has_arrived(gathered):
            yield f"{name}nothing was measured: interrupted before the first frame arrived", ExitCode.TIMEOUT
            continue
        if not has_arrived(gathered):
            waiting = gathered.streams - gathered.failed
            others = f", {waiting} without a frame so far" if waiting else ""
            why = name + _why_nothing(gathered, "" if name else f" from {url}")
            yield f"{why}: {streams}{others}{_hint_at(gathered, url or '')}", nothing_code(gathered)
            continue
        for line in missed_lines(allowances, gathered):
            yield f"{name}{line}", ExitCode.FINDING
        if gathered.streams and not gathered.frames:
            yield f"{name}nothing was measured, no frame arrived while it sampled: {streams}", ExitCode.FINDING
        if until is not None and not result.is_partial and not until.is_reached(gathered):
            yield f"{name}{not_reached(until, gathered)}", ExitCode.FINDING
    if has_arrived(result.gathered):
        for line in missed_lines(limits, result.gathered):
            yield f"{names[0]}{line}", ExitCode.FINDING


def has_arrived(gathered: Gathered) -> bool:
    """Say whether a frame arrived."""
    return any(map(gathered.has, DEFINITIONS))


def _why_nothing(gathered: Gathered, source: str) -> str:
    """Return why no frame arrived; with the statuses if all streams failed with one."""
    found = [kind.removeprefix("status ") for kind in gathered.failures if kind.startswith("status ")]
    if not found or len(found) < len(gathered.failures):
        return "nothing was measured, no frame arrived"
    reasons = {str(one.value): f"{one.value} {one.phrase}" for one in HTTPStatus}
    got = ", ".join(reasons.get(status, status) for status in found)
    return f"expected 200{source}, got {got}; nothing was measured"


def _hint_at(gathered: Gathered, url: str) -> str:
    """Return what may help where no frame arrived."""
    if any(kind.startswith(("no head within", "head but")) for kind in gathered.failures):
        return "; does a hop hold the stream? chunkwire probe shows it"
    is_unanswered = not {"closed before the head", "reset"}.isdisjoint(gathered.failures)
    return f"; {HTTPS_HINT}" if is_unanswered and not url.lower().startswith("https:") else ""


def not_reached(until: Precision, gathered: Gathered) -> str:
    """Return the finding that --until was not reached."""
    needed = until.needed(gathered)
    more = f"; -z {math.ceil(needed)}s might be enough" if needed and needed < LONGEST_SECONDS else ""
    return f"--until {until.text}: not reached: {until.line(gathered)}{more}"


def nothing_code(gathered: Gathered) -> ExitCode:
    """Return the exit code if no frame arrived: that of the failure of all streams if it is one, else TIMEOUT."""
    for beginning, code in (("no connection", ExitCode.NO_CONNECTION), ("status", ExitCode.HTTP_ERROR)):
        if gathered.failures and all(kind.startswith(beginning) for kind in gathered.failures):
            return code
    return ExitCode.TIMEOUT


def conditions(made: Bench) -> dict[str, object]:
    """Return the conditions of the measurement, by name."""
    options = made.options
    if made.arrivals is not None:
        load: dict[str, object] = {"rate": f"{made.arrivals.rate:g}/s ({made.arrivals.spacing})"}
    else:
        load = {"streams": options.streams, "opened": options.open or str(Opening.STAGGERED)}
    parts = [part for part in (made.gathered, made.baseline) if part is not None]
    left_out = ", of base ".join(f"{three_digits(part.warmup)} s" for part in parts)
    hops = {f"{name}hops": made.known_hops.get(url) for name, url in (("", made.url), ("base ", made.base)) if url}
    turns = f"{max(len(part.trends) for part in parts)} of each, in {number(len(made.gathered.rounds), 'round')}"
    return {
        **load,
        **({} if options.total is None else {"total": options.total}),
        "seconds": float(three_digits(sum(trend.seconds for trend in made.gathered.trends))),
        "warm-up": f"{left_out} (found)" if options.warmup is None else f"{options.warmup:g} s",
        **({"turns": turns} if made.base is not None else {}),
        **{name: ", ".join(f"{place} {hop}" for place, hop in found) for name, found in hops.items() if found},
        **made.clocks.conditions(),
        "host": platform.node(),
        "chunkwire": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "sockets": "TCP_NODELAY, receive buffer as the kernel sets it",
    }
