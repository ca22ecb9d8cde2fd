"""Many open, silent streams: each has had a request and the first octets of its answer.

One thread and one selector serve all clients and, if asked, the origin.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from types import TracebackType

from bench.processes import HOST, Trouble
from chunkwire.net.listen import raise_file_limit

REQUEST = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
)
_WITHIN = 30.0  # s; until all streams have their first chunk
_AT_ONCE = 100  # streams that are opened before waiting for their first chunks


class Holder:
    """Opens streams and holds them open. A context manager: leaving it closes all of them.

    Attributes:
        first_ms: of each stream, from connect to the first octet of the answer.

    Args:
        origin_port: also be an origin, on this port; None: the target is one.
    """

    def __init__(self, origin_port: int | None = None) -> None:
        raise_file_limit()
        self._selector = selectors.DefaultSelector()
        self._clients: list[socket.socket] = []
        self._waiting: dict[socket.socket, float] = {}
        self.first_ms: list[float] = []
        if origin_port is not None:
            listener = socket.create_server((HOST, origin_port), backlog=8192)
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for key in list(self._selector.get_map().values()):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            sock.close()
        self._selector.close()

    def open(self, port: int, count: int, *, path: str = "/") -> None:
        """Open streams to a port, and wait for the first octets of each answer.

        Raises:
            Trouble: some had no connection or no answer in time, or were cut.
        """
        deadline = time.monotonic() + _WITHIN
        for opened in range(count):
            self._connect(port, path)
            while len(self._waiting) >= _AT_ONCE or (opened == count - 1 and self._waiting):
                self._serve(deadline)

    def _connect(self, port: int, path: str) -> None:
        began = time.monotonic()
        try:
            client = socket.create_connection((HOST, port), _WITHIN)
            client.sendall(REQUEST % path.encode())
        except OSError as error:
            raise Trouble(f"stream {len(self._clients) + 1}: {error}") from error
        client.setblocking(False)
        self._clients.append(client)
        self._waiting[client] = began
        self._selector.register(client, selectors.EVENT_READ, self._read)

    def _serve(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise Trouble(f"{len(self._waiting)} of {len(self._clients)} streams had no answer in {_WITHIN:.0f} s")
        for key, _ in self._selector.select(0.1):
            act: Callable[[socket.socket], None] = key.data
            assert isinstance(key.fileobj, socket.socket)
            act(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        upstream, _ = listener.accept()
        upstream.setblocking(False)
        self._selector.register(upstream, selectors.EVENT_READ, self._answer)

    def _answer(self, upstream: socket.socket) -> None:
        if not _received(upstream):
            self._selector.unregister(upstream)
            upstream.close()
            return
        upstream.sendall(ANSWER)

    def _read(self, client: socket.socket) -> None:
        if not _received(client):
            raise Trouble(f"a stream of {len(self._clients)} was cut")
        began = self._waiting.pop(client, None)
        if began is not None:
            self.first_ms.append((time.monotonic() - began) * 1000)


def _received(sock: socket.socket) -> bytes:
    """Receive what is there; empty when the peer has closed or reset."""
    try:
        return sock.recv(65536)
    except ConnectionError:
        return b""
