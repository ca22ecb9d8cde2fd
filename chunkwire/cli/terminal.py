"""What the terminal can do: colours, width, a line of progress that is rewritten in place.

The rule here: plain in case of doubt. NO_COLOR (any value but empty), TERM=dumb, a pipe and `--no-color` are plain.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from chunkwire.tools.paint import Paint


def paint_of(options: argparse.Namespace) -> Paint:
    """Return the colours of standard output."""
    from chunkwire.tools.paint import Paint

    return Paint(is_coloured(sys.stdout, no_color=options.no_color))


def is_coloured(stream: TextIO, *, no_color: bool = False) -> bool:
    """Say whether colours may go to this stream."""
    if no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in ("", "dumb"):
        return False
    return stream.isatty()


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal; None for a pipe or a file, where lines may have any length."""
    if os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]):
        return int(os.environ["COLUMNS"])
    return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None


@contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Give a function that replaces the line of progress shown; without a terminal, and with -q, it does nothing."""
    from chunkwire.tools.paint import PLAIN

    if options.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    width = shutil.get_terminal_size().columns - 1  # a wrapped line would not be rewritten
    try:
        yield lambda line: print(f"\r\x1b[K{PLAIN.text(line, width)}", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
