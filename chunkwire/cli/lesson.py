"""`chunkwire lesson`: ten lessons on real sockets; the list of them, a handout, and the table of what was handed in."""

from __future__ import annotations

import argparse
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from chunkwire.cli.handing_in import HandInFile
    from chunkwire.cli.lesson_view import LessonView
    from chunkwire.lab.lessons.handin import HandInLine
    from chunkwire.lab.lessons.lesson import Lesson
    from chunkwire.lab.lessons.netcats import InstalledNetcat
    from chunkwire.lab.lessons.session import LessonSession

SUMMARY = "ten lessons with nc and curl, each watched on a real socket"
EPILOG = """\
your own server or client: chunkwire check server URL, chunkwire check client --help

exit codes: 0 all steps done, 1 a hand-in file with broken lines, 2 usage, 71 cannot bind, 130 Ctrl-C

examples:
  chunkwire lesson                               the list
  chunkwire lesson 1                             the first; work in a second terminal
  chunkwire lesson 3 --nc telnet                 commands for telnet instead of the nc found here
  chunkwire lesson 4 --save ada.jsonl            add each step that was done to a file to hand in
  chunkwire lesson --check *.jsonl               a teacher's table of who did what
  chunkwire lesson --handout lessons.html        all ten to print, a sheet each"""

NC_KINDS: Final = ("openbsd", "traditional", "gnu", "macos", "ncat", "telnet", "talk")
USUAL_PORT: Final = "127.0.0.1:8081"
MAX_COLUMNS: Final = 100
SHOWN_COLUMNS: Final = 80
"""The width if the terminal reports none: a good length of lines for reading."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("number", nargs="?", metavar="N", help="which lesson; without it the list")
    add_learner(parser)
    parser.add_argument(
        "-l", "--listen", metavar="ADDR", help=f"where to connect to (default: {USUAL_PORT}, or a free port)"
    )
    parser.add_argument("--handout", metavar="FILE", help="write all lessons as one HTML page to print; - is stdout")
    parser.add_argument("--check", nargs="+", metavar="FILE", help="print the table of these hand-in files")


def add_learner(parser: argparse.ArgumentParser) -> None:
    """Add the flags that lessons and puzzles share: --nc, --save, --name."""
    parser.add_argument("--nc", choices=NC_KINDS, metavar="KIND", help=f"print commands for {', '.join(NC_KINDS)}")
    parser.add_argument("--save", metavar="FILE", help="add what was done to FILE, a line each, to hand in")
    parser.add_argument("--name", metavar="NAME", help="who did it, for --save (default: the login name)")


def run(options: argparse.Namespace) -> int:
    """Run the lesson; or print the list, the handout or the table."""
    from chunkwire.lab.lessons import all_lessons
    from chunkwire.wire.errors import LocalError

    asked = [name for name in ("number", "handout", "check") if getattr(options, name) is not None]
    if len(asked) > 1:
        raise LocalError(f"expected one of N, --handout and --check, got {len(asked)} of them")
    if options.check is not None:
        return check(options.check)
    if options.handout is not None:
        return write_handout(options.handout)
    if options.number is None:
        print_list()
        return ExitCode.OK
    return teach(options, number_of(options.number, "a lesson", len(all_lessons())))


def number_of(text: str, what: str, most: int) -> int:
    """Return the number of a lesson or a puzzle, from 1.

    Raises:
        LocalError: it is none.
    """
    from chunkwire.wire.errors import LocalError

    if text not in (numbers := [str(number) for number in range(1, most + 1)]):
        raise LocalError(f"expected {what} from 1 to {most}, got {text!r:.60}")
    return numbers.index(text) + 1


def print_list() -> None:
    """Print the lessons' titles."""
    from chunkwire.lab.lessons import all_lessons
    from chunkwire.lab.lessons.netcats import detected

    print("Ten lessons, of three minutes each. You need two terminals: one to watch, one to type.\n")
    for lesson in all_lessons():
        print(f"  {lesson.number:>2}  {lesson.title}")
    print("\n  chunkwire lesson 1        begin")
    print("  chunkwire puzzle          then: which of three hops is broken, and how?")
    print("  chunkwire check --help    and then: does your own server, or client, do as the RFC says?")
    print(f"\ncommands are for what is installed here: {detected().netcat.title}; --nc KIND for another")


def write_handout(path: str) -> int:
    """Write the page to print."""
    from chunkwire.lab.lessons.handout import handout_page

    page = handout_page()
    if path == "-":
        sys.stdout.write(page)
        return ExitCode.OK
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    print(f"{path}: print it from a browser, A4, a sheet a lesson")
    return ExitCode.OK


def check(paths: Sequence[str]) -> int:
    """Print the table of hand-in files; malformed lines are reported on standard error and skipped."""
    from chunkwire.lab.lessons import all_lessons
    from chunkwire.lab.lessons.handin import HONESTY, rows_of
    from chunkwire.tools.paint import PLAIN, columns

    code = ExitCode.OK
    by_path: dict[str, list[HandInLine]] = {}
    for path in paths:
        by_path[path], broken = read_hand_in(path)
        for line in broken:
            print(f"chunkwire: {line}", file=sys.stderr)
            code = ExitCode.FINDING
    lines = with_distinct_names(by_path)
    rows = rows_of(lines, [len(lesson.steps) for lesson in all_lessons()])
    width = max([len("who"), *(columns(PLAIN.text(row.who)) for row in rows)])
    print("who".ljust(width) + "".join(f"{lesson.number:>5}" for lesson in all_lessons()) + "  puzzles  lessons")
    for row in rows:
        who = PLAIN.text(row.who)
        cells = "".join(cell.rjust(5) for cell in row.cells[:-1])
        print(who + " " * (width - columns(who)) + cells + f"{row.cells[-1]:>9}{row.done:>6}/{len(all_lessons())}")
    if not rows:
        print("(nobody has done a step)")
    print(f"* ✓3: all steps, in 3 tries; 1/3: steps done, of how many\n* {HONESTY}")
    return code


def with_distinct_names(by_path: Mapping[str, Sequence[HandInLine]]) -> list[HandInLine]:
    """Return all lines; if a name is in several files, the file is added to it, as two people may be called root."""
    from collections import Counter
    from dataclasses import replace

    files = Counter(who for lines in by_path.values() for who in {line.who for line in lines})
    return [
        line if files[line.who] == 1 else replace(line, who=f"{line.who} ({path})")
        for path, lines in by_path.items()
        for line in lines
    ]


def read_hand_in(path: str) -> tuple[list[HandInLine], list[str]]:
    """Return the lines of a file, and one message about its malformed lines, if any."""
    from chunkwire.lab.lessons.handin import MAX_LINE, parse_line
    from chunkwire.tools.paint import PLAIN
    from chunkwire.wire.errors import LocalError

    found: list[HandInLine] = []
    broken: list[str] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(iter(lambda: file.readline(MAX_LINE + 1), ""), 1):
            if not text.strip():
                continue
            try:
                found.append(parse_line(text))
            except LocalError as error:
                broken.append(f"{PLAIN.text(path)}:{number}: {error}")
    if len(broken) > 1:
        broken = [f"{broken[0]} (and {len(broken) - 1} more lines like it)"]
    if not found and not broken:
        broken = [f"{PLAIN.text(path)}: expected lines of a hand-in, got none"]
    return found, broken


def teach(options: argparse.Namespace, number: int) -> int:
    """Run one lesson to its end."""
    from functools import partial

    from chunkwire.cli.handing_in import HandInFile
    from chunkwire.cli.stopping import run_until_stopped
    from chunkwire.lab.lessons import all_lessons
    from chunkwire.lab.lessons.netcats import of_kind

    with HandInFile(options.save, options.name) as book:
        return run_until_stopped(
            partial(_teach, options, all_lessons()[number - 1], of_kind(options.nc), learner_view(options), book)
        )


def learner_view(options: argparse.Namespace) -> LessonView:
    """Return the view of lessons on this terminal, and silence the servers' logs."""
    import logging

    from chunkwire.cli.lesson_view import LessonView
    from chunkwire.cli.terminal import paint_of, width_of

    if not options.verbose:
        logging.getLogger("chunkwire").setLevel(logging.ERROR)
    return LessonView(paint_of(options), min(width_of(sys.stdout) or SHOWN_COLUMNS, MAX_COLUMNS))


async def _teach(
    options: argparse.Namespace, lesson: Lesson, nc: InstalledNetcat, view: LessonView, book: HandInFile
) -> int:
    """Show the steps one after the other until the last one is done."""
    from chunkwire.lab.lessons import all_lessons
    from chunkwire.lab.lessons.judgement import Judgement
    from chunkwire.lab.lessons.session import LessonSession

    def report(number: int, judgement: Judgement) -> None:
        view.judged(judgement, map(session.with_addresses, lesson.steps[number - 1].lesson_learned))
        if judgement.is_right:
            book.done("lesson", lesson.number, tries=session.tries, step=number, of=len(lesson.steps))
            if not session.done.is_set():
                view.step(session, nc.netcat.title)
                book.begin()

    session = LessonSession(lesson, nc, report=report, hint=view.hint, watched=view.watched)
    async with open_usual_session(session, options.listen):
        view.title(session)
        view.step(session, nc.netcat.title)
        book.begin()
        await session.done.wait()
    view.done(lesson, next((one.title for one in all_lessons() if one.number == lesson.number + 1), None))
    return ExitCode.OK


@asynccontextmanager
async def open_usual_session(session: LessonSession, listen: str | None) -> AsyncIterator[None]:
    """Start a lesson's servers at --listen; without it on the usual port, or on a free one if that is taken."""
    from chunkwire.lab.lessons.session import open_session
    from chunkwire.net.listen import Address, ListenError, open_listeners

    where = flags.tcp_address("-l", listen or USUAL_PORT)
    if listen is None:
        try:
            for listener in await open_listeners(where):
                await listener.aclose()
        except ListenError:
            print(f"chunkwire: port {where.port} is in use; the lesson takes a free one", file=sys.stderr)
            where = Address(where.host, 0)
    async with open_session(session, where):
        yield
