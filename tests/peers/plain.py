"""Both ends of a connection on plain sockets: the test itself is the server or the client, octet by octet."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tests.patience import PATIENCE
from tests.peers.process import LOOPBACK, Reader, listening_socket

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire:
    """One connection."""

    def __init__(self, sock: socket.socket, *, whose: str) -> None:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.reader = Reader(sock, whose=whose)

    def read_head(self) -> bytes:
        """Return a head, up to and with its empty line."""
        return self.reader.until(b"\r\n\r\n")

    def read_rest(self) -> tuple[bytes, bool]:
        """Return what is left, and whether a reset ended it (True) or a FIN (False)."""
        try:
            while octets := self.sock.recv(65536):
                self.reader.held += octets
        except ConnectionResetError:
            return bytes(self.reader.held), True
        return bytes(self.reader.held), False

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def close(self) -> None:
        """End the connection with a FIN (the kernel makes it a reset when something was left unread)."""
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
        self.accepted: list[Wire] = []

    def url(self, target: str = "") -> str:
        return f"http://{LOOPBACK}:{self.port}{target}"

    def accept(self) -> Wire:
        """Take the next connection."""
        sock, _ = self._listener.accept()
        self.accepted.append(Wire(sock, whose="the downstream side"))
        return self.accepted[-1]


@contextmanager
def upstream() -> Generator[Upstream, None, None]:
    """Listen on a free port; close what is still open on leaving."""
    with listening_socket() as listener:
        listener.settimeout(PATIENCE)
        server = Upstream(listener)
        try:
            yield server
        finally:
            for connection in server.accepted:
                connection.sock.close()


@contextmanager
def dialled(port: int, octets: bytes = b"", *, receive_octets: int | None = None) -> Generator[Wire, None, None]:
    """Connect and send the first octets; what the test has not closed is reset on leaving, so that no server waits.

    Args:
        port: on the loopback interface.
        octets: to send at once.
        receive_octets: the size of the receive buffer, for a reader that is to be slow.
    """
    with socket.socket() as sock:
        if receive_octets is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        sock.settimeout(PATIENCE)
        sock.connect((LOOPBACK, port))
        wire = Wire(sock, whose=f"port {port}")
        wire.send(octets)
        try:
            yield wire
        finally:
            if sock.fileno() >= 0:
                wire.reset()


@contextmanager
def accepting(serve: Callable[[socket.socket], object], *, nodelay: bool = True) -> Generator[int, None, None]:
    """Serve each connection in a thread of its own; give the port."""
    with listening_socket() as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was shut down
                while True:
                    client, _ = listener.accept()
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
                    threading.Thread(target=serve, args=(client,), name="one client").start()

        thread = threading.Thread(target=accept, name="accept")
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


class Tee:
    """One connection to a server, passed on unread; `answered` is every octet that the server sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = b""

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        """Pass octets both ways until either side ends."""
        while ready := select.select([client, server], [], [], PATIENCE)[0]:
            for source in ready:
                octets = source.recv(65536)
                if not octets:
                    return
                if source is server:
                    self.answered += octets
                (client if source is server else server).sendall(octets)


@contextmanager
def tee(port: int) -> Generator[Tee, None, None]:
    """Listen for one connection, carry it to `port` and record what is answered."""
    with listening_socket() as listener:
        listener.settimeout(PATIENCE)
        middle = Tee(listener.getsockname()[1])

        def carry_one() -> None:
            client, _ = listener.accept()
            with client, socket.create_connection((LOOPBACK, port), PATIENCE) as server:
                with contextlib.suppress(ConnectionResetError):  # a legal end of an idle connection
                    middle.carry(client, server)

        thread = threading.Thread(target=carry_one, name="tee")
        thread.start()
        yield middle
        thread.join(PATIENCE)
