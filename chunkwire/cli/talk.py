"""`chunkwire talk`: a portable nc that ends lines with CRLF and shows the octets of both ways."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.lab.talking import TalkLine
    from chunkwire.tools.paint import Paint

SUMMARY = "type to a server, or be one: a portable nc that shows each octet"
EPILOG = """\
  > is what you sent, < what came. Each read and each write shows its time, in ms since the connection began.

exit codes: 0 the other side ended, 2 usage, 7 no connection, 28 none in time, 56 a reset, 71 cannot bind, 130 Ctrl-C

examples:
  chunkwire talk 127.0.0.1:8081              each line that you type goes with CRLF; Ctrl-D half-closes
  printf 'GET / HTTP/1.1\\nHost: x\\n\\n' | chunkwire talk 127.0.0.1:8081
  chunkwire talk -l :9000                    wait for one connection, and be the server
  printf 'A\\xff' | chunkwire talk --as-is 127.0.0.1:8081     no line end is changed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add = parser.add_argument
    add("address", nargs="?", metavar="HOST:PORT", help="where to connect; :PORT and PORT are on loopback")
    add(
        "-l",
        "--listen",
        metavar="ADDR",
        help="listen on HOST:PORT instead, for one connection; :PORT and PORT are on loopback",
    )
    add("--as-is", action="store_true", help="send the input unchanged; else each LF is sent as CRLF")


def run(options: argparse.Namespace) -> int:
    """Talk until the other side has ended."""
    from chunkwire.cli.stopping import run_until_stopped

    flags.let_words_win(options, "address", "listen")
    if (options.address is None) == (options.listen is None):
        got = "neither" if options.address is None else "both"
        raise LocalError(f"expected HOST:PORT to connect to, or -l ADDR to listen on, got {got}")
    return run_until_stopped(partial(_talk, options))


async def _talk(options: argparse.Namespace) -> int:
    from chunkwire.cli.terminal import paint_of, width_of
    from chunkwire.lab.talking import accepted, connected, talk

    paint, width = paint_of(options), width_of(sys.stdout)
    is_client = options.address is not None
    where = flags.tcp_address("talk" if is_client else "-l", options.address if is_client else options.listen)
    note = (lambda text: None) if options.quiet else _note
    stream = await (connected(where, note) if is_client else accepted(where, note))
    is_clean_end = await talk(
        stream, sys.stdin.fileno(), lambda line: _show(line, paint, width), note, as_is=options.as_is
    )
    return ExitCode.OK if is_clean_end else ExitCode.BROKEN


def _note(text: str) -> None:
    from chunkwire.cli.terminal import width_of
    from chunkwire.tools.paint import wrapped

    print(*wrapped("* ", text, width_of(sys.stderr)), sep="\n", file=sys.stderr, flush=True)


def _show(line: TalkLine, paint: Paint, width: int | None) -> None:
    """Print one line of octets, wrapped at the width of the terminal."""
    stamp = f"{line.t * 1000:9.1f}" if line.is_first else " " * 9
    role, mark = ("sent", ">") if line.is_ours else ("received", "<")
    room = max(16, width - 12) if width else len(line.text) or 1
    for at in range(0, len(line.text), room):
        print(f"{paint('quiet', stamp)} {paint(role, f'{mark} {line.text[at : at + room]}')}")
        stamp = " " * 9
    sys.stdout.flush()
