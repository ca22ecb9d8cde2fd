"""Run the command under test once, with a deadline, and kill all that it has started.

The rule here: a command has its own process group, which is killed as a whole: when the command ends, at the deadline,
and at a cancellation. On Linux, processes that have left the group (`setsid`) are found by a mark in their environment,
and killed too; elsewhere, or if they drop their environment, they go on. Without process groups (Windows), only the
command itself is killed.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from chunkwire.wire.errors import LocalError, reason_of

PLACEHOLDER: Final = "{url}"
URL_VARIABLE: Final = "CHUNKWIRE_URL"
_MARK_VARIABLE: Final = "CHUNKWIRE_CHECK_RUN"
# Programs that take their URL from their arguments alone. Any other is assumed to read CHUNKWIRE_URL.
_URL_ARGUMENT_PROGRAMS: Final = frozenset({"aria2c", "curl", "curlie", "http", "https", "lynx", "w3m", "wget", "xh"})
_ERROR: Final = re.compile(r"(?:[Ee]rror|[Ee]xception)\b.*:")
MAX_OUTPUT_OCTETS: Final = 4 << 20  # of standard output and of standard error each; the rest is read and dropped


@dataclass(frozen=True, slots=True)
class CommandRun:
    """The result of a command.

    Attributes:
        code: its exit code; the negative number of the signal that ended it; None if it was killed at the deadline.
    """

    code: int | None
    stdout: bytes
    stderr: bytes

    @property
    def how(self) -> str:
        """How it ended; if its exit code is not 0, with one line of its standard error.

        That is the last line that names an error; if none does, the last line.
        """
        if self.code is None:
            return "killed at the deadline"
        lines = [line.strip() for line in self.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        lines = [line for line in lines if _ERROR.search(line)] or lines
        return _code_text(self.code) + (f": {lines[-1][:160]}" if lines and self.code else "")


def _code_text(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


_POLL_SECONDS: Final = 0.01  # until processes that were killed have ended
_AFTER_KILL_SECONDS: Final = 1.0
"""How long to wait after the kill, first for the end of the output, then for that of the command.

A process that was not killed may keep the output open; a command of another user (`sudo`) cannot be killed.
"""


def lacks_url(words: Sequence[str]) -> bool:
    """Say whether a command gets no URL.

    Its program is one of `_URL_ARGUMENT_PROGRAMS`, and it has neither `{url}` nor CHUNKWIRE_URL among its words.
    """
    line = " ".join(words)
    program = os.path.basename(line.split(maxsplit=1)[0]) if line.strip() else ""
    return program in _URL_ARGUMENT_PROGRAMS and PLACEHOLDER not in line and URL_VARIABLE not in line


async def run_command(words: Sequence[str], url: str, *, patience: float = math.inf) -> CommandRun:
    """Run a command with a URL in place of `{url}` and in CHUNKWIRE_URL.

    Args:
        words: program and arguments; a single word with whitespace inside is a line for the shell.
        patience: seconds until the deadline.

    Raises:
        LocalError: it cannot be started.

    Cancellation: it is killed, with all that it has started.
    """
    mark = secrets.token_hex(8)
    filled = [word.replace(PLACEHOLDER, url) for word in words]
    is_line = len(filled) == 1 and any(char.isspace() for char in filled[0].strip())
    try:
        process = await trio.lowlevel.open_process(
            filled[0] if is_line else filled,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            shell=is_line,
            start_new_session=True,
            env={**os.environ, URL_VARIABLE: url, _MARK_VARIABLE: mark},
        )
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else error
        raise LocalError(f"cannot start {filled[0]!r}: {reason}") from error
    stdout, stderr = bytearray(), bytearray()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_collect, process.stdout, stdout, name="its standard output")
            nursery.start_soon(_collect, process.stderr, stderr, name="its standard error")
            with trio.move_on_after(patience):
                await process.wait()
            code = process.returncode
            nursery.cancel_scope.deadline = trio.current_time() + _AFTER_KILL_SECONDS
            await _kill_all(process, mark)  # a child that still runs would keep the pipes open
    finally:
        with trio.move_on_after(_AFTER_KILL_SECONDS, shield=True):
            await _kill_all(process, mark)
            await process.wait()
    return CommandRun(code, bytes(stdout), bytes(stderr))


async def _collect(stream: trio.abc.ReceiveStream | None, into: bytearray) -> None:
    assert stream is not None
    async with stream:
        async for octets in stream:
            into += octets[: MAX_OUTPUT_OCTETS - len(into)]


async def _kill_all(process: trio.Process, mark: str) -> None:
    """Kill the group of a command, and the processes outside of it that have the mark."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # all have ended (on macOS EPERM), or are another user's
        os.killpg(process.pid, signal.SIGKILL)
    while marked := [*_marked(mark)]:  # until those that were started meanwhile have ended as well
        for pid in marked:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await trio.sleep(_POLL_SECONDS)


def _marked(mark: str) -> Iterator[int]:
    """Yield the processes with this mark in their environment; none where the system does not say, or not to us."""
    for name in filter(str.isdecimal, os.listdir("/proc") if sys.platform == "linux" else ()):
        with suppress(OSError):
            if f"{_MARK_VARIABLE}={mark}".encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                yield int(name)
