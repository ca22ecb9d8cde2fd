"""`chunkwire VERB …`: find the verb, parse its arguments, run it, and return the exit code.

The rule here: an error is printed as one line and gives an exit code; the traceback of a bug is printed with `-v`. What
this module must not know: what any verb does.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final, NoReturn

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode, exit_code_of, message_of
from chunkwire.cli.parser import Parser, UsageError
from chunkwire.cli.terminal import drop_output, end_interrupted_line, say
from chunkwire.wire.errors import leaf_errors
from chunkwire.wire.nearest import near

# In the order of the help, a group for each kind of user; each verb is a module of this room.
GROUPS: Final = {
    "to learn and to teach": ("demo", "lab", "lesson", "puzzle", "talk"),
    "to find the hop that holds a stream": ("watch", "probe", "diff"),
    "to measure": ("bench",),
    "to develop against": ("serve", "forward", "ask"),
    "to judge a client, server or proxy": ("check",),
    "about this program": ("help", "completion"),
}
VERBS: Final = tuple(verb for group in GROUPS.values() for verb in group)

OTHER_NAMES: Final = {
    "origin": "serve",
    "mock": "serve",
    "gateway": "forward",
    "proxy": "forward",
    "client": "watch",
    "nc": "talk",
    "record": "watch URL --save FILE",
    "replay": "serve --replay FILE",
    "version": "--version",
}
"""Words that are not verbs, from README and from other programs, with the suggestion for each."""

DESCRIPTION: Final = "The wire of HTTP/1.1 streaming in plain sight: each chunk, when it came, and which hop held it."
EPILOG: Final = f"""\
exit codes: 0 ok, 1 a finding, 2 usage, 7 no connection, 18 cut, 22 HTTP error, 28 timeout, 52 empty reply,
  56 broken framing or reset, 70 a bug of chunkwire, 71 cannot bind, 130 Ctrl-C, 143 SIGTERM (serve,
  forward and ask: 0)
environment: CHUNKWIRE_MAX_TIME=5s sets --max-time for every verb, CHUNKWIRE_WATCH_MAX_TIME=5s for watch. All long flags
  have such variables; {", ".join(f"--{name}" for name in sorted(flags.MANY_MEANINGS))} only those with the verb.
  Flags override variables; repeatable flags (-H, -v) add to them. NO_COLOR is obeyed.

examples:
  chunkwire demo                              one stream, watched through origin and gateway
  chunkwire serve                             an origin on 127.0.0.1:8081
  chunkwire forward http://127.0.0.1:8081     a gateway on 127.0.0.1:8080 in front of it
  chunkwire watch ':8080/generate?n=5'        each frame as it arrives"""


def main(arguments: Sequence[str] | None = None, *, when_loaded: Callable[[], None] = lambda: None) -> int:
    """Run the command line, `sys.argv` by default, and return its exit code.

    Args:
        when_loaded: is called once the modules of the verb are loaded, before it runs.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = argparse.Namespace(verbose=0)
    code: int = ExitCode.OK
    try:
        options, verb = parse(words)
        set_up_logging(options)
        work = verb if hasattr(verb, "run") else importlib.import_module(f"{verb.__name__}_run")
        when_loaded()
        code = int(work.run(options))
        sys.stdout.flush()
        return code
    except UsageError as error:
        return report(f"{error}  (see {error.usage} --help)", ExitCode.USAGE)
    except BrokenPipeError:
        drop_output()  # its reader has closed it (`| head`)
        return code
    except SystemExit as error:
        return flushed(error)
    except BaseException as error:  # noqa: BLE001  the last barrier: one line and a code for everything
        return report_error(error, options)


def parse(words: list[str]) -> tuple[argparse.Namespace, ModuleType]:
    """Return the options of a command line and the module of its verb; `options.given` names those that its words set.

    Raises:
        UsageError: with the line to print.
        SystemExit: after the help or the version was printed.
    """
    name, words = take_verb(words)
    if name is None:
        groups = {title: {name: module_of(name) for name in names} for title, names in GROUPS.items()}
        answer_without_verb("chunkwire", DESCRIPTION, EPILOG, groups, words)
    if name not in VERBS:
        if words[:1] and words[0].startswith("-") and (verb := next((word for word in words if word in VERBS), "")):
            raise UsageError(f"expected the verb first: {verb} before {words[0]}", "chunkwire")
        raise UsageError(f"unknown verb {name!r}{near_verb(name, VERBS)}", "chunkwire")
    module = module_of(name)
    if hasattr(module, "SUBVERBS"):
        second, words = take_verb(words)
        if second is None:
            named_so = {second: module_of(f"{name} {second}") for second in module.SUBVERBS}
            answer_without_verb(f"chunkwire {name}", module.SUMMARY, module.EPILOG, {"verbs": named_so}, words)
        if second not in module.SUBVERBS:
            wanted = f"expected {' or '.join(module.SUBVERBS)} after {name}, got {second!r}"
            raise UsageError(f"{wanted}{near(second, module.SUBVERBS)}", f"chunkwire {name}")
        name = f"{name} {second}"
        module = module_of(name)
    parser = verb_parser(name, module)
    parser.words = words
    options, unknown = parser.parse_known_args(words)
    options.given = frozenset(parser.given)
    if unexpected := [word for word in unknown if word != "--"]:
        raise UsageError(parser.unexpected(unexpected[0]), parser.prog)
    return options, module


def near_verb(name: str, known: Sequence[str]) -> str:
    """Return a suggestion as `near` does, or that of another name of a verb."""
    return f"; did you mean {OTHER_NAMES[name]}?" if name in OTHER_NAMES else near(name, known)


def take_verb(words: list[str]) -> tuple[str | None, list[str]]:
    """Return the first word that is not a flag, or None if a `--` comes before it, and the other words.

    Shared flags may precede a verb.
    """
    place = next((n for n, word in enumerate(words) if not word.startswith("-") or word == "--"), None)
    if place is None or words[place] == "--":
        return None, words
    return words[place], [*words[:place], *words[place + 1 :]]


def module_of(verb: str) -> ModuleType:
    """Return the module of "VERB" or "VERB SUBVERB"."""
    return importlib.import_module(f"chunkwire.cli.{verb.replace(' ', '_')}")


def answer_without_verb(
    prog: str, description: str, epilog: str, groups: dict[str, dict[str, ModuleType]], words: list[str]
) -> NoReturn:
    """Print the help for no words or `--help`, the version for `--version`; refuse other words. Raises as `parse`.

    Args:
        groups: the modules of the verbs by their names, under the title of each group.
    """
    modules = {name: module for group in groups.values() for name, module in group.items()}
    width = max(map(len, modules)) + 2
    verbs = "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<{width}}{module.SUMMARY}" for name, module in group.items())])
        for title, group in groups.items()
    )
    parser = Parser(prog, f"{description}\n\n{verbs}", epilog)
    parser.usage = f"{prog} VERB [ARGUMENTS]\n       {prog} VERB --help"
    flags.add_common(parser, version())
    _, unknown = parser.parse_known_args(words)
    if unknown and "--" not in words:
        raise UsageError(parser.unknown_flag(unknown[0]), prog)
    if words:
        raise UsageError(f"expected a verb: {', '.join(modules)}", prog)
    parser.print_help()
    raise SystemExit(ExitCode.OK)


def verb_parser(name: str, module: ModuleType) -> Parser:
    """Return the parser of a verb, with defaults from the environment.

    Raises:
        UsageError: a variable has a wrong value.
    """
    parser = Parser(f"chunkwire {name}", module.SUMMARY[:1].upper() + module.SUMMARY[1:], module.EPILOG)
    module.add_arguments(parser)
    flags.add_common(parser, version())
    try:
        for action in parser._actions:
            flags.take_environment(parser, name, action)
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error), parser.prog) from error
    return parser


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
    handler.addFilter(_begin_line)
    logger = logging.getLogger("chunkwire")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def _begin_line(record: logging.LogRecord) -> bool:
    """Let a record pass; first end the line of the ^C that it reports."""
    if getattr(record, "is_interrupt", False):
        end_interrupted_line()
    return True


def report_error(error: BaseException, options: argparse.Namespace) -> int:
    """Print an error as one line, but nothing for signals and a closed pipe; return the exit code."""
    found = causes_of(error)
    for leaf in found:
        if isinstance(leaf, SystemExit):  # of a second signal, out of a nursery
            return flushed(leaf)
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in found):
        end_interrupted_line()
        return ExitCode.INTERRUPTED
    if all(isinstance(leaf, BrokenPipeError) for leaf in found):
        drop_output()
        return ExitCode.OK
    codes = [exit_code_of(leaf) for leaf in found]
    if options.verbose and None in codes:
        traceback.print_exception(error)
    for leaf, code in zip(found, codes, strict=True):
        if code is None:
            return report(f"a bug: {type(leaf).__name__}: {message_of(leaf, options)}{place_of(leaf)}", ExitCode.BUG)
    return report(message_of(found[0], options), codes[0] or ExitCode.BUG)


def causes_of(error: BaseException) -> list[BaseException]:
    """Return the errors in a group; of an internal error of trio, those that a system task of ours has raised."""
    cause = error.__cause__ if type(error).__name__ == "TrioInternalError" else None
    return list(leaf_errors(cause or error))


def place_of(error: BaseException) -> str:
    """Return the location of a bug and a hint, for the end of its line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{where}; -v shows the traceback"


def report(line: str, code: ExitCode) -> ExitCode:
    """Print one line on standard error, and flush standard output; return the code."""
    say(line)
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
    return code


def flushed(ended: SystemExit) -> int:
    """Return the exit code of `--help`, `--version` or a second signal; output to a closed pipe does not change it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        return report_error(error, argparse.Namespace(verbose=0))
    return ended.code if isinstance(ended.code, int) else ExitCode.OK
