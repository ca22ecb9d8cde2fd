"""`chunkwire lab`: the page, and without --class an origin and two gateways, in one process."""

from __future__ import annotations

import argparse
import re

from chunkwire.cli import flags

SUMMARY = "a page that shows the wire, live: an origin, two gateways, and octets to touch and break"
EPILOG = """\
with --class learners reach only the page, under a name of --host; on this machine loopback works too

examples:
  chunkwire lab                  the page on http://127.0.0.1:8000/
  chunkwire lab --open           and a browser that shows it
  chunkwire lab --clock fixed    each run has the same octets, and yours with nc are equal
  chunkwire lab --class -l 0.0.0.0:8000 --host lab.uni.example      one for a class: each learner takes a seat"""


def host_name(text: str) -> str:
    """Return a name by which a class reaches the lab, in the form of a Host field without port."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]", text):
        raise argparse.ArgumentTypeError(f"expected a name such as lab.uni.example, without a port, got {text!r}")
    return text.lower()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the lab's flags."""
    flags.add_listen(parser, flags.DEFAULT_PAGE, has_unix=False)
    parser.set_defaults(listen=None)  # only the default address may be replaced by a free one, outside of a class
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    flags.add_clock(parser)
    add = parser.add_argument_group("a class on one machine").add_argument
    add("--class", dest="is_class", action="store_true", help="give each learner a seat of their own")
    what = "a name by which the class reaches the lab; may be repeated"
    add("--host", type=host_name, action="append", default=[], metavar="NAME", help=what)
