"""What the terminal can do: colours, width, a line of progress that is rewritten in place; and standard error.

The rule here: plain in case of doubt. NO_COLOR (any value but empty), TERM=dumb or none, a pipe and `--no-color` are
plain.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

from chunkwire.wire.abnf import number_of

if TYPE_CHECKING:
    from chunkwire.tools.paint import Paint

MAX_WORD: Final = 200
"""The most characters of a word, or between quotes, in a message: three lines of a terminal."""
_LONG: Final = re.compile(rf"(?<!\w)'[^']{{{MAX_WORD},}}'|(?<!\w)\"[^\"]{{{MAX_WORD},}}\"|\S{{{MAX_WORD + 1},}}")


class StandardError(io.FileIO):
    """Standard error, which drops what it cannot write: no message changes an exit code."""

    def write(self, octets: Any) -> int:
        """Write octets; return how many were written, or the number of all if they are dropped."""
        try:
            return super().write(octets) or memoryview(octets).nbytes
        except OSError:
            return memoryview(octets).nbytes


def drop_unwritable_messages() -> None:
    """Replace `sys.stderr` by one that raises nothing if its reader has left or its disk is full."""
    raw = StandardError(sys.stderr.fileno(), "w", closefd=False)
    encoding, errors = sys.stderr.encoding, sys.stderr.errors
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=True)


def say(line: str) -> None:
    """Print a message on standard error: long words shortened, and on a terminal in lines of whole words."""
    from chunkwire.tools.paint import PLAIN, wrapped

    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    print(*wrapped("chunkwire: ", PLAIN.text(shortened(line)), width), sep="\n", file=sys.stderr, flush=True)


def shortened(line: str) -> str:
    """Return a line with the middle of longer words and quoted texts left out: an argument may have megabytes."""
    return _LONG.sub(lambda found: f"{found[0][: MAX_WORD // 2]}…{found[0][-MAX_WORD // 4 :]}", line)


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
    """Return COLUMNS, or else the columns of a terminal; None for a pipe or a file, whose lines may have any length."""
    if columns := number_of(os.environ.get("COLUMNS", "")):
        return columns
    return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None


def drop_output() -> None:
    """Let standard output drop what is printed from here on: flushing it at the end of the process would fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


@contextmanager
def result_printed() -> Iterator[None]:
    """Catch the BrokenPipeError of printing a result (`| head`): it changes no exit code and no other output."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


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
