"""Relay bodies without waking a task for each frame (Linux; cleartext and TLS).

The rule here: the epoll set that the run of trio blocks on (`sleeper`) watches the sockets of all running bodies. All
sockets that are ready are served in one batch, outside of any task: receive into one shared buffer, scan, send from the
same memory. The task that called `move` waits until its body ends, and may be cancelled as any other.

What must hold inside a batch:

- no checkpoint, and no descriptor is opened: events of a number that was closed and reused would be taken for the new
  one's. Each number is looked up, and an unknown one is skipped;
- an exception of one body ends that body alone;
- a paused source leaves the set, as a mask of 0 would report its reset again and again. Octets that it has queued are
  read before its reset is acted on, unless its body `ends_with_source`;
- a descriptor leaves the set before it is closed.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Final

import trio

from chunkwire.net.connection import READ_OCTETS, Connection
from chunkwire.net.inflight import Body, Entry, descriptor_of, entry_of, overdue
from chunkwire.net.movers import EXACT, Leaving, MoveOptions, OnLeaving, PlainMover, SinkGone, SourceGone
from chunkwire.net.sleeper import POLL_SECONDS, Sleeper, current_sleeper
from chunkwire.net.tls import RECORD_OCTETS
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner

BUFFER_OCTETS: Final = 512 * 1024  # one receive at most: half of an L2 cache of 1 MiB, from which it is sent
DEADLINE_SECONDS: Final = 0.5  # how late a deadline may be noticed; deadlines are seconds or minutes
_READABLE: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR
_GONE: Final = select.EPOLLHUP | select.EPOLLERR
_LEAVING: Final = _GONE | select.EPOLLRDHUP


class FastMover:
    """Relays bodies in batches while `run` runs.

    The plain mover relays a body with a shaper, one to or from a stream that is no socket, and one from a socket that
    leaves an octet (`Connection.unread_octet`).

    Args:
        poll_seconds: how long to poll before blocking while `run` runs; see `sleeper.Polling`.
    """

    def __init__(self, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._sleeper: Sleeper | None = None  # while `run` runs
        self._entries: dict[int, Entry] = {}
        self._bodies: set[Body] = set()
        self._memory = bytearray(BUFFER_OCTETS)
        self._view = memoryview(self._memory)
        self._plain = PlainMover()
        self._poll_seconds = poll_seconds
        self._now = 0.0  # when the batch was found ready, on the sleeper's clock
        self._token: trio.lowlevel.TrioToken | None = None
        self._crash: Exception | None = None
        self._crashed = trio.Event()

    def watch(self, connection: Connection, on_leaving: OnLeaving) -> None:
        """Watch by the epoll set; see `Mover.watch`. A reset after a FIN is reported too."""
        descriptor = descriptor_of(connection)
        if descriptor < 0:
            self._plain.watch(connection, on_leaving)
            return
        entry = entry_of(connection, self._entries)
        entry.on_leaving = on_leaving
        entry.saw_fin = False
        self._update(descriptor)

    def rest(self, connection: Connection) -> None:
        """Report nothing; the socket stays in the epoll set for the next `watch`. See `Mover.rest`."""
        self._plain.rest(connection)
        entry = self._entries.get(descriptor_of(connection))
        if entry is not None:
            entry.on_leaving = None

    def unwatch(self, connection: Connection) -> None:
        """Stop watching; see `Mover.unwatch`."""
        self.rest(connection)
        descriptor = descriptor_of(connection)
        if (entry := self._entries.get(descriptor)) is not None:
            self._settle(descriptor, entry)

    async def move(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions = EXACT
    ) -> None:
        """Relay one body; see `Mover.move`."""
        now = self._sleeper.now() if self._sleeper is not None else 0.0  # else `run` sets it
        body = Body(source, sink, scanner, options, now)
        if options.shape is not None or source.unread_octet is not None or body.source_fd < 0 or body.sink_fd < 0:
            await self._move_plainly(body)
            return
        await trio.lowlevel.checkpoint_if_cancelled()
        self._guarded(self._begin, body)
        if not body.is_done:
            self._bodies.add(body)
            body.task = trio.lowlevel.current_task()
            try:
                await trio.lowlevel.wait_task_rescheduled(body.abandon)
            finally:
                self._bodies.discard(body)
                self._release(body)
        source.leftover[:0] = body.feed.held
        if body.error is not None:
            raise body.error

    async def _move_plainly(self, body: Body) -> None:
        """Let the plain mover relay a body, and watch for a source that leaves while the sink is slow."""
        source = body.source
        with trio.CancelScope() as scope:
            if body.options.ends_with_source and body.source_fd >= 0:
                self.watch(source, lambda how: scope.cancel() if how is Leaving.GONE else None)
            try:
                await self._plain.move(source, body.sink, body.feed.scanner, body.options)
            finally:
                self.unwatch(source)
        if scope.cancelled_caught:
            raise SourceGone(f"{source.peer} closed the connection")

    def _begin(self, body: Body) -> None:
        """Send the preface and the octets in `leftover`; watch both sockets unless the body is done."""
        received = body.source.leftover
        body.is_ended = body.feed.scanner.is_complete
        self._now = body.read_at
        if received and not body.is_ended:
            body.source.leftover = bytearray()
            body.read = 1
            self._scan(body, received, memoryview(received), len(received))
        elif body.preface or body.is_ended:
            self._send(body, memoryview(b""))
        if not body.is_done:
            entry_of(body.source, self._entries).reads = body
            entry_of(body.sink, self._entries).writes = body
            self._update_both(body)
            if body.tls is not None:
                self._read_more(body)

    def _finish(self, body: Body, error: Exception | None) -> None:
        """End a body and wake its task."""
        body.is_done = True
        body.error = body.error or error
        self._release(body)
        if body.task is not None and self._sleeper is not None:
            task, body.task = body.task, None
            self._sleeper.wake(task)

    def _update(self, descriptor: int) -> None:
        """Make the epoll set watch this descriptor for what it is used for."""
        entry = self._entries.get(descriptor)
        if entry is None or self._sleeper is None:
            return  # `run` has not begun, and will do it, or has ended
        mask = entry.wanted()
        if mask == entry.mask:
            return
        if not entry.mask:
            self._sleeper.watch(descriptor, mask, self._serve if entry.stamps is None else self._serve_stamped)
        elif mask:
            self._sleeper.change(descriptor, mask)
        else:
            self._sleeper.unwatch(descriptor)
        entry.mask = mask

    def _update_both(self, body: Body) -> None:
        self._update(body.source_fd)
        self._update(body.sink_fd)

    def _settle(self, descriptor: int, entry: Entry) -> None:
        """Update the epoll set, and forget a descriptor that is not used."""
        self._update(descriptor)
        if entry.reads is None and entry.writes is None and entry.on_leaving is None:
            del self._entries[descriptor]

    def _release(self, body: Body) -> None:
        """Stop serving a body: its sockets leave the epoll set, unless they are used for something else."""
        for descriptor in (body.source_fd, body.sink_fd):
            entry = self._entries.get(descriptor)
            if entry is None:
                continue
            if entry.reads is body:
                entry.reads = None
            if entry.writes is body:
                entry.writes = None
            self._settle(descriptor, entry)

    async def run(self) -> None:
        """Serve all bodies until cancelled; bodies that remain are not ended.

        Raises:
            RuntimeError: an error of the mover itself.
        """
        self._token = trio.lowlevel.current_trio_token()
        sleeper = self._sleeper = await current_sleeper()
        for body in self._bodies:
            body.read_at = body.sent_at = sleeper.now()
        for descriptor in self._entries:
            self._update(descriptor)
        try:
            with sleeper.polling(self._poll_seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._plain.run, name="plain mover")
                    nursery.start_soon(self._end_overdue, sleeper, name="deadlines of bodies")
                    await self._crashed.wait()
                    raise RuntimeError("the fast mover failed") from self._crash
        finally:
            self._sleeper = None
            sleeper.unwatch_all(self._serve)
            sleeper.unwatch_all(self._serve_stamped)

    async def _end_overdue(self, sleeper: Sleeper) -> None:
        """End bodies that are past a deadline; a periodic check costs less than moving a deadline for each frame."""
        while True:
            await trio.sleep(DEADLINE_SECONDS)
            now = sleeper.now()
            for body in tuple(self._bodies):
                if (error := overdue(body, now)) is not None:
                    self._finish(body, error)

    def _call_soon(self, step: Callable[..., object], *arguments: object) -> None:
        """Call `step` from trio's loop, where it may use trio."""
        if self._token is not None:
            self._token.run_sync_soon(step, *arguments)

    def _serve(self, descriptor: int, mask: int) -> None:
        """Serve the ready events of one descriptor; see `Sleeper.watch`."""
        entry = self._entries.get(descriptor)
        if entry is None or self._sleeper is None:
            return
        self._now = self._sleeper.woken_at
        reads, writes = entry.reads, entry.writes
        try:
            if mask == select.EPOLLIN and reads is not None and self._pass_on(reads):
                return
            if reads is not None and reads.pending is None and mask & _READABLE and not reads.feed.is_behind:
                self._guarded(self._read, reads)
            elif writes is not None and mask & _GONE:
                self._finish(writes, SinkGone(f"{writes.sink.peer} reset the connection"))
            elif reads is not None and reads.options.ends_with_source and mask & _GONE:  # it is paused
                self._finish(reads, SourceGone(f"{reads.source.peer} reset the connection"))
            elif mask & _LEAVING:
                self._notify(descriptor, entry, mask)
            if writes is not None and not writes.is_done and mask & select.EPOLLOUT:
                self._guarded(self._write_more, writes)
        except Exception as error:  # noqa: BLE001 - outside any task: `run` raises it
            self._crash = error
            self._call_soon(self._crashed.set)

    def _serve_stamped(self, descriptor: int, mask: int) -> None:
        """Serve a descriptor of a connection with stamps: epoll reports stamps in its error queue as an error."""
        entry = self._entries.get(descriptor)
        if mask & _GONE == select.EPOLLERR and entry is not None and entry.stamps is not None:
            if not entry.stamps.is_broken():
                mask &= ~select.EPOLLERR
            elif entry.reads is not None:
                # SO_ERROR gives an error once: the next receive would not report it.
                self._finish(entry.reads, SourceGone(f"{entry.reads.source.peer} reset the connection"))
        if mask:
            self._serve(descriptor, mask)

    def _notify(self, descriptor: int, entry: Entry, mask: int) -> None:
        """Notify the watcher of a FIN, or of a reset. epoll repeats both, so each leaves the mask."""
        on_leaving = entry.on_leaving
        entry.saw_fin = True
        if mask & _GONE:
            entry.on_leaving = None
        self._settle(descriptor, entry)
        if on_leaving is not None:
            self._call_soon(on_leaving, Leaving.GONE if mask & _GONE else Leaving.FIN)

    def _guarded(self, step: Callable[[Body], None], body: Body) -> None:
        try:
            step(body)
        except Exception as error:  # noqa: BLE001 - it ends this body alone
            self._finish(body, error)

    def _pass_on(self, body: Body) -> bool:
        """Do as `_read`, with fewer calls if a receive gives one whole chunk, as most do in a paced stream.

        Return False, and do nothing, if the body is observed, has sent nothing yet, or has octets held or pending.
        """
        scanner = body.unobserved
        if scanner is None or body.feed.held or body.pending or body.on_first:
            return False
        try:
            got = body.receive_into(self._view[: body.room])
            if got and scanner.take_lone_chunk(self._memory, got):
                body.read += 1
                body.read_at = self._now
                octets = self._view[:got]
                sent = body.send(octets)
                if sent < got:
                    self._sent(body, octets, sent)
                if body.tls is not None:
                    self._read_more(body)
            elif got is not None:
                self._process_read(body, self._memory, self._view, 0, got)
        except Exception as error:  # noqa: BLE001 - as in `_guarded`
            self._finish(body, error)
        return True

    def _read(self, body: Body) -> None:
        """Receive once, after the held octets in the buffer, and send what the scanner approves."""
        held = body.feed.held
        size = len(held)
        memory, view = self._memory, self._view
        if size:
            if size > BUFFER_OCTETS - READ_OCTETS:  # limits were raised: leave room for a receive
                memory = bytearray(size + READ_OCTETS)
                view = memoryview(memory)
            memory[:size] = held
        got = body.receive_into(view[size : size + body.room])
        if got is not None:
            self._process_read(body, memory, view, size, got)

    def _process_read(self, body: Body, memory: bytearray, view: memoryview, size: int, got: int) -> None:
        """Process a receive of `got` octets, 0 at the end of input; they follow `size` held octets in `memory`."""
        if not got:
            body.feed.scanner.end_of_input()
            self._finish(body, None)
            return
        body.read += 1
        body.read_at = self._now
        if body.room - got < RECORD_OCTETS and body.room < BUFFER_OCTETS:  # full: a TLS read needs room for a record
            body.room *= 2
        self._scan(body, memory, view, size + got)
        if body.tls is not None:
            self._read_more(body)

    def _read_more(self, body: Body) -> None:
        """Read what TLS has buffered, which epoll does not report, unless the body is paused."""
        if body.tls is not None and body.tls.has_more and not body.is_done and not body.is_paused:
            self._read(body)

    def _scan(self, body: Body, buffer: bytearray, view: memoryview, end: int) -> None:
        """Scan `buffer` up to `end`, send the approved octets from the same memory, hold the rest; `view` is of it."""
        feed, options = body.feed, body.options
        observe = options.observe
        events: list[Event] | None = None if observe is None or not observe.takes_events else []
        taken = feed.take_from(buffer, view, end, events)
        body.error = feed.error
        body.is_ended = feed.error is not None or feed.scanner.is_complete
        if taken < end and feed.scanner.is_complete:  # the next head, which may contain credentials: clear it
            body.source.leftover[:0] = view[taken:end]
            view[taken:end] = bytes(end - taken)
        if options.note_counts is not None:
            options.note_counts(body.read)
        if observe is not None:
            observe.received(view[:taken], events or [], body.read)
            body.is_observed = True
        self._send(body, view[:taken])

    def _send(self, body: Body, octets: memoryview) -> None:
        """Send octets, the preface before them; if the sink does not take all, the source is paused."""
        if body.preface:
            octets, body.preface = memoryview(body.preface + octets), b""
        self._sent(body, octets, body.send(octets) if octets else 0)

    def _sent(self, body: Body, octets: memoryview, sent: int) -> None:
        """Keep as pending what the sink did not take of these octets: all but the first `sent`."""
        if sent < len(octets):
            body.pending = memoryview(bytes(octets[sent:]))
            body.sink.remove_unsent_limit()
        else:
            self._all_sent(body)
            if body.is_done or not body.feed.is_behind:
                return
        body.sent_at = self._now
        body.room = READ_OCTETS  # the sink or the scanner is slow: keep few octets
        self._update_both(body)

    def _write_more(self, body: Body) -> None:
        """Send pending octets, or let the feed take its next turn; if none are pending then, read the source again."""
        if body.pending is not None:
            sent = body.send(body.pending)
            if sent:
                body.sent_at = self._now
            body.pending = body.pending[sent:] if sent < len(body.pending) else None
            if body.pending is None:
                self._all_sent(body)
        elif body.feed.is_behind:  # while it is, epoll watches the sink for room, which it has
            held = bytearray(body.feed.held)
            self._scan(body, held, memoryview(held), len(held))
        if body.pending is None:  # a body that is done is watched no more: nothing changes
            body.read_at = self._now  # the source was not read until now: its idle time starts here
            self._update_both(body)
            if body.tls is not None:
                self._read_more(body)

    def _all_sent(self, body: Body) -> None:
        if body.on_first is not None and body.feed.scanner.wire_octets:
            body.on_first()
            body.on_first = None
        if body.is_observed and body.options.observe is not None:
            body.is_observed = False
            body.options.observe.sent()
        if body.is_ended:
            self._finish(body, None)
