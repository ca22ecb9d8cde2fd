"""The state of the fast mover: of each running body, and of each descriptor in use.

The rule here: state, one receive and one send; `fastmover` decides when to call them.
"""

from __future__ import annotations

import os
import select

import trio

from chunkwire.net.connection import READ_OCTETS, Connection, lost_by
from chunkwire.net.movers import IdleTimeout, MoveOptions, OnLeaving, SendTimeout, SinkGone, SourceGone
from chunkwire.net.stamps import SocketStamps
from chunkwire.wire.feed import Feed
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner


class Body:
    """One running body. It keeps the octets in `pending`, and those that the feed holds, but no others.

    The idle timeout counts from `read_at`, the send timeout from `sent_at`, on the sleeper's clock.
    """

    __slots__ = (
        "error",
        "feed",
        "is_done",
        "is_ended",
        "is_observed",
        "on_first",
        "options",
        "pending",
        "preface",
        "read",
        "read_at",
        "reader",
        "room",
        "sent_at",
        "sink",
        "sink_fd",
        "source",
        "source_fd",
        "task",
        "tls",
        "unobserved",
        "writer",
    )

    def __init__(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions, now: float
    ) -> None:
        self.source = source
        self.sink = sink
        self.tls = source.tls
        self.reader, self.writer = source.stamps or source.tls, sink.stamps or sink.tls  # None: the descriptors
        self.source_fd = descriptor_of(source)
        self.sink_fd = descriptor_of(sink)
        self.feed = Feed(scanner, takes_turns=True)
        self.options = options
        self.on_first = options.on_first
        self.read = 0  # number of the latest receive
        self.preface = options.preface  # until it is sent
        self.pending: memoryview | None = None  # octets that the sink has not taken; they may be sent
        self.error: Exception | None = None
        self.room = READ_OCTETS  # octets that the next receive may give; more while the sink takes all
        self.is_ended = False  # nothing more is read for it
        self.is_observed = False  # `observe.received` was called for octets that are still to be sent
        self.is_done = False  # and nothing more is sent
        is_unobserved = options.observe is None and options.note_counts is None
        self.unobserved = scanner if is_unobserved and isinstance(scanner, ChunkedScanner) else None
        self.read_at = self.sent_at = now
        self.task: trio.lowlevel.Task | None = None

    @property
    def is_paused(self) -> bool:
        """The source is not read: octets are pending, or its feed is behind."""
        return self.pending is not None or self.feed.is_behind

    def receive_into(self, memory: memoryview) -> int | None:
        """Return how many octets one receive gave, 0 at the end of input, None if none have come yet.

        Raises:
            SourceGone: the source reset the connection, broke TLS, or ended it without close_notify.
        """
        try:
            return os.readv(self.source_fd, (memory,)) if self.reader is None else self.reader.read_into(memory)
        except BlockingIOError:
            return None
        except OSError as error:
            raise SourceGone(lost_by(self.source.peer, error)) from error

    def send(self, octets: memoryview) -> int:
        """Send once, and return how many octets the sink's socket took, 0 if it is full; send the rest next.

        Raises:
            SinkGone: the sink closed or reset the connection.
        """
        try:
            return os.write(self.sink_fd, octets) if self.writer is None else self.writer.write(octets)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SinkGone(f"{self.sink.peer} closed the connection: {error.strerror}") from error

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        """Let its task be cancelled while it waits: the abort function of `wait_task_rescheduled`."""
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Entry:
    """What one descriptor is used for: the source of a body, the sink of another, a watch for the peer's leaving.

    `stream` is the stream whose descriptor it is, as the kernel reuses numbers; `mask` is what epoll watches, 0 if it
    is not in the set; `saw_fin`: a FIN was reported since the latest `watch`.
    """

    __slots__ = ("mask", "on_leaving", "reads", "saw_fin", "stamps", "stream", "writes")

    def __init__(self, stream: trio.abc.Stream, stamps: SocketStamps | None = None) -> None:
        self.stream = stream
        self.stamps = stamps
        self.mask = 0
        self.reads: Body | None = None
        self.writes: Body | None = None
        self.on_leaving: OnLeaving | None = None
        self.saw_fin = False

    def wanted(self) -> int:
        """Return the mask for which epoll must watch the descriptor; 0 if it must not."""
        mask, reads, writes = 0, self.reads, self.writes
        if reads is not None and not reads.is_paused:
            mask |= select.EPOLLIN
        elif reads is not None and reads.options.ends_with_source:
            mask |= select.EPOLLERR
        if writes is not None:
            has_more = writes.pending is not None or writes.feed.is_behind
            mask |= select.EPOLLOUT if has_more else select.EPOLLERR
        if self.on_leaving is not None:
            mask |= select.EPOLLERR if self.saw_fin else select.EPOLLERR | select.EPOLLRDHUP
        return mask


def entry_of(connection: Connection, entries: dict[int, Entry]) -> Entry:
    """Return the entry of a connection's descriptor; a new one if the number belonged to a stream that is closed."""
    descriptor = descriptor_of(connection)
    entry = entries.get(descriptor)
    if entry is None or entry.stream is not connection.stream:
        entry = entries[descriptor] = Entry(connection.stream, connection.stamps)
    return entry


def overdue(body: Body, now: float) -> IdleTimeout | SendTimeout | None:
    """Return the error of a body that is past its send timeout, or its idle timeout if it is not paused; else None."""
    options = body.options
    if body.is_done:
        return None
    if body.is_paused:
        if now - body.sent_at >= options.send_timeout:
            return SendTimeout(f"{body.sink.peer} took nothing for {options.send_timeout:g} s")
    elif now - body.read_at >= options.idle_timeout:
        return IdleTimeout(f"{body.source.peer} sent nothing for {options.idle_timeout:g} s")
    return None


def descriptor_of(connection: Connection) -> int:
    """Return the descriptor of a connection's socket; -1 if it has none or is closed."""
    descriptor = connection.fileno()
    return -1 if descriptor is None else descriptor
