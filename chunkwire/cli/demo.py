"""`chunkwire demo`: origin, gateway and client in one process, and one stream watched at all three."""

from __future__ import annotations

import argparse
from typing import Final

from chunkwire.cli import flags

SUMMARY = "one stream through origin and gateway, watched at each, in one command"
EPILOG = """\
exit codes: 0 the client got the octets that the origin sent, 1 it did not

examples:
  chunkwire demo                       ten chunks, 150 ms apart; ends by itself
  chunkwire demo -n 3 --interval 1s    slower
  chunkwire demo --keep                both keep serving, with things to try"""

DEFAULT_PAGE: Final = "127.0.0.1:8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's flags."""
    parser.add_argument("-n", "--chunks", type=flags.count, default=10, metavar="N", help="chunks (default: 10)")
    parser.add_argument(
        "--interval", type=flags.duration, default=0.15, metavar="TIME", help="between two chunks (default: 150ms)"
    )
    parser.add_argument("--keep", action="store_true", help="keep origin and gateway serving, and the page")
    parser.add_argument(
        "--admin", default=DEFAULT_PAGE, metavar="ADDR", help=f"where --keep serves the page (default: {DEFAULT_PAGE})"
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo to its end."""
    from chunkwire.cli import demo_run

    return demo_run.run(options)
