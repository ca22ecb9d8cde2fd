"""The clock of a bench: many open streams, each receive timed at once, and read apart only when nothing is waiting.

The rule here: between an arrival and the reading of the clock lies one receive and nothing else. A loop in a thread of
its own waits for all sockets at once (trio would add a task switch to each arrival), and scans what came only while no
socket is ready. TLS streams, and systems without epoll, are read by trio's tasks instead: timed a little later.

Open loop: the origin's plan decides when frames are due, never what has arrived; a stream that ends is followed by
another until the time is over.
"""

from __future__ import annotations

import gc
import math
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from chunkwire.client.errors import Deadline
from chunkwire.client.request import build_request
from chunkwire.net.connection import READ_OCTETS, ClientConnection, PeerGone
from chunkwire.net.dial import Url, dial, make_tls
from chunkwire.net.heads import Response, response_framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.tools.bench.samples import Gathered, OpenWindow, StreamSampler
from chunkwire.wire.errors import ChunkwireError

POLL_SECONDS: Final = 0.02
"""How often the loop looks up while nothing arrives, to learn that it is over."""

FIRST_SECONDS: Final = 30.0
"""How long all streams may take to bring their first frame, together."""


class NotOpened(ChunkwireError):
    """The target does not answer with the stream; `status` is what it answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"expected 200 from the target, got {status} {reason}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a bench puts on a target.

    Attributes:
        streams: open at once.
        total: streams in all; None: as many as the time takes.
        seconds: of sampling; inf with a total: until all have ended.
        warmup: s after every stream's first frame, before a sample counts.
        spread: s over which the streams are opened, so that they are not due at one moment.
    """

    url: Url
    streams: int = 1
    total: int | None = None
    seconds: float = 10.0
    warmup: float = 1.0
    spread: float = 0.0
    method: str = "GET"
    fields: tuple[tuple[str | bytes, str | bytes], ...] = ()
    body: bytes | None = None
    tls: ssl.SSLContext | None = None
    record_to: Callable[[Record], None] | None = None


@dataclass(slots=True)
class _Waiting:
    """What the thread's loop holds of one stream."""

    sock: socket.socket
    sampler: StreamSampler
    ended: trio.Event


@dataclass(slots=True)
class Loop:
    """The loop of the thread: sockets in, timed reads out to their samplers."""

    token: trio.lowlevel.TrioToken
    poll: select.epoll = field(default_factory=lambda: select.epoll())
    waiting: dict[int, _Waiting] = field(default_factory=dict)
    backlog: deque[tuple[_Waiting, int, bytes]] = field(default_factory=deque)
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)  # of `waiting` and `poll` together

    def add(self, waiting: _Waiting) -> None:
        """Watch a stream; may be called from another thread."""
        with self.lock:
            self.waiting[waiting.sock.fileno()] = waiting
            self.poll.register(waiting.sock.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Run until over; then read apart what is left."""
        while not self.is_over.is_set():
            ready = self.poll.poll(0.0 if self.backlog else POLL_SECONDS)
            for fd, _ in ready:
                self._receive(fd)
            if not ready and self.backlog:
                self._scan(*self.backlog.popleft())
        while self.backlog:
            self._scan(*self.backlog.popleft())
        self.poll.close()

    def _receive(self, fd: int) -> None:
        waiting = self.waiting.get(fd)
        if waiting is None:
            return  # its stream was cancelled since the poll
        try:
            octets = waiting.sock.recv(READ_OCTETS)
            now_ns = time.time_ns()
        except BlockingIOError:
            return
        except OSError:
            octets, now_ns = b"", time.time_ns()
        if not octets and not self.forget(fd):
            return
        self.backlog.append((waiting, now_ns, octets))

    def forget(self, fd: int) -> bool:
        """Watch a stream no more, before its socket is closed; False if somebody did so already, in either thread."""
        with self.lock:
            if self.waiting.pop(fd, None) is None:
                return False
            self.poll.unregister(fd)
            return True

    def _scan(self, waiting: _Waiting, now_ns: int, octets: bytes) -> None:
        if waiting.ended.is_set() or waiting.sampler.take(now_ns, octets):
            return
        self.forget(waiting.sock.fileno())
        self.token.run_sync_soon(waiting.ended.set)


class Meter:
    """Runs one load, once."""

    def __init__(self, load: Load, *, tell: Callable[[Gathered], None] | None = None) -> None:
        self.gathered = Gathered()
        self.window = OpenWindow()
        self._load = load
        self._tell = tell
        self._opened = 0
        self._begun: list[StreamSampler] = []
        self._tls = (load.tls or make_tls()) if load.url.scheme == "https" else None
        self._is_looped = self._tls is None and hasattr(select, "epoll")

    async def run(self) -> Gathered:
        """Open the streams, warm up, sample, and return what was gathered.

        Raises:
            ChunkwireError: the first stream could not be opened, or none brought a frame in time.
        """
        loop = Loop(trio.lowlevel.current_trio_token()) if self._is_looped else None
        was_collecting = gc.isenabled()
        gc.disable()  # a collection in the middle would be a pause of ours
        try:
            async with trio.open_nursery() as nursery:
                if loop is not None:
                    nursery.start_soon(trio.to_thread.run_sync, loop.run, name="loop")
                try:
                    async with trio.open_nursery() as streams:
                        await self._open_all(loop, streams)
                        await self._sample(streams)
                finally:
                    if loop is not None:
                        loop.is_over.set()
        finally:
            if was_collecting:
                gc.enable()
        for sampler in self._begun:
            sampler.finish()
        return self.gathered

    async def _open_all(self, loop: Loop | None, streams: trio.Nursery) -> None:
        load = self._load
        for number in range(min(load.streams, load.total or load.streams)):
            if number:
                await trio.sleep(load.spread / load.streams)
            await streams.start(self._run_stream, loop, name=f"stream {number + 1}")
        give_up = trio.current_time() + FIRST_SECONDS
        while not all(sampler.has_begun or sampler.is_complete for sampler in self._begun):
            if trio.current_time() > give_up:
                raise Deadline("idle", FIRST_SECONDS)
            await trio.sleep(POLL_SECONDS)  # what is waited for happens in the loop's thread

    async def _sample(self, streams: trio.Nursery) -> None:
        await trio.sleep(self._load.warmup)
        self.window.opens_ns = time.time_ns()
        if math.isinf(self._load.seconds):
            return  # until the last stream has ended
        end = trio.current_time() + self._load.seconds
        while trio.current_time() < end:
            await trio.sleep(min(0.5, max(0.0, end - trio.current_time())))
            if self._tell is not None:
                self._tell(self.gathered)
        self.window.closes_ns = time.time_ns()
        streams.cancel_scope.cancel()

    async def _run_stream(
        self, loop: Loop | None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep one stream open, and open another when it ends, as long as the load says."""
        is_first = True
        while is_first or self._load.total is None or self._opened < self._load.total:
            self._opened += 1
            try:
                await self._one(loop, task_status if is_first else trio.TASK_STATUS_IGNORED)
            except ChunkwireError:
                if is_first:
                    raise
                self.gathered.failed += 1
                return
            is_first = False

    async def _one(self, loop: Loop | None, task_status: trio.TaskStatus[None]) -> None:
        load = self._load
        connection = await dial(load.url.host, load.url.port, tls=self._tls)
        try:
            sampler = await self._ask(connection)
            self._begun.append(sampler)
            task_status.started()
            if loop is None:
                await _read_by_trio(connection, sampler)
            else:
                await _hand_over(connection, sampler, loop)
        finally:
            connection.reset()

    async def _ask(self, connection: ClientConnection) -> StreamSampler:
        """Send the request, receive the head, and return what takes the body."""
        load = self._load
        request = build_request(load.method, load.url, fields=load.fields, body=load.body)
        sent_ns = time.time_ns()
        await connection.send_request(request)
        if load.body:
            await connection.send_all(load.body)
        response = await connection.receive_response()
        while response.status < 200:
            response = await connection.receive_response()
        if response.status != 200:
            raise NotOpened(response.status, response.reason.decode("latin-1"))
        recorder = self._recorder(sent_ns, request.target, request.fields, response)
        return StreamSampler(
            self.gathered,
            self.window,
            framing=response_framing(response, load.method.encode()),
            coding=(response.get(b"content-encoding") or b"").decode("latin-1").strip().lower(),
            sent_ns=sent_ns,
            recorder=recorder,
        )

    def _recorder(
        self, sent_ns: int, target: bytes, fields: tuple[tuple[bytes, bytes], ...], response: Response
    ) -> Recorder | None:
        load, stream = self._load, self._opened
        if load.record_to is None:
            return None
        sent = Recorder(load.record_to, stream=stream, point="client.sent", way="request")
        sent.request(0.0, load.method.encode(), target, fields, sent_ns / 1e9)
        recorder = Recorder(load.record_to, stream=stream, point="client.received")
        recorder.head((time.time_ns() - sent_ns) / 1e9, response.start_line, response.fields)
        return recorder


async def _hand_over(connection: ClientConnection, sampler: StreamSampler, loop: Loop) -> None:
    """Let the loop read a connection until its body ends."""
    leftover, now_ns = bytes(connection.leftover), time.time_ns()
    if leftover and not sampler.take(now_ns, leftover):
        return
    fd = connection.fileno()
    assert fd is not None
    sock = socket.socket(fileno=socket.dup(fd))
    sock.setblocking(False)
    waiting = _Waiting(sock, sampler, trio.Event())
    try:
        loop.add(waiting)
        await waiting.ended.wait()
    finally:
        loop.forget(sock.fileno())
        sock.close()


async def _read_by_trio(connection: ClientConnection, sampler: StreamSampler) -> None:
    while True:
        try:
            octets = await connection.receive_some()
        except PeerGone:
            octets = b""
        if not sampler.take(time.time_ns(), octets):
            return
