"""Accept connections, and drain.

The rule here: one task a connection, and an exception that it raises ends that connection alone and is logged; with
trio's own `serve_listeners` it ends the server. Out of descriptors, the accept loop pauses; it neither spins nor ends.
"""

from __future__ import annotations

import errno
import logging
import math
import re
import signal
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
from chunkwire.wire.errors import ChunkwireError, LocalError

logger = logging.getLogger(__name__)

ServedListener: TypeAlias = trio.SocketListener | UnixListener
ServedStream: TypeAlias = trio.SocketStream | TlsStream
Handler: TypeAlias = Callable[[ServedStream], Awaitable[None]]
PlainHandler: TypeAlias = Callable[[trio.SocketStream], Awaitable[None]]

BACKLOG: Final = 8192  # connections the kernel may hold for us; as flushmeter's peers are set, capped by somaxconn
MAX_CONNECTIONS: Final = 20_000  # at a few KiB each when idle, and twice that many descriptors
GRACE_SECONDS: Final = 10.0  # how long streams may go on after SIGTERM (Docker kills after 10 s)
# A peer that vanished sends no FIN, and a silent stream writes nothing: after two minutes the kernel ends it
# (RFC 9293 §3.8.4; nginx: so_keepalive, off by default).
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_GAP_SECONDS, KEEPALIVE_PROBES = 60, 15, 4
ACCEPT_PAUSE_SECONDS: Final = 0.1  # before the next accept when no descriptor is left (trio: 100 ms, nginx: 500 ms)
_LACKING: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # this machine has no such address, or no such family

# [IPV6], four decimal numbers, or a name that begins with a letter: never a port.
_HOST_ALONE: Final = re.compile(r"\[[0-9a-fA-F:.%\w]+\]|\d+(?:\.\d+){3}|[a-zA-Z][\w.-]*", re.ASCII)


class ListenError(ChunkwireError):
    """An address that cannot be bound; `is_taken` where another socket has it."""

    def __init__(self, message: str, *, is_taken: bool = False) -> None:
        super().__init__(message)
        self.is_taken = is_taken

    @classmethod
    def from_os(cls, address: Address, error: OSError | UnicodeError) -> ListenError:
        """Return the error for an error of the system; a UnicodeError is a name that IDNA refuses."""
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "no domain name"
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        return cls(f"cannot listen on {address}: {reason.lower()}", is_taken=is_taken)


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
        """Return its URL; a Unix socket has none that all clients take."""
        return str(self) if self.is_unix else f"{scheme}://{self}"

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, default_port: int | None = None) -> Address:
    """Return the address that HOST:PORT, [IPV6]:PORT, :PORT, PORT or unix:PATH names; without a host, loopback.

    Args:
        default_port: of HOST or [IPV6] alone; None: a port must be given.

    Raises:
        LocalError: one line that names what is wrong.
    """
    if text.strip().startswith("unix:"):
        return Address(unix_path(text.strip()[5:], text), 0)
    if default_port is not None and _HOST_ALONE.fullmatch(text.strip()):
        return Address(text.strip().strip("[]"), default_port)
    host, colon, port = text.strip().rpartition(":")
    # Users mean every address by `*`; getaddrinfo takes it for loopback.
    if "/" in host or host == "*" or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise LocalError(f"expected HOST:PORT, :PORT, PORT (0 to 65535) or unix:PATH, got {text!r}")
    if colon and ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise LocalError(f"expected brackets around an IPv6 address, as in [::1]:8080, got {text!r}")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


async def open_listeners(address: Address | str, *, reuse_port: bool = False) -> list[ServedListener]:
    """Bind and listen on every address that the host name has, but for those that this machine lacks.

    Raises:
        ListenError: one line with the address and the reason.
        LocalError: text that `parse_address` does not take.
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
                break  # each family would get a port of its own
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
        # Windows lets SO_REUSEADDR take an address that is in use; elsewhere it takes one whose last user has ended.
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
    """Let the kernel find peers that vanished; accepted sockets inherit it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # elsewhere the system's own times, hours
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_GAP_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def bound_addresses(listeners: Sequence[ServedListener]) -> list[Address]:
    """Return where the listeners are really bound."""
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
    """Graceful shutdown: set once; idle connections end at once, busy ones get a grace time.

    A handler begins no other exchange once `is_started`; `wait_next` waits for one.

    Attributes:
        deadlines: of the waits for next requests, run by `serve_connections`.
    """

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self._started = trio.Event()
        self._idle: set[Connection] = set()
        self._scopes: set[trio.CancelScope] = set()

    @property
    def is_started(self) -> bool:
        """The server accepts no more connections."""
        return self._started.is_set()

    def may_linger(self) -> bool:
        """Say whether a connection that ends may wait for a client that still sends: not in a drain."""
        return not self.is_started

    def start(self) -> None:
        """Begin to drain; idempotent."""
        self._started.set()
        for connection in self._idle:
            connection.wake()
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def cancelling(self) -> Iterator[None]:
        """Cancel the with block when a drain begins or has begun."""
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
        """Wait for the first octets of the next request; False when the peer closed instead.

        False too after `timeout` seconds, or when a drain begins (not for a stream that is no socket), unless octets
        have come by then.
        """
        if connection.leftover:
            return True
        if self.is_started:
            return False
        self._idle.add(connection)
        self.deadlines.set(connection, timeout, connection.wake)
        try:
            return await connection.wait_octets()
        finally:
            self.deadlines.lift(connection)
            self._idle.discard(connection)


async def drain_on_signal(
    drain: Drain, stop: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Start the drain on the first SIGTERM; on a second one cancel `stop`. Started once it listens for them."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if drain.is_started:
                stop.cancel()
            else:
                logger.info("draining: no new connections; a second SIGTERM ends at once")
                drain.start()


async def serve_connections(
    listeners: Sequence[ServedListener],
    handler: PlainHandler,
    *,
    drain: Drain,
    grace: float = GRACE_SECONDS,
    max_connections: int = MAX_CONNECTIONS,
) -> None:
    """Serve connections until the drain is over: all ended, or `grace` seconds after it began.

    At `max_connections` the kernel's backlog holds the next ones. What still runs after the grace time is cancelled: a
    stream is then cut, without a last-chunk.

    Cancellation: closes the listeners and every connection.
    """
    places = trio.CapacityLimiter(max_connections)
    async with trio.open_nursery() as beside:
        beside.start_soon(drain.deadlines.run, name="deadlines of waits")
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(
                        _accept, listener, handler, connections, places, name=f"accept {listener.socket.getsockname()}"
                    )
                await drain.wait_started()
                accepting.cancel_scope.cancel()
            connections.cancel_scope.deadline = trio.current_time() + grace
        beside.cancel_scope.cancel()


def behind_tls(handler: Handler, tls: ServerTls, drain: Drain) -> PlainHandler:
    """Return a handler that shakes hands with a client first; one that sends no TLS gets a 400.

    A drain ends handshakes at once, as no exchange would follow them.
    """

    async def handle(stream: trio.SocketStream) -> None:
        peer = Connection(stream).peer
        secured: TlsStream | None = None
        try:
            with trio.fail_after(HANDSHAKE_SECONDS), drain.cancelling():
                first = await stream.socket.recv(1, socket.MSG_PEEK)
                if first and first != HANDSHAKE_TYPE:
                    logger.info("%s speaks no TLS on a port that does: answered 400", peer)
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
    text = b"expected TLS on this port, got HTTP in the clear; https:// in place of http://\n"
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with suppress(PeerGone):
        await client.send_all(head % len(text) + text)
        await client.close()


async def _accept(
    listener: ServedListener, handler: PlainHandler, connections: trio.Nursery, places: trio.CapacityLimiter
) -> None:
    async with listener:
        while True:
            place = object()
            await places.acquire_on_behalf_of(place)
            try:
                stream = await listener.accept()
            except OSError as error:
                # Out of descriptors or memory: trio itself ignores an error of one connection alone (accept(2)).
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
