"""The first step of the command line: what must happen before anything slow is loaded.

The rule here: nothing is imported that the interpreter has not loaded by now, but `early`.
"""

from __future__ import annotations

import sys

from chunkwire.cli import early


def main() -> int:
    """Run the command line and return its exit code; see `chunkwire.cli.main`."""
    words = sys.argv[1:]
    if "watch" in words and "-" in words:
        early.begin()
    from chunkwire.cli.main import main as run

    return run()
