"""`chunkwire lesson`, its arguments: ten lessons, the list of them, a handout, and the table of hand-in files."""

from __future__ import annotations

import argparse
from typing import Final

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError

SUMMARY = "ten lessons with nc and curl, each watched on a real socket"
EPILOG = """\
your own server or client: chunkwire check server URL, chunkwire check client --help

exit codes: 0 all steps done, or printed, 1 a hand-in file with no, too many or broken lines, 2 usage, or a file that
  cannot be read or written, 71 cannot bind, 130 Ctrl-C

examples:
  chunkwire lesson                               the list
  chunkwire lesson 1                             the first; work in a second terminal
  chunkwire lesson 3 --nc telnet                 commands for telnet instead of the nc found here
  chunkwire lesson 4 --save ada.jsonl            add each step that was done to a file to hand in
  chunkwire lesson --check *.jsonl               a teacher's table of who did what
  chunkwire lesson --handout lessons.html        all ten to print, a sheet each"""

_OF_A_LESSON: Final = {"--listen": "listen", "--nc": "nc", "--save": "save", "--name": "name"}
NC_KINDS: Final = ("openbsd", "traditional", "gnu", "macos", "ncat", "telnet", "talk")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("number", nargs="?", metavar="N", help="which lesson; without it the list")
    add_learner(parser)
    where = f"where to connect to (default: {flags.DEFAULT_ORIGIN}, or a free port)"
    parser.add_argument("-l", "--listen", metavar="ADDR", help=where)
    parser.add_argument("--handout", metavar="FILE", help="write all lessons as one HTML page to print; - is stdout")
    parser.add_argument("--check", nargs="+", metavar="FILE", help="print the table of these hand-in files")


def add_learner(parser: argparse.ArgumentParser) -> None:
    """Add the flags that lessons and puzzles share: --nc, --save, --name."""
    parser.add_argument("--nc", choices=NC_KINDS, metavar="KIND", help=f"print commands for {', '.join(NC_KINDS)}")
    parser.add_argument("--save", metavar="HAND-IN", help="add what was done to this file, a line each, to hand in")
    parser.add_argument("--name", metavar="NAME", help="who did it, for --save (default: the login name)")


def run(options: argparse.Namespace) -> int:
    """Run a lesson; or print the list or the table, or write the handout."""
    from chunkwire.cli import lesson_run

    tasks = ("number", "handout", "check")
    flags.let_words_win(options, *tasks)
    asked = [name for name in tasks if getattr(options, name) is not None]
    if len(asked) > 1:
        raise LocalError(f"expected one of N, --handout and --check, got {len(asked)} of them")
    for flag, name in _OF_A_LESSON.items():
        if options.number is None and name in options.given:
            raise LocalError(f"{flag} goes with N, the number of a lesson")
    if options.check is not None:
        return lesson_run.check(options.check)
    if options.handout is not None:
        return lesson_run.write_handout(options.handout)
    if options.number is not None:
        return lesson_run.teach(options)
    lesson_run.print_list()
    return ExitCode.OK
