"""A server of streams that fail, each in one way, and how often it was asked."""

import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.patience import PATIENCE
from tests.peers.plain import accepting
from tests.peers.process import LOOPBACK

Answer = Callable[[socket.socket, int], None]

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FRAME = b"5\r\nhello\r\n"


@dataclass(slots=True)
class Asked:
    """Where it listens, and the requests so far; `first` is set by the first of them."""

    url: str = ""
    requests: int = 0
    first: threading.Event = field(default_factory=threading.Event)


def send(*octets: bytes) -> Answer:
    """Answer with these octets, and close."""
    return lambda client, _: client.sendall(b"".join(octets))


def reset_after(*octets: bytes) -> Answer:
    """Answer with these octets, and reset the connection once they were received."""

    def answer(client: socket.socket, _: int) -> None:
        client.sendall(b"".join(octets))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def stall_after(*octets: bytes) -> Answer:
    """Answer with these octets, and be silent until the client leaves."""

    def answer(client: socket.socket, _: int) -> None:
        client.sendall(b"".join(octets))
        client.recv(1)

    return answer


def stream_until(killed: threading.Event) -> Answer:
    """Answer with a frame each 20 ms until the event, and close within the body."""

    def answer(client: socket.socket, _: int) -> None:
        client.sendall(HEAD)
        while not killed.wait(0.02):
            client.sendall(FRAME)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Answer the requests with these in turn, again and again."""
    return lambda client, number: answers[(number - 1) % len(answers)](client, number)


@contextmanager
def broken_server(answer: Answer) -> Generator[Asked, None, None]:
    """Run a server whose streams fail, a thread a connection."""
    asked, counting = Asked(), threading.Lock()

    def serve(client: socket.socket) -> None:
        with counting:
            number = asked.requests = asked.requests + 1
        asked.first.set()
        with client, suppress(OSError):  # the client left, as it may
            client.settimeout(PATIENCE)
            client.recv(65536)
            answer(client, number)

    with accepting(serve) as port:
        asked.url = f"http://{LOOPBACK}:{port}/"
        yield asked
