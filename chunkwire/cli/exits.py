"""Exit codes, and which of our errors means which: curl's numbers wherever curl has one.

The rule here: an error that is not in this table is a bug of ours, and says so.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator


class ExitCode(enum.IntEnum):
    """What a verb's exit says; scripts may rest on it. 7 to 56 are curl's."""

    OK = 0
    FINDING = 1
    """The tool did its work and found something: a hop that holds, a limit missed, two recordings that differ."""
    USAGE = 2
    NO_CONNECTION = 7
    CUT = 18
    HTTP_ERROR = 22
    TIMEOUT = 28
    EMPTY = 52
    BROKEN = 56
    """Malformed framing or head, or a reset."""
    BUG = 70
    CANNOT_BIND = 71
    INTERRUPTED = 130
    TERMINATED = 143
    """SIGTERM ended a watch."""


FRAMING_EXITS = {
    "complete": ExitCode.OK,
    "cut": ExitCode.CUT,
    "reset": ExitCode.BROKEN,
    "malformed": ExitCode.BROKEN,
    "timeout": ExitCode.TIMEOUT,
    "client-gone": ExitCode.OK,  # the reader had enough
    "stopped": ExitCode.OK,
    "missing": ExitCode.FINDING,  # nobody knows how it ended
    "unknown": ExitCode.FINDING,  # of a later version: nothing says that it is complete
}
"""The exit code of a tool that watched a body end with this verdict (see `chunkwire.record.recorder`)."""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """Return the exit code of an error that a user can understand; None for one that is a bug of ours."""
    from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, LocalError

    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, LocalError):
        return ExitCode.USAGE
    if isinstance(error, FramingError):
        return ExitCode.BROKEN
    if isinstance(error, OSError):
        return ExitCode.USAGE  # sockets' errors are translated where they happen: what is left is a file
    if not isinstance(error, ChunkwireError):
        return None
    code = _exit_code_of_net(error)
    if code is not None:
        return code
    return ExitCode.CUT if isinstance(error, IncompleteBody) else ExitCode.BROKEN  # the peer did what it must not


def _exit_code_of_net(error: BaseException) -> ExitCode | None:
    """Return the code of an error from the rooms on trio, which must have been loaded to raise it."""
    from chunkwire.client.errors import Deadline, ResetBody
    from chunkwire.net.connection import PeerGone
    from chunkwire.net.dial import DialError
    from chunkwire.net.ends import IncompleteHead
    from chunkwire.net.heads import HeadError
    from chunkwire.net.listen import ListenError

    if isinstance(error, DialError):
        return ExitCode.TIMEOUT if error.kind == "timeout" else ExitCode.NO_CONNECTION
    if isinstance(error, IncompleteHead):
        return ExitCode.BROKEN if error.octets else ExitCode.EMPTY
    if isinstance(error, Deadline):
        return ExitCode.TIMEOUT
    if isinstance(error, HeadError | PeerGone | ResetBody):
        return ExitCode.BROKEN
    return ExitCode.CANNOT_BIND if isinstance(error, ListenError) else None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors inside exception groups, however deep; an error that is no group yields itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def message_of(error: BaseException) -> str:
    """Return what is wrong in one line, and the flag that helps where one does."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}"
    message = " ".join(str(error).split()) or type(error).__name__
    if getattr(error, "is_taken", False):  # a ListenError, from a room that need not be loaded
        message += "; choose another with -l (or --admin, if it is that one); port 0 takes a free one"
    return message
