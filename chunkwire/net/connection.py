"""One HTTP/1.1 connection: heads in and out, body octets left as they came.

The rule here: the only file that turns an `OSError` of a socket into one of our errors. What heads say is for `heads`
and `seam`; what follows a head stays in `leftover` for a mover.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import trio

from chunkwire.net.heads import Field, HeadError, Request, Response, check_partial_head, find_head_end
from chunkwire.net.seam import judge_request, judge_response
from chunkwire.net.writer import Asked, write_informational, write_request, write_response
from chunkwire.wire.errors import ChunkwireError, LocalError
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, HeadLimits

READ_OCTETS: Final = 65536  # one receive; the size of a large loopback segment (Linux GSO: 64 KiB)
# Staged close: what a peer still sends is read and dropped, or a reset could take our last octets from it. It has to
# send so much in each window: a slower one is not uploading. nginx: lingering_timeout 5 s, lingering_time 30 s in all.
LINGER_WINDOW_SECONDS: Final = 1.0
LINGER_WINDOW_OCTETS: Final = 4096
LINGER_SECONDS: Final = 60.0  # in all: 200 MB at 4 MB/s; a hostile peer holds a socket and no memory as long
_HEAD_METHOD = re.compile(rb"[\s]*+HEAD(?![!#$%&'*+\-.^_`|~0-9A-Za-z])")
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_EMPTY_LINES_OR_LF = re.compile(rb"(?:\r?\n)+")
_RECEIVED: Final = memoryview(bytearray(READ_OCTETS))  # one for all: each receive is over before the next begins
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # struct linger: on, 0 s


def _always() -> bool:
    return True


class PeerGone(ChunkwireError):
    """The peer reset the connection, or closed it before what we write."""


class IncompleteHead(ChunkwireError):
    """The peer closed before or inside a response head; `octets` is what came of it."""

    def __init__(self, octets: bytes) -> None:
        got = f"{len(octets)} octets of a head" if octets else "nothing"
        super().__init__(f"expected a response head, got {got} and the end of the connection")
        self.octets = octets


class Connection:
    """One end of a connection: octets in, octets out, and two ways to end it.

    Not guaranteed: that what `send_all` took has reached the peer.

    Attributes:
        stream: the trio stream underneath.
        leftover: octets received and not consumed yet.
        peer: the other end's address, for logs; `-` when it is gone already.
    """

    def __init__(self, stream: trio.abc.Stream, *, limits: HeadLimits = DEFAULT_HEAD_LIMITS) -> None:
        self._may_linger = _always
        self.stream = stream
        self.leftover = bytearray()
        self.limits = limits
        self._socket = _socket_under(stream)
        # On Windows, which has no readv, a socket is no file descriptor.
        self._plain_socket = self._socket if self.is_cleartext and hasattr(os, "readv") else None
        self._is_woken = False
        self.peer = _peer_name(self._socket)

    @property
    def is_cleartext(self) -> bool:
        """The octets of the socket are the octets of HTTP (no TLS between)."""
        return isinstance(self.stream, trio.SocketStream)

    def fileno(self) -> int | None:
        """Return the socket's descriptor, -1 once closed; None where TLS or something else lies between."""
        return self._socket.fileno() if self._socket is not None and self.is_cleartext else None

    async def receive_some(self, max_octets: int = READ_OCTETS) -> bytes:
        """Return what one receive gives, `leftover` first; `b""` at the peer's FIN.

        Raises:
            PeerGone: the peer reset the connection.
        """
        if self.leftover:
            octets = bytes(self.leftover[:max_octets])
            del self.leftover[:max_octets]
            return octets
        return bytes(await self._receive(max_octets))

    async def _fill(self) -> bool:
        """Add to `leftover` what one receive gives; False at the peer's FIN.

        Nothing of it stays elsewhere: it holds heads, and memory that is freed keeps what was written there.
        """
        octets = await self._receive()
        self.leftover += octets
        if isinstance(octets, memoryview):
            octets[:] = bytes(len(octets))
        return bool(octets)

    async def _receive(self, max_octets: int = READ_OCTETS) -> bytes | memoryview:
        """Return what one receive gives, as a view only until the next receive of whatever connection."""
        try:
            if self._plain_socket is None:
                return bytes(await self.stream.receive_some(max_octets))
            return await self._receive_plain(self._plain_socket, max_octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise PeerGone(f"{self.peer} reset the connection") from error

    async def _receive_plain(self, sock: trio.socket.SocketType, max_octets: int) -> memoryview:
        """Receive once, waiting first: mostly there is nothing yet, and trio's stream asks the kernel twice."""
        while True:
            if sock.fileno() < 0 or self._is_woken:
                raise trio.ClosedResourceError("closed by this side")
            await trio.lowlevel.wait_readable(sock)
            try:
                # The number is asked for again: closed meanwhile, it may be another's.
                return _RECEIVED[: os.readv(sock.fileno(), (_RECEIVED[:max_octets],))]
            except BlockingIOError:
                continue

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        """Send all octets: one socket send if the kernel takes them at once.

        Raises:
            PeerGone: the peer is gone; some, all or none of the octets may have left.

        Cancellation: some of the octets may have left, and there is no way to know how many.
        """
        try:
            await self.stream.send_all(octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise PeerGone(f"{self.peer} closed the connection") from error

    async def send_some(self, octets: bytes | bytearray | memoryview) -> int:
        """Send as many octets as the kernel takes, one or more, and return how many; over TLS it is all of them.

        Raises:
            PeerGone: as `send_all`.

        Cancellation: cleartext: none has left.
        """
        if self._socket is None or not self.is_cleartext:
            await self.send_all(octets)
            return len(octets)
        try:
            return await self._socket.send(octets)
        except (trio.ClosedResourceError, OSError) as error:
            raise PeerGone(f"{self.peer} closed the connection") from error

    def send_nowait(self, octets: bytes) -> int:
        """Send what the kernel takes at once and return how many octets that was; 0 over TLS and on Windows: send_some.

        Raises:
            PeerGone: as `send_all`.
        """
        if self._plain_socket is None:
            return 0
        try:
            return os.write(self._plain_socket.fileno(), octets)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PeerGone(f"{self.peer} closed the connection") from error

    async def wait_octets(self) -> bool:
        """Wait until there is something to read; False when the peer closed, or `wake` was called, instead.

        Raises:
            PeerGone: the peer reset the connection.
        """
        if not self.leftover:
            try:
                await self._fill()
            except PeerGone:
                if not self._is_woken:
                    raise
            finally:
                self._is_woken = False
        return bool(self.leftover)

    def wake(self) -> None:
        """End a running `wait_octets`, as if the peer had closed. Not guaranteed for streams that are no sockets."""
        if self._socket is not None:
            self._is_woken = True
            trio.lowlevel.notify_closing(self._socket)

    async def peek(self) -> bool:
        """Wait until there is something to read, and leave it there; False at the peer's FIN. Cleartext only.

        Raises:
            PeerGone: the peer reset the connection.
        """
        if self._socket is None:
            await trio.sleep_forever()
        try:
            return bool(await self._socket.recv(1, socket.MSG_PEEK))
        except (trio.ClosedResourceError, OSError) as error:
            raise PeerGone(f"{self.peer} reset the connection") from error

    def lift_unsent_limit(self) -> None:
        """Let the kernel take what its send buffer holds, as it does by default.

        trio limits octets not sent yet to 16 KiB (TCP_NOTSENT_LOWAT), which keeps a slow stream fresh. Where octets
        come faster than they go, each write is then a partial one, and a relay does half as much with its time.
        """
        if self._socket is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # closed: the next write says so
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)

    async def send_eof(self) -> None:
        """Close our sending side only (a half-close, RFC 9112 §9.6); over TLS this is a no-op."""
        if isinstance(self.stream, trio.SocketStream):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                await self.stream.send_eof()

    async def close(self) -> None:
        """Close in stages: half-close, drain, close, so that no reset eats the last octets (RFC 9112 §9.6).

        A peer that goes on sending is waited for while it is fast enough, up to `LINGER_SECONDS`.

        Cancellation: the socket is closed all the same; octets in flight may be lost.
        """
        try:
            await self.send_eof()
            with trio.move_on_after(LINGER_SECONDS):
                while self.is_cleartext and await self._still_sends():
                    pass
        except PeerGone:
            return  # the `finally` closes our side; there is nobody to drain for
        finally:
            await trio.aclose_forcefully(self.stream)

    async def _still_sends(self) -> bool:
        """Read and drop for one window; say whether the peer sent enough to be given another one."""
        dropped = 0
        with trio.move_on_after(LINGER_WINDOW_SECONDS):
            while octets := await self._receive():
                dropped += len(octets)
            return False
        return dropped >= LINGER_WINDOW_OCTETS and self._may_linger()

    def reset(self) -> None:
        """Close at once with a reset, so that the peer cannot take what it has for the whole."""
        if self._socket is None or self._socket.fileno() < 0:
            return
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.close()

    def close_nowait(self) -> None:
        """Close at once; what has been sent is still delivered, unless the peer goes on sending (RFC 9112 §9.6)."""
        if self._socket is not None:
            self._socket.close()

    def _drop_empty_lines(self) -> None:
        """Drop what may stand before a head: nothing, unless a request is awaited."""

    async def _receive_head(self, *, is_request: bool) -> bytes | None:
        """Return one whole head; None when the peer closed before its first octet."""
        searched = 0
        while True:
            self._drop_empty_lines()
            end = find_head_end(self.leftover, searched)
            if end is not None:
                return self._take_head(end)
            searched = len(self.leftover)
            check_partial_head(self.leftover, self.limits, is_request=is_request)
            if not await self._fill():
                return None

    def _take_head(self, end: int) -> bytes:
        """Take a head out of `leftover`, and leave no copy of it: what an array drops stays where it was."""
        held = self.leftover
        head = bytes(memoryview(held)[:end])
        self.leftover = held[end:]
        held[:] = bytes(len(held))
        return head


class ServerConnection(Connection):
    """The server's end: requests in, response heads out.

    Args:
        bare_lf: True answers heads whose lines end in LF alone (people type them); False refuses.
        may_linger: says whether `close` may wait longer than one window for a client that still sends.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        bare_lf: bool,
        limits: HeadLimits = DEFAULT_HEAD_LIMITS,
        may_linger: Callable[[], bool] = _always,
    ) -> None:
        super().__init__(stream, limits=limits)
        self._may_linger = may_linger
        self._bare_lf = bare_lf
        self._scheme = b"https" if isinstance(stream, trio.SSLStream) else b"http"
        self._asked: Asked | None = None
        self._is_head: bool | None = None

    async def receive_request(self) -> Request | None:
        """Return the next request head, its target settled; None when the peer closed before a first octet.

        There is no deadline here: put one around the call (a total one; an idle timer lets a head drip).

        Raises:
            HeadError: what to answer. Nothing more may be read from this connection after it.
            PeerGone: the peer reset the connection.
        """
        self._asked = self._is_head = None
        head = await self._receive_head(is_request=True)
        if head is None:
            if self.leftover:
                raise HeadError(400, "cut-head", "expected an empty line after the head, got the end of the connection")
            return None
        self._is_head = bool(_HEAD_METHOD.match(head))
        request = judge_request(head, self.limits, bare_lf=self._bare_lf, scheme=self._scheme)
        self._asked = Asked.by(request)
        return request

    @property
    def asks_for_head_only(self) -> bool:
        """What came of the latest request begins with HEAD, understood or not (RFC 9110 §9.3.2: no content)."""
        return bool(_HEAD_METHOD.match(self.leftover)) if self._is_head is None else self._is_head

    def has_whole_head(self) -> bool:
        """Say whether `receive_request` has nothing to wait for."""
        self._drop_empty_lines()
        return find_head_end(self.leftover, 0) is not None

    def _drop_empty_lines(self) -> None:
        """Drop empty lines before a request-line (RFC 9112 §2.2: "SHOULD ignore at least one")."""
        found = (_EMPTY_LINES_OR_LF if self._bare_lf else _EMPTY_LINES).match(self.leftover)
        if found:
            del self.leftover[: found.end()]

    async def send_informational(self, status: int, fields: Iterable[Field] = (), reason: bytes = b"") -> None:
        """Send a 1xx head (RFC 9110 §15.2).

        Raises:
            LocalError: the fields are no legal field lines.
            PeerGone: the peer closed the connection.
        """
        await self.send_all(write_informational(Response(status, reason, fields=tuple(fields)), self._asked))

    async def send_head(self, response: Response, method: bytes = b"GET") -> None:
        """Send a final response head; the body is the caller's, and the framing is the one the fields state."""
        await self.send_all(self.head_octets(response, method))

    def head_octets(self, response: Response, method: bytes = b"GET") -> bytes:
        """Return the octets of a final response head, an answer to the latest request; see `writer.write_response`."""
        return write_response(response, self._asked, method)


class ClientConnection(Connection):
    """The client's end: one request head out, response heads in."""

    _asked: Asked | None = None

    async def send_request(self, request: Request) -> None:
        """Send a request head; the body is the caller's. A checkpoint only where the kernel does not take it at once.

        Raises:
            LocalError: the fields are no legal field lines.
            PeerGone: the peer closed the connection.

        Cancellation: as `send_all`.
        """
        octets = write_request(request)
        self._asked = Asked.by(request)
        taken = self.send_nowait(octets)
        if taken < len(octets):
            await self.send_all(memoryview(octets)[taken:])

    async def receive_response(self) -> Response:
        """Return the next response head: a 1xx (status under 200; call again) or the final one.

        Raises:
            HeadError: the head is out of the grammar, or a 101 that was not asked for.
            IncompleteHead: the peer closed first.
            PeerGone: the peer reset the connection.
            LocalError: no request was sent.
        """
        if self._asked is None:
            raise LocalError("expected a request to be sent first")
        head = await self._receive_head(is_request=False)
        if head is None:
            raise IncompleteHead(bytes(self.leftover))
        method = b"HEAD" if self._asked.is_head else b"GET"
        return judge_response(head, self.limits, method=method, may_switch=self._asked.has_upgrade)


def _socket_under(stream: trio.abc.Stream) -> trio.socket.SocketType | None:
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return stream.socket if isinstance(stream, trio.SocketStream) else None


def _peer_name(sock: trio.socket.SocketType | None) -> str:
    try:
        name = sock.getpeername() if sock is not None else None
    except OSError:
        return "-"  # it left between accept and here
    if not name:
        return "-"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
