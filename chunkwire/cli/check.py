"""`chunkwire check client|server|proxy`: the flags and the exit codes that the three have in common.

Each is a module of its own, `check_client`, `check_server`, `check_proxy`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TypeAlias

from chunkwire.cli import flags
from chunkwire.wire.errors import LocalError

SUMMARY = "a scorecard of anybody's client, server or proxy: one row per rule"
EPILOG = """\
examples:
  chunkwire check client -- curl -sSN {url}    a command, once per scenario
  chunkwire check server http://127.0.0.1:8000/upload
  chunkwire check proxy http://127.0.0.1:8080 --upstream 127.0.0.1:9000
  chunkwire check server --list                the rows, without a run"""
SUBVERBS = ("client", "server", "proxy")

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]

EXIT_CODES = """exit codes: 0 no row of level must failed, 1 one failed (with --strict also one of level
  should), 2 usage, 7 no connection, 28 no row passed or failed, 130 Ctrl-C, 143 SIGTERM (both print the rows judged
  so far)"""


def split_host(fields: Sequence[tuple[bytes, bytes]], own: frozenset[bytes]) -> tuple[Fields, bytes | None]:
    """Return the fields of -H but Host, and the value of Host; None where it is not given.

    Raises:
        LocalError: a field is one of `own`, which the rows send.
    """
    for name, _ in fields:
        if name.lower() in own:
            raise LocalError(f"-H: expected no {name.decode('ascii')}: the rows send their own")
    host = next((value for name, value in reversed(fields) if name.lower() == b"host"), None)
    return tuple(field for field in fields if field[0].lower() != b"host"), host


def add_rows(parser: argparse.ArgumentParser, *, jobs: int, patience: str, patience_is: str) -> None:
    """Add the flags that choose rows, run them and write the scorecard.

    Args:
        jobs: the default of -j.
        patience: the default of --patience.
        patience_is: what --patience means, for the help.
    """
    group = parser.add_argument_group("rows")
    add = group.add_argument
    add("--only", action="append", default=[], metavar="ID[,ID]", help="these rows; 9112/7.1 is a whole section")
    add("--list", action="store_true", help="print the rows and run none")
    add("-j", "--jobs", type=flags.count, default=jobs, metavar="N", help=f"rows at a time (default: {jobs})")
    add("--strict", action="store_true", help="a failed should fails the run, too")
    flags.add_each(group, ("patience", flags.timeout, patience, patience_is))
    add("--json", metavar="FILE", help="write the scorecard as JSON; - prints it instead of the table")
    add("--junit", metavar="FILE", help="write it as JUnit XML")
    add("--html", metavar="FILE", help="write it as one self-contained page")
