"""`chunkwire puzzle`: three hops, one of them faulty; find out which, and how."""

from __future__ import annotations

import argparse

from chunkwire.cli import flags
from chunkwire.cli.lesson import add_learner

SUMMARY = "three hops, one of them faulty: which one, and how?"
EPILOG = """\
your own server or client: chunkwire check server URL, chunkwire check client --help

exit codes: 0 solved, 1 a wrong --answer, or given up, 2 usage, 130 Ctrl-C

examples:
  chunkwire puzzle                     one of any kind
  chunkwire puzzle 1                   1 holds, 2 changes frames, 3 ends the stream, 4 breaks the framing
  chunkwire puzzle 2 --seed 7          the same for everybody who takes seed 7
  chunkwire puzzle 2 --seed 7 --answer 3 slice=4      for scripts: no question is asked"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("number", nargs="?", metavar="N", help="which kind, 1 to 4 (default: any)")
    parser.add_argument("--seed", type=flags.whole_number, metavar="S", help="take this very puzzle again")
    parser.add_argument("--answer", nargs=2, metavar=("HOP", "SETTING"), help="judge this answer and end")
    add_learner(parser)
