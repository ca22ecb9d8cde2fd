"""`chunkwire check` at work: the rows are judged, and the scorecard is printed and written."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import trio

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import report as report_line
from chunkwire.cli.output_files import check_outputs, files_read, write_asked
from chunkwire.cli.stopping import StopSignal
from chunkwire.cli.terminal import paint_of, progress, result_printed, width_of
from chunkwire.tools.check.page import page
from chunkwire.tools.check.rows import RowResult, Ruling, T, choose
from chunkwire.tools.check.running import RowRun
from chunkwire.tools.check.scorecard import Scorecard, to_json, to_junit
from chunkwire.tools.check.view import conclusion_lines, list_lines, octet_lines, result_lines
from chunkwire.wire.errors import LocalError

_FILE_FLAGS = ("json", "junit", "html")


def run(
    options: argparse.Namespace,
    rows: Sequence[T],
    judge: Callable[[argparse.Namespace, Sequence[T]], Awaitable[int]],
    *,
    missing: str,
) -> int:
    """Judge the rows that --only chooses, or print them for --list; return the exit code.

    Args:
        missing: the error message if the command line lacks what a run needs; "" if it lacks nothing.

    Raises:
        LocalError: `missing`, an unknown name in --only, or an output file that cannot be written.
    """
    chosen = choose(rows, [name for each in options.only for name in each.split(",") if name])
    if options.list:
        print(*list_lines([each.row for each in chosen], width=width_of(sys.stdout)), sep="\n")
        return ExitCode.OK
    if missing:
        raise LocalError(missing)
    check_outputs(options, _FILE_FLAGS, files_read(options))
    return trio.run(judge, options, chosen)


async def run_rows(
    kind: str,
    target: str,
    rows: Sequence[T],
    judge: Callable[[T], Awaitable[Ruling]],
    options: argparse.Namespace,
    *,
    versions: Sequence[tuple[str, str]] = (),
) -> int:
    """Judge all rows, or those that are done at a signal; print and write the scorecard; return the exit code."""
    started = datetime.now(UTC)
    done = itertools.count(1)
    with progress(options) as report_progress:

        def report(result: RowResult) -> None:
            report_progress(f"{next(done)} of {len(rows)} rows, {result.row.id}")

        run = RowRun(rows, judge, jobs=options.jobs, report=report)
        with StopSignal() as stop:
            await run.run()
    card = Scorecard(kind, target, tuple(run.results), started, tuple(versions), run.is_whole)
    with result_printed():
        show(card, options)
    code = stop.code or code_of(card, is_strict=options.strict)
    texts = {
        "json": lambda: to_json(card) + "\n",
        "junit": lambda: to_junit(card, is_strict=options.strict),
        "html": lambda: page(card),
    }
    for trouble in write_asked(options, texts):
        code = report_line(trouble, code or ExitCode.USAGE)
    return code


def code_of(card: Scorecard, *, is_strict: bool) -> ExitCode:
    """Return the exit code of a scorecard; TIMEOUT if no row passed or failed."""
    if card.has_failed(is_strict=is_strict):
        return ExitCode.FINDING
    return ExitCode.OK if card.is_decided else ExitCode.TIMEOUT


def show(card: Scorecard, options: argparse.Namespace) -> None:
    """Print the scorecard as a table; nothing if a file goes to standard output."""
    if "-" in [getattr(options, name) for name in _FILE_FLAGS]:
        return
    paint = paint_of(options)
    width = width_of(sys.stdout)
    versions = ", ".join(f"{name} {version}" for name, version in card.versions)
    print(paint.text(f"check {card.kind} {card.target}{f' ({versions})' if versions else ''}"))
    for lines in (result_lines, octet_lines):
        for line in lines(card.results, paint, width=width, is_verbose=bool(options.verbose)):
            print(line)
    print(*conclusion_lines(card, paint, is_strict=options.strict), sep="\n")
