"""Runs `chunkwire bench`, or adds the results of several runs; refuses flags that contradict each other."""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime

import trio

from chunkwire.cli import bench_dask, flags
from chunkwire.cli.bench_output import FILE_FLAGS, read_results, report, result_of
from chunkwire.cli.bench_timing import clocks_of
from chunkwire.cli.bench_turns import Bench, plan_line, run_turns, unknown_hops
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.output_files import check_outputs, files_read, lines_to
from chunkwire.cli.stopping import StopSignal
from chunkwire.cli.terminal import progress, say
from chunkwire.net.dial import parse_url
from chunkwire.record.values import to_json
from chunkwire.tools.bench.forms import CSV_HEADING, csv_line, hdr_histogram
from chunkwire.tools.bench.limits import Allowance, Requirement, parse_limit, parse_precision
from chunkwire.tools.bench.load import Arrivals, NotOpened, Spacing
from chunkwire.tools.bench.result import beginnings, merged
from chunkwire.wire.errors import LocalError, leaf_errors
from chunkwire.wire.nearest import near

MEASURING = (
    *("streams", "rate", "arrivals", "open", "total", "duration", "warmup", "until", "baseline", "csv", "save"),
    *("start_at", "dask", "agents", "stamps", "hop"),
)
"""Flags that `merge` refuses."""
MERGE = "merge"
_EXCLUDING = (
    *(("rate", "streams"), ("rate", "open"), ("until", "total"), ("json", "format")),
    *(("dask", "csv"), ("dask", "save"), ("dask", "hop")),
)


def run(options: argparse.Namespace) -> int:
    """Run the bench and print its result.

    Raises:
        LocalError: the word merge is misspelt, or missing before a file.
    """
    hint = near(options.url, [MERGE]) if options.files and options.url.isalpha() else ""
    if options.url != MERGE and (hint or os.path.isfile(options.url)):
        raise LocalError(f"expected a URL, or {MERGE} FILE…, got {options.url!r}{hint}")
    try:
        return merge(options) if options.url == MERGE else trio.run(bench, options)
    except* NotOpened as error:
        say(str(next(iter(leaf_errors(error)))))
    return ExitCode.HTTP_ERROR


async def bench(options: argparse.Namespace) -> int:
    """Run the turns; return the exit code."""
    requirements = requirements_of(options)
    check(options)
    until = parse_precision(options.until) if options.until else None
    base = parse_url(options.baseline) if options.baseline else None
    arrivals = None if options.rate is None else Arrivals(options.rate, Spacing(options.arrivals or "poisson"))
    must_open = all(one.number == 0 for one in requirements if isinstance(one, Allowance))
    made = Bench(options, parse_url(options.url), base, arrivals, until, must_open=must_open)
    if options.dask is not None:
        return await bench_dask.run(options, requirements)
    if not options.quiet and (line := plan_line(made)):
        say(line)
    await wait_start(options.start_at)
    troubles: list[str] = []
    records = lines_to("save", options.save, to_json, troubles.append)
    rows = lines_to("csv", options.csv, csv_line, troubles.append, CSV_HEADING)
    targets = [url for url in (made.url, base) if url is not None]
    with progress(options) as made.report_progress, StopSignal() as stop:
        with records as made.record_to, rows as made.report_frame, clocks_of(options, targets) as made.clocks:
            await run_turns(made)
    made.is_partial = bool(stop.code)
    parts = list(zip(beginnings(options.url, options.baseline), (made.gathered, made.baseline), strict=True))
    complaints = list(made.clocks.complaints(parts, has_rate=options.rate is not None))
    troubles += unknown_hops(made)
    with StopSignal() as late_stop:  # one signal waits until the files are written; a second one leaves the old ones
        code = report(result_of(made), options, requirements, until=until, troubles=troubles, complaints=complaints)
    if late_stop.code:
        say("interrupted while the result was written; it is whole")
    return stop.code or late_stop.code or code


async def wait_start(start_at: float | None) -> None:
    """Wait until a moment in s since the epoch; None: do not wait.

    Raises:
        LocalError: it has passed.
    """
    if start_at is None:
        return
    if start_at < time.time():
        raise LocalError(f"--start-at: expected a moment in the future, got one before {datetime.now(UTC):%FT%TZ}")
    await trio.sleep(start_at - time.time())


def merge(options: argparse.Namespace) -> int:
    """Print the sum of the results in files."""
    requirements = requirements_of(options)
    asked = [name.replace("_", "-") for name in MEASURING if name in options.given]
    if asked or not options.files:
        trouble = f"it does not measure, so --{asked[0]} has no meaning" if asked else "expected FILE…"
        trouble += "" if options.files else f"; a host of this name is http://{MERGE}/"
        raise LocalError(f"bench merge: {trouble}")
    flags.refuse_flags_for_urls(options, MERGE, ("-X", "method"), ("-m", "max_time"))
    check(options)
    return report(merged(read_results(options.files), clocks_agree=options.clocks_agree), options, requirements)


def check(options: argparse.Namespace) -> None:
    """Refuse contradictory flags and files that cannot be written; set defaults.

    Raises:
        LocalError: a flag or a file is refused, or --hlog lacks its package.
    """
    for names in _EXCLUDING:
        flags.let_words_win(options, *names)
    given, is_alone = options.given, options.dask is None and options.url != MERGE
    contradictions = (
        (options.url != MERGE and bool(options.files), f"expected one URL, got {' '.join(options.files)}, too"),
        (options.rate is not None and "streams" in given, "--rate and -c: a rate sets no number of streams"),
        (options.rate is not None and "open" in given, "--rate and --open: with a rate, use --arrivals"),
        (options.rate is None and "arrivals" in given, "--arrivals without --rate"),
        (options.until is not None and "total" in given, "--until and -n: -n ends with its streams"),
        (options.dask is None and "agents" in given, "--agents without --dask"),
        (is_alone and "clocks_agree" in given, "--clocks-agree without merge or --dask: there is one host"),
        (options.duration == 0, "-z 0: nothing would be sampled"),
        (options.dask is not None and options.csv is not None, "--dask and --csv: the rows are on the workers"),
        (options.dask is not None and options.save is not None, "--dask and --save: the records are on the workers"),
        (options.dask is not None and bool(options.hop), "--dask and --hop: segments compare clocks of one machine"),
        (options.json and options.format is not None, f"--json and --format {options.format}"),
    )
    for is_so, text in contradictions:
        if is_so:
            raise LocalError(f"contradictory flags: {text}")
    check_outputs(options, FILE_FLAGS, (*options.files, *files_read(options)), printing=("json", "format"))
    options.streams = options.streams or options.usual_streams
    if options.hlog:
        hdr_histogram()


def requirements_of(options: argparse.Namespace) -> list[Requirement]:
    """Return the limits; no stream may fail unless one of them says how many.

    Raises:
        LocalError: a text is not a limit.
    """
    parsed: list[Requirement] = [parse_limit(text) for text in options.limit]
    is_allowed = any(isinstance(one, Allowance) for one in parsed)
    return parsed if is_allowed else [*parsed, parse_limit("errors=0")]
