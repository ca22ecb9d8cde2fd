"""`chunkwire check client|server|proxy`: what the three have in common: their flags, what they write, their exit codes.

Each is a module of its own, `check_client`, `check_server`, `check_proxy`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode

if TYPE_CHECKING:
    from chunkwire.tools.check.rows import HasRow, RowResult, Ruling
    from chunkwire.tools.check.scorecard import Scorecard

T = TypeVar("T", bound="HasRow")

SUMMARY = "a scorecard of anybody's client, server or proxy: one row a rule"
EPILOG = """\
examples:
  chunkwire check client -- curl -sSN {url}    a command, once a scenario
  chunkwire check server http://127.0.0.1:8000/upload
  chunkwire check proxy http://127.0.0.1:8080 --upstream 127.0.0.1:9000
  chunkwire check server --list                the rows, without a run"""
SUBVERBS = ("client", "server", "proxy")

EXIT_CODES = """exit codes: 0 no row of level must failed, 1 one failed (with --strict also one of level
  should), 2 usage, 7 no connection, 28 no row passed or failed, 130 Ctrl-C (prints the rows judged so far)"""


def add_rows(parser: argparse.ArgumentParser, *, jobs: int, patience: str, waits_for: str) -> None:
    """Add the flags that choose rows, run them and write the scorecard.

    Args:
        jobs: the default of -j.
        patience: the default of --patience.
        waits_for: what --patience waits for, for the help.
    """
    group = parser.add_argument_group("rows")
    group.add_argument(
        "--only", action="append", default=[], metavar="ID[,ID]", help="these rows; 9112/7.1 is a whole section"
    )
    group.add_argument("--list", action="store_true", help="print the rows and run none")
    group.add_argument(
        "-j", "--jobs", type=flags.count, default=jobs, metavar="N", help=f"rows at a time (default: {jobs})"
    )
    group.add_argument("--strict", action="store_true", help="a failed should fails the run, too")
    group.add_argument(
        "--patience",
        type=flags.timeout,
        default=flags.timeout(patience),
        metavar="TIME",
        help=f"how long {waits_for} (default: {patience})",
    )
    group.add_argument("--json", metavar="FILE", help="write the scorecard as JSON; - prints it instead of the table")
    group.add_argument("--junit", metavar="FILE", help="write it as JUnit XML")
    group.add_argument("--html", metavar="FILE", help="write it as one self-contained page")


def run(
    options: argparse.Namespace,
    rows: Sequence[T],
    judge: Callable[[argparse.Namespace, Sequence[T]], Awaitable[int]],
    *,
    missing: str,
) -> int:
    """Judge the rows that --only chooses, or print them for --list; return the exit code.

    Args:
        missing: what the command line lacks for a run; "" for nothing.
    """
    import trio

    from chunkwire.cli.terminal import width_of
    from chunkwire.tools.check.rows import choose
    from chunkwire.tools.check.view import list_lines
    from chunkwire.wire.errors import LocalError

    chosen = choose(rows, [name for each in options.only for name in each.split(",") if name])
    if options.list:
        print(*list_lines([each.row for each in chosen], width=width_of(sys.stdout)), sep="\n")
        return ExitCode.OK
    if missing:
        raise LocalError(missing)
    check_files(options)
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
    """Judge rows until Ctrl-C, print and write the scorecard; return the exit code."""
    from datetime import UTC, datetime

    from chunkwire.cli.stopping import StopSignal
    from chunkwire.tools.check.running import RowRun
    from chunkwire.tools.check.scorecard import Scorecard

    started = datetime.now(UTC)
    with progress(len(rows), options) as report:
        run = RowRun(rows, judge, jobs=options.jobs, report=report)
        with StopSignal() as stop:
            await run.run()
    card = Scorecard(kind, target, tuple(run.results), started, tuple(versions), run.is_whole)
    show(card, options)
    write(card, options)
    if stop.code:
        return stop.code
    if card.has_failed(is_strict=options.strict):
        return ExitCode.FINDING
    return ExitCode.OK if card.is_decided else ExitCode.TIMEOUT


@contextmanager
def progress(total: int, options: argparse.Namespace) -> Iterator[Callable[[RowResult], None]]:
    """Give what counts the results on one line of a terminal, elsewhere nothing."""
    if options.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    done = 0

    def count(result: RowResult) -> None:
        nonlocal done
        done += 1
        print(f"\r\x1b[K{done} of {total} rows, {result.row.id}", end="", file=sys.stderr, flush=True)

    try:
        yield count
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def show(card: Scorecard, options: argparse.Namespace) -> None:
    """Print the scorecard: the table, or with `--json -` its JSON."""
    from chunkwire.cli.terminal import paint_of, width_of
    from chunkwire.tools.check.scorecard import to_json
    from chunkwire.tools.check.view import conclusion_lines, octet_lines, result_lines

    if options.json == "-":
        print(to_json(card))
        return
    paint = paint_of(options)
    width = width_of(sys.stdout)
    versions = ", ".join(f"{name} {version}" for name, version in card.versions)
    print(paint.text(f"check {card.kind} {card.target}{f' ({versions})' if versions else ''}"))
    for lines in (result_lines, octet_lines):
        for line in lines(card.results, paint, width=width, is_verbose=bool(options.verbose)):
            print(line)
    print(*conclusion_lines(card, paint, is_strict=options.strict), sep="\n")


def check_files(options: argparse.Namespace) -> None:
    """Find out before a long run whether its files can be written.

    Raises:
        OSError: one cannot.
    """
    for name in (options.json, options.junit, options.html):
        if name and name != "-":
            with open(name, "ab"):
                pass


def write(card: Scorecard, options: argparse.Namespace) -> None:
    """Write the files that were asked for.

    Raises:
        OSError: one cannot be written.
    """
    from pathlib import Path

    from chunkwire.tools.check.page import page
    from chunkwire.tools.check.scorecard import to_json, to_junit

    if options.json and options.json != "-":
        Path(options.json).write_text(to_json(card) + "\n", "utf-8")
    if options.junit:
        Path(options.junit).write_text(to_junit(card, is_strict=options.strict), "utf-8")
    if options.html:
        Path(options.html).write_text(page(card), "utf-8")
