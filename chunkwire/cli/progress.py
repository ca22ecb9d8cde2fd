"""One line of progress on a terminal, rewritten in place."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chunkwire.tools.paint import PLAIN


@contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Give a function that replaces the line shown; without a terminal, and with -q, it does nothing."""
    if options.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    width = shutil.get_terminal_size().columns - 1  # a wrapped line would not be rewritten
    try:
        yield lambda line: print(f"\r\x1b[K{PLAIN.text(line, width)}", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
