"""Unix sockets: their paths, their listeners, and a way to make a close look like a reset.

The rule here: a socket file that no process listens on is replaced, and ours is removed at the end; no other file is.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import sys
from contextlib import suppress
from typing import Final

import trio

from chunkwire.net.changes import Changes
from chunkwire.wire.errors import LocalError

MAX_PATH_OCTETS: Final = 107  # sun_path is 108 octets with its NUL; 104 on macOS, where bind refuses longer ones


def unix_path(path: str, text: str) -> str:
    """Return the absolute path.

    Args:
        text: what the user wrote, for the error message.

    Raises:
        LocalError: the path is empty, has a NUL, or is too long.
    """
    if not path or "\0" in path:
        raise LocalError(f"expected the path of a socket, as in unix:/run/app.sock, got {text!r}")
    path = os.path.abspath(path)
    size = len(os.fsencode(path))
    if size > MAX_PATH_OCTETS:
        raise LocalError(
            f"expected a path of at most {MAX_PATH_OCTETS} octets, which a Unix socket may have, got {size}"
        )
    return path


def require_unix_sockets() -> None:
    """Raise OSError if this system has no Unix sockets."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no Unix sockets")


class UnixListener(trio.abc.Listener[trio.SocketStream]):
    """A listener at a path; closing it removes the path, unless another file has replaced it."""

    def __init__(self, listener: trio.SocketListener, path: str) -> None:
        self.socket = listener.socket
        self._listener = listener
        self._path = path
        self._bound = _file_at(path)

    async def accept(self) -> trio.SocketStream:
        """Accept a connection."""
        return await self._listener.accept()

    async def aclose(self) -> None:
        """Remove the path, unless another file has replaced it, and stop listening."""
        # While the socket is open its inode number is not reused.
        if self._bound is not None and _file_at(self._path) == self._bound:
            with suppress(OSError):
                os.unlink(self._path)
        self._bound = None
        await self._listener.aclose()


async def open_unix_listener(path: str, backlog: int) -> UnixListener:
    """Bind a path and listen.

    Raises:
        OSError: it cannot be bound; EADDRINUSE if a server listens there, EEXIST for a file that is no socket.
    """
    require_unix_sockets()
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            await _remove_stale(path)
        await sock.bind(path)
        sock.listen(backlog)
        return UnixListener(trio.SocketListener(sock), path)
    except BaseException:
        sock.close()
        raise


async def _remove_stale(path: str) -> None:
    """Remove the socket file of a server that has ended; leave one that a server listens on.

    Raises:
        OSError: FileNotFoundError if there is none; EEXIST for a file that is no socket.
    """
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise OSError(errno.EEXIST, "the file there is no socket")
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        try:
            await trial.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


class UnreadOctet:
    """The last octet of each receive, left in the queue of a Unix socket until the next receive.

    A Unix socket ignores SO_LINGER: when it is closed, the peer reads the end of a body that the close delimits (RFC
    9112 §6.3), also if it was cut. If octets of the peer are unread then, Linux gives it ECONNRESET instead. Not
    guaranteed while a receive waits, as for the rest of a request's body: it has taken the octet.

    Attributes:
        is_there: an octet is left.
    """

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self.is_there = False
        self._changes: Changes | None = None  # of the latest `peek`
        self._sock: socket.socket = sock._sock  # type: ignore[attr-defined]  # trio's calls wait

    @classmethod
    def of(cls, sock: trio.socket.SocketType | None) -> UnreadOctet | None:
        """Return one for a Unix socket of Linux; None for another."""
        is_unix = sys.platform == "linux" and sock is not None and sock.family == socket.AF_UNIX
        return cls(sock) if sock is not None and is_unix else None

    def read_into(self, memory: memoryview) -> int:
        """Receive once, and leave the last octet; as `os.readv`."""
        got = self._sock.recv_into(memory, len(memory), socket.MSG_PEEK)
        if got > 1:
            self._sock.recv_into(memory, got - 1)
        self.is_there = got > 0
        return got

    async def peek(self) -> bool:
        """Wait until more octets can be read; False once the peer has ended its side.

        Raises:
            ConnectionResetError: the peer has closed the connection.
            trio.ClosedResourceError: this side has.
        """
        await trio.lowlevel.checkpoint()
        with Changes(self._sock, select.POLLIN | select.POLLRDHUP) as changes:
            self._changes = changes
            while True:
                events = changes.events()
                if events & (select.POLLHUP | select.POLLERR):
                    raise ConnectionResetError
                with suppress(BlockingIOError):
                    if len(self._sock.recv(2, socket.MSG_PEEK)) > self.is_there:
                        return True
                if events & select.POLLRDHUP:
                    return False
                await changes.wait()

    def close(self) -> None:
        """End a `peek` that waits, before the socket is closed."""
        if self._changes is not None:
            self._changes.close()

    def take(self) -> None:
        """Take the octet that is left, if there is one."""
        if self.is_there:
            self.is_there = False
            with suppress(OSError):  # closed by this side
                self._sock.recv(1)


def _file_at(path: str) -> tuple[int, int] | None:
    """Return the device and inode of a file, or None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
