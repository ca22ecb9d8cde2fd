"""Listen, accept connections, and drain.

The rule here: each connection has a task. An exception in it is logged and ends only that connection; trio's
`serve_listeners` would end the server. If no descriptor is left, the accept loop pauses.
"""

from __future__ import annotations

import errno
import logging
import math
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from chunkwire.net.certificates import ServerTls
from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.deadlines import Deadlines
from chunkwire.net.tls import HANDSHAKE_SECONDS, HANDSHAKE_TYPE, TlsStream, tls_reason
from chunkwire.net.unix import UnixListener, open_unix_listener, unix_path
from chunkwire.wire.errors import ChunkwireError, LocalError, reason_of

logger = logging.getLogger(__name__)

ServedListener: TypeAlias = trio.SocketListener | UnixListener
ServedStream: TypeAlias = trio.SocketStream | TlsStream
Handler: TypeAlias = Callable[[ServedStream], Awaitable[None]]
PlainHandler: TypeAlias = Callable[[trio.SocketStream], Awaitable[None]]

BACKLOG: Final = 8192  # connections that the kernel queues for us, at most net.core.somaxconn
MAX_CONNECTIONS: Final = 20_000  # a few KiB each when idle; a relayed stream takes two descriptors
GRACE_SECONDS: Final = 10.0  # how long streams may continue after SIGTERM (Docker kills after 10 s)
# A peer that vanished sends no FIN, and a silent stream writes nothing: the kernel ends it after two minutes
# (RFC 9293 §3.8.4; nginx: so_keepalive, off by default).
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_GAP_SECONDS, KEEPALIVE_PROBES = 60, 15, 4
ACCEPT_PAUSE_SECONDS: Final = 0.1  # before the next accept when no descriptor is left (trio: 100 ms, nginx: 500 ms)
_LACKING: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # this machine has no such address, or no such family

# [IPV6], four decimal numbers, or a name that begins with a letter: never a port.
_HOST_ALONE: Final = re.compile(r"\[[0-9a-fA-F:.%\w]+\]|\d+(?:\.\d+){3}|[a-zA-Z][\w.-]*", re.ASCII)


class ListenError(ChunkwireError):
    """An address cannot be bound; `taken` is the address if another socket has it."""

    def __init__(self, message: str, *, taken: Address | None = None) -> None:
        super().__init__(message)
        self.taken = taken

    @classmethod
    def from_os(cls, address: Address, error: OSError | UnicodeError) -> ListenError:
        """Translate an error of the system; a UnicodeError means a name that IDNA refuses."""
        reason = reason_of(error) if isinstance(error, OSError) else "no domain name"
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        return cls(f"cannot listen on {address}: {reason}", taken=address if is_taken else None)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one. A host that begins with `/` is the path of a Unix socket."""

    host: str
    port: int

    @property
    def is_unix(self) -> bool:
        """It is the path of a Unix socket."""
        return self.host.startswith("/")

    def url(self, scheme: str = "http") -> str:
        """Return its URL; for a Unix socket, which has none that all clients accept, `unix:PATH`."""
        return str(self) if self.is_unix else f"{scheme}://{self}"

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, default_port: int | None = None) -> Address:
    """Return the address that HOST:PORT, [IPV6]:PORT, :PORT, PORT or unix:PATH names; without a host, 127.0.0.1.

    Args:
        default_port: for HOST or [IPV6] alone; None requires a port.

    Raises:
        LocalError: one line that names what is wrong.
    """
    if text.strip().startswith("unix:"):
        return Address(unix_path(text.strip()[5:], text), 0)
    if default_port is not None and _HOST_ALONE.fullmatch(text.strip()):
        return Address(text.strip().strip("[]"), default_port)
    host, colon, port = text.strip().rpartition(":")
    # Users who write `*` mean every address; getaddrinfo takes it for loopback.
    if "/" in host or host == "*" or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise LocalError(f"expected HOST:PORT, :PORT, PORT (0 to 65535) or unix:PATH, got {text!r}")
    if colon and ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise LocalError(f"expected brackets around an IPv6 address, as in [::1]:8080, got {text!r}")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


async def open_listeners(address: Address | str, *, reuse_port: bool = False) -> list[ServedListener]:
    """Listen on every address of the host name, except those that this machine lacks; for port 0, on one alone.

    Raises:
        ListenError: one line with the address and the reason; no listener stays open.
        LocalError: a text that `parse_address` refuses, or `reuse_port` where it is not possible.
    """
    if isinstance(address, str):
        address = parse_address(address)
    if not isinstance(address, Address):
        raise LocalError(f"expected an address such as ':8081', got {address!r:.80} ({type(address).__name__})")
    if address.is_unix:
        return [await _open_unix(address, reuse_port=reuse_port)]
    listeners: list[ServedListener] = []
    try:
        found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        unique = tuple(dict.fromkeys((family, where) for family, *_, where in found))  # /etc/hosts may repeat one
        for n, (family, where) in enumerate(unique, 1):
            try:
                listeners.append(await _listen(family, where, reuse_port=reuse_port))
            except OSError as error:  # ::1 of localhost, in a container without IPv6
                if error.errno not in _LACKING or (n == len(unique) and not listeners):
                    raise
            if address.port == 0 and listeners:
                break  # the next family would get another port
    except (OSError, UnicodeError) as error:
        for listener in listeners:
            await listener.aclose()
        raise ListenError.from_os(address, error) from error
    return listeners


async def _open_unix(address: Address, *, reuse_port: bool) -> ServedListener:
    if reuse_port:
        raise LocalError(f"several processes share a port, not a Unix socket: {address}")
    try:
        return await open_unix_listener(address.host, BACKLOG)
    except OSError as error:
        raise ListenError.from_os(address, error) from error


async def _listen(family: socket.AddressFamily, where: object, *, reuse_port: bool) -> trio.SocketListener:
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        # On Windows SO_REUSEADDR takes over an address in use; elsewhere only one whose last user has ended.
        only_us = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if only_us is None else only_us, 1)
        _set_keepalive(sock)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if reuse_port:
            share_port(sock)
        await sock.bind(where)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(sock)


def share_port(sock: socket.socket | trio.socket.SocketType) -> None:
    """Let several processes listen on the address that a socket is about to be bound to (SO_REUSEPORT).

    Raises:
        LocalError: this system has no SO_REUSEPORT.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise LocalError("this system lets one process listen on an address, not several: it has no SO_REUSEPORT")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _set_keepalive(sock: trio.socket.SocketType) -> None:
    """Let the kernel detect peers that vanished; accepted sockets inherit the options."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # else the system's times apply, which are hours
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_GAP_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def bound_addresses(listeners: Sequence[ServedListener]) -> list[Address]:
    """Return the addresses that the listeners are bound to, with the actual ports."""
    names = [listener.socket.getsockname() for listener in listeners]
    return [Address(name, 0) if isinstance(name, str) else Address(name[0], name[1]) for name in names]


def raise_file_limit() -> None:
    """Raise RLIMIT_NOFILE to its hard limit: a relayed stream needs two descriptors. Windows has no such limit."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Drain:
    """Graceful shutdown: once started, idle connections end at once, and others get a grace time.

    After the start, `wait_next` returns False, so that handlers begin no other exchange. The one exception: a request
    whose first octets have been received is still served.

    Attributes:
        deadlines: the timeouts of `wait_next`, and others that a handler sets; `serve_connections` runs their task.
        is_interrupted: a SIGINT started it, or came during it.
    """

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.is_interrupted = False
        self._started = trio.Event()
        self._idle: set[Connection] = set()
        self._scopes: set[trio.CancelScope] = set()

    @property
    def is_started(self) -> bool:
        """`start` was called."""
        return self._started.is_set()

    def may_linger(self) -> bool:
        """Say whether `Connection.close` may wait more than one window for a peer that still sends: not in a drain."""
        return not self.is_started

    def start(self) -> None:
        """Start the drain; idempotent."""
        self._started.set()
        for connection in self._idle:
            connection.wake()
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def cancelling(self) -> Iterator[None]:
        """Cancel the with block when the drain starts, or at once if it has started."""
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            if self.is_started:
                scope.cancel()
            try:
                yield
            finally:
                self._scopes.discard(scope)

    async def wait_started(self) -> None:
        """Wait until `start` is called."""
        await self._started.wait()

    async def wait_next(self, connection: Connection, timeout: float = math.inf) -> bool:
        """Wait for the first octets of the next request, after empty lines; False if the peer closed the connection.

        Also False after `timeout` seconds, and when the drain starts, unless octets came first. These two need a
        socket, plain or under TLS: `Connection.wake` has no effect on other streams.

        Raises:
            PeerGone: the peer reset the connection.
        """
        connection.drop_empty_lines()
        if connection.leftover:
            return True
        if self.is_started:
            return False
        self._idle.add(connection)
        self.deadlines.set(connection, timeout, connection.wake)
        try:
            return await connection.wait_octets()
        finally:
            self.deadlines.remove(connection)
            self._idle.discard(connection)


async def serve_connections(
    listeners: Sequence[ServedListener],
    handler: PlainHandler,
    *,
    drain: Drain,
    grace: float = GRACE_SECONDS,
    max_connections: int = MAX_CONNECTIONS,
) -> None:
    """Serve connections until the drain is over: all have ended, or `grace` seconds have passed since its start.

    At `max_connections` further ones wait in the kernel's backlog. Connections that remain after the grace time are
    cancelled: their streams are cut, without a last-chunk.

    Cancellation: closes the listeners and all connections.
    """
    places = trio.CapacityLimiter(max_connections)
    async with trio.open_nursery() as background:
        background.start_soon(drain.deadlines.run, name="deadlines of waits")
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(
                        _accept, listener, handler, connections, places, name=f"accept {listener.socket.getsockname()}"
                    )
                await drain.wait_started()
                accepting.cancel_scope.cancel()
            connections.cancel_scope.deadline = trio.current_time() + grace
        background.cancel_scope.cancel()


def behind_tls(handler: Handler, tls: ServerTls, drain: Drain) -> PlainHandler:
    """Return a handler that performs the TLS handshake first; a client that sends no TLS gets a 400.

    A drain cancels handshakes, as no exchange may follow. `tls.context` is read for each, so that a reload counts.
    """

    async def handle(stream: trio.SocketStream) -> None:
        peer = Connection(stream).peer
        secured: TlsStream | None = None
        try:
            with trio.fail_after(HANDSHAKE_SECONDS), drain.cancelling():
                first = await stream.socket.recv(1, socket.MSG_PEEK)
                if first and first != HANDSHAKE_TYPE:
                    logger.info("%s sends no TLS to a port of TLS: answering 400", peer)
                    await _answer_cleartext(stream)
                if first != HANDSHAKE_TYPE:
                    return
                secured = await TlsStream.accept(stream, tls.context)
        except trio.TooSlowError:
            logger.info("TLS with %s: no handshake within %g s", peer, HANDSHAKE_SECONDS)
        except OSError as error:
            logger.info("TLS with %s failed: %s", peer, tls_reason(error))
        if secured is not None:
            try:
                await handler(secured)
            finally:
                secured.close_nowait()

    return handle


async def _answer_cleartext(stream: trio.SocketStream) -> None:
    client = Connection(stream)
    text = b"expected TLS on this port, got none; https:// in place of http://\n"
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with suppress(PeerGone):
        await client.send_all(head % len(text) + text)
        await client.close()


async def _accept(
    listener: ServedListener, handler: PlainHandler, connections: trio.Nursery, places: trio.CapacityLimiter
) -> None:
    async with listener:
        while True:
            await trio.lowlevel.wait_readable(listener.socket)  # a listener that waits holds no place
            place = object()
            await places.acquire_on_behalf_of(place)
            try:
                stream = await listener.accept()
            except OSError as error:
                # No descriptors or memory are left. Errors of single connections are ignored by trio (accept(2)).
                places.release_on_behalf_of(place)
                logger.warning("accept: %s; pausing %g s", error.strerror, ACCEPT_PAUSE_SECONDS)
                await trio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            except BaseException:
                places.release_on_behalf_of(place)
                raise
            connections.start_soon(_run_one, handler, stream, places, place, name="connection")


async def _run_one(
    handler: PlainHandler, stream: trio.SocketStream, places: trio.CapacityLimiter, place: object
) -> None:
    try:
        await handler(stream)
    except Exception:
        logger.exception("a connection ended by an error of ours")
    finally:
        places.release_on_behalf_of(place)
        stream.socket.close()
