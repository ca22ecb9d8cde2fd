"""`chunkwire puzzle`: three hops, one of them faulty; find out which, and how."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.lesson import SHOWN_COLUMNS, add_learner, learner_view, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chunkwire.cli.handing_in import HandInFile
    from chunkwire.cli.lesson_view import LessonView
    from chunkwire.lab.puzzles import Puzzle
    from chunkwire.net.listen import Address

SUMMARY = "three hops, one of them faulty: which one, and how?"
EPILOG = """\
your own server or client: chunkwire check server URL, chunkwire check client --help

exit codes: 0 solved, 1 a wrong --answer, or given up, 2 usage, 130 Ctrl-C

examples:
  chunkwire puzzle                     one of any kind
  chunkwire puzzle 1                   1 holds, 2 changes frames, 3 ends the stream, 4 breaks the framing
  chunkwire puzzle 2 --seed 7          the same for everybody who takes seed 7
  chunkwire puzzle 2 --seed 7 --answer 3 slice=4      for scripts: no question is asked"""

READ_OCTETS: Final = 4096
MAX_ANSWER_OCTETS: Final = 4096  # what is kept of a line that has not ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("number", nargs="?", metavar="N", help="which kind, 1 to 4 (default: any)")
    parser.add_argument("--seed", type=flags.whole_number, metavar="S", help="take this very puzzle again")
    parser.add_argument("--answer", nargs=2, metavar=("HOP", "SETTING"), help="judge this answer and end")
    add_learner(parser)


def run(options: argparse.Namespace) -> int:
    """Show the puzzle, and judge answers until one is right."""
    import random
    from functools import partial

    from chunkwire.cli.handing_in import HandInFile
    from chunkwire.cli.stopping import run_until_stopped
    from chunkwire.lab.puzzles import KINDS, MAX_SEED, make_puzzle

    number = None if options.number is None else number_of(options.number, "a kind of puzzle", len(KINDS))
    seed = options.seed if options.seed is not None else random.SystemRandom().randint(1, MAX_SEED)
    puzzle = make_puzzle(number, seed)
    with HandInFile(options.save, options.name) as book:
        return run_until_stopped(partial(_play, options, puzzle, number, learner_view(options), book))


async def _play(
    options: argparse.Namespace, puzzle: Puzzle, number: int | None, view: LessonView, book: HandInFile
) -> ExitCode:
    from chunkwire.lab.puzzles import KINDS, set_up
    from chunkwire.tools.paint import wrapped
    from chunkwire.wire.errors import LocalError

    async with set_up(puzzle) as places:
        if options.answer:
            return ExitCode.OK if await _judge(puzzle, places, options.answer, view) else ExitCode.FINDING
        _show(puzzle, number, places, options)
        book.begin()
        tries = 0
        answers = AnswerLines()
        while (words := await answers.next()) is not None:
            try:
                is_right = await _judge(puzzle, places, words, view)
            except LocalError as error:  # malformed: not counted as a try
                print("\n".join(wrapped("  ", str(error), SHOWN_COLUMNS)))
                continue
            tries += 1
            if is_right:
                book.done("puzzle", number or len(KINDS) + 1, tries=tries)
                return ExitCode.OK
        print(f"\n  {puzzle.solution}")
        return ExitCode.FINDING


async def _judge(puzzle: Puzzle, places: Sequence[Address], words: Sequence[str], view: LessonView) -> bool:
    """Judge an answer and print the judgement; raise LocalError for one that is malformed."""
    from chunkwire.lab.puzzles import judge_answer, parse_answer

    judgement = await judge_answer(puzzle, places, *parse_answer(words))
    view.judged(judgement, ())
    return judgement.is_right


def _show(puzzle: Puzzle, number: int | None, places: Sequence[Address], options: argparse.Namespace) -> None:
    from chunkwire.lab.lessons.netcats import of_kind
    from chunkwire.lab.puzzles import shown
    from chunkwire.tools.paint import wrapped

    text = shown(puzzle, number, places, of_kind(options.nc))
    print(f"{text.title}   (again: {text.again})\n\n  {text.path}\n")
    for name, url in text.places:
        print(f"  {name:<7} {url}")
    print()
    for command in text.commands:
        print(f"  {command}")
    print()
    print("\n".join(wrapped("  settings: ", ", ".join(text.settings), SHOWN_COLUMNS)))
    print("  Ctrl-D gives up")


class AnswerLines:
    """The lines of standard input, read by a thread while the hops run.

    It reads the descriptor: a thread that waits in `sys.stdin` holds its lock, and the program could not end before the
    next line.
    """

    def __init__(self) -> None:
        self._held = b""

    async def next(self) -> list[str] | None:
        """Ask, and return the words of the next line; None at the end of standard input."""
        import trio

        print("\nhop and setting> ", end="", flush=True)
        while b"\n" not in self._held:
            octets = await trio.to_thread.run_sync(os.read, sys.stdin.fileno(), READ_OCTETS, abandon_on_cancel=True)
            if not octets:
                return None
            self._held += octets
            if b"\n" not in octets:
                self._held = self._held[:MAX_ANSWER_OCTETS]
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace").split()
