"""Idle connections after complete exchanges, kept for further requests to the same server.

The rule here: the server may close an idle connection at any time. One that has anything to read is dropped: it would
be taken for the response to the next request (RFC 9112 §9.2). If the close comes only after a request was sent, and
before the first octet of a response, the caller repeats the request on a new connection if that is safe (RFC 9110
§9.2.2). `may_keep` says which connections are kept.
"""

from __future__ import annotations

import ssl
from collections import deque
from functools import cached_property
from typing import Final, TypeAlias

import trio

from chunkwire.net.dial import Url
from chunkwire.net.ends import ClientConnection
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.heads import Request, Response
from chunkwire.net.tls import make_tls

PER_SERVER: Final = 128  # idle connections; more are closed (Go's MaxIdleConnsPerHost: 2, urllib3: 10)
IDLE_S: Final = 30.0  # after which an idle connection is not used again (node closes after 5 s, nginx after 75 s)
# RFC 9110 §9.3.1: a body has no meaning here. A server that does not read it parses it as the next request (TE.0).
_BODILESS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"DELETE"})

ServerKey: TypeAlias = tuple[str, str, int, ssl.SSLContext | None]
"""Scheme, host, port, and the TLS context of the connections."""


class Pool:
    """Idle connections; the end of a `with` block closes them. No task runs for it.

    Args:
        per_server: the maximum of idle connections to one server.
        idle: seconds after which an idle connection is not used again; the next `sweep`, or `give` for its server,
            closes it.
    """

    def __init__(self, *, per_server: int = PER_SERVER, idle: float = IDLE_S) -> None:
        self._per_server = per_server
        self._idle = idle
        self._kept: dict[ServerKey, deque[tuple[float, ClientConnection]]] = {}
        self._is_closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The context for https requests that name none: always the same, as a connection is found by its context."""
        return make_tls()

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def take(self, server: ServerKey) -> ClientConnection | None:
        """Return the connection that was used last, of those that can be used again; close others that it finds."""
        kept = self._kept.pop(server, None)
        while kept:
            since, connection = kept.pop()
            if trio.current_time() - since < self._idle and connection.is_quiet():
                if kept:
                    self._kept[server] = kept
                return connection
            connection.close_nowait()
        return None

    def give(self, server: ServerKey, connection: ClientConnection) -> None:
        """Keep a connection after a complete exchange; close old ones, and the oldest if there are too many.

        After `close` it is closed: an exchange may end later than its pool.
        """
        if self._is_closed:
            connection.close_nowait()
            return
        kept = self._kept.setdefault(server, deque())
        now = trio.current_time()
        while kept and (len(kept) >= self._per_server or now - kept[0][0] >= self._idle):
            kept.popleft()[1].close_nowait()
        kept.append((now, connection))

    def sweep(self) -> None:
        """Close connections that are too old, that the server has closed, or on which octets have come."""
        now = trio.current_time()
        for server, kept in list(self._kept.items()):
            for _ in range(len(kept)):
                since, connection = kept.popleft()
                if now - since < self._idle and connection.is_quiet():
                    kept.append((since, connection))
                else:
                    connection.close_nowait()
            if not kept:
                del self._kept[server]

    def close(self) -> None:
        """Close all connections, and those that are given from now on."""
        self._is_closed = True
        for kept in self._kept.values():
            for _, connection in kept:
                connection.close_nowait()
        self._kept.clear()


def server_of(url: Url, tls: ssl.SSLContext | None) -> ServerKey:
    """Return the key under which connections to a URL's server are kept."""
    return (url.scheme, url.host, url.port, tls)


def may_keep(request: Request, response: Response, framing: Framing, *, has_body: bool) -> bool:
    """Say whether a server's connection may be used again after an exchange that was complete (RFC 9112 §9.3).

    Both ends must agree where it ended: a server that sends a Transfer-Encoding with a 204 (§6.1: "MUST NOT"), or an
    unusual one with a response that has no body, may still send a body.

    Args:
        framing: of the response's body.
        has_body: the request had a body.
    """
    if not response.keeps_alive or framing.kind is BodyKind.CLOSE or (has_body and request.method in _BODILESS):
        return False
    if (coding := response.get(b"transfer-encoding")) is None:
        return True
    return coding.lower() == b"chunked" and response.get(b"content-length") is None and response.status != 204
