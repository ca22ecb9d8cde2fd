"""Send the response to one request: a body of known length, or a stream of chunks, one socket send for each.

The rule here: only this file decides the framing of this server's responses. A stream is chunked for HTTP/1.1. For
HTTP/1.0 it is the content alone, delimited by close: such a client must not get a Transfer-Encoding (RFC 9112 §6.1).
For HEAD only the head is sent. A resource is written once for all three.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.framing import BodyKind
from chunkwire.net.heads import Field, Response
from chunkwire.net.listen import Drain
from chunkwire.net.sleeper import Pacer
from chunkwire.net.writer import date_now, reason_of
from chunkwire.server.body import BodySender, BodyState, ChunkedBody
from chunkwire.server.cors import cors_fields
from chunkwire.server.journal import JournalEntry
from chunkwire.server.request import IncomingRequest
from chunkwire.server.tap import SentTap
from chunkwire.wire.encoder import encode_last_chunk
from chunkwire.wire.errors import LocalError

TEXT: Final[Field] = (b"Content-Type", b"text/plain; charset=utf-8")
JSON_LINES: Final[Field] = (b"Content-Type", b"application/x-ndjson")
EVENT_STREAM: Final[Field] = (b"Content-Type", b"text/event-stream")
OCTET_STREAM: Final[Field] = (b"Content-Type", b"application/octet-stream")

# For people who read an HTTP/1.0 response: it has no chunks, and its client cannot detect that it was cut.
DELIMITED_BY_CLOSE: Final[Field] = (b"Chunkwire-Framing", b"delimited by close (HTTP/1.0 has no chunks)")

FRAMING_NAMES: Final = frozenset({b"transfer-encoding", b"content-length", b"connection"})
BODYLESS: Final = frozenset({204, 304})


class Responder(BodySender):
    """The response to one request. A resource calls one of the methods that begin a response, once.

    Methods that send raise `PeerGone` if the client closed the connection, and `SendTimeout` if it took nothing for
    `send_timeout`. Only one task may write. A write while another one waits for the client raises LocalError, and so
    does one to a `ChunkedBody` that has ended: it sends nothing, and the response is not affected.

    Cancellation: while a head is sent, part of it may have left, and the connection must be closed. While a body is
    written, no octet has left or the response is cut: a later write would be read as the rest of the cancelled one.

    Attributes: those of `BodySender`, and
        must_close: the connection is closed after this response.
        watch: the scope in which the engine watches the connection for a reset; cancel it before receiving.
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
        super().__init__(
            connection,
            exchange,
            pacer=pacer,
            tap=tap,
            is_chunked=request.head.version != b"1.0",
            is_head=request.head.method == b"HEAD",
            send_timeout=request.settings.send_timeout,
        )
        self.must_close = must_close or not request.head.keeps_alive
        self.watch = trio.CancelScope()
        self.always: tuple[Field, ...] = ()
        self._drain = drain
        self._request = request

    @asynccontextmanager
    async def chunked(
        self, status: int = 200, fields: Iterable[Field] = (), trailers: Iterable[Field] = ()
    ) -> AsyncIterator[ChunkedBody]:
        """Send the head at once and the last-chunk at the end of the `async with` block, which writes the body.

        The Trailer field lists the trailers' names (RFC 9110 §6.6.2); HTTP/1.0 gets neither. For HEAD the block is
        cancelled at its first checkpoint. If the block raises, no last-chunk is sent.

        Raises:
            LocalError: the status has no body, a field or trailer is not legal, or a response has begun; no octet has
                left.
        """
        if status in BODYLESS:
            raise LocalError(f"expected a status whose response has a body, got {status}")
        encode_last_chunk(planned := tuple(trailers))
        if self.is_chunked:
            listed = ((b"Trailer", b", ".join(name for name, _ in planned)),) if planned else ()
            await self._send_head(status, (*fields, *listed), ((b"Transfer-Encoding", b"chunked"),), BodyKind.CHUNKED)
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
        """Send octets in place of a head, legal or not; return the body, which is written as a chunked one."""
        self._check_unsent()
        self.state, self.is_chunked = BodyState.OPEN, True  # so that `cut` sends a FIN
        await self._send(head)
        return ChunkedBody(self, ())

    async def fixed(self, status: int, fields: Iterable[Field] = (), body: bytes = b"") -> None:
        """Send a whole response: a Content-Length and the body. HEAD gets only the head, 204 and 304 neither.

        Raises:
            LocalError: a field is not legal, or a response has begun; no octet has left.
        """
        if not isinstance(body, bytes | bytearray | memoryview):
            raise LocalError(f"expected a body of octets (bytes), got {type(body).__name__}; `text` sends text")
        has_none = status in BODYLESS
        length = () if has_none else ((b"Content-Length", b"%d" % len(body)),)
        await self._send_head(status, fields, length, BodyKind.NONE if has_none else BodyKind.LENGTH)
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
            LocalError: the client did not ask for this protocol, or asked in HTTP/1.0, a field is not legal, or a
                response has begun; no octet has left.
        """
        self._check_unsent()
        head = self._request.head
        asked = head.has_token(b"upgrade", protocol.lower()) and head.has_token(b"connection", b"upgrade")
        if not asked or head.version == b"1.0":
            raise LocalError(f"expected a request to upgrade to {protocol.decode('latin-1')}")
        upgrade = ((b"Upgrade", protocol), (b"Connection", b"Upgrade"))
        octets = self.connection.informational_octets(101, (*upgrade, *fields), reason=b"Switching Protocols")
        self.state = BodyState.OPEN
        await self._send(octets)
        self.exchange.status = 101
        return self._hand_over()

    def hand_over(self) -> ServerConnection:
        """Hand over the connection as it is after the request's head; it is closed when the responder returns.

        Raises:
            LocalError: a response has begun.
        """
        self._check_unsent()
        return self._hand_over()

    def _hand_over(self) -> ServerConnection:
        self.state = BodyState.HANDED_OVER
        self.watch.cancel()  # two tasks cannot wait for one socket: a reset now raises in the responder
        return self.connection

    async def wait_departure(self) -> None:
        """Return when the client has closed its side of the connection, or reset it.

        For resources that stop at a FIN, although it may be a half-close (RFC 9112 §9.6). Never returns if the client
        sends more octets first, such as its next request: then only a write fails when the client is gone.
        """
        self.watch.cancel()  # two tasks cannot wait for one socket
        with suppress(PeerGone):  # it reset the connection
            if await self.connection.peek():
                await trio.sleep_forever()

    async def _send_head(self, status: int, fields: Iterable[Field], framing: Iterable[Field], kind: BodyKind) -> None:
        self._check_unsent()
        for line in (fields := tuple(fields)):
            if [type(part) for part in line] != [bytes, bytes]:
                raise LocalError(f"expected each field as a pair of octet strings (bytes), got {line!r:.80}")
        if status not in range(200, 1000):
            raise LocalError(f"expected the status of a final response, 200 to 999, got {status!r:.20}")
        if ours := [name for name, _ in fields if name.lower() in FRAMING_NAMES]:
            raise LocalError(f"expected framing to be left to the responder, got {ours[0].decode('latin-1')}")
        if not self._request.body.is_complete and not self._request.body.is_drainable:
            self.must_close = True  # an unread body must not be parsed as the next request (RFC 9112 §9.3)
        self.must_close = self.must_close or self._drain.is_started
        closing = ((b"Connection", b"close"),) if self.must_close else ()
        date = (b"Date", date_now())
        cors = cors_fields(self._request.head, self._request.settings.cors)
        response = Response(status, reason_of(status), fields=(date, *fields, *self.always, *cors, *framing, *closing))
        octets = self.connection.head_octets(response, self._request.head.method)
        self.state, now = BodyState.OPEN, self.pacer.now()
        await self._send(octets)
        self.exchange.status, self.exchange.head_sent = status, now
        if self._tap is not None:
            self._tap.head(now, response, BodyKind.NONE if self._is_head else kind)

    def _check_unsent(self) -> None:
        if self.state is not BodyState.UNSENT:
            raise LocalError("expected one response per request, got a second one")

    async def _send(self, octets: bytes) -> None:
        """Send octets by one call if the kernel takes all of them; else wait for the rest, under a deadline."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if (taken := self._send_nowait(octets)) < len(octets):
            await self.send_rest(memoryview(octets)[taken:])
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
