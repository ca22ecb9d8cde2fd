"""argparse as chunkwire uses it: an error is one line that suggests the nearest name; help keeps its line breaks.

The rule here: what a line about a wrong command line looks like. What this module must not know: any verb, and any flag
but `-l` and the names that other programs give to it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from typing import Any, Final, NoReturn

from chunkwire.wire.nearest import expected_one_of, near

MIN_COLUMN: Final = 24
"""The least width of the text beside an example; if there is less, it is put below."""
_COLUMN: Final = re.compile(r"\S {2,}(?=\S)")
_ADDRESS_FLAGS: Final = ("-p", "--port", "--host", "--bind", "--address")
"""What other servers call `-l`."""
_FLAG: Final = re.compile(r"--|-[a-zA-Z]\Z")
_ADDRESS: Final = re.compile(r"\d{1,5}|(?:[\w.-]*|\[[\da-fA-F:.]+\]):\d{1,5}")


class UsageError(Exception):
    """The command line is wrong; str() is the line to print, `usage` the command whose help to read."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """argparse that raises one line instead of printing its usage, and suggests a similar flag.

    Attributes:
        unknown_hint: appended to the line about an unknown flag that is similar to no known one.
        words: the command line, for messages.
        given: the members of the result that words of the command line set.
    """

    unknown_hint = ""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, formatter_class=Formatter, allow_abbrev=False
        )
        self.words: list[str] = []
        self.given: set[str] = set()

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`; `main` prints it."""
        unknown = self._unknown_flags()
        message = message.removeprefix("argument ").replace("the following arguments are required: ", "expected ")
        message = message.replace("ignored explicit argument", "expected no value, got")
        message = re.sub(r"expected (?:at least )?one argument$", "expected a value", message)
        message = re.sub(r"expected (\d+) arguments$", r"expected \1 values", message)
        raise UsageError(self.unknown_flag(unknown[0]) if unknown else message, self.prog)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse ignores an OSError: help for a full disk would be lost in silence.
        (file or sys.stdout).write(message)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> object:
        # argparse calls it for each flag that it finds, and for each positional, also without a word.
        if action.option_strings or arg_strings:
            self.given.add(action.dest)
        return super()._get_values(action, arg_strings)

    def _get_value(self, action: argparse.Action, arg_string: str) -> object:
        # `--cert "$CERT"` with an unset variable must not run as if without the flag. Flags of TEXT may be empty, and
        # so may those whose default is empty.
        if not arg_string and action.option_strings and action.metavar != "TEXT" and action.default != "":
            raise argparse.ArgumentError(action, "expected a value, got ''")
        value: object = super()._get_value(action, arg_string)
        return value

    def check_choice(self, action: argparse.Action, value: object) -> None:
        """Raise an ArgumentError that lists the choices and suggests the nearest one, if a value is none of them."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, expected_one_of([*map(str, action.choices)], value))

    _check_value = check_choice  # argparse calls it

    def unknown_flag(self, word: str) -> str:
        """Return the line about a flag that does not exist."""
        name = word.partition("=")[0]
        if name in _ADDRESS_FLAGS and "-l" in self._option_string_actions:
            return f"unknown flag {name}; did you mean -l HOST:PORT?"
        return f"unknown flag {name}{near(name, list(self._option_string_actions)) or self.unknown_hint}"

    def unexpected(self, word: str) -> str:
        """Return the line about a word that no flag and no argument takes."""
        if word.startswith("-") and len(word) > 1:
            return self.unknown_flag(word)
        hint = ""
        if "-l" in self._option_string_actions and _ADDRESS.fullmatch(word):
            hint = f"; did you mean -l {word}?"
        elif any(before.partition("=")[0] == "--exec" for before in self.words[: self.words.index(word)]):
            hint = "; put the command of --exec in quotes"
        return f"unexpected argument {word!r}{hint}"

    def _unknown_flags(self) -> list[str]:
        # argparse reports a missing argument first, also where a misspelt flag is the cause.
        words = self.words[: self.words.index("--")] if "--" in self.words else self.words
        names = (word.partition("=")[0] for word in words if _FLAG.match(word))
        return [name for name in names if name not in self._option_string_actions]


def paragraphs(text: str) -> list[str]:
    """Return the lines of a text, an indented line joined to an unindented one above that does not end in a colon."""
    joined: list[str] = []
    for line in text.splitlines():
        if line[:1] == " " and joined and joined[-1][:1].strip() and not joined[-1].endswith(":"):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line)
    return joined


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a help text; joins their continuations, and wraps what is too wide below its last column."""

    def __init__(self, prog: str) -> None:
        # argparse leaves two columns free, but a help text has lines of up to 79.
        super().__init__(prog, max_help_position=28, width=shutil.get_terminal_size().columns - 1)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(line for whole in paragraphs(text) for line in self._wrapped(whole, width))

    def _wrapped(self, line: str, width: int) -> list[str]:
        if len(line) <= width:
            return [line]
        found = list(_COLUMN.finditer(line))
        lead, text = (line[: found[-1].end()], line[found[-1].end() :]) if found else ("", line)
        is_beside = width - len(lead) >= MIN_COLUMN
        first, rest = (lead, " " * (len(lead) or (6 if line[:1] == " " else 2))) if is_beside else (" " * 6, " " * 6)
        lines = textwrap.wrap(
            text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
        return lines if is_beside else [lead.rstrip(), *lines]
