"""Read one response body, a receive at a time: take the time, scan, record, and judge the end.

The rule here: the time is taken directly after the receive; octets are scanned and recorded before the caller gets
them. The end has one verdict, which is recorded once. Later calls of `next` raise its error again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.client.completion import Completion
from chunkwire.client.errors import Deadline, MalformedBody, ResetBody
from chunkwire.net.connection import PeerGone
from chunkwire.record.recorder import Recorder
from chunkwire.wire.errors import ChunkwireError, IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event, Frame, LastChunk, Trailers
from chunkwire.wire.scanner import BodyScanner

MAX_RECEIVED_OCTETS: Final = 1 << 20  # of content that an error of `next` carries: a long answer has some 100 KB


@dataclass(frozen=True, slots=True)
class Read:
    """The result of one receive.

    Attributes:
        n: its number, from 1; receives without octets of the body are not counted.
        t: seconds since the request, taken when the receive returned.
        octets: of the body, as on the wire; all octets received if the framing is malformed.
        events: of the octets that the scanner approved, including those held from previous reads.
        frames: those whose last octet came in this read; for a body that is not chunked, its data. Empty unless the
            view was asked for whole frames.
    """

    n: int
    t: float
    octets: bytes
    events: tuple[Event, ...]
    frames: tuple[Frame | Data, ...] = ()


class BodyReader:
    """The body of one response.

    Args:
        receive: returns octets, `b""` at the end of input; raises PeerGone.
        began: the time of the request, on `time.monotonic`.
        idle_timeout: seconds to wait in one receive.
        total_timeout: seconds from the call of `open`, for the error; it ends at `end`, on trio's clock.
        waiting_since: when the octets that `receive` returns first were received, on `time.monotonic`; None if they
            have not been received yet.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[bytes]],
        scanner: BodyScanner,
        *,
        began: float,
        completion: Completion,
        idle_timeout: float,
        total_timeout: float,
        end: float,
        recorder: Recorder | None,
        waiting_since: float | None = None,
    ) -> None:
        self.reads = 0
        self.framing: str | None = None
        self.application = "unknown"
        self.trailers: Trailers = ()
        self.error: ChunkwireError | None = None
        self.scanner = scanner
        self.completion = completion
        self._receive = receive
        self._began = began
        self._idle_timeout = idle_timeout
        self._total_timeout = total_timeout
        self._latest = end
        self._has_deadlines = min(idle_timeout, end) < math.inf
        self._recorder = recorder
        self._waiting_since = waiting_since
        self._feed = Feed(scanner)
        self._received = bytearray()
        if scanner.is_complete:
            self._end("complete", self._now())

    @property
    def has_surplus(self) -> bool:
        """Octets came after the body, which is complete."""
        return bool(self._feed.held)

    async def next(self) -> Read | None:
        """Return the next read; None after the end of a complete body.

        Raises:
            IncompleteBody: the input ended early; `ResetBody`: by a reset, or without TLS's close_notify.
            MalformedBody: the framing is malformed; the previous call returned the read with the error.
            Deadline: no octet came in time.

        Cancellation: nothing is lost; it can be called again.
        """
        if self.error is not None:
            raise self.error
        if self.framing is not None:
            return None
        try:
            octets = await (self._receive_in_time() if self._has_deadlines else self._receive())
        except PeerGone as error:
            at, received = self.scanner.wire_octets, bytes(self._received)
            lost = ResetBody(at, "the body", received, lacks_close_notify=error.lacks_close_notify)
            raise self._fail("reset", lost) from error
        if octets:
            return self._take(octets)
        try:
            self.scanner.end_of_input()
        except IncompleteBody as error:
            raise self._fail("cut", IncompleteBody(error.offset, error.section, bytes(self._received))) from error
        self._end("complete", self._now())
        return None

    def leave(self, framing: str = "client-gone") -> None:
        """Note that nothing more will be read: the caller left ("client-gone"), or "stopped" it.

        Nothing happens after the end of the body.
        """
        if self.framing is None:
            self._end(framing, self._now())

    async def _receive_in_time(self) -> bytes:
        give_up = trio.current_time() + self._idle_timeout
        is_total = self._latest <= give_up
        with trio.CancelScope(deadline=min(self._latest, give_up)):
            return await self._receive()
        late = Deadline("total", self._total_timeout) if is_total else Deadline("idle", self._idle_timeout)
        late.received = bytes(self._received)
        raise self._fail("timeout", late)

    def _take(self, octets: bytes) -> Read:
        t = self._now() if self._waiting_since is None else self._waiting_since - self._began
        self._waiting_since = None
        self.reads += 1
        feed = self._feed
        events: list[Event] = []
        feed.take(octets, events)
        self._keep(events)
        if self._recorder is not None:
            self._recorder.body(t, events, self.reads)
        if feed.error is not None:
            self._fail("malformed", MalformedBody(feed.error, bytes(self._received)), t=t)
        elif self.scanner.is_complete:
            octets = octets[: len(octets) - len(feed.held)]  # octets after a complete body do not belong to it
            self._end("complete", t)
        return Read(self.reads, t, octets, tuple(events))

    def _keep(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Data):
                self.completion.feed(event.octets)
                room = MAX_RECEIVED_OCTETS - len(self._received)
                self._received += event.octets[:room]
            elif isinstance(event, LastChunk):
                self.trailers = event.trailers

    def _fail(self, framing: str, error: ChunkwireError, *, t: float | None = None) -> ChunkwireError:
        self.error = error
        self._end(framing, self._now() if t is None else t)
        return error

    def _end(self, framing: str, t: float) -> None:
        self.framing = framing
        self.application = self.completion.verdict(is_complete=framing == "complete")
        if self._recorder is not None:
            error = str(self.error) if self.error is not None else None
            held = b"" if self.scanner.is_complete else self._feed.held
            self._recorder.end(t, framing, self.application, events=self.completion.events, error=error, held=held)

    def _now(self) -> float:
        return time.monotonic() - self._began
