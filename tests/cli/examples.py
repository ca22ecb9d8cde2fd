"""The examples at the end of every `--help`, as commands for a shell."""

import importlib
import re
from collections.abc import Iterator
from types import ModuleType

from chunkwire.cli import main

_COMMENT = re.compile(r" {2,}.*$")


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Yield the words of each verb, with its module."""
    for verb in main.VERBS:
        module = importlib.import_module(f"chunkwire.cli.{verb}")
        yield verb, module
        for second in getattr(module, "SUBVERBS", ()):
            yield f"{verb} {second}", importlib.import_module(f"chunkwire.cli.{verb}_{second}")


def examples(epilog: str) -> list[str]:
    """Return the commands below `examples:`, which is the last part of an epilog.

    A command has an indent of 2, and its comment behind two blanks or beneath it, indented by 6. A backslash at the
    end of a line continues it.
    """
    text = re.sub(r"\\\n +", "", epilog.rpartition("examples:\n")[2])
    return [_COMMENT.sub("", line[2:]) for line in text.splitlines() if re.match(r" {2}\S", line)]


def all_examples() -> list[tuple[str, str]]:
    """Return each example with the verb whose help has it."""
    own = [("", each) for each in examples(main.EPILOG)]
    return own + [(verb, each) for verb, module in modules() for each in examples(module.EPILOG)]
