"""What the terminal can do: colours, width.

The rule here: plain in case of doubt. NO_COLOR (any value but empty), TERM=dumb, a pipe and `--no-color` are plain.
"""

from __future__ import annotations

import argparse
import os
import sys
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
    """Return the columns of a terminal; None for a pipe or a file, where lines may be as long as they like."""
    if os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]):
        return int(os.environ["COLUMNS"])
    return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
