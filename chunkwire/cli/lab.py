"""`chunkwire lab`: the page, and without --class an origin and two gateways, in one process."""

from __future__ import annotations

import argparse
import re
from typing import Final

from chunkwire.cli import flags
from chunkwire.wire.errors import LocalError

SUMMARY = "a page that shows the wire, live: an origin, two gateways, and octets to touch and break"
EPILOG = """\
with --class learners reach only the page, under a name of --host; on this machine loopback works too

examples:
  chunkwire lab                  the page on http://127.0.0.1:8000/
  chunkwire lab --open           and a browser that shows it
  chunkwire lab --clock fixed    each run has the same octets, and yours with nc are equal
  chunkwire lab --class -l 0.0.0.0:8000 --host lab.uni.example      one for a class: each learner takes a seat"""

_LOOPBACK: Final = re.compile(r"127(?:\.\d+){3}|localhost|::1", re.ASCII)


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
    group = parser.add_argument_group("a class on one machine")
    group.add_argument("--class", dest="is_class", action="store_true", help="give each learner a seat of their own")
    group.add_argument(
        "--host",
        type=host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the class reaches the lab; may be repeated",
    )


def run(options: argparse.Namespace) -> int:
    """Serve the lab until Ctrl-C."""
    from chunkwire.cli import lab_run

    where = flags.tcp_address("-l", options.listen or flags.DEFAULT_PAGE, default_port=options.default_port)
    if options.is_class and not options.host:
        raise LocalError("--class takes --host NAME, the name by which the learners' browsers reach this machine")
    if options.host and not options.is_class:
        raise LocalError("--host is for --class; without it the lab is this machine's alone")
    if not options.is_class and not _LOOPBACK.fullmatch(where.host):
        raise LocalError(f"without --class the lab stays on loopback, got {where.host}")
    return lab_run.run(options, where)
