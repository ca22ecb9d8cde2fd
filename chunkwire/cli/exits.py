"""The exit codes, and for each error its exit code and the line that is printed about it.

The rule here: an exception for which `exit_code_of` returns None is a bug of chunkwire, and is reported as one.
"""

from __future__ import annotations

import argparse
import enum
import os

from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, LocalError, describe_error, reason_of


class ExitCode(enum.IntEnum):
    """The exit codes of all verbs; stable, for scripts. `serve --exec` can also exit with the code of its command.

    7 to 56 are curl's numbers, with fewer distinctions than curl makes: NO_CONNECTION is also its 6, 35 and 60. Each
    docstring is about the member above it.
    """

    OK = 0
    FINDING = 1
    """The verb worked and found something: a hop that holds the stream, a missed limit, recordings that differ."""
    USAGE = 2
    """A wrong command line or input, a file that cannot be used, or too little memory."""
    NO_CONNECTION = 7
    """No address for the host (curl's 6), no connection, or no TLS (curl's 35 and 60)."""
    CUT = 18
    """The body ended before it was complete."""
    HTTP_ERROR = 22
    """A status of 400 or above, and a complete body."""
    TIMEOUT = 28
    """A timeout, also one for connecting."""
    EMPTY = 52
    """The connection ended before the first octet of a response; or the input is empty."""
    BROKEN = 56
    """Malformed framing, a malformed or incomplete head, a reset; also any `ChunkwireError` without another code."""
    BUG = 70
    """An exception that is a bug of chunkwire."""
    CANNOT_BIND = 71
    """An address to listen on cannot be bound."""
    INTERRUPTED = 130
    """SIGINT: Ctrl-C."""
    TERMINATED = 143
    """SIGTERM; servers exit with OK after it."""


FRAMING_EXITS = {
    "complete": ExitCode.OK,
    "cut": ExitCode.CUT,
    "reset": ExitCode.BROKEN,
    "malformed": ExitCode.BROKEN,
    "timeout": ExitCode.TIMEOUT,
    "client-gone": ExitCode.OK,  # the reader had enough
    "stopped": ExitCode.OK,
    "missing": ExitCode.FINDING,  # the capture lacks octets of the body: how it ended is not known
    "unknown": ExitCode.FINDING,  # a verdict of a later version: it may be incomplete
}
"""The exit code of `watch` for each verdict on a body: `FRAMING_VERDICTS` and `UNKNOWN` of `record.values`."""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """Return the exit code of an error that a user can act on; None for a bug of chunkwire."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    # MemoryError: an input is too large for this machine. OSError: about a file; those of sockets have been translated.
    if isinstance(error, LocalError | MemoryError | OSError):
        return ExitCode.USAGE
    if isinstance(error, FramingError):
        return ExitCode.BROKEN
    if not isinstance(error, ChunkwireError):
        return None
    # These modules load trio.
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
    """Return one line about an error; for an address in use it names the flag that sets another one."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{shown_path(error.filename)}: " if error.filename is not None else ""
        return f"{where}{reason_of(error)}"
    if isinstance(error, MemoryError):
        return "this machine has not enough memory for that: expected a smaller input"
    message = describe_error(error) or type(error).__name__
    taken = getattr(error, "taken", None)  # an address, of a ListenError, whose module loads trio
    if taken is not None:
        from chunkwire.net.listen import parse_address

        given = {f"--{name}": getattr(options, name, None) for name in ("admin", "control")}
        flag = next((flag for flag, text in given.items() if text and parse_address(text) == taken), "-l")
        message += f"; choose another with {flag}{'' if taken.is_unix else '; port 0 takes a free one'}"
    return message
