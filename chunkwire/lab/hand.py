"""A stream written by hand: what is typed is sent at once, as typed, right or wrong.

The rule here: octets are sent unchanged; no framing is added or repaired. They are scanned only to report the verdict
of a strict reader, and to end the stream after a last-chunk.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder
from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.limits import Limits
from chunkwire.wire.mistakes import LatestChunk
from chunkwire.wire.scanner import ChunkedScanner

MAX_TYPED_OCTETS: Final = 65536  # of one write
MAX_HANDS: Final = 16  # streams of one learner at once
_WAITING: Final = 256  # writes of a stream that are queued


class HandEnd(enum.StrEnum):
    """How a learner ends a stream; a typed last-chunk ends it too."""

    FIN = "fin"
    RESET = "reset"


_Typed: TypeAlias = tuple[bytes | HandEnd, bool]
"""Octets or an end, and whether the body is complete with them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a strict reader on the octets of a body so far."""

    state: str  # "valid", "complete" or "malformed"
    text: str = ""  # what is wrong, or what must come next in a valid body, in one line; empty for a complete one
    rule: str = ""  # the broken rule, one of `wire.errors.Rule`; empty for none
    section: str = ""  # of that rule, such as "RFC 9112 §7.1"
    offset: int | None = None  # of the first wrong octet in the body; None for none


class TypedBody:
    """The octets of a chunked body so far."""

    def __init__(self, limits: Limits) -> None:
        self._feed = Feed(ChunkedScanner(limits))
        self._chunk = LatestChunk()

    def take(self, octets: bytes) -> None:
        """Add octets; they are ignored after an error."""
        if self._feed.error is None:
            events: list[Event] = []
            self._feed.take(octets, events)
            self._chunk.take(events)

    @property
    def is_complete(self) -> bool:
        """The last-chunk has come, with all that ends the body."""
        return self._feed.scanner.is_complete

    def judge(self) -> Verdict:
        """Return the verdict on the octets."""
        error: FramingError | None = self._feed.error
        if error is not None:
            text = f"{error}{self._chunk.hint_at(error)}"
            return Verdict("malformed", text, str(error.rule), error.section, error.offset)
        try:
            self._feed.scanner.end_of_input()
        except IncompleteBody as cut:
            return Verdict("valid", cut.section + cut.hint + self._chunk.hint_at(cut))
        return Verdict("complete")


class Hands:
    """The open hand-written streams of one learner."""

    def __init__(self) -> None:
        self._open: dict[trio.MemorySendChannel[_Typed], tuple[TypedBody, str]] = {}

    async def serve(self, request: IncomingRequest, response: Responder, run: str = "") -> None:
        """Answer with a chunked body that is what the learner types, until a last-chunk or a `HandEnd` ends it.

        Args:
            run: the name of the page's run that requested the stream; "" for a request of nc or curl.

        Raises:
            Refusal: 400 to HTTP/1.0; 503, `MAX_HANDS` streams are open.
        """
        if not response.is_chunked:
            raise Refusal(400, "hand-version", "expected HTTP/1.1: to HTTP/1.0 no framing is sent")
        if len(self._open) >= MAX_HANDS:
            raise Refusal(503, "hands", f"expected at most {MAX_HANDS} open streams to type on")
        sender, receiver = trio.open_memory_channel[_Typed](_WAITING)
        response.must_close = True
        self._open[sender] = TypedBody(request.settings.limits), run
        try:
            async with response.chunked(fields=(TEXT, (b"Cache-Control", b"no-store"))) as body:
                async for typed, is_complete in receiver:
                    if typed is HandEnd.RESET:
                        body.reset()
                    elif isinstance(typed, bytes):
                        await body.send_octets(typed)
                        if not is_complete:
                            continue
                        body.mark_complete()
                    else:
                        body.cut()
                    return
        finally:
            del self._open[sender]

    def reached(self, run: str = "") -> int:
        """Return the number of open streams to which `write` sends."""
        return sum(run in ("", own) or not own for _, own in self._open.values())

    def write(self, typed: bytes | HandEnd, run: str = "") -> Verdict | None:
        """Send octets on each open stream, or end it; return the verdict on the one opened last, None if none is open.

        Args:
            run: only streams of this run, and of nc and curl; "" for all.

        Raises:
            Refusal: 503, the queue of a stream is full; streams that were opened before it have got the octets.
        """
        verdict = None
        for sender, (body, own) in list(self._open.items()):
            if run and own not in ("", run):
                continue
            if isinstance(typed, bytes):
                body.take(typed)
            try:
                sender.send_nowait((typed, body.is_complete))
            except trio.WouldBlock as full:
                raise Refusal(503, "hand-full", "the stream's reader takes nothing") from full
            verdict = body.judge()
        return verdict
