"""How a responder answers: a fixed body, or frames, each written by one send when the resource asks for it.

The rule here: the framing is decided here alone. To HTTP/1.1 a stream is chunked; to HTTP/1.0 it is its raw content,
delimited by close (RFC 9112 §6.1: no Transfer-Encoding to a client that said 1.0); to HEAD it is a head. A responder
does not need to know which.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.heads import BodyKind, Field, Response
from chunkwire.net.listen import Drain
from chunkwire.net.movers import SendTimeout
from chunkwire.net.sleeper import Pacer
from chunkwire.net.writer import date_now, reason_of
from chunkwire.server.cors import cors_fields
from chunkwire.server.journal import JournalEntry
from chunkwire.server.request import IncomingRequest
from chunkwire.server.tap import SentTap
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError

TEXT: Final[Field] = (b"Content-Type", b"text/plain; charset=utf-8")
JSON_LINES: Final[Field] = (b"Content-Type", b"application/x-ndjson")
EVENT_STREAM: Final[Field] = (b"Content-Type", b"text/event-stream")
OCTET_STREAM: Final[Field] = (b"Content-Type", b"application/octet-stream")

# Tells a reader of an HTTP/1.0 response why it has no frames, and that an early end cannot be noticed.
DELIMITED_BY_CLOSE: Final[Field] = (b"Chunkwire-Framing", b"delimited by close (HTTP/1.0 has no chunks)")

FRAMING_NAMES: Final = frozenset({b"transfer-encoding", b"content-length", b"connection"})
BODYLESS: Final = frozenset({204, 304})
_FINAL: Final = range(200, 1000)


class BodyState(enum.Enum):
    """How far a response's body has come; the values are words for messages."""

    UNSENT = "not begun"
    OPEN = "open"
    COMPLETE = "complete"
    CUT = "cut"  # ended early, with a FIN where that cannot be taken for the end
    RESET = "reset"  # ended early, with a reset
    HANDED_OVER = "handed over"


class Responder:
    """The response to one request; exactly one of its methods is called, once.

    What sends raises `PeerGone` where the client closed the connection, and `SendTimeout` where it took nothing for
    `send_timeout`. One task writes: a write that begins while another one waits for the client, or after the end,
    raises LocalError and sends nothing; the response itself is unharmed.

    Cancellation: a head, or part of it, may have left, and the connection cannot go on; of a write to the body either
    no octet has left, or the response is cut, since what follows would be taken for the rest of that write.

    Attributes:
        must_close: the connection ends after this response.
        is_chunked: a stream will be chunked on the wire; False for HTTP/1.0.
        connection: the client's, for what no method here does.
        watch: the scope in which the connection is watched for a reset, until it is handed over.
        always: field lines that are added to those of the resource.
    """

    def __init__(
        self,
        connection: ServerConnection,
        request: IncomingRequest,
        exchange: JournalEntry,
        *,
        pacer: Pacer,
        drain: Drain,
        tap: SentTap | None = None,
        must_close: bool = False,
    ) -> None:
        self.state = BodyState.UNSENT
        self._drain = drain
        self.must_close = must_close or not request.head.keeps_alive
        self.is_chunked = request.head.version != b"1.0"
        self.exchange = exchange
        self.pacer = pacer
        self.watch = trio.CancelScope()
        self.always: tuple[Field, ...] = ()
        self._now = pacer.now
        self._send_nowait = connection.send_nowait
        self.connection = connection
        self._request = request
        self._tap = tap
        self._is_head = request.head.method == b"HEAD"
        self._is_writing = False

    @asynccontextmanager
    async def chunked(
        self, status: int = 200, fields: Iterable[Field] = (), trailers: Iterable[Field] = ()
    ) -> AsyncIterator[ChunkedBody]:
        """Send the head at once, and the last-chunk when the block is left; the body is written in between.

        Trailers given here are announced in a Trailer field (RFC 9110 §6.6.2). To HEAD, the block is cancelled at its
        first checkpoint. After an exception no last-chunk is sent.

        Raises:
            LocalError: a field or trailer is not legal; no octet has left.
        """
        if status in BODYLESS:
            raise LocalError(f"expected a status whose response has a body, got {status}")
        planned = _checked(trailers, "trailer")
        encode_last_chunk(planned)
        fields = [*_checked(fields)]
        if planned:
            fields.append((b"Trailer", b", ".join(name for name, _ in planned)))
        if self.is_chunked:
            await self._send_head(status, fields, ((b"Transfer-Encoding", b"chunked"),), BodyKind.CHUNKED)
        else:
            self.must_close = True
            await self._send_head(status, fields, (DELIMITED_BY_CLOSE,), BodyKind.CLOSE)
        body = ChunkedBody(self, planned)
        if not self._is_head:
            yield body
            if self.state is BodyState.OPEN:
                await body.finish()
            return
        with trio.CancelScope() as scope:
            scope.cancel()
            yield body
        self.state = BodyState.COMPLETE

    async def open_octets(self, head: bytes) -> ChunkedBody:
        """Send octets in place of a head, legal or not, and return the body, for `send_octets` and one of the ends."""
        self._check_unsent()
        self.state, self.is_chunked = BodyState.OPEN, True  # so that `cut` sends a FIN
        await self._send(head)
        return ChunkedBody(self, ())

    async def fixed(self, status: int, fields: Iterable[Field] = (), body: bytes = b"") -> None:
        """Send a whole response whose length is known; raise LocalError where a field is not legal."""
        if not isinstance(body, bytes | bytearray | memoryview):
            raise LocalError(f"expected a body of octets (bytes), got {type(body).__name__}; `text` sends text")
        has_none = status in BODYLESS
        length = () if has_none else ((b"Content-Length", b"%d" % len(body)),)
        await self._send_head(status, [*_checked(fields)], length, BodyKind.NONE if has_none else BodyKind.LENGTH)
        if body and not has_none and not self._is_head:
            await self.write(body, chunks=0, octets=len(body))
        self.state = BodyState.COMPLETE

    async def text(self, status: int, text: str, fields: Iterable[Field] = ()) -> None:
        """Send a short text as UTF-8; see `fixed`."""
        if not isinstance(text, str):
            raise LocalError(f"expected a text (str), got {type(text).__name__}; `fixed` sends octets")
        await self.fixed(status, (TEXT, *fields), text.encode())

    async def switch_protocols(self, protocol: bytes, fields: Iterable[Field] = ()) -> ServerConnection:
        """Send 101 and hand over the connection, which is closed when the responder returns (RFC 9110 §7.8).

        Raises:
            LocalError: the client did not ask for this protocol, or asked in HTTP/1.0, or a response was sent already.
        """
        self._check_unsent()
        head = self._request.head
        asked = head.has_token(b"upgrade", protocol.lower()) and head.has_token(b"connection", b"upgrade")
        if not asked or head.version == b"1.0":
            raise LocalError(f"expected a request to upgrade to {protocol.decode('latin-1')}")
        upgrade = ((b"Upgrade", protocol), (b"Connection", b"Upgrade"))
        self.state = BodyState.OPEN
        await self.connection.send_informational(101, (*upgrade, *fields), reason=b"Switching Protocols")
        self.exchange.status = 101
        return self._hand_over()

    def hand_over(self) -> ServerConnection:
        """Hand over the connection as it is after the request's head; it is closed when the responder returns.

        Raises:
            LocalError: a response was sent already.
        """
        self._check_unsent()
        return self._hand_over()

    def _hand_over(self) -> ServerConnection:
        self.state = BodyState.HANDED_OVER
        self.watch.cancel()  # two tasks cannot wait for one socket: a reset now raises in the responder
        return self.connection

    async def wait_departure(self) -> None:
        """Return when the client has closed its side, or reset the connection.

        For a responder that takes a FIN for a departure; it may be a half-close (RFC 9112 §9.6). After more octets from
        the client, a next request for example, this never returns: only a write then finds out that it left.
        """
        self.watch.cancel()  # two tasks cannot wait for one socket
        try:
            if await self.connection.peek():
                await trio.sleep_forever()
        except PeerGone:
            return  # a reset is a departure as well

    async def write(self, raw: bytes, *, chunks: int, octets: int) -> None:
        """Send octets of the body as they stand, in one send; `chunks` and `octets` are what they count as."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self.write_after_checkpoint(raw, chunks, octets)
        self._is_writing = True  # so that a second writer raises even where the client takes all at once
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._is_writing = False

    async def write_after_checkpoint(self, raw: bytes, chunks: int, octets: int) -> None:
        """As `write`, for a caller just past a checkpoint: none is passed here unless the kernel takes less."""
        if (taken := self.write_nowait(raw, chunks, octets)) < len(raw):
            await self.send_rest(memoryview(raw)[taken:])

    def write_nowait(self, raw: bytes, chunks: int, octets: int) -> int:
        """As `write`, without waiting; return how many octets the kernel took. The rest is for `send_rest`, next."""
        if self._is_writing:
            raise LocalError("expected one task to write a response, got a write while another one waits")
        if self._is_head:
            return len(raw)  # `chunked` cancels its block, but a shield may keep a write from it
        now = self._now()
        taken = self._send_nowait(raw)
        self.exchange.note_frame(now, chunks, octets, len(raw))
        if self._tap is not None:
            self._tap.sent(now, raw)
        return taken

    def cut(self) -> None:
        """End the response here: with a FIN, or with a reset where a FIN would be the end of the body."""
        if self.is_chunked:
            self.state = BodyState.CUT
        else:
            self.reset()

    def reset(self) -> None:
        """End the connection with a reset, so that the client cannot take what it has for the whole."""
        self.state = BodyState.RESET
        self.connection.reset()

    async def _send_head(self, status: int, fields: list[Field], framing: tuple[Field, ...], kind: BodyKind) -> None:
        self._check_unsent()
        if status not in _FINAL:
            raise LocalError(f"expected the status of a final response, 200 to 999, got {status!r:.20}")
        if ours := [name for name, _ in fields if name.lower() in FRAMING_NAMES]:
            raise LocalError(f"expected framing to be left to the responder, got {ours[0].decode('latin-1')}")
        if not self._request.body.is_complete and not self._request.body.is_small:
            self.must_close = True  # what is not read must not be taken for the next request (RFC 9112 §9.3)
        self.must_close = self.must_close or self._drain.is_started
        closing = ((b"Connection", b"close"),) if self.must_close else ()
        date = (b"Date", date_now())
        cors = cors_fields(self._request.head, self._request.settings.cors)
        response = Response(status, reason_of(status), fields=(date, *fields, *self.always, *cors, *framing, *closing))
        octets = self.connection.head_octets(response, self._request.head.method)
        self.state, now = BodyState.OPEN, self._now()
        await self._send(octets)
        self.exchange.status, self.exchange.head_sent = status, now
        if self._tap is not None:
            self._tap.head(now, response, BodyKind.NONE if self._is_head else kind)

    def _check_unsent(self) -> None:
        if self.state is not BodyState.UNSENT:
            raise LocalError("expected one response a request, got a second one")

    async def _send(self, octets: bytes) -> None:
        """Send octets in one send if the kernel takes them, and only wait, under a deadline, for what it does not."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if (taken := self._send_nowait(octets)) < len(octets):
            await self.send_rest(memoryview(octets)[taken:])
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def send_rest(self, rest: memoryview) -> None:
        """Send octets as the kernel takes them; the deadline starts again whenever it takes some.

        An exception here cuts the response: what follows would not begin where a frame does.
        """
        timeout = self._request.settings.send_timeout
        self._is_writing = True
        try:
            while rest:
                with trio.fail_after(timeout):
                    taken = await self.connection.send_some(rest)
                rest = rest[taken:]
        except trio.TooSlowError as error:
            raise SendTimeout(f"{self.connection.peer} took nothing for {timeout:g} s") from error
        finally:
            self._is_writing = False
            if rest:
                self.cut()


class ChunkedBody:
    """The body of a stream, written frame by frame; errors and cancellation as in `Responder`.

    Moments are counted from the start of the body: the moment its head had been sent.
    """

    def __init__(self, responder: Responder, trailers: tuple[Field, ...]) -> None:
        self._responder = responder
        self._trailers = trailers
        self._pacer = responder.pacer
        self._has_yielded = False
        self.start = self._pacer.now()

    def wait_until(self, seconds: float) -> Coroutine[object, object, None]:
        """Wait until `seconds` after the start; a moment that has passed is only a checkpoint.

        `send_chunk` then passes none, even where a scope inside the responder cancelled the wait.
        """
        self._has_yielded = True
        return self._pacer.wait_until(self.start + seconds)

    async def send_chunk(self, data: bytes, ext: bytes = b"") -> None:
        """Send one chunk in one send; `ext` begins with its `;`.

        Raises:
            LocalError: empty data (it would be a last-chunk) or an ext out of the grammar; no octet has left.
        """
        responder = self._responder
        if responder.state is not BodyState.OPEN:
            self._check_open()
        raw, chunks = encode_chunk(data, ext), 1
        if not responder.is_chunked:
            raw, chunks = data, 0
        if self._has_yielded:
            self._has_yielded = False
            await responder.write_after_checkpoint(raw, chunks, len(data))
        else:
            await responder.write(raw, chunks=chunks, octets=len(data))

    async def send_octets(self, raw: bytes, *, chunks: int = 0, octets: int = 0) -> None:
        """Send octets of a chunked body as they stand, legal or not: for faults, and for frames kept as they came.

        Raises:
            LocalError: the body is not chunked on the wire.
        """
        self._check_open()
        if not self._responder.is_chunked:
            raise LocalError("expected a chunked body: to HTTP/1.0 no framing is sent")
        await self._responder.write(raw, chunks=chunks, octets=octets)

    async def finish(self, trailers: Iterable[Field] | None = None, ext: bytes = b"") -> None:
        """Send the last-chunk, with these trailers instead of those given to `chunked`; nothing can follow.

        Raises:
            LocalError: a trailer or the ext is not legal; no octet has left.
        """
        self._check_open()
        raw = encode_last_chunk(self._trailers if trailers is None else _checked(trailers, "trailer"), ext)
        if self._responder.is_chunked:
            await self._responder.write(raw, chunks=0, octets=0)
        self._responder.state = BodyState.COMPLETE

    def cut(self) -> None:
        """End the body here, without a last-chunk: FIN, or a reset where the body is delimited by close."""
        self._check_open()
        self._responder.cut()

    def reset(self) -> None:
        """End the body here with a reset of the connection."""
        self._check_open()
        self._responder.reset()

    def mark_complete(self) -> None:
        """Report that octets sent by `send_octets` ended the body."""
        self._responder.state = BodyState.COMPLETE

    def _check_open(self) -> None:
        if self._responder.state is not BodyState.OPEN:
            raise LocalError(f"expected a body that is open, got one that is {self._responder.state.value}")


def _checked(fields: Iterable[Field], what: str = "field") -> tuple[Field, ...]:
    """Return field lines, each of two octet strings."""
    lines = tuple(fields)
    for line in lines:
        if [type(part) for part in line] != [bytes, bytes]:
            raise LocalError(f"expected each {what} as a pair of octet strings (bytes), got {line!r:.80}")
    return lines
