"""`chunkwire help [NAME]`: a page about a protocol, the limits or the changes, or the help of a verb."""

from __future__ import annotations

import argparse

from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError

SUMMARY = "pages about the protocols, the limits and the changes, or the flags of a verb"
EPILOG = """\
`chunkwire help VERB` is `chunkwire VERB --help`. The lab has the pages, too.

examples:
  chunkwire help               the list
  chunkwire help barrier       a page
  chunkwire help watch         the flags of a verb"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name."""
    parser.add_argument("name", nargs="*", metavar="NAME", help="a page or a verb; without one, the list")


def run(options: argparse.Namespace) -> int:
    """Print the list, a page, or the help of a verb.

    Raises:
        LocalError: nothing has that name.
    """
    from chunkwire.cli.main import VERBS, module_of, near_verb, parse
    from chunkwire.lab.pages import OTHER_NAMES, PAGES

    name = " ".join(options.name)
    if not options.name:
        print("chunkwire help NAME prints one of these:\n")
        for topic, listed in PAGES.items():
            print(f"  {topic:<11}{listed.summary}")
    elif page := PAGES.get(OTHER_NAMES.get(name, name)):
        print(page.text().rstrip())
    elif name in VERBS or (options.name[0] in VERBS and hasattr(module_of(options.name[0]), "SUBVERBS")):
        parse([*options.name, "--help"])
    else:
        suggested = near_verb(name, (*PAGES, *VERBS))
        raise LocalError(f"expected one of {', '.join(PAGES)} or a verb, got {name!r}{suggested}")
    return ExitCode.OK
