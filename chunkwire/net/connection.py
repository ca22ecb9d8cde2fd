"""One connection: octets in, octets out, and the ways to end it.

The rule here: an error of the socket is raised as `PeerGone`. Heads are parsed in the module `ends`; the octets after a
head stay in `leftover`, for the next receive.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from chunkwire.net.changes import Changes
from chunkwire.net.stamps import SocketStamps
from chunkwire.net.tls import TlsStream, is_unexpected_eof
from chunkwire.net.unix import UnreadOctet
from chunkwire.wire.errors import ChunkwireError

READ_OCTETS: Final = 65536  # one receive at most; the size of a large loopback segment (Linux GSO: 64 KiB)
# Staged close: after our FIN, octets of the peer are read and dropped, as a reset could discard our last octets. nginx:
# lingering_timeout 5 s for each read, lingering_time 30 s in all.
LINGER_WINDOW_SECONDS: Final = 1.0  # a peer that sends nothing costs one window
LINGER_WINDOW_OCTETS: Final = 4096  # if the peer sends fewer in a window, the connection is closed
LINGER_SECONDS: Final = 60.0  # in all: a hostile peer occupies a socket at most this long, but no memory
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # struct linger: on, 0 s


class _ReceiveBuffer(threading.local):
    """Shared by all connections of a thread: each receive is processed before the next one begins."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_OCTETS))


_RECEIVED: Final = _ReceiveBuffer()


class PeerGone(ChunkwireError):
    """The peer reset the connection, closed it while we write, or broke TLS; or this side closed it meanwhile.

    Attributes:
        connection: the connection; None if the error is not about one `Connection`.
    """

    def __init__(self, message: str, connection: Connection | None = None) -> None:
        super().__init__(message)
        self.connection = connection

    @property
    def lacks_close_notify(self) -> bool:
        """The peer ended a TLS connection by a FIN alone, so that what came may have been cut (RFC 8446 §6.1)."""
        return is_unexpected_eof(self.__cause__)


class Connection:
    """One end of a connection: octets in, octets out, and three ways to end it: `close`, `close_nowait`, `reset`.

    Methods that receive or send octets raise `PeerGone`; `send_eof` and these three do not. Not guaranteed: that octets
    which were sent reach the peer. If the stream is no socket, `peek` never returns, and `send_nowait`, `send_eof`,
    `wake`, `close_nowait` and `reset` do nothing.

    Attributes:
        stream: the trio stream underneath.
        tls: the same stream if it is TLS; else None.
        leftover: octets received and not consumed yet.
        peer: the peer's address, for logs; `unix` for a Unix socket, `-` if it has left already or is no socket.
        stamps: kernel timestamps of its octets; None if they were not requested, over TLS, and for Unix sockets.

    Args:
        may_linger: says whether `close` may start another window for a peer that still sends.
    """

    stamps: SocketStamps | None = None
    unread_octet: UnreadOctet | None = None  # for Unix sockets; set by `ServerConnection`
    _waits_first = True  # a receive waits first, as mostly no octet has come; `ServerConnection` clears it once

    def __init__(self, stream: trio.abc.Stream, *, may_linger: Callable[[], bool] = lambda: True) -> None:
        self._may_linger = may_linger
        self.stream = stream
        self.leftover = bytearray()
        self.tls = stream if isinstance(stream, TlsStream) else None
        self._socket = stream.socket if isinstance(stream, trio.SocketStream | TlsStream) else None
        # On Windows, which has no readv, a socket is no file descriptor.
        self._plain_socket = stream.socket if isinstance(stream, trio.SocketStream) and hasattr(os, "readv") else None
        self._is_woken = False
        self._has_sent_fin = False
        self.peer = _address(self._socket, is_peer=True)

    @property
    def local(self) -> str:
        """The local address of the connection, as `peer`."""
        return _address(self._socket, is_peer=False)

    def fileno(self) -> int | None:
        """Return the socket's descriptor, -1 once closed; None for a stream that is no socket."""
        return self._socket.fileno() if self._socket is not None else None

    def carry_stamps(self) -> None:
        """Prepare kernel timestamps for this connection; call it before any octet is received or sent."""
        sock = self._plain_socket
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            self.stamps = SocketStamps(sock)

    async def receive_some(self, max_octets: int = READ_OCTETS) -> bytes:
        """Return octets of `leftover`, or those of one receive if it is empty; `b""` at the peer's FIN."""
        if self.leftover:
            octets = bytes(self.leftover[:max_octets])
            del self.leftover[:max_octets]
            return octets
        return bytes(await self._receive(max_octets))

    async def _fill(self) -> bool:
        """Append the octets of one receive to `leftover`; False at the peer's FIN."""
        octets = await self._receive()
        self.leftover += octets
        if isinstance(octets, memoryview):
            octets[:] = bytes(len(octets))  # a view of the shared buffer: a head may contain credentials
        return bool(octets)

    async def _receive(self, max_octets: int = READ_OCTETS) -> bytes | memoryview:
        """Return the octets of one receive; a view is valid only until the next receive on any connection."""
        try:
            if self._plain_socket is not None:
                return await self._receive_plain(self._plain_socket, max_octets)
            if self.tls is not None:
                return await self._receive_tls(self.tls, max_octets)
            return bytes(await self.stream.receive_some(max_octets))
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise PeerGone(lost_by(self.peer, error), self) from error

    async def _receive_plain(self, sock: trio.socket.SocketType, max_octets: int) -> memoryview:
        """Receive once, mostly after a wait: usually nothing has come yet, and trio's stream would receive first."""
        view = _RECEIVED.view
        while True:
            if sock.fileno() < 0 or self._is_woken:
                raise trio.ClosedResourceError("closed by this side")
            if self.unread_octet is not None:
                self.unread_octet.take()  # else the wait would end at once
            if self._waits_first:
                await trio.lowlevel.wait_readable(sock)
            self._waits_first = True
            try:
                if (reader := self.stamps or self.unread_octet) is not None:
                    return view[: reader.read_into(view[:max_octets])]
                # `fileno` again: the socket may have been closed meanwhile, and its number reused.
                return view[: os.readv(sock.fileno(), (view[:max_octets],))]
            except BlockingIOError:
                if self.stamps is not None:
                    self.stamps.drain()  # trio returns at once while the error queue is not empty

    async def _receive_tls(self, tls: TlsStream, max_octets: int) -> memoryview:
        view = _RECEIVED.view
        await trio.lowlevel.checkpoint()  # octets that TLS has buffered are returned without a wait
        while True:
            if tls.socket.fileno() < 0 or self._is_woken:
                raise trio.ClosedResourceError("closed by this side")
            got = tls.read_into(view[:max_octets])
            if got is not None:
                return view[:got]
            await tls.wait_readable()

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        """Send all octets; without TLS by one system call, if the kernel takes all of them.

        Cancellation: an unknown number of octets has left. The same holds after `PeerGone`.
        """
        if self.stamps is not None:
            rest = memoryview(octets)
            while rest:
                rest = rest[await self.send_some(rest) :]
            return
        try:
            await self.stream.send_all(octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise PeerGone(f"{self.peer} closed the connection", self) from error

    async def send_some(self, octets: bytes | bytearray | memoryview) -> int:
        """Send as many octets as the kernel takes, at least one, and return how many; send the rest next.

        Cancellation: no octet has left; over TLS, or if the stream is no socket, some may have.
        """
        try:
            if self.stamps is not None:
                return await self.stamps.send_some(octets)
            if isinstance(self.stream, trio.SocketStream):
                return await self.stream.socket.send(octets)
            if self.tls is not None:
                return await self.tls.send_some(octets)
            await self.send_all(octets)
            return len(octets)
        except (trio.ClosedResourceError, OSError) as error:
            raise PeerGone(f"{self.peer} closed the connection", self) from error

    def send_nowait(self, octets: bytes) -> int:
        """As `send_some`, but without waiting: 0 if the kernel takes none, and always 0 on Windows without TLS."""
        try:
            if self.tls is not None:
                return self.tls.write(memoryview(octets))
            if self.stamps is not None:
                return self.stamps.write(octets)
            return os.write(self._plain_socket.fileno(), octets) if self._plain_socket is not None else 0
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PeerGone(f"{self.peer} closed the connection", self) from error

    async def wait_octets(self) -> bool:
        """Receive until `leftover` has octets, empty lines dropped; False if the peer closed, or `wake` was called."""
        try:
            while not self.leftover and await self._fill():
                self.drop_empty_lines()
        except PeerGone:
            if not self._is_woken:
                raise
        finally:
            self._is_woken = False
        return bool(self.leftover)

    def wake(self) -> None:
        """Make the running `wait_octets` return False; call it only while one runs."""
        if self._socket is not None:
            self._is_woken = True
            trio.lowlevel.notify_closing(self._socket)

    async def peek(self) -> bool:
        """Wait until more octets come, without reading them (over TLS into `leftover`); False at the peer's FIN."""
        if self._socket is None:
            await trio.sleep_forever()
        try:
            if (reader := self.stamps or self.unread_octet) is not None:
                return await reader.peek()
            if isinstance(self.stream, trio.SocketStream):
                return bool(await self.stream.socket.recv(1, socket.MSG_PEEK))
            return self.tls is not None and await self._fill()
        except PeerGone as error:
            if error.lacks_close_notify:
                return False
            raise
        except (trio.ClosedResourceError, OSError) as error:
            raise PeerGone(lost_by(self.peer, error), self) from error

    async def wait_reset(self) -> None:
        """Return once the peer has reset the connection, or closed its Unix socket; meanwhile octets may be received.

        Not guaranteed: that it returns. Only a receive or a send notices a reset without epoll, and with stamps; and
        that the peer closed a Unix socket to which this side has sent a FIN: its FIN would look the same.
        """
        if self._socket is not None and self.stamps is None and hasattr(select, "epoll"):
            with suppress(trio.ClosedResourceError), Changes(self._socket) as changes:
                while not (events := changes.events()) & select.POLLERR and (self._has_sent_fin or not events):
                    await changes.wait()
                return
        await trio.sleep_forever()

    def remove_unsent_limit(self) -> None:
        """Let the kernel accept as many octets as its send buffer holds, as it does by default.

        trio sets TCP_NOTSENT_LOWAT to 16 KiB, so that a slow stream queues little. If octets come faster than they can
        be sent, each write is then partial, which halves the throughput of a relay.
        """
        if self._socket is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # closed: the next write raises
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)  # the system's default

    async def send_eof(self) -> None:
        """Half-close: close our sending side (RFC 9112 §9.6); over TLS by close_notify and a FIN."""
        self._has_sent_fin = True
        if self.tls is not None:
            with suppress(trio.ClosedResourceError):
                await self.tls.end_sending()
        elif isinstance(self.stream, trio.SocketStream):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                self.stream.socket.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Close in stages: half-close, drain, close, so that no reset discards our last octets (RFC 9112 §9.6).

        The drain continues while the peer sends fast enough (`LINGER_WINDOW_OCTETS`), up to `LINGER_SECONDS`.

        Cancellation: the socket is closed; octets in flight may be lost.
        """
        try:
            with trio.move_on_after(LINGER_SECONDS):
                await self.send_eof()
                while self._socket is not None and await self._still_sends():
                    pass
        except PeerGone:
            return
        finally:
            if self._socket is None:
                await trio.aclose_forcefully(self.stream)
            self._close_socket()

    async def _still_sends(self) -> bool:
        """Read and drop octets for one window; say whether the peer sent enough to continue."""
        dropped = 0
        with trio.move_on_after(LINGER_WINDOW_SECONDS):
            while count := await self._drop():
                dropped += count
            return False
        return dropped >= LINGER_WINDOW_OCTETS and self._may_linger()

    async def _drop(self) -> int:
        """Receive once and drop the octets, over TLS those of records; return how many, 0 at the FIN."""
        if self.tls is None:
            return len(await self._receive())
        try:
            while (got := self.tls.drop_octets(_RECEIVED.view)) is None:
                await self.tls.wait_readable()
        except (trio.ClosedResourceError, OSError) as error:
            raise PeerGone(lost_by(self.peer, error), self) from error
        return got

    def reset(self) -> None:
        """Reset the connection: the peer gets an error, not the end of a body (Unix sockets: see `UnreadOctet`)."""
        if self._socket is None or self._socket.fileno() < 0:
            return
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close_socket()

    def is_quiet(self) -> bool:
        """Say whether the connection is open and no octet, FIN or reset has come; if not, octets may have been lost."""
        if self._socket is None or self._socket.fileno() < 0 or self.leftover:
            return False
        if self.tls is None:
            return not _is_readable(self._socket.fileno())
        try:
            return self.tls.read_into(_RECEIVED.view) is None  # this also processes session tickets, which are not HTTP
        except OSError:
            return False

    def close_nowait(self) -> None:
        """Close at once; octets sent are still delivered, unless octets of the peer are unread or still come."""
        if self.tls is not None:
            self.tls.end_sending_nowait()
        self._close_socket()

    def _close_socket(self) -> None:
        if self.unread_octet is not None:
            self.unread_octet.close()
        if self.tls is not None:
            self.tls.close_nowait()
        elif self._socket is not None:
            self._socket.close()

    def drop_empty_lines(self) -> None:
        """Drop the empty lines in `leftover` that may precede a head: none here, see `ServerConnection`."""


def lost_by(peer: str, error: BaseException) -> str:
    """Say in one line how a connection ended, from the error that a receive raised."""
    if is_unexpected_eof(error):
        return f"{peer} closed the connection without close_notify"
    if isinstance(error, ssl.SSLError):
        return f"{peer} broke TLS: {error.reason or error}"
    cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) else error
    if cause is None or isinstance(cause, ConnectionResetError | BrokenPipeError):  # None: it was no socket
        return f"{peer} reset the connection"
    return f"the connection to {peer} was lost: {getattr(cause, 'strerror', None) or cause}"


def _is_readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows, where select takes any descriptor
        return bool(select.select([descriptor], [], [], 0)[0])
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def _address(sock: trio.socket.SocketType | socket.socket | None, *, is_peer: bool) -> str:
    if sock is None:
        return "-"
    try:
        name = sock.getpeername() if is_peer else sock.getsockname()
    except OSError:
        return "-"  # it is closed, or the peer left between accept and here
    if isinstance(name, str | bytes):  # a client's Unix socket has no name
        return "unix"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
