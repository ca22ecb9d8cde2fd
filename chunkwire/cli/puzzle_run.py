"""`chunkwire puzzle` at work: three hops on real sockets, and the answers that are typed."""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.lesson_run import SHOWN_COLUMNS, HandInFile, LessonView, learner_view, number_of
from chunkwire.cli.stopping import run_until_stopped
from chunkwire.cli.terminal import result_printed
from chunkwire.lab.lessons.netcats import of_kind
from chunkwire.lab.puzzles import KINDS, MAX_SEED, Puzzle, again, judge_answer, make_puzzle, parse_answer, set_up, shown
from chunkwire.net.listen import Address
from chunkwire.tools.paint import wrapped
from chunkwire.wire.errors import LocalError

READ_OCTETS: Final = 4096
MAX_ANSWER_OCTETS: Final = 4096  # what is kept of a line that has not ended


def run(options: argparse.Namespace) -> int:
    """Show the puzzle and judge the answers that are typed, or judge that of --answer; return the exit code."""
    number = None if options.number is None else number_of(options.number, "a kind of puzzle", len(KINDS))
    if options.answer and options.seed is None:
        raise LocalError("--answer takes --seed S, the puzzle that it answers: without it another one is drawn")
    seed = options.seed if options.seed is not None else random.SystemRandom().randint(1, MAX_SEED)
    puzzle = make_puzzle(number, seed)
    with HandInFile(options.save, options.name) as book:
        code = run_until_stopped(partial(_play, options, puzzle, number, learner_view(options), book))
    return code or book.code


async def _play(
    options: argparse.Namespace, puzzle: Puzzle, number: int | None, view: LessonView, book: HandInFile
) -> ExitCode:
    kind = number or len(KINDS) + 1
    async with set_up(puzzle) as places:
        if options.answer:
            if not await _judge(puzzle, places, options.answer, view, f"Not solved. To look: {again(puzzle, number)}"):
                return ExitCode.FINDING
            book.done("puzzle", kind, tries=1)
            return ExitCode.OK
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
                book.done("puzzle", kind, tries=tries)
                return ExitCode.OK
        print(f"\n  Given up. {puzzle.solution}")
        return ExitCode.FINDING


async def _judge(
    puzzle: Puzzle, places: Sequence[Address], words: Sequence[str], view: LessonView, otherwise: str = ""
) -> bool:
    """Judge an answer and print the judgement; raise LocalError for one that is malformed."""
    judgement = await judge_answer(puzzle, places, *parse_answer(words))
    with result_printed():
        view.judged(judgement, otherwise=otherwise)
    return judgement.is_right


def _show(puzzle: Puzzle, number: int | None, places: Sequence[Address], options: argparse.Namespace) -> None:
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

    The thread reads the descriptor: one that waits in `sys.stdin` holds its lock, and the program could not end before
    the next line.
    """

    def __init__(self) -> None:
        self._held = b""

    async def next(self) -> list[str] | None:
        """Ask, and return the words of the next line; None at the end of standard input."""
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
