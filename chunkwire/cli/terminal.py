"""Colours, widths and a line of progress, as far as the terminal has them; and what to do if nobody reads the output.

The rule here: no escape sequence goes to a pipe or a file, or where TERM is `dumb` or not set. NO_COLOR (any value but
empty) and `--no-color` turn off colours. Functions import `paint`, so that a command that prints no message starts
sooner.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

from chunkwire.wire.abnf import number_of

if TYPE_CHECKING:
    from chunkwire.tools.paint import Paint

MAX_WORD: Final = 200
"""The most characters of a word, or between two quotes, in a message: three lines of a terminal."""
_LONGER: Final = f"{{{MAX_WORD + 1},}}"
_LONG: Final = re.compile(rf"(?<!\w)'[^']{_LONGER}'|(?<!\w)\"[^\"]{_LONGER}\"|\S{_LONGER}")

_USUAL_COLUMNS: Final = 80


class StandardError(io.FileIO):
    """Standard error, which drops what it cannot write: a message that is lost changes no exit code."""

    def write(self, octets: Any) -> int:
        """Write octets; return how many were written. If all are dropped, return their number as if they were."""
        written: int | None = None
        with suppress(OSError):
            written = super().write(octets)  # None where the descriptor is non-blocking and would block
        return memoryview(octets).nbytes if written is None else written


def drop_unwritable_messages() -> None:
    """Replace `sys.stderr` by one that raises nothing if its reader has left or its disk is full."""
    raw = StandardError(sys.stderr.fileno(), "w", closefd=False)
    encoding, errors = sys.stderr.encoding, sys.stderr.errors
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=True)


def say(line: str) -> None:
    """Print a message on standard error: long words shortened, and on a terminal in lines of whole words."""
    from chunkwire.tools.paint import PLAIN, wrapped

    lines = wrapped("chunkwire: ", PLAIN.text(shortened(line)), terminal_width(sys.stderr))
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def end_interrupted_line() -> None:
    """End the line on which a terminal has shown ^C, so that what follows begins a line."""
    if sys.stderr.isatty():
        print(file=sys.stderr, flush=True)


def shortened(line: str) -> str:
    """Return a line with `…` for the middle of each longer word and quoted text, as an argument may have megabytes."""
    return _LONG.sub(lambda found: f"{found[0][: MAX_WORD // 2]}…{found[0][-MAX_WORD // 4 :]}", line)


def paint_of(options: argparse.Namespace) -> Paint:
    """Return the colours of standard output."""
    from chunkwire.tools.paint import Paint

    return Paint(is_coloured(sys.stdout, no_color=options.no_color))


def is_coloured(stream: TextIO, *, no_color: bool = False) -> bool:
    """Say whether colours may go to this stream."""
    return not (no_color or os.environ.get("NO_COLOR")) and takes_escapes(stream)


def takes_escapes(stream: TextIO) -> bool:
    """Say whether escape sequences may go to this stream."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def width_of(stream: TextIO) -> int | None:
    """Return COLUMNS, or else the columns of a terminal; None for a pipe or a file, whose lines may have any length."""
    if columns := number_of(os.environ.get("COLUMNS", "")):
        return columns
    if not stream.isatty():
        return None
    return os.get_terminal_size(stream.fileno()).columns or None  # a terminal that does not know says 0


def terminal_width(stream: TextIO) -> int | None:
    """Return `width_of` a terminal; None for a pipe even with COLUMNS: what reads it wants whole lines."""
    return width_of(stream) if stream.isatty() else None


def drop_output() -> None:
    """Drop what standard output has buffered and what is printed later, so that the flush at the exit does not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


@contextmanager
def result_printed() -> Iterator[None]:
    """Catch the BrokenPipeError of printing a result (`| head`): the exit code stays, and other files are written."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


@contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Give a function that replaces the line of progress on standard error; the line is erased at the end.

    The function does nothing with -q, or where standard error does not take escape sequences.
    """
    from chunkwire.tools.paint import PLAIN

    if options.quiet or not takes_escapes(sys.stderr):
        yield lambda _: None
        return
    width = (width_of(sys.stderr) or _USUAL_COLUMNS) - 1  # a line that the terminal wraps cannot be replaced
    try:
        yield lambda line: print(f"\r\x1b[K{PLAIN.text(line, width)}", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
