"""`chunkwire completion SHELL`: print a script that completes verbs, flags and files; the package shtab writes it."""

from __future__ import annotations

import argparse
import re
from typing import Final

from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError, missing_package

SHELLS = ("bash", "zsh", "tcsh")
_FILE: Final = re.compile(r"FILE|RECORDING|HAND-IN|jsonl")
"""Found in the metavar of an argument whose value may be a file. Every such argument has a metavar."""
SUMMARY = "a script with which a shell completes verbs, flags and files"
EPILOG = """\
needs the package shtab: pip install shtab

examples:
  chunkwire completion bash > ~/.local/share/bash-completion/completions/chunkwire
  chunkwire completion zsh > ~/.zfunc/_chunkwire"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument SHELL."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> int:
    """Print the script.

    Raises:
        LocalError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise LocalError(missing_package("completion", "shtab")) from error

    print(shtab.complete(whole_parser(), options.shell))
    return ExitCode.OK


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser of all verbs, as shtab needs it; the command line makes only that of the verb that is given.

    Raises:
        ImportError: shtab is not installed.
    """
    from chunkwire.cli.main import VERBS, module_of  # here, as `main` imports this module

    parser = argparse.ArgumentParser(prog="chunkwire")
    verbs = parser.add_subparsers()
    for name in VERBS:
        subverbs = getattr(module_of(name), "SUBVERBS", ())
        if not subverbs:
            _add(verbs, name, name)
            continue
        inner = verbs.add_parser(name, help=module_of(name).SUMMARY).add_subparsers()
        for second in subverbs:
            _add(inner, second, f"{name} {second}")
    return parser


def _add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], word: str, name: str) -> None:
    """Add to `verbs` the parser of `name`, which is "VERB" or "VERB SUBVERB", under `word`, the last word of it."""
    import shtab

    from chunkwire.cli.main import module_of, verb_parser

    module = module_of(name)
    parser = verb_parser(name, module)
    for action in parser._actions:
        if any(_FILE.search(value) for value in _names_of_values(action)):
            setattr(action, "complete", shtab.FILE)  # noqa: B010  shtab reads this attribute
    verbs.add_parser(word, help=module.SUMMARY, parents=[parser], add_help=False)


def _names_of_values(action: argparse.Action) -> tuple[str, ...]:
    if isinstance(action.metavar, str):
        return (action.metavar,)
    return action.metavar or ()
