"""Wait for a change of a socket that stays readable, as octets are left unread in it. trio's wait would return at once.

The rule here: the wait also works if no descriptor is left for it. Linux only.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Final

import trio

REPEAT_SECONDS: Final = 0.5  # how late a change may be noticed if no descriptor is left


class Changes:
    """Waits for changes of a socket's state by an epoll set; polls the socket periodically if none can be created.

    Args:
        mask: the events of poll(2) to wait for, beside POLLERR and POLLHUP.

    Raises:
        trio.ClosedResourceError: this side has closed the socket.
    """

    def __init__(self, sock: trio.socket.SocketType | socket.socket, mask: int = 0) -> None:
        self._sock = sock
        self._check_open()
        self._poll = select.poll()
        self._poll.register(sock.fileno(), mask)
        self._epoll: select.epoll | None = None
        with suppress(OSError):  # EMFILE
            epoll = select.epoll(1)
            epoll.register(sock.fileno(), mask | select.EPOLLET)
            self._epoll = epoll

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._epoll is not None:
            self._epoll.close()

    def events(self) -> int:
        """Return the events of the socket."""
        found = self._poll.poll(0)
        return found[0][1] if found else 0

    async def wait(self) -> None:
        """Wait for a change. Not guaranteed: that there was one.

        Raises:
            trio.ClosedResourceError: this side has closed the socket.
        """
        if self._epoll is None:
            await trio.sleep(REPEAT_SECONDS)
        else:
            await trio.lowlevel.wait_readable(self._epoll)
            self._epoll.poll(0)  # else the set stays readable
        self._check_open()

    def close(self) -> None:
        """End a `wait` of another task; call it before the socket is closed."""
        if self._epoll is not None and not self._epoll.closed:
            trio.lowlevel.notify_closing(self._epoll)

    def _check_open(self) -> None:
        if self._sock.fileno() < 0:  # later its number may be another connection's
            raise trio.ClosedResourceError("closed by this side")
