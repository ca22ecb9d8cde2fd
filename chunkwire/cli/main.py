"""`chunkwire VERB …`: find the verb, parse its arguments, run it, and return the exit code.

The rule here: every error is printed as one line, with an exit code; a traceback is printed only with `-v`. What this
module must not know: what any verb does.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import logging
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Final, NoReturn

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode, exit_code_of, message_of

# In the order of the help, by who uses them; each is a module of this room.
GROUPS: Final = {
    "to learn and to teach": ("demo", "lab", "lesson", "puzzle", "talk"),
    "to find the hop that holds a stream": ("watch", "probe", "diff"),
    "to measure": ("bench",),
    "to develop against": ("serve", "forward", "ask"),
    "to judge a client, server or proxy": ("check",),
    "about this program": ("help", "completion"),
}
VERBS: Final = tuple(verb for group in GROUPS.values() for verb in group)

DESCRIPTION: Final = "The wire of HTTP/1.1 streaming in plain sight: each chunk, when it came, and which hop held it."
EPILOG: Final = """\
exit codes: 0 ok, 1 a finding, 2 usage, 7 no connection, 18 cut, 22 HTTP error, 28 timeout, 52 empty reply,
  56 broken framing or reset, 70 a bug of chunkwire, 71 cannot bind, 130 Ctrl-C, 143 SIGTERM
environment: CHUNKWIRE_MAX_TIME=5s is --max-time 5s; any long flag has one, and flags win. NO_COLOR is obeyed.

examples:
  chunkwire demo                              one stream, watched through origin and gateway
  chunkwire serve                             an origin on 127.0.0.1:8081
  chunkwire forward http://127.0.0.1:8081     a gateway on 127.0.0.1:8080 in front of it
  chunkwire watch ':8080/generate?n=5'        each frame as it arrives"""


MIN_LIKENESS: Final = 0.7
"""The least similarity (difflib) of a suggestion: one letter of four may differ (`--jsno`), not two of four."""
MIN_STEM: Final = 3
"""The least letters of an abbreviated flag."""
MIN_COLUMN: Final = 24
"""The least width of the text beside an example; if there is less, it is put below."""
_COLUMN: Final = re.compile(r"\S {2,}(?=\S)")


class UsageError(Exception):
    """The command line is wrong; str() is the line to print, `usage` the command whose help to read."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """argparse that raises one line instead of printing its usage, and suggests a similar flag.

    Attributes:
        unknown_hint: appended to the line about an unknown flag that is similar to no known one.
    """

    unknown_hint = ""

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`; `main` prints it."""
        unknown = self._unknown_flags()
        raise UsageError(self.unknown_flag(unknown[0]) if unknown else message, self.prog)

    def unknown_flag(self, word: str) -> str:
        """Return the line about a flag that does not exist."""
        name = word.partition("=")[0]
        return f"unknown flag {name}{near(name, list(self._option_string_actions)) or self.unknown_hint}"

    def _unknown_flags(self) -> list[str]:
        # argparse reports a missing argument before the mistyped flag that took its place.
        words = getattr(self, "words", [])
        words = words[: words.index("--")] if "--" in words else words
        names = (word.partition("=")[0] for word in words if word.startswith("--"))
        return [name for name in names if name not in self._option_string_actions]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing is raised but SystemExit by `--help` and `--version`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    is_verbose = False
    try:
        options, verb = parse(words)
        is_verbose = bool(options.verbose)
        set_up_logging(options)
        code = int(verb.run(options))
        sys.stdout.flush()
        return code
    except UsageError as error:
        return report(f"{error}  (see {error.usage} --help)", ExitCode.USAGE)
    except BrokenPipeError:
        return reader_left()
    except SystemExit as error:
        return flushed(error)
    except BaseException as error:  # noqa: BLE001  the last barrier: one line and a code for everything
        return report_error(error, is_verbose=is_verbose)


def parse(words: list[str]) -> tuple[argparse.Namespace, ModuleType]:
    """Return the options of a command line and the module of its verb.

    Raises:
        UsageError: with the line to print.
        SystemExit: by `--help` and `--version`.
    """
    place = next((n for n, word in enumerate(words) if not word.startswith("-")), None)
    if place is None:
        return no_verb(words)
    name = words[place]
    if name not in VERBS:
        raise UsageError(f"unknown verb {name!r}{near(name, VERBS)}", "chunkwire")
    module = importlib.import_module(f"chunkwire.cli.{name}")
    # Shared flags may also precede the verb.
    words = [*words[:place], *words[place + 1 :]]
    if hasattr(module, "SUBVERBS"):
        name, module, words = parse_subverb(name, module, words)
    parser = verb_parser(name, module)
    setattr(parser, "words", words)  # noqa: B010  argparse has no attribute for it
    options, unknown = parser.parse_known_args(words)
    if unknown:
        word = unknown[0]
        is_flag = word.startswith("-") and len(word) > 1
        raise UsageError(parser.unknown_flag(word) if is_flag else f"unexpected argument {word!r}", parser.prog)
    return options, module


def parse_subverb(verb: str, module: ModuleType, words: list[str]) -> tuple[str, ModuleType, list[str]]:
    """Return a verb with its subverb, the subverb's module, and the other words.

    Raises:
        UsageError: with the one line to show.
        SystemExit: by `--help` and `--version`.
    """
    place = next((n for n, word in enumerate(words) if not word.startswith("-")), None)
    if place is None or "--" in words[:place]:
        named_so = {name: importlib.import_module(f"chunkwire.cli.{verb}_{name}") for name in module.SUBVERBS}
        answer_without_verb(f"chunkwire {verb}", module.SUMMARY, module.EPILOG, {"verbs": named_so}, words)
    name = words[place]
    if name not in module.SUBVERBS:
        wanted = f"expected {' or '.join(module.SUBVERBS)} after {verb}, got {name!r}"
        raise UsageError(f"{wanted}{near(name, module.SUBVERBS)}", f"chunkwire {verb}")
    found = importlib.import_module(f"chunkwire.cli.{verb}_{name}")
    return f"{verb} {name}", found, [*words[:place], *words[place + 1 :]]


def no_verb(words: list[str]) -> NoReturn:
    """Handle a command line without a verb."""
    modules = {name: importlib.import_module(f"chunkwire.cli.{name}") for name in VERBS}
    groups = {title: {name: modules[name] for name in names} for title, names in GROUPS.items()}
    answer_without_verb("chunkwire", DESCRIPTION, EPILOG, groups, words)


def answer_without_verb(
    prog: str, description: str, epilog: str, groups: dict[str, dict[str, ModuleType]], words: list[str]
) -> NoReturn:
    """Handle a command line without a verb or subverb: print the help or the version, or refuse it.

    Args:
        groups: the modules of the verbs by their names, under the title of each group.
    """
    modules = {name: module for group in groups.values() for name, module in group.items()}
    width = max(map(len, modules)) + 2
    verbs = "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<{width}}{module.SUMMARY}" for name, module in group.items())])
        for title, group in groups.items()
    )
    parser = Parser(
        prog=prog,
        usage=f"{prog} VERB [ARGUMENTS]\n       {prog} VERB --help",
        description=f"{description}\n\n{verbs}",
        epilog=epilog,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"chunkwire {version()}", help="the version, and exit")
    flags.add_common(parser)
    _, unknown = parser.parse_known_args(words)
    if unknown:
        raise UsageError(parser.unknown_flag(unknown[0]), prog)
    if words:
        raise UsageError(f"expected a verb: {', '.join(modules)}", prog)
    parser.print_help()
    raise SystemExit(ExitCode.OK)


def verb_parser(name: str, module: ModuleType) -> Parser:
    """Return the parser of a verb; the environment may set its defaults."""
    parser = Parser(
        prog=f"chunkwire {name}",
        description=module.SUMMARY[:1].upper() + module.SUMMARY[1:],
        epilog=module.EPILOG,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    flags.add_common(parser)
    parser.add_argument("--version", action="version", version=f"chunkwire {version()}", help="the version, and exit")
    for action in parser._actions:
        take_environment(parser, name, action)
    return parser


def take_environment(parser: Parser, verb: str, action: argparse.Action) -> None:
    """Set the default of a flag from CHUNKWIRE_VERB_FLAG or CHUNKWIRE_FLAG; a flag without help has neither."""
    flag = next((option[2:] for option in action.option_strings if option.startswith("--")), None)
    if flag is None or flag in ("help", "version") or action.help is argparse.SUPPRESS:
        return
    name = flags.environment_of(verb, flag)
    if name is None:
        return
    text = os.environ[name]
    if action.nargs == 0:  # a switch, or a count of them
        action.default = switch(name, text, is_count=isinstance(action.default, int) and action.default is not False)
        return
    try:
        value = parser._get_value(action, text)
    except argparse.ArgumentError as error:
        raise UsageError(f"{name}: {error.message}", parser.prog) from error
    if action.choices is not None and value not in action.choices:
        raise UsageError(f"{name}: expected one of {', '.join(map(str, action.choices))}, got {text!r}", parser.prog)
    action.default = [value] if isinstance(action.default, list) else value
    action.required = False


def switch(name: str, text: str, *, is_count: bool) -> bool | int:
    """Return the value of an environment variable for a flag without a value."""
    word = text.strip().lower()
    if is_count and word.isdigit():
        return int(word)
    if word in ("1", "true", "yes", "on"):
        return 1 if is_count else True
    if word in ("0", "false", "no", "off"):
        return 0 if is_count else False
    raise UsageError(f"{name}: expected 1 or 0, got {text!r}", "chunkwire")


def paragraphs(text: str) -> list[str]:
    """Return the lines of a text; an indented line is joined to the line above, unless that ends in a colon."""
    joined: list[str] = []
    for line in text.splitlines():
        if line[:1] == " " and joined and joined[-1][:1].strip() and not joined[-1].endswith(":"):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line)
    return joined


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Prints help as written; wraps a line that is too wide below its last column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

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


def near(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean …?` if a word is probably a known one, misspelt or abbreviated; else "".

    The first letter may be wrong only if the rest is right, so that `--quiet` is not suggested for `--cert`.
    """
    stem = word.strip("-")
    names = {name.lstrip("-"): name for name in known if len(name.lstrip("-")) > 1}
    longer = sorted((name for name in names if len(stem) >= MIN_STEM and name.startswith(stem)), key=len)
    alike = [name for name in names if name[0] == stem[:1] or is_first_letter_wrong(stem, name)]
    close = longer or difflib.get_close_matches(stem, alike, n=1, cutoff=MIN_LIKENESS)
    return f"; did you mean {names[close[0]]}?" if close else ""


def is_first_letter_wrong(word: str, name: str) -> bool:
    """Say whether a word is a name whose first letter is missing, wrong, doubled, or swapped with the second."""
    return name[1:] in (word, word[1:]) or name == word[1:] or name == word[1:2] + word[:1] + word[2:]


def version() -> str:
    """Return the version of the installed package."""
    from importlib import metadata

    try:
        return metadata.version("chunkwire")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def set_up_logging(options: argparse.Namespace) -> None:
    """Send the log to standard error: from WARNING on with -q, from DEBUG on with -vv, else from INFO on."""
    level = logging.WARNING if options.quiet else logging.DEBUG if options.verbose > 1 else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("chunkwire")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def report_error(error: BaseException, *, is_verbose: bool) -> int:
    """Print an error as one line; return the exit code."""
    from chunkwire.wire.errors import leaves

    found = list(leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in found):
        return ExitCode.INTERRUPTED
    if all(isinstance(leaf, BrokenPipeError) for leaf in found):
        return reader_left()
    codes = [exit_code_of(leaf) for leaf in found]
    if is_verbose and None in codes:
        traceback.print_exception(error)
    for leaf, code in zip(found, codes, strict=True):
        if code is None:
            return report(f"a bug: {type(leaf).__name__}: {message_of(leaf)}{place_of(leaf)}", ExitCode.BUG)
    return report(message_of(found[0]), codes[0] or ExitCode.BUG)


def place_of(error: BaseException) -> str:
    """Return the location of a bug and a hint, for the end of its line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{where}; -v shows the traceback"


def report(line: str, code: ExitCode) -> ExitCode:
    """Print one line on standard error; return the code."""
    print(f"chunkwire: {line}", file=sys.stderr)
    return code


def reader_left() -> ExitCode:
    """End without an error: the reader of standard output has closed it (`| head`)."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())  # the interpreter flushes once more on its way out
    return ExitCode.OK


def flushed(ended: SystemExit) -> int:
    """Return the exit code of `--help` and `--version`, whose output may also go to a closed pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return reader_left()
    return ended.code if isinstance(ended.code, int) else ExitCode.OK
