"""Carry one body from one connection to another.

The rule here: receive, scan, send what the scanner approved, hold the rest, and only then receive again. So what was
sent is always a prefix of some valid body, a slow sink stops the source, and at most one read and the held octets are
kept. No head is read or written here, and no end of a body is made up: a body that cannot be completed raises, and the
caller decides how to abort.

`PlainMover` works on any stream and any platform; `fastmover` has the same interface and passes the same tests.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeAlias

import trio

from chunkwire.net.connection import READ_OCTETS, Connection, PeerGone
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner

SEND_SECONDS: Final = 30.0  # without an octet taken by the peer (nginx send_timeout: 60 s between two writes)


class SourceGone(ChunkwireError):
    """The side that sends the body reset its connection."""


class SinkGone(ChunkwireError):
    """The side that receives the body is gone."""


class IdleTimeout(ChunkwireError):
    """The source sent nothing for longer than is allowed."""


class SendTimeout(ChunkwireError):
    """The sink took nothing for longer than is allowed."""


class Leaving(enum.Enum):
    """What a watched peer did; FIN: half-closed (RFC 9112 §9.6) or left, which only the next write shows."""

    FIN = "fin"
    GONE = "gone"


OnLeaving: TypeAlias = Callable[[Leaving], None]


class Observer(Protocol):
    """Is called with a body's octets as they are relayed."""

    @property
    def takes_events(self) -> bool:
        """Whether events are to be built for it: they slow the relay down."""

    def received(self, octets: memoryview, events: list[Event], read: int) -> None:
        """Process what may be sent on, before it is.

        Args:
            octets: valid until this returns.
            events: of these octets, where it takes events.
            read: number of the receive; several calls may have the same.
        """

    def sent(self) -> None:
        """Note that all of it has been handed to the sink's socket."""


class Shaper(Protocol):
    """Turns the events of a body into other octets: a relay mode that is not exact."""

    @property
    def error(self) -> ChunkwireError | None:
        """What ends the body once all that `feed` returned has been sent."""

    @property
    def due(self) -> float | None:
        """When `flush` must be called, on trio's clock; None while nothing is kept."""

    def feed(self, events: list[Event]) -> bytes:
        """Return what is to be sent now; `b""` keeps all of it."""

    def flush(self) -> bytes:
        """Return what has been kept."""


class MoveOptions(NamedTuple):
    """How one body is carried.

    Attributes:
        idle_timeout: seconds without an octet from the source; off by default, as streams may be silent.
        send_timeout: seconds without an octet taken by the sink.
        shape: None carries the octets exactly.
        preface: octets to send before the body, its head: at once, and in one send with what has come of the body.
        on_first: called once, when the first octets of the body have been handed to the sink's socket.
        observe: is called with the octets; None for nobody.
        note_counts: called with the number of the receive after each scan, before the octets are sent on; for metrics,
            which read the scanner's counters.
    """

    idle_timeout: float = math.inf
    send_timeout: float = SEND_SECONDS
    shape: Shaper | None = None
    preface: bytes = b""
    on_first: Callable[[], None] | None = None
    observe: Observer | None = None
    note_counts: Callable[[int], None] | None = None


EXACT: Final = MoveOptions()


class Mover(Protocol):
    """Carries bodies, any number at a time, and watches for peers that leave, while `run` runs."""

    async def run(self) -> None:
        """Do the background work of the other methods, until cancelled."""

    def watch(self, connection: Connection, on_leaving: OnLeaving) -> None:
        """Call `on_leaving` when the peer half-closes or is gone, until `unwatch`. Nothing may be received meanwhile.

        Not guaranteed: that a FIN is seen behind unread octets.
        """

    def rest(self, connection: Connection) -> None:
        """Report nothing until the next `watch`; for a connection that stays open, between two exchanges."""

    def unwatch(self, connection: Connection) -> None:
        """Stop watching; call it before the connection is closed or read by a task."""

    async def move(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions = EXACT
    ) -> None:
        """Carry one body to its end.

        Octets that follow the body are left in `source.leftover`.

        Raises:
            FramingError: the body is out of the grammar; its valid prefix has been sent.
            IncompleteBody: the source ended inside the body; its valid prefix has been sent.
            SourceGone: the source was reset.
            SinkGone: the sink is gone.
            IdleTimeout: nothing came for `idle_timeout`.
            SendTimeout: nothing could be sent for `send_timeout`.

        Cancellation: some of what was received may not have been sent. Not guaranteed: a checkpoint, where all of the
        body was there already.
        """


class PlainMover:
    """The reference mover: trio streams, the task that calls it, and a task for each watch."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._watches: dict[Connection, trio.CancelScope] = {}

    async def run(self) -> None:
        """Hold the tasks that watch."""
        async with trio.open_nursery() as self._nursery:
            await trio.sleep_forever()

    def watch(self, connection: Connection, on_leaving: OnLeaving) -> None:
        """Watch in a task of its own; see `Mover.watch`."""
        if self._nursery is not None:
            scope = self._watches[connection] = trio.CancelScope()
            self._nursery.start_soon(_wait_leaving, connection, on_leaving, scope, name=f"watch {connection.peer}")

    def unwatch(self, connection: Connection) -> None:
        """Cancel the watching task; see `Mover.unwatch` and `Mover.rest`."""
        if scope := self._watches.pop(connection, None):
            scope.cancel()

    rest = unwatch

    async def move(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions = EXACT
    ) -> None:
        """Carry one body; see `Mover.move`."""
        try:
            await self._carry(source, sink, scanner, options)
        finally:
            # What a shaper has kept is valid: it is sent before any abort. Where the sink failed, this raises again.
            if options.shape is not None and options.shape.error is None:
                await _send(sink, options.shape.flush(), options)

    async def _carry(self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions) -> None:
        feed, read, on_first = Feed(scanner, takes_turns=True), 0, options.on_first
        await _send(sink, options.preface, options)
        try:
            while not scanner.is_complete:
                octets = await _receive(source, sink, options)
                if not octets:
                    scanner.end_of_input()
                    break
                read += 1
                await _pass_on(sink, feed, octets, read, options)
                if on_first is not None and scanner.wire_octets:
                    on_first()
                    on_first = None
        finally:
            source.leftover[:0] = feed.held  # the scanner expects them again, if the caller reads on


async def drop_body(source: Connection, scanner: BodyScanner) -> None:
    """Receive a body to its end, or to the end of input, and send it nowhere.

    Raises:
        FramingError: the body is out of the grammar.
        PeerGone: the source was reset.
    """
    feed = Feed(scanner, takes_turns=True)
    while not scanner.is_complete and (octets := await source.receive_some()):
        feed.take(octets)
        while feed.is_behind:
            await trio.lowlevel.checkpoint()
            feed.take(b"")
        if feed.error is not None:
            raise feed.error


async def _wait_leaving(connection: Connection, on_leaving: OnLeaving, scope: trio.CancelScope) -> None:
    with scope:
        try:
            has_octets = bool(connection.leftover) or await connection.peek()
        except PeerGone:
            on_leaving(Leaving.GONE)
            return
        if not has_octets:
            on_leaving(Leaving.FIN)


async def _receive(source: Connection, sink: Connection, options: MoveOptions) -> bytes:
    """Receive once, flushing a shaper when it is due."""
    idle_at = trio.current_time() + options.idle_timeout
    shape = options.shape
    while True:
        due = shape.due if shape is not None else None
        with trio.move_on_at(idle_at if due is None else min(due, idle_at)):
            try:
                return await source.receive_some(READ_OCTETS)
            except PeerGone as error:
                raise SourceGone(str(error)) from error
        if trio.current_time() >= idle_at:
            raise IdleTimeout(f"{source.peer} sent nothing for {options.idle_timeout:g} s")
        if shape is not None:
            await _send(sink, shape.flush(), options)


async def _pass_on(sink: Connection, feed: Feed, octets: bytes, read: int, options: MoveOptions) -> None:
    """Send what one receive completed, or what a shaper makes of it; other tasks run between two turns of the feed.

    Raises:
        FramingError: the body is broken; what came before has been sent.
    """
    shape, observe = options.shape, options.observe
    shaped: list[Event] = []  # a shaper sees what one receive completed in one call
    while True:
        is_seen = shape is not None or (observe is not None and observe.takes_events)
        events: list[Event] | None = [] if is_seen else None
        approved = feed.take(octets, events)
        if options.note_counts is not None:
            options.note_counts(read)
        if observe is not None:
            observe.received(approved, events or [], read)
        if shape is None:
            await _send(sink, approved, options)
        else:
            shaped += events or ()
            if not feed.is_behind:
                await _send(sink, shape.feed(shaped), options)
                if shape.error is not None:
                    raise shape.error
        if observe is not None and (shape is None or not feed.is_behind):
            observe.sent()
        if feed.error is not None:
            raise feed.error
        if not feed.is_behind:
            return
        octets = b""
        await trio.lowlevel.checkpoint()


async def _send(sink: Connection, octets: bytes | memoryview, options: MoveOptions) -> None:
    rest = memoryview(octets)
    try:
        while rest:
            with trio.fail_after(options.send_timeout):
                sent = await sink.send_some(rest)
            rest = rest[sent:]
    except trio.TooSlowError as error:
        raise SendTimeout(f"{sink.peer} took nothing for {options.send_timeout:g} s") from error
    except PeerGone as error:
        raise SinkGone(str(error)) from error
