"""`chunkwire completion SHELL`: a script that completes verbs and flags, by shtab (the extra `completion`)."""

from __future__ import annotations

import argparse

from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError

SHELLS = ("bash", "zsh", "tcsh")
SUMMARY = "a script with which a shell completes verbs and flags"
EPILOG = """\
needs the extra: pip install 'chunkwire[completion]'

examples:
  chunkwire completion bash > ~/.local/share/bash-completion/completions/chunkwire
  chunkwire completion zsh > ~/.zfunc/_chunkwire"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> int:
    """Print the script.

    Raises:
        LocalError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise LocalError("completion needs shtab: pip install 'chunkwire[completion]'") from error

    print(shtab.complete(whole_parser(), options.shell))
    return ExitCode.OK


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser of all verbs, for shtab; the command line uses a parser for each verb."""
    from chunkwire.cli.main import VERBS, module_of, verb_parser

    parser = argparse.ArgumentParser(prog="chunkwire")
    verbs = parser.add_subparsers()
    for name in VERBS:
        module = module_of(name)
        if not hasattr(module, "SUBVERBS"):
            verbs.add_parser(name, help=module.SUMMARY, parents=[verb_parser(name, module)], add_help=False)
            continue
        inner = verbs.add_parser(name, help=module.SUMMARY).add_subparsers()
        for second in module.SUBVERBS:
            found = module_of(f"{name} {second}")
            parents = [verb_parser(f"{name} {second}", found)]
            inner.add_parser(second, help=found.SUMMARY, parents=parents, add_help=False)
    return parser
