"""The other end of the tests: real sockets in pairs, and a head put through a connection as a peer would send it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, TypeVar

import pytest
import trio

from chunkwire.net.connection import Connection
from chunkwire.net.ends import ClientConnection, ServerConnection
from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, HeadLimits
from tests.patience import PATIENCE

SMALL: Final = 4096  # octets; what the kernel makes of it as a buffer size is about twice that

GET: Final = Request(b"GET", b"/", fields=((b"Host", b"x"),))

T = TypeVar("T")


async def tcp_pair(*, buffer_octets: int | None = None) -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return both ends of a loopback TCP connection, with kernel buffers of a size where one is given."""
    with trio.socket.socket() as listener:
        _shrink(listener, buffer_octets)
        await listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        near = trio.socket.socket()
        _shrink(near, buffer_octets)
        await near.connect(listener.getsockname())
        far, _ = await listener.accept()
    return trio.SocketStream(near), trio.SocketStream(far)


def _shrink(sock: trio.socket.SocketType, octets: int | None) -> None:
    if octets is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, octets)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)


async def unix_pair(*, buffer_octets: int | None = None) -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return both ends of a local connection: what is sent is there to be received at once, even on a jumping clock."""
    near, far = (trio.socket.from_stdlib_socket(sock) for sock in socket.socketpair())
    _shrink(near, buffer_octets)
    _shrink(far, buffer_octets)
    return trio.SocketStream(near), trio.SocketStream(far)


def reset(stream: trio.SocketStream) -> None:
    """Close with a reset, as a peer that crashes."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let the system refuse every new descriptor in the with block (EMFILE)."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))  # poll(2) takes no more sockets than the limit
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def let_time_out(connection: Connection) -> None:
    """Send what the peer does not read, so that the kernel soon gives the connection up: ETIMEDOUT (Linux 5.11)."""
    descriptor = connection.fileno()
    assert descriptor is not None
    with socket.socket(fileno=os.dup(descriptor)) as sock, suppress(BlockingIOError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1)
        while True:
            sock.send(bytes(65536))


async def read_exactly(stream: trio.abc.ReceiveStream, octets: int) -> bytes:
    """Return this many octets, which must come."""
    received = b""
    with trio.fail_after(PATIENCE):
        while len(received) < octets:
            got = await stream.receive_some(octets - len(received))
            assert got, f"expected {octets} octets, got the end after {received!r}"
            received += got
    return received


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    """Return all octets up to the FIN, which must come."""
    received = bytearray()
    with trio.fail_after(PATIENCE):
        while got := await stream.receive_some():
            received += got
    return bytes(received)


@asynccontextmanager
async def feeding(octets: bytes) -> AsyncIterator[trio.SocketStream]:
    """Give the end of a socket pair in which these octets, at most 128 KiB, and then a FIN wait to be read."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 512 * 1024)
    theirs.setblocking(False)
    theirs.sendall(octets)
    theirs.shutdown(socket.SHUT_WR)
    with theirs:
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
            with trio.fail_after(PATIENCE):
                yield stream


class Pieces(trio.abc.Stream):
    """A stream of which each read gives one piece, then the end; what is sent to it is dropped."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return next(self.pieces, b"")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def receive_request(
    octets: bytes, *, bare_lf: bool = False, limits: HeadLimits = DEFAULT_HEAD_LIMITS
) -> Request | None:
    """Return what a server makes of these octets."""
    async with feeding(octets) as stream:
        return await ServerConnection(stream, bare_lf=bare_lf, limits=limits).receive_request()


async def receive_response(
    octets: bytes, request: Request = GET, *, limits: HeadLimits = DEFAULT_HEAD_LIMITS
) -> Response:
    """Return what a client that sent this request makes of these octets."""
    async with feeding(octets) as stream:
        client = ClientConnection(stream, limits=limits)
        await client.send_request(request)
        return await client.receive_response()


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes | None = b"Host: x") -> bytes:
    """Return a request head of these lines."""
    return b"\r\n".join((start, *([] if host is None else [host]), *lines, b"", b""))


def ok(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return a response head of these lines."""
    return b"\r\n".join((start, *lines, b"", b""))


async def accept_request(octets: bytes, *, bare_lf: bool = False, limits: HeadLimits = DEFAULT_HEAD_LIMITS) -> Request:
    """Return the request that a server takes these octets for."""
    request = await receive_request(octets, bare_lf=bare_lf, limits=limits)
    assert request is not None
    return request


async def refuse_request(
    octets: bytes, *, bare_lf: bool = False, limits: HeadLimits = DEFAULT_HEAD_LIMITS
) -> tuple[int, str]:
    """Return the status and the rule with which a server refuses these octets."""
    with pytest.raises(HeadError) as caught:
        await receive_request(octets, bare_lf=bare_lf, limits=limits)
    return caught.value.status, caught.value.rule


async def refuse_response(octets: bytes, *, limits: HeadLimits = DEFAULT_HEAD_LIMITS) -> str:
    """Return the rule by which a client refuses these octets."""
    with pytest.raises(HeadError) as caught:
        await receive_response(octets, limits=limits)
    return caught.value.rule


def run(function: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run an async function in a trio of its own: for properties, whose tests are not async."""
    return trio.run(function)
