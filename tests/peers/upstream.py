"""A scripted upstream on a plain socket: the test itself is the server, octet by octet, in the order it chooses."""

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager

from tests.peers.process import LOOPBACK, WITHIN, Reader, listening_socket

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


class Accepted:
    """One accepted connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = Reader(sock, whose="the downstream side")

    def read_head(self) -> bytes:
        """Return a request head, up to and with its empty line."""
        return self.reader.until(b"\r\n\r\n")

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def close(self) -> None:
        """End the connection with a FIN."""
        self.sock.close()

    def reset(self) -> None:
        """End the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Upstream:
    """A listening socket whose connections the test serves."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.accepted: list[Accepted] = []

    def url(self, target: str = "") -> str:
        return f"http://{LOOPBACK}:{self.port}{target}"

    def accept(self) -> Accepted:
        """Take the next connection."""
        sock, _ = self._listener.accept()
        sock.settimeout(WITHIN)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted.append(Accepted(sock))
        return self.accepted[-1]


@contextmanager
def upstream() -> Generator[Upstream, None, None]:
    """Listen on a free port; close what is still open on leaving."""
    with listening_socket() as listener:
        listener.settimeout(WITHIN)
        server = Upstream(listener)
        try:
            yield server
        finally:
            for connection in server.accepted:
                connection.sock.close()
