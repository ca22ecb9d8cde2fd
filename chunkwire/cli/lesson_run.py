"""`chunkwire lesson` at work: the list, the handout, the table of hand-in files, and a lesson on real sockets."""

from __future__ import annotations

import argparse
import getpass
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import report
from chunkwire.cli.output_files import LineFile, write_whole
from chunkwire.cli.stopping import run_until_stopped
from chunkwire.cli.terminal import paint_of, result_printed, say, width_of
from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.handin import HONESTY, MAX_LINE, HandInLine, parse_line, rows_of
from chunkwire.lab.lessons.handout import handout_page
from chunkwire.lab.lessons.judgement import Judgement, shown_octets
from chunkwire.lab.lessons.lesson import CommandKind, Lesson, ShownCommand
from chunkwire.lab.lessons.netcats import NetcatProgram, detected, of_kind
from chunkwire.lab.lessons.session import LessonSession, open_session
from chunkwire.lab.lessons.watched import WatchedConnection, WatchedLine
from chunkwire.net.listen import Address, ListenError, open_listeners
from chunkwire.tools.paint import PLAIN, Paint, columns, fitted, number, wrapped
from chunkwire.wire.errors import LocalError

MAX_LINES: Final = 100_000  # of one hand-in: hundreds of learners in one file
MAX_COLUMNS: Final = 100
SHOWN_COLUMNS: Final = 80
"""The width where standard output is no terminal."""
MAX_SHOWN_LINES: Final = 24
"""Lines shown of one connection's octets, the last of them an ellipsis; no step asks for more than ten."""
_ANSWER: Final = b"GET /answer/"
_ENDS: Final = {"fin": "(FIN: your side sends no more)", "reset": "(RST: your side wants no more)"}


def number_of(text: str, what: str, most: int) -> int:
    """Return the number of a lesson or a puzzle, from 1.

    Raises:
        LocalError: it is none.
    """
    if text not in (numbers := [str(number) for number in range(1, most + 1)]):
        raise LocalError(f"expected {what} from 1 to {most}, got {text!r:.60}")
    return numbers.index(text) + 1


def print_list() -> None:
    """Print the titles of the lessons, and what to do next."""
    print("Ten lessons of three minutes each, in two terminals: one to watch, one to type.\n")
    for lesson in all_lessons():
        print(f"  {lesson.number:>2}  {lesson.title}")
    print("\n  chunkwire lesson 1        begin")
    print("  chunkwire puzzle          then: which of three hops is broken, and how?")
    print("  chunkwire check --help    then: does your own server or client keep the RFC?")
    found = f"commands are for what is installed here: {detected().netcat.title}; --nc KIND for another"
    print("", *wrapped("", found, width_of(sys.stdout)), sep="\n")


def write_handout(path: str) -> int:
    """Write all lessons as one page; return the exit code."""
    if trouble := write_whole("handout", path, handout_page()):
        return report(trouble, ExitCode.USAGE)
    if path != "-":
        print(f"{path}: print it from a browser, A4, one sheet per lesson")
    return ExitCode.OK


def check(paths: Sequence[str]) -> int:
    """Print the table of hand-in files; malformed lines are skipped, and the first of each file is reported.

    Raises:
        OSError: a file cannot be read.
    """
    code = ExitCode.OK
    by_path: dict[str, list[HandInLine]] = {}
    for path in paths:
        by_path[path], broken = read_hand_in(path)
        for line in broken:
            say(line)
            code = ExitCode.FINDING
    lines = with_distinct_names(by_path)
    rows = rows_of(lines, [len(lesson.steps) for lesson in all_lessons()])
    width = max([len("who"), *(columns(PLAIN.text(row.who)) for row in rows)])
    with result_printed():
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
    files = Counter(who for lines in by_path.values() for who in {line.who for line in lines})
    return [
        line if files[line.who] == 1 else replace(line, who=f"{line.who} ({path})")
        for path, lines in by_path.items()
        for line in lines
    ]


def read_hand_in(path: str) -> tuple[list[HandInLine], list[str]]:
    """Return the lines of a file, and at most one message: some are malformed, or there are none or too many."""
    found: list[HandInLine] = []
    first, count = "", 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line, text in enumerate(iter(lambda: file.readline(MAX_LINE + 1), ""), 1):
            if line > MAX_LINES:
                return found, [f"{PLAIN.text(path)}: expected at most {MAX_LINES} lines; the rest is not read"]
            if not text.strip():
                continue
            try:
                found.append(parse_line(text))
            except LocalError as error:
                first, count = first or f"{PLAIN.text(path)}:{line}: {error}", count + 1
    if not found and not count:
        first = f"{PLAIN.text(path)}: expected lines of a hand-in, got none"
    more = f" (and {number(count - 1, 'more line')} like it)" if count > 1 else ""
    return found, [f"{first}{more}"] if first else []


class LessonView:
    """Prints a lesson, in lines of at most `width` columns."""

    def __init__(self, paint: Paint, width: int) -> None:
        self._paint = paint
        self._width = width
        self._shown_ends: dict[WatchedConnection, str] = {}
        self._lines: dict[WatchedConnection, int] = {}

    def title(self, session: LessonSession) -> None:
        """Print the introduction."""
        lesson = session.lesson
        self._print(self._paint("strong", f"Lesson {lesson.number}: {lesson.title}"))
        self._paragraphs("  ", map(session.with_addresses, lesson.intro))

    def step(self, session: LessonSession, nc_title: str) -> None:
        """Print the current step."""
        lead = self._paint("mark", f"Step {session.step} of {len(session.lesson.steps)}")
        self._print(f"\n{lead}")
        self._paragraphs("  ", map(session.with_addresses, session.current.task))
        self._print("")
        for command in session.shown_commands():
            self._command(command)
        if session.step == 1:
            types = any(each.kind is not CommandKind.CURL for step in session.lesson.steps for each in step.commands)
            program = f" ({nc_title})" if types else ""
            where = f"Do it in a second terminal{program}. This one watches; Ctrl-C ends the lesson."
            self._print("")
            self._paragraphs("  ", (where,))

    def _command(self, command: ShownCommand) -> None:
        if command.note:
            self._print(f"    {command.note}:")
        # Not wrapped, so that commands can be copied.
        self._print(f"    {self._paint('quiet', '$')} {self._paint('sent', command.run)}")
        for line in command.lines:
            self._print(f"    {line}" if line else "    " + self._paint("quiet", "(an empty line: Enter alone)"))

    def watched(self, connection: WatchedConnection, lines: Sequence[WatchedLine], ended: str) -> None:
        """Print new lines of the learner's program, and how it ended."""
        if connection.request_octets.startswith(_ANSWER):
            return  # the judgement shows the answer
        for line in lines:
            note = f"   ({line.note})" if line.note else ""
            text = fitted(shown_octets(line.octets), self._width - 16 - len(note))
            self._line(connection, f"{line.t:.3f} s", text + self._paint("quiet", note))
        if ended != self._shown_ends.get(connection, ""):
            self._line(connection, "", self._paint("quiet", _ENDS[ended]))
        self._shown_ends[connection] = ended

    def _line(self, connection: WatchedConnection, stamp: str, text: str) -> None:
        self._lines[connection] = count = self._lines.get(connection, 0) + 1
        if count <= MAX_SHOWN_LINES:
            text = text if count < MAX_SHOWN_LINES else "…"
            self._print(f"  {self._paint('quiet', f'{stamp:>10}')}  > {text}")

    def judged(self, judgement: Judgement, *, learned: Iterable[str] = (), otherwise: str = "") -> None:
        """Print the judgement of an attempt, and what a right one teaches; `otherwise` follows a wrong one."""
        mark = self._paint("good", "✓") if judgement.is_right else self._paint("bad", "✗")
        self._sentence(mark, judgement)
        self._paragraphs("    ", learned if judgement.is_right else [otherwise] if otherwise else ())

    def hint(self, judgement: Judgement) -> None:
        """Print what an unfinished attempt waits for."""
        self._sentence(self._paint("mark", "?"), judgement)

    def _sentence(self, mark: str, judgement: Judgement) -> None:
        first, *rest = wrapped("    ", judgement.sentence, self._width)
        self._print(f"  {mark} {first[4:]}")
        for line in rest:
            self._print(line)
        caret = judgement.caret_lines()
        if caret:
            self._print(f"        {caret[0]}")
            self._print(f"        {self._paint('bad', caret[1])}")
        for line in judgement.evidence:
            self._print("\n".join(wrapped(" " * 8, self._paint.text(line), self._width)))

    def done(self, lesson: Lesson, next_title: str | None) -> None:
        """Print the end of the lesson."""
        self._print(f"\nLesson {lesson.number} is done.")
        if next_title is not None:
            self._print(f"next: chunkwire lesson {lesson.number + 1}    {next_title}")
        else:
            self._print("next: chunkwire puzzle    three hops, one of them is broken")

    def _paragraphs(self, lead: str, paragraphs: Iterable[str]) -> None:
        for paragraph in paragraphs:
            for line in wrapped(lead, paragraph, self._width):
                self._print(line)

    def _print(self, line: str) -> None:
        print(line, flush=True)


class HandInFile:
    """Appends a line for each completed step to a hand-in file (--save); without a path it does nothing.

    Raises:
        LocalError: `-`.
        OSError: the file cannot be opened, so that this is found before the first step.
    """

    def __init__(self, path: str | None, name: str | None) -> None:
        if path == "-":
            raise LocalError("--save: expected a file to hand in, got -, and standard output shows the steps")
        self._file = LineFile("save", path, is_flushed=True, is_added_to=True) if path else None
        self._who = name or _login_name()
        self._shown = time.monotonic()

    @property
    def code(self) -> ExitCode:
        """The exit code: USAGE once a line could not be written, which was reported."""
        return ExitCode.USAGE if self._file is not None and self._file.trouble else ExitCode.OK

    def __enter__(self) -> HandInFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self) -> None:
        """Note the time at which a step is shown."""
        self._shown = time.monotonic()

    def done(self, kind: str, n: int, *, tries: int, step: int = 1, of: int = 1) -> None:
        """Append the line of a completed step."""
        if self._file is not None:
            seconds = round(time.monotonic() - self._shown, 1)
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._file.write(HandInLine(kind, self._who, n, step, of, tries, seconds, at).to_json())


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name; Windows without USERNAME
        return "somebody"


def teach(options: argparse.Namespace) -> int:
    """Run one lesson to its end, or until a signal; return the exit code."""
    lesson = all_lessons()[number_of(options.number, "a lesson", len(all_lessons())) - 1]
    with HandInFile(options.save, options.name) as book:
        code = run_until_stopped(partial(_teach, options, lesson, of_kind(options.nc), learner_view(options), book))
    return code or book.code


def learner_view(options: argparse.Namespace) -> LessonView:
    """Return the view of lessons on this terminal; without -v, let the servers log only errors."""
    if not options.verbose:
        logging.getLogger("chunkwire").setLevel(logging.ERROR)
    return LessonView(paint_of(options), min(width_of(sys.stdout) or SHOWN_COLUMNS, MAX_COLUMNS))


async def _teach(
    options: argparse.Namespace, lesson: Lesson, nc: NetcatProgram, view: LessonView, book: HandInFile
) -> int:
    """Show the steps one after the other until the last one is done."""

    def report(number: int, judgement: Judgement) -> None:
        learned = map(session.with_addresses, lesson.steps[number - 1].lesson_learned)
        view.judged(judgement, learned=learned, otherwise="Try again.")
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
    """Start a lesson's servers at --listen; without it on the usual port, or on a free one if that is taken.

    Raises:
        ListenError: the address cannot be bound.
    """
    where = flags.tcp_address("-l", listen or flags.DEFAULT_ORIGIN)
    if listen is None:
        try:
            for listener in await open_listeners(where):
                await listener.aclose()
        except ListenError as error:
            if error.taken is None:
                raise
            say(f"port {where.port} is in use; the lesson takes a free one")
            where = Address(where.host, 0)
    async with open_session(session, where):
        yield
