"""Exit codes, and the exit code of each error: curl's numbers where curl has one.

The rule here: an exception to which `exit_code_of` gives no code is a bug of chunkwire, and is reported as one.
"""

from __future__ import annotations

import argparse
import enum
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chunkwire.net.listen import Address

from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, LocalError


class ExitCode(enum.IntEnum):
    """The exit codes of all verbs, but for `serve --exec`; stable, for scripts. 7 to 56 are curl's."""

    OK = 0
    FINDING = 1
    """The verb worked and found something: a hop that holds, a missed limit, two recordings that differ."""
    USAGE = 2
    """A wrong command line or input, a file that cannot be used, or too little memory."""
    NO_CONNECTION = 7
    CUT = 18
    HTTP_ERROR = 22
    TIMEOUT = 28
    EMPTY = 52
    BROKEN = 56
    """Malformed framing, a malformed or incomplete head, a reset, or an error of ours that has no other code."""
    BUG = 70
    CANNOT_BIND = 71
    INTERRUPTED = 130
    TERMINATED = 143
    """SIGTERM."""


FRAMING_EXITS = {
    "complete": ExitCode.OK,
    "cut": ExitCode.CUT,
    "reset": ExitCode.BROKEN,
    "malformed": ExitCode.BROKEN,
    "timeout": ExitCode.TIMEOUT,
    "client-gone": ExitCode.OK,  # the reader had enough
    "stopped": ExitCode.OK,
    "missing": ExitCode.FINDING,  # the capture lacks octets: it is not known how the body ended
    "unknown": ExitCode.FINDING,  # a verdict of a later version: it may be incomplete
}
"""The exit code of `watch` for this verdict on a body (the record's `FRAMING_VERDICTS`, `UNKNOWN`)."""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """Return the exit code of an error that a user can act on; None for a bug of chunkwire."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, LocalError):
        return ExitCode.USAGE
    if isinstance(error, FramingError):
        return ExitCode.BROKEN
    if isinstance(error, MemoryError):
        return ExitCode.USAGE  # an input is too large for this machine
    if isinstance(error, OSError):
        return ExitCode.USAGE  # about a file: errors of sockets have been translated to ours
    if not isinstance(error, ChunkwireError):
        return None
    return _exit_code_of_net(error)


def _exit_code_of_net(error: ChunkwireError) -> ExitCode:
    """Return the code of another error of ours. The modules that are imported here load trio."""
    from chunkwire.client.errors import Deadline, ResetBody
    from chunkwire.net.dial import DialError
    from chunkwire.net.ends import IncompleteHead
    from chunkwire.net.listen import ListenError

    if isinstance(error, DialError):
        return ExitCode.TIMEOUT if error.kind == "timeout" else ExitCode.NO_CONNECTION
    if isinstance(error, IncompleteHead):
        return ExitCode.BROKEN if error.octets else ExitCode.EMPTY
    if isinstance(error, Deadline):
        return ExitCode.TIMEOUT
    if isinstance(error, ListenError):
        return ExitCode.CANNOT_BIND
    is_cut = isinstance(error, IncompleteBody) and not isinstance(error, ResetBody)
    return ExitCode.CUT if is_cut else ExitCode.BROKEN


def shown_path(path: str | bytes | int) -> str:
    """Return a file's name for a message: quoted where it is empty, or does not print."""
    name = str(path) if isinstance(path, int) else os.fsdecode(path)
    return name if name and name.isprintable() else repr(name)


def message_of(error: BaseException, options: argparse.Namespace) -> str:
    """Return one line about an error, with the flag that helps, if any."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{shown_path(error.filename)}: " if error.filename is not None else ""
        return f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}"
    if isinstance(error, MemoryError):
        return "this machine has not enough memory for that: expected a smaller input"
    message = " ".join(str(error).split()) or type(error).__name__
    taken: Address | None = getattr(error, "taken", None)  # of a ListenError, whose module loads trio
    if taken is not None:
        message += f"; choose another with {_flag_of(taken, options)}"
        message += "" if taken.is_unix else "; port 0 takes a free one"
    return message


def _flag_of(address: Address, options: argparse.Namespace) -> str:
    """Return the flag that names an address."""
    from chunkwire.net.listen import parse_address

    given = {f"--{name}": getattr(options, name, None) for name in ("admin", "control")}
    return next((flag for flag, text in given.items() if text and parse_address(text) == address), "-l")
