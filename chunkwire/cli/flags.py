"""The flags that verbs share, the types of their values, and the environment variables of all flags.

A long flag overrides its variable, or adds to it where it is repeatable. For `--max-time` of `watch` the variable is
CHUNKWIRE_WATCH_MAX_TIME, or else CHUNKWIRE_MAX_TIME; for `--jobs` of `check client` it is CHUNKWIRE_CHECK_CLIENT_JOBS,
CHUNKWIRE_CHECK_JOBS or CHUNKWIRE_JOBS, the first that is set.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from chunkwire.wire.abnf import number_of
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.cli.parser import Parser
    from chunkwire.net.listen import Address

T = TypeVar("T")

DEFAULT_GATEWAY = "127.0.0.1:8080"
DEFAULT_ORIGIN = "127.0.0.1:8081"
DEFAULT_PAGE = "127.0.0.1:8000"
MAX_SECONDS = 1e9  # of a duration: 31 years

MANY_MEANINGS = frozenset({"as", "json", "open", "patience", "save", "stamps"})
"""Flags that take other values in one verb than in another: no variable sets them for all verbs."""


def duration(text: str) -> float:
    """Return seconds: `2`, `1.5s`, `250ms`, `50us`, `1m30s`, `1h`; a bare number is seconds."""
    seconds = parse_duration(text.strip())
    if seconds is None:
        raise argparse.ArgumentTypeError(f"expected a duration such as 2, 1.5s or 250ms, got {text!r}")
    if seconds > MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"expected a duration of at most {MAX_SECONDS:.0f} s, got {text!r}")
    return seconds


def timeout(text: str) -> float:
    """Return the seconds of a timeout, as `duration`; `off` and 0 mean no timeout (infinite)."""
    return grace(text) or math.inf


def grace(text: str) -> float:
    """Return the seconds that streams get at the end, as `duration`: 0 ends them at once, `off` never (infinite)."""
    return math.inf if text.strip() == "off" else duration(text)


def page_origin(text: str) -> str:
    """Return an origin as browsers send it (RFC 6454 §6.1), or `*`."""
    if not re.fullmatch(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+", text):
        raise argparse.ArgumentTypeError(f"expected * or an origin such as https://app.example, got {text!r}")
    return text


def count(text: str) -> int:
    """Return a whole number, 1 or more, in the forms of `whole_number`."""
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text!r}")
    return number


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    if not re.fullmatch(r"0|1|0?\.\d{1,9}|1\.0+", text.strip(), re.ASCII):
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")
    return float(text)


def factor(text: str) -> float:
    """Return a number above 0."""
    found = re.fullmatch(r"\d{1,18}(?:\.\d{1,18})?|\.\d{1,18}", text.strip(), re.ASCII)
    if found and float(found[0]):
        return float(found[0])
    raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")


def whole_number(text: str) -> int:
    """Return a whole number, 0 or more; `64k`, `1m` and `1g` are multiples of powers of 1024."""
    found = re.fullmatch(r"(\d{1,18})([kKmMgG]?)", text.strip(), re.ASCII)
    if not found:
        most = " of at most 18 digits" if text.isascii() and text.isdecimal() else ""
        raise argparse.ArgumentTypeError(f"expected a whole number{most}, got {text!r}")
    return int(found[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[found[2].lower()]


def add_common(parser: argparse.ArgumentParser, version: str) -> None:
    """Add --version and the flags of every verb: `options.quiet`, `.verbose` (a count) and `.no_color`."""
    parser.add_argument("--version", action="version", version=f"chunkwire {version}", help="the version, and exit")
    add = parser.add_argument_group("output").add_argument
    add("-q", "--quiet", action="store_true", help="errors only; no messages on standard error")
    add(
        "-v", "--verbose", action="count", default=0, help="more messages; twice: debug messages; bugs show a traceback"
    )
    add("--no-color", action="store_true", help="plain text (so do NO_COLOR, a pipe and TERM=dumb)")


def add_each(group: argparse._ActionsContainer, *rows: tuple[str, Callable[[str], object], str, str]) -> None:
    """Add a flag for each row of name, type, default and help; the help gets the default."""
    metavars: dict[object, str] = {share: "SHARE", factor: "X", **dict.fromkeys((timeout, grace, duration), "TIME")}
    for name, kind, default, what in rows:
        metavar, text = metavars.get(kind, "N"), f"{what} (default: {default})"
        group.add_argument(f"--{name}", type=kind, default=kind(default), metavar=metavar, help=text)


def settings_of(kind: Callable[..., T], options: argparse.Namespace, **others: object) -> T:
    """Return a dataclass of settings; members come from `others`, or else from the flags of the same names."""
    from inspect import signature

    flags = {name: value for name, value in vars(options).items() if name in signature(kind).parameters}
    return kind(**{**flags, **others})


def environment_of(verb: str, flag: str) -> str | None:
    """Return the name of the environment variable that sets a flag; None if none is set, or only to "".

    Raises:
        argparse.ArgumentTypeError: the variable is that of all verbs, and the flag is one of `MANY_MEANINGS`.
    """
    words = ["CHUNKWIRE", *verb.upper().split()]
    stem = flag.replace("-", "_").upper()
    names = ["_".join([*words[:length], stem]) for length in range(len(words), 0, -1)]
    found = next((name for name in names if os.environ.get(name)), None)
    if found is not None and found == names[-1] and flag in MANY_MEANINGS:
        raise argparse.ArgumentTypeError(f"{found}: --{flag} differs from verb to verb: expected {names[-2]}")
    return found


def take_environment(parser: Parser, verb: str, action: argparse.Action) -> None:
    """Set the default of a flag from its environment variable; a flag without help has none.

    Raises:
        argparse.ArgumentTypeError: one line that names the variable.
    """
    flag = next((option[2:] for option in action.option_strings if option.startswith("--")), None)
    if flag is None or flag in ("help", "version") or action.help is argparse.SUPPRESS:
        return
    name = environment_of(verb, flag)
    if name is None:
        return
    text = os.environ[name]
    try:
        action.default = _value_of(parser, action, text)
    except (argparse.ArgumentTypeError, argparse.ArgumentError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name}: {getattr(error, 'message', error)}") from error
    action.required = False


def let_words_win(options: argparse.Namespace, *names: str) -> None:
    """If the command line sets one of these members, which exclude each other, reset those of the environment."""
    if options.given.isdisjoint(names):
        return
    for name in names:
        if name not in options.given:
            kind = type(getattr(options, name))
            setattr(options, name, kind() if kind in (bool, list) else None)


def _value_of(parser: Parser, action: argparse.Action, text: str) -> object:
    """Return what a text sets a flag to; the words of a flag that takes several are split as by a shell."""
    if isinstance(action, argparse._CountAction):
        return _switch(text, is_count=True)
    if action.nargs == 0:
        return action.const if _switch(text, is_count=False) else action.default
    takes_words = action.nargs == "+" or isinstance(action.nargs, int)
    words = shlex.split(text) if takes_words else [text]
    if isinstance(action.nargs, int) and len(words) != action.nargs:
        raise argparse.ArgumentTypeError(f"expected {action.nargs} words, got {text!r}")
    values = [parser._get_value(action, word) for word in words]
    for value in values:
        parser.check_choice(action, value)
    return values if takes_words or isinstance(action, argparse._AppendAction) else values[0]


def _switch(text: str, *, is_count: bool) -> bool | int:
    """Return what a text sets a flag without a value to: a boolean, or the number of a flag that is counted."""
    word = text.strip().lower()
    if is_count and (number := number_of(word)) is not None:
        return number
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise argparse.ArgumentTypeError(f"expected 1 or 0, got {text!r}")


def parsed(flag: str, parse: Callable[[str], T], text: str) -> T:
    """Return the value of a flag whose parser is in another room.

    Raises:
        LocalError: it is wrong; the message begins with the flag.
    """
    try:
        return parse(text)
    except LocalError as error:
        raise LocalError(f"{flag}: {error}") from error


def tcp_address(flag: str, text: str, *, default_port: int | None = None) -> Address:
    """Return a TCP address, as `chunkwire.net.listen.parse_address`.

    Raises:
        LocalError: it is not valid, or a unix: path.
    """
    from chunkwire.net.listen import parse_address

    address = parsed(flag, partial(parse_address, default_port=default_port), text)
    if address.is_unix:
        raise LocalError(f"{flag}: expected HOST:PORT, :PORT or PORT, got {text}")
    return address


def add_listen(parser: argparse.ArgumentParser, default: str, *, has_unix: bool = True) -> None:
    """Add -l/--listen: `options.listen` and `.default_port`, for `chunkwire.net.listen.parse_address`."""
    forms = "HOST:PORT, HOST, :PORT, PORT or unix:PATH" if has_unix else "HOST:PORT, HOST, :PORT or PORT"
    what = f"{forms}; port 0 takes a free one (default: {default})"
    parser.add_argument("-l", "--listen", default=default, metavar="ADDR", help=what)
    parser.set_defaults(default_port=int(default.rpartition(":")[2]))


def add_certificate(parser: argparse.ArgumentParser) -> None:
    """Add --cert, --key and --tls: `options.cert`, `.key` (paths) and `.tls` ("self")."""
    add = parser.add_argument_group("TLS (1.2 and 1.3)").add_argument
    add("--cert", metavar="FILE", help="serve https with this PEM certificate and its chain; SIGHUP reads it again")
    add("--key", metavar="FILE", help="its PEM key, where FILE of --cert does not hold it")
    add(
        "--tls",
        choices=("self",),
        help="serve https with a certificate made for this run, for lessons (package: trustme)",
    )


def add_serving(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `serve` and `forward`: --admin, --log-json, --save, --workers, --stamps and TLS."""
    add = parser.add_argument_group("running").add_argument
    add("--admin", metavar="ADDR", help="serve the page, /metrics and /healthz there")
    add("--log-json", action="store_true", help="one line of JSON per exchange, instead of text")
    add("--save", metavar="FILE", help="write the records of all exchanges to FILE")
    add(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        help="processes on one address, such as one per core (default: 1)",
    )
    stamps = "for `bench --hop ADMIN`: keep the kernel's stamps of its bodies; 2: also when a frame was queued"
    add("--stamps", choices=("1", "2"), nargs="?", const="1", help=stamps)
    add("--worker", type=whole_number, metavar="FD", help=argparse.SUPPRESS)
    add_certificate(parser)


def add_cors(parser: argparse.ArgumentParser) -> None:
    """Add --cors: `options.cors`, the origins of pages that may read responses."""
    what = "let pages of ORIGIN read responses, such as https://app.example, or * for all (repeatable)"
    parser.add_argument("--cors", type=page_origin, action="append", default=[], metavar="ORIGIN", help=what)


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Add --clock: `options.clock`, of `OriginSettings`."""
    what = "fixed: stamps in the content are those of one fixed day, so that each run has the same octets"
    parser.add_argument("--clock", choices=("real", "fixed"), default="real", help=what)


def add_request(
    parser: argparse.ArgumentParser, *, peer: str = "the server", has_body: bool = True, has_deadline: bool = True
) -> None:
    """Add flags of requests: `options.header` (list), `.data`, `.method`, `.cafile`, `.insecure`, `.max_time`."""
    add = parser.add_argument_group("request").add_argument
    add("-H", "--header", action="append", default=[], metavar="LINE", help='a field line, "Name: value"')
    if has_body:
        add("-d", "--data", metavar="TEXT", help="a body: text, @FILE, or - for standard input as it comes")
        add("-X", "--method", metavar="METHOD", help="default: GET, or POST with -d")
    if has_deadline:
        what = "give up after this long: 5, 500ms"
        add("-m", "--max-time", type=timeout, default=math.inf, metavar="TIME", help=what)
    add("--cafile", metavar="FILE", help="trust the certificates in FILE instead of the system's")
    add("-k", "--insecure", action="store_true", help=f"do not verify {peer}'s certificate")


def refuse_flags_for_urls(options: argparse.Namespace, source: str, *others: tuple[str, str]) -> None:
    """Refuse the flags of `add_request` on a command line whose sources are files: nothing is requested.

    Not refused: -X and -m, unless they are among `others`, and what the environment sets.

    Args:
        others: more flags of the verb, each with the member of `options` that it sets.

    Raises:
        LocalError: one was given.
    """
    refused = (("-H", "header"), ("-d", "data"), ("--cafile", "cafile"), ("-k", "insecure"))
    for flag, member in (*refused, *others):
        if member in options.given:
            raise LocalError(f"{flag} is for a URL: nothing is sent to {source!r}")


def add_view(parser: argparse.ArgumentParser) -> None:
    """Add the flags about showing a stream: `options.json`, `.raw`, `.hex`, `.save`, `.no_data`."""
    group = parser.add_argument_group("view")
    how = group.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="records, one JSON object a line")
    how.add_argument("--raw", action="store_true", help="the octets of the body as they came, size lines and all")
    octets = "each octet of each frame by its part, in hex and as text; with -v of the heads too"
    how.add_argument("--hex", action="store_true", help=octets)
    what = "write the records to FILE as well (-: print only them); `watch FILE` replays them"
    group.add_argument("--save", metavar="FILE", help=what)
    group.add_argument("--no-data", action="store_true", help="sizes and times only, no content")
