"""Nothing of a head outlives its exchange: tokens that went through a process are looked for in its memory.

Memory that has been freed keeps what was written there until somebody else gets it, so a few tokens are always found.
"""

import re
import secrets
import socket
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest

from tests.peers.command import Served, serving
from tests.peers.plain import Wire, accepting, dialled
from tests.peers.process import LOOPBACK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/PID/mem")

AT_MOST = 100  # by chance up to 50 are found; a memo of heads has 128 and more (functools.lru_cache)
BATCH = 50
END = b"\r\n0\r\n\r\n"
_TOKEN = re.compile(rb"token-[0-9a-f]{40}")


def token() -> bytes:
    return b"token-" + secrets.token_hex(20).encode()


def get(target: bytes = b"/frames?plan=2@0,0@0") -> bytes:
    """Return a request as an SDK sends it, with a token of its own in two fields."""
    fields = b"Host: x\r\nUser-Agent: SDK/1.0\r\nAccept: */*\r\nAuthorization: Bearer %b\r\nCookie: session=%b\r\n\r\n"
    return b"GET %b HTTP/1.1\r\n" % target + fields % (token(), token())


def post() -> bytes:
    """Return a request with a body, behind which the next request follows at once."""
    return get().replace(b"GET", b"POST", 1).removesuffix(b"\r\n") + b"Content-Length: 5\r\n\r\nhello"


def answer() -> bytes:
    """Return a short response with a token of its own."""
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=%b\r\nTransfer-Encoding: chunked\r\n\r\n" % token()
    return head + b"2\r\nok" + END


def answer_all(sock: socket.socket) -> None:
    """Answer every request on a connection."""
    with sock, suppress(OSError):
        received = b""
        while octets := sock.recv(65536):  # the gateway sends one request at a time on a connection
            received += octets
            if received.endswith(b"hello" if received.startswith(b"POST") else b"\r\n\r\n"):
                received = b""
                sock.sendall(answer())


@contextmanager
def origin() -> Generator[Served, None, None]:
    with serving("serve") as served:
        yield served


@contextmanager
def gateway() -> Generator[Served, None, None]:
    with accepting(answer_all) as port, serving("forward", f"http://{LOOPBACK}:{port}") as served:
        yield served


def exchange(clients: Sequence[Wire], count: int, makes: Sequence[Callable[[], bytes]]) -> None:
    """Run this many exchanges, a batch at a time on each connection; the kinds of requests in turn."""
    for _ in range(count // (BATCH * len(clients))):
        for client in clients:
            client.send(b"".join(makes[number % len(makes)]() for number in range(BATCH)))
        for client in clients:
            for _ in range(BATCH):
                client.reader.until(END)


def tokens_in_memory(pid: int) -> set[bytes]:
    """Return the tokens that stand anywhere in what a process may write to."""
    found: set[bytes] = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(one, 16) for one in span.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                found.update(_TOKEN.findall(memory.read(end - start)))
    return found


@pytest.mark.parametrize("program, makes", [(origin, (get,)), (gateway, (get, get, post))])
def test_tokens_do_not_gather_in_memory(
    program: Callable[[], AbstractContextManager[Served]], makes: Sequence[Callable[[], bytes]]
) -> None:
    with program() as served, dialled(served.port) as first, dialled(served.port) as second:
        for count in (500, 2_500):
            exchange((first, second), count, makes)
            assert len(tokens_in_memory(served.process.pid)) <= AT_MOST


def test_a_token_of_a_running_exchange_is_found() -> None:
    with origin() as served, dialled(served.port, get(b"/frames?plan=2@0,0@9999")) as client:
        client.reader.until(b"\r\n\r\n2\r\n")
        assert tokens_in_memory(served.process.pid)
