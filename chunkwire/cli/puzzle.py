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

    from chunkwire.cli.handing_in import HandInBook
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
MAX_SEED: Final = 9999
"""Of a seed that is drawn: one that a person can read out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("number", nargs="?", metavar="N", help="which kind, 1 to 4 (default: any)")
    parser.add_argument("--seed", type=flags.whole_number, metavar="S", help="take this very puzzle again")
    parser.add_argument("--answer", nargs=2, metavar=("HOP", "SETTING"), help="judge this answer and end")
    add_learner(parser)


def run(options: argparse.Namespace) -> int:
    """Set the puzzle, and judge answers until one is right."""
    import random

    import trio

    from chunkwire.cli.handing_in import HandInBook
    from chunkwire.lab.puzzles import KINDS, make_puzzle

    number = None if options.number is None else number_of(options.number, "a kind of puzzle", len(KINDS))
    seed = options.seed if options.seed is not None else random.SystemRandom().randint(1, MAX_SEED)
    puzzle = make_puzzle(number, seed)
    with HandInBook(options.save, options.name) as book:
        return trio.run(_play, options, puzzle, number, learner_view(options), book)


async def _play(
    options: argparse.Namespace, puzzle: Puzzle, number: int | None, view: LessonView, book: HandInBook
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
            except LocalError as error:  # no answer at all: no try
                print("\n".join(wrapped("  ", str(error), SHOWN_COLUMNS)))
                continue
            tries += 1
            if is_right:
                book.done("puzzle", number or len(KINDS) + 1, tries=tries)
                return ExitCode.OK
        print(f"\n  it was hop {puzzle.hop}: {puzzle.setting}")
        return ExitCode.FINDING


async def _judge(puzzle: Puzzle, places: Sequence[Address], words: Sequence[str], view: LessonView) -> bool:
    """Judge an answer and print what is said of it; a bad one is no try."""
    from chunkwire.lab.puzzles import judge_answer
    from chunkwire.wire.errors import LocalError

    words = words[words[:1] == ["hop"] :]
    if len(words) != 2:
        raise LocalError("expected a hop and a setting, as in: 2 buffer    (Ctrl-D gives up)")
    hop = words[0].lower().removeprefix("hop").strip("- ")
    if not hop.isdecimal() or len(hop) > 3:
        raise LocalError(f"expected the number of a hop, got {words[0]!r:.60}")
    judgement = await judge_answer(puzzle, places, int(hop), words[1])
    view.judged(judgement, ())
    return judgement.is_right


def _show(puzzle: Puzzle, number: int | None, places: Sequence[Address], options: argparse.Namespace) -> None:
    """Print the puzzle, and how it can be looked at."""
    from chunkwire.lab.lessons.netcats import detected, of_kind
    from chunkwire.lab.puzzles import STREAM, place_name
    from chunkwire.tools.paint import wrapped

    again = f"chunkwire puzzle {number or ''}".rstrip()
    print(f"{puzzle.kind.title}: seed {puzzle.seed}   (again: {again} --seed {puzzle.seed})\n")
    print("  client ──▶ hop 3 ──▶ hop 2 ──▶ hop 1 ──▶ origin\n")
    for n, where in enumerate(places):
        print(f"  {place_name(n):<7} http://{where}{STREAM}")
    nc = of_kind(options.nc) if options.nc else detected()
    request = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    print(f"\n  chunkwire watch http://{places[-1]}{STREAM}\n  curl -sN --raw http://{places[-1]}{STREAM}")
    print(f"  {nc.piped(request, places[-1])}\n")
    names = sorted({setting.partition("=")[0] for setting in puzzle.kind.settings})
    print("\n".join(wrapped("  settings: ", ", ".join(names), SHOWN_COLUMNS)))


class AnswerLines:
    """The lines of standard input, read beside the hops.

    By the descriptor: a thread that waits in `sys.stdin` would hold its lock, and the program could not end before a
    line has come.
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
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace").split()
