"""A WebSocket (RFC 6455): its messages as they become whole, and how it ended.

The rule here: the opening handshake is a request by `opening`, so that timeouts and retries are the same. wsproto
implements the frames; it is an extra (not a dependency), imported at its use.
"""

from __future__ import annotations

import base64
import math
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import trio

from chunkwire.client.errors import Deadline, TooLong, WebSocketClosed
from chunkwire.client.exchange import ClientExchange
from chunkwire.client.opening import NO_RETRY, Retry, open  # noqa: A004  as callers know it
from chunkwire.client.request import NO_JSON, AnyFields, take_body
from chunkwire.client.views import content
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import CONNECT_SECONDS
from chunkwire.net.heads import HeadError, Response
from chunkwire.wire.errors import ChunkwireError, IncompleteBody, LocalError, missing_package

if TYPE_CHECKING:
    from wsproto.connection import Connection
    from wsproto.events import CloseConnection, Event

MAX_MESSAGE_OCTETS: Final = 16 * 1024 * 1024  # as of one server-sent event (Python's websockets: 1 MiB)
_REPLY_S: Final = 5.0  # for the server to take a Pong, or the answer to its Close frame
_NORMAL: Final = (1000, 1005)  # RFC 6455 §7.4.1: a normal closure; a Close frame without a status code


@asynccontextmanager
async def websocket(
    url: str,
    *,
    fields: AnyFields = (),
    connect_timeout: float = CONNECT_SECONDS,
    head_timeout: float = math.inf,
    idle_timeout: float = math.inf,
    total_timeout: float = math.inf,
    tls: ssl.SSLContext | None = None,
    retry: Retry = NO_RETRY,
    max_octets: int = MAX_MESSAGE_OCTETS,
) -> AsyncIterator[WebSocketStream]:
    """Open a WebSocket and yield it, an iterator over the server's messages (package: wsproto).

    Leaving the block before the server's Close frame resets the connection, so that the server stops at once.

    Args:
        url: `ws://…` or `wss://…`; or as for `open`, which also describes the other arguments.
        fields: of the opening handshake, such as Origin or Sec-WebSocket-Protocol.
        retry: of the opening handshake.
        max_octets: of one message.

    Raises:
        LocalError: wsproto is not installed, or an argument is wrong.
        StatusError: the status is 400 or above.
        HeadError: another response that opens no WebSocket (RFC 6455 §4.1); else as `open`.
    """
    try:
        from wsproto import ConnectionType
        from wsproto.connection import Connection
        from wsproto.utilities import generate_accept_token
    except ImportError as error:
        raise LocalError(missing_package("client.websocket", "wsproto")) from error
    key = base64.b64encode(secrets.token_bytes(16))
    asked = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    async with open(
        "GET",
        f"http{url[2:]}" if url.lower().startswith(("ws://", "wss://")) else url,
        fields=[*take_body(None, NO_JSON, fields)[1], *asked, ("Sec-WebSocket-Key", key)],
        connect_timeout=connect_timeout,
        head_timeout=head_timeout,
        idle_timeout=idle_timeout,
        total_timeout=total_timeout,
        tls=tls,
        retry=retry,
        judges_content=False,
    ) as stream:
        _check_opening(stream.raise_for_status().head, generate_accept_token(key))
        yield WebSocketStream(stream._exchange, Connection(ConnectionType.CLIENT), max_octets)


def _check_opening(head: Response, accept: bytes) -> None:
    """Raise a HeadError unless a response opens the WebSocket; `accept` is the Sec-WebSocket-Accept of our key."""
    is_switched = head.status == 101 and head.has_token(b"upgrade", b"websocket")
    if not is_switched or head.get(b"sec-websocket-accept") != accept:
        got = head.start_line.decode("latin-1")
        raise HeadError(502, "no-websocket", f"expected a 101 that accepts the key of the WebSocket, got {got!r}")
    if head.get(b"sec-websocket-extensions"):
        raise HeadError(502, "websocket-extension", "expected no Sec-WebSocket-Extensions, as none was asked for")


class WebSocketStream:
    """The client's end of a WebSocket, an iterator over the server's messages: `str` or `bytes`.

    The iteration ends at a Close frame with status 1000, or without a status. Each step may be cancelled without loss.
    It raises, after the messages received before:
        WebSocketClosed: the Close frame has another status, or the server broke RFC 6455.
        IncompleteBody: the connection ended without a Close frame (`ResetBody`: by a reset).
        Deadline: `idle_timeout` or `total_timeout` passed.
        TooLong: a message has more than `max_octets`.
    The `received` of the first three is the beginning of a message that did not become whole, text as UTF-8.

    Attributes:
        head: the head of the 101, with the subprotocol that the server chose.
    """

    def __init__(self, exchange: ClientExchange, frames: Connection, max_octets: int) -> None:
        self.head = exchange.head
        self._connection = exchange.connection
        self._body = exchange.switch()
        self._frames = frames
        self._max = max_octets
        self._ready: deque[str | bytes] = deque()
        self._begun = bytearray()  # a message that is not whole
        self._error: ChunkwireError | None = None
        self._is_over = False
        self._turn = trio.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            await self._receive()
        return self._ready.popleft()

    async def send(self, message: str | bytes) -> None:
        """Send a message; any task may call this.

        Raises:
            LocalError: it is no text in Unicode and no octets, or a Close frame was sent or received.
            PeerGone: the server reset the connection.

        Cancellation: a part may have been sent; the connection is reset then.
        """
        from wsproto.events import BytesMessage, TextMessage

        if not isinstance(message, str | bytes):
            raise LocalError(f"expected a message as str or bytes, got {type(message).__name__}")
        await self._write(TextMessage(message) if isinstance(message, str) else BytesMessage(message))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame; the messages that the server sends before its own still come. Raises as `send`."""
        from wsproto.events import CloseConnection

        await self._write(CloseConnection(code, reason))

    async def _write(self, event: Event) -> None:
        from wsproto.utilities import LocalProtocolError

        async with self._turn:
            try:
                octets = self._frames.send(event)
            except LocalProtocolError as error:
                raise LocalError("expected an open WebSocket, got one with a Close frame") from error
            except UnicodeEncodeError as error:
                raise LocalError("expected a text that UTF-8 can represent, got a surrogate") from error
            await self._send_all(octets)

    async def _send_all(self, octets: bytes) -> None:
        try:
            await self._connection.send_all(octets)
        except trio.Cancelled:
            self._connection.reset()  # frames cannot follow one that was sent in part
            raise

    async def _receive(self) -> None:
        """Take one receive, and answer its Ping and Close frames."""
        try:
            if (read := await self._body.next()) is None:
                raise IncompleteBody(self._body.scanner.wire_octets, "a Close frame")
        except (IncompleteBody, Deadline) as error:
            error.received = bytes(self._begun)
            self._error = error
            return
        answers = self._take(content(read))
        with trio.move_on_after(_REPLY_S, shield=True):
            async with self._turn:
                try:
                    await self._send_all(answers)
                except PeerGone:
                    pass  # the next receive reports it
        if self._is_over:
            self._body.leave("complete")

    def _take(self, octets: bytes) -> bytes:
        """Take octets of frames; return those of the frames that answer them."""
        from wsproto.connection import ConnectionState
        from wsproto.events import CloseConnection, Message, Ping

        self._frames.receive_data(octets)
        answers = b""
        for event in self._frames.events():
            if isinstance(event, CloseConnection):
                self._end(event)
            is_open = self._frames.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
            if isinstance(event, Ping | CloseConnection) and is_open:
                answers += self._frames.send(event.response())
            if isinstance(event, CloseConnection):
                break
            if isinstance(event, Message):
                self._begun += event.data.encode() if isinstance(event.data, str) else event.data
                if len(self._begun) > self._max:
                    self._error = TooLong("a message", self._max, "octets")
                    break
                if event.message_finished:
                    whole = bytes(self._begun)
                    self._ready.append(whole.decode() if isinstance(event.data, str) else whole)
                    self._begun.clear()
        return answers

    def _end(self, event: CloseConnection) -> None:
        """Take the server's Close frame; or wsproto's, for frames that break RFC 6455."""
        from wsproto.connection import ConnectionState

        self._is_over = self._frames.state is not ConnectionState.OPEN
        if not self._is_over or event.code not in _NORMAL or self._begun:
            self._error = WebSocketClosed(event.code, event.reason or "", bytes(self._begun))
