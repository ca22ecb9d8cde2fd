"""Relay one body from one connection (the source) to another (the sink).

The rule here: receive, scan, send the octets that the scanner approved, hold the rest, then receive again. So, unless a
shaper rewrites the body, the octets sent are a prefix of some valid body, and at most one read and the held octets are
in memory. A slow sink stops reading from the source. Heads are not read here. If a body cannot be completed, the mover
raises, and the caller aborts: it never invents an end.

`PlainMover` works on any stream and any platform; `fastmover` has the same interface and passes the same tests.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, TypeAlias

import trio

from chunkwire.net.connection import READ_OCTETS, Connection, PeerGone
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner

SEND_SECONDS: Final = 30.0  # without an octet taken by the peer (nginx send_timeout: 60 s between two writes)


class SourceGone(ChunkwireError):
    """The side that sends the body reset its connection, or broke TLS."""


class SinkGone(ChunkwireError):
    """The side that receives the body closed or reset its connection."""


class IdleTimeout(ChunkwireError):
    """The source sent nothing for longer than is allowed."""


class SendTimeout(ChunkwireError):
    """The sink took nothing for longer than is allowed."""


class Leaving(enum.Enum):
    """What a watched peer did.

    FIN: a half-close (RFC 9112 §9.6), or it left, in which case a later write fails. GONE: a reset.
    """

    FIN = "fin"
    GONE = "gone"


OnLeaving: TypeAlias = Callable[[Leaving], None]


class Observer(Protocol):
    """Is called with the octets of a body as it is relayed."""

    @property
    def takes_events(self) -> bool:
        """Whether the mover must build events, which slows it down."""

    def received(self, octets: memoryview, events: list[Event], read: int) -> None:
        """Process approved octets before they are sent.

        Args:
            octets: valid until this returns.
            events: of these octets, if `takes_events`.
            read: number of the receive; several calls may have the same number.
        """

    def sent(self) -> None:
        """Note that all octets passed to `received` so far have been sent, or are kept by a shaper."""


class Shaper(Protocol):
    """Turns the events of a body into other octets: a relay mode other than exact, or a fault."""

    @property
    def error(self) -> ChunkwireError | None:
        """The error that the mover raises once the octets that `feed` returned have been sent."""

    @property
    def due(self) -> float | None:
        """When `flush` must be called, on trio's clock, but not before the receive is processed; None for the end."""

    def feed(self, events: list[Event]) -> bytes:
        """Return the octets to send now; the shaper may keep some. One receive may cause several calls."""

    def flush(self) -> bytes:
        """Return the octets that were kept, and keep none."""


class MoveOptions(NamedTuple):
    """How one body is relayed.

    Attributes:
        idle_timeout: seconds without an octet from the source, while it is read; off by default, as streams may pause.
        send_timeout: seconds without an octet taken by the sink, while some wait for it.
        shape: rewrites the body; None relays the octets unchanged.
        preface: octets to send before the body, such as the head, at once; the fast mover sends them together with the
            body octets that are in `source.leftover`.
        on_first: called once, when the first octets of the body have been sent, or are kept by a shaper.
        observe: called with the octets; None for no observer.
        note_counts: called with the number of the receive after each scan, before the octets are sent; for metrics,
            which read the scanner's counters.
        ends_with_source: a reset of the source ends the body at once, although octets that came before have not been
            sent: it is a client's, which gets no response. The plain mover notices it only when it receives.
    """

    idle_timeout: float = math.inf
    send_timeout: float = SEND_SECONDS
    shape: Shaper | None = None
    preface: bytes = b""
    on_first: Callable[[], None] | None = None
    observe: Observer | None = None
    note_counts: Callable[[int], None] | None = None
    ends_with_source: bool = False


EXACT: Final = MoveOptions()

PassOn: TypeAlias = Callable[[Connection, Feed, bytes, int, MoveOptions], Awaitable[None]]
"""Feeds the octets of one receive, with its number, and sends what they complete; raises `Feed.error`."""


class Mover(Protocol):
    """Relays any number of bodies at a time, and watches for peers that leave, while `run` runs."""

    async def run(self) -> None:
        """Do the background work of the other methods, until cancelled."""

    def watch(self, connection: Connection, on_leaving: OnLeaving) -> None:
        """Call `on_leaving` at a FIN or reset of the peer, until `unwatch`. Nothing may be received meanwhile.

        Not guaranteed: that a FIN behind unread octets is noticed, or a reset after a FIN.
        """

    def rest(self, connection: Connection) -> None:
        """Report nothing until the next `watch`; for a connection between two exchanges."""

    def unwatch(self, connection: Connection) -> None:
        """Stop watching; call it before the connection is closed or read by a task."""

    async def move(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions = EXACT
    ) -> None:
        """Relay one body to its end.

        Octets that follow the body are left in `source.leftover`.

        Raises:
            FramingError: the body is malformed; its valid prefix has been sent.
            IncompleteBody: the source ended inside the body; its valid prefix has been sent.
            SourceGone: the source was reset.
            SinkGone: the sink closed or reset the connection.
            IdleTimeout: nothing came for `idle_timeout`.
            SendTimeout: nothing could be sent for `send_timeout`.

        Cancellation: octets that were received may not have been sent. Not guaranteed: a checkpoint, if the whole body
        had been received before.
        """


class PlainMover:
    """The reference mover: it relays a body in the calling task, and has a task for each watch."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._watches: dict[Connection, trio.CancelScope] = {}

    async def run(self) -> None:
        """Run the tasks that watch."""
        async with trio.open_nursery() as self._nursery:
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # an exchange that is cancelled with it may still begin to watch

    def watch(self, connection: Connection, on_leaving: OnLeaving) -> None:
        """Watch in a new task; see `Mover.watch`."""
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
        """Relay one body; see `Mover.move`."""
        await relay(source, sink, scanner, options, _pass_on)


async def relay(
    source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions, pass_on: PassOn
) -> None:
    """Relay one body in the calling task; see `Mover.move`."""
    try:
        await _carry(source, sink, scanner, options, pass_on)
    finally:
        # Octets that a shaper has kept are valid, so they are sent before an abort too.
        if options.shape is not None and options.shape.error is None:
            await send_in_time(sink, options.shape.flush(), options.send_timeout)


async def _carry(
    source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions, pass_on: PassOn
) -> None:
    feed, read, on_first = Feed(scanner, takes_turns=True), 0, options.on_first
    await send_in_time(sink, options.preface, options.send_timeout)
    try:
        while not scanner.is_complete:
            octets = await _receive(source, sink, options)
            if not octets:
                scanner.end_of_input()
                break
            read += 1
            await pass_on(sink, feed, octets, read, options)
            if on_first is not None and scanner.wire_octets:
                on_first()
                on_first = None
    finally:
        source.leftover[:0] = feed.held  # if the caller continues, the scanner must be given these octets again


async def drop_body(source: Connection, scanner: BodyScanner, *, idle_timeout: float = math.inf) -> None:
    """Receive a body to its end, or to the end of input, and drop it, with octets that follow it.

    Raises:
        FramingError: the body is malformed.
        SourceGone: the source was reset.
        IdleTimeout: nothing came for `idle_timeout`.
    """
    feed, options = Feed(scanner, takes_turns=True), MoveOptions(idle_timeout)
    while not scanner.is_complete and (octets := await _receive(source, source, options)):
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
    """Receive once; meanwhile flush the shaper when it is due."""
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
            await send_in_time(sink, shape.flush(), options.send_timeout)


async def _pass_on(sink: Connection, feed: Feed, octets: bytes, read: int, options: MoveOptions) -> None:
    """Send the octets that each turn of the feed completed, or the shaper's; other tasks run between two turns.

    Raises:
        FramingError: the body is malformed; its valid prefix has been sent.
    """
    shape, observe = options.shape, options.observe
    while True:
        is_seen = shape is not None or (observe is not None and observe.takes_events)
        events: list[Event] | None = [] if is_seen else None
        ready: bytes | memoryview = feed.take(octets, events)
        if options.note_counts is not None:
            options.note_counts(read)
        if observe is not None:
            observe.received(memoryview(ready), events or [], read)
        if shape is not None:
            ready, events = shape.feed(events or []), None  # a slow sink must not keep events, which are large
        await send_in_time(sink, ready, options.send_timeout)
        if shape is not None and shape.error is not None:
            raise shape.error
        if observe is not None:
            observe.sent()
        if feed.error is not None:
            raise feed.error
        if not feed.is_behind:
            return
        octets = b""
        await trio.lowlevel.checkpoint()


async def send_in_time(sink: Connection, octets: bytes | memoryview, timeout: float) -> None:
    """Send all octets; `timeout` starts again each time the sink takes some.

    Raises:
        SinkGone, SendTimeout: as in `Mover.move`.
    """
    rest = memoryview(octets)
    try:
        while rest:
            with trio.fail_after(timeout):
                sent = await sink.send_some(rest)
            rest = rest[sent:]
    except trio.TooSlowError as error:
        raise SendTimeout(f"{sink.peer} took nothing for {timeout:g} s") from error
    except PeerGone as error:
        raise SinkGone(str(error)) from error
