"""`chunkwire demo`: origin, gateway and client in one process, and one stream watched at all three."""

from __future__ import annotations

import argparse

from chunkwire.cli import flags

SUMMARY = "one stream through origin and gateway, watched at each, in one command"
EPILOG = """\
exit codes: 0 all octets are equal at each place, 1 they differ, or it is not known, 71 cannot bind, 130 Ctrl-C

examples:
  chunkwire demo                       ten chunks, 150 ms apart; ends by itself
  chunkwire demo -n 3 --interval 1s    slower
  chunkwire demo --keep                both keep serving, with things to try"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's flags."""
    parser.add_argument("-n", "--chunks", type=flags.count, default=10, metavar="N", help="chunks (default: 10)")
    flags.add_each(parser, ("interval", flags.duration, "150ms", "between two chunks"))
    parser.add_argument("--keep", action="store_true", help="keep origin and gateway serving, and the page")
    where = f"where --keep serves the page (default: {flags.DEFAULT_PAGE})"
    parser.add_argument("--admin", default=flags.DEFAULT_PAGE, metavar="ADDR", help=where)
