"""The loop that times arrivals, in its own thread: one epoll set for all sockets, one receive, then the clock.

The rule here: ready sockets are received from first. What was received waits in a backlog, and is scanned when no
socket is ready, or when the backlog is full.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

from chunkwire.net.connection import READ_OCTETS
from chunkwire.net.dial import DialError
from chunkwire.net.ends import ClientConnection
from chunkwire.net.stamps import receive_stamped
from chunkwire.tools.bench.records import StampedRecords
from chunkwire.tools.bench.samples import StreamSampler

POLL_SECONDS: Final = 0.02
"""Timeout of the poll: within this time the loop notices that it is over."""

MAX_BACKLOG_OCTETS: Final = 1 << 20
"""Octets in the backlog, at most, while sockets are ready: 175,000 of the smallest chunks, a few s of work."""
READ_WEIGHT: Final = 256
"""Octets added for each entry of the backlog: the memory of its objects."""


@dataclass(slots=True)
class Waiting:
    """A stream that the loop reads.

    Attributes:
        ended: set in the trio thread when the body has ended or failed.
        records: decrypts what is received; None without TLS.
    """

    sock: socket.socket
    sampler: StreamSampler
    ended: trio.Event
    records: StampedRecords | None = None


@dataclass(slots=True)
class Loop:
    """Reads sockets and gives the timed reads to their samplers; `run` runs in a thread.

    Attributes:
        waited: s in all that it was blocked in its poll with an empty backlog.
    """

    token: trio.lowlevel.TrioToken
    poll: select.epoll = field(default_factory=lambda: select.epoll())
    waiting: dict[int, Waiting] = field(default_factory=dict)
    backlog: deque[tuple[Waiting, int, bytes | OSError, int]] = field(default_factory=deque)
    backlog_octets: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)  # of `waiting` and `poll` together
    waited: float = 0.0

    def add(self, waiting: Waiting) -> None:
        """Start to read a stream; thread-safe."""
        with self.lock:
            self.waiting[waiting.sock.fileno()] = waiting
            self.poll.register(waiting.sock.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Run until `is_over` is set, once no stream is read any more; then scan the rest of the backlog."""
        while not self.is_over.is_set():
            ready = self.poll.poll(0.0) if self.backlog else self._wait()
            for fd, _ in ready:
                self._receive(fd)
            while self.backlog and (not ready or self.backlog_octets > MAX_BACKLOG_OCTETS):
                self._scan_next()
                if not ready:
                    break
        while self.backlog:
            self._scan_next()
        self.poll.close()

    def _wait(self) -> list[tuple[int, int]]:
        began = time.monotonic()
        ready = self.poll.poll(POLL_SECONDS)
        self.waited += time.monotonic() - began
        return ready

    def _receive(self, fd: int) -> None:
        waiting = self.waiting.get(fd)
        if waiting is None:
            return  # its stream was cancelled since the poll
        octets: bytes | OSError
        try:
            octets, now_ns, arrived_ns = receive_stamped(waiting.sock, READ_OCTETS)
        except BlockingIOError:
            return
        except OSError as error:
            octets, now_ns, arrived_ns = error, time.time_ns(), 0
        is_over = isinstance(octets, OSError) or not octets
        if is_over and not self.forget(waiting):
            return
        self.backlog.append((waiting, now_ns, octets, arrived_ns))
        self.backlog_octets += _weight(octets)

    def forget(self, waiting: Waiting) -> bool:
        """Stop reading a stream, before its socket is closed; False if that was done already. Thread-safe."""
        with self.lock:
            fd = waiting.sock.fileno()  # -1 once it is closed: another stream may have its descriptor then
            if self.waiting.pop(fd, None) is None:
                return False
            self.poll.unregister(fd)
            return True

    def _scan_next(self) -> None:
        waiting, now_ns, octets, arrived_ns = self.backlog.popleft()
        self.backlog_octets -= _weight(octets)
        if waiting.ended.is_set():
            return
        records = waiting.records
        contents = [octets] if records is None else records.contents(octets)
        is_whole = records is None or records.is_whole
        if not all(waiting.sampler.take(now_ns, content, arrived_ns, is_whole=is_whole) for content in contents):
            self.forget(waiting)
            self.token.run_sync_soon(waiting.ended.set)


def _weight(octets: bytes | OSError) -> int:
    return READ_WEIGHT if isinstance(octets, OSError) else len(octets) + READ_WEIGHT


@contextmanager
def handed_over(
    connection: ClientConnection, records: StampedRecords | None, sampler: StreamSampler, loop: Loop
) -> Iterator[trio.Event]:
    """Let the loop read a duplicate of a connection's socket in the with block; give `Waiting.ended`.

    Raises:
        DialError: no descriptor is left for the duplicate.
    """
    fd = connection.fileno()
    assert fd is not None
    try:
        sock = socket.socket(fileno=socket.dup(fd))
    except OSError as error:
        raise DialError("files", "no descriptor left for reading a stream") from error
    sock.setblocking(False)
    waiting = Waiting(sock, sampler, trio.Event(), records)
    try:
        loop.add(waiting)
        yield waiting.ended
    finally:
        loop.forget(waiting)
        sock.close()
