"""A WebSocket (RFC 6455): its messages as they become whole, and how it ended.

The rule here: the opening handshake is a request by `opening`, so that timeouts and retries are the same. wsproto
implements the frames; it is an extra (not a dependency), imported at its use.
"""

from __future__ import annotations

import base64
import math
import re
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

import trio

from chunkwire.client.errors import Deadline, TooLong, WebSocketClosed
from chunkwire.client.exchange import ClientExchange
from chunkwire.client.opening import NO_RETRY, Retry, open  # noqa: A004  as callers know it
from chunkwire.client.request import NO_JSON, AnyFields, take_body
from chunkwire.client.views import content
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import CONNECT_SECONDS, Url
from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.wire.errors import ChunkwireError, IncompleteBody, LocalError, missing_package, quoted

if TYPE_CHECKING:
    from wsproto.connection import Connection
    from wsproto.events import CloseConnection, Event

MAX_MESSAGE_OCTETS: Final = 16 * 1024 * 1024  # as of one server-sent event (Python's websockets: 1 MiB)
MAX_REASON_OCTETS: Final = 123  # of a Close frame (RFC 6455 §5.5)
_ANSWER_S: Final = 5.0  # for the server to take a Pong, or the answer to its Close frame
_PROTOCOL: Final = b"sec-websocket-protocol"
_SENT_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""The status codes that an endpoint may send (RFC 6455 §7.4; IANA has registered those up to 1014)."""


@asynccontextmanager
async def websocket(
    url: str | Url,
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
        re.sub("(?i)^ws(?=s?://)", "http", url) if isinstance(url, str) else url,
        fields=[*take_body(None, NO_JSON, fields)[1], *asked, ("Sec-WebSocket-Key", key)],
        connect_timeout=connect_timeout,
        head_timeout=head_timeout,
        idle_timeout=idle_timeout,
        total_timeout=total_timeout,
        tls=tls,
        retry=retry,
        judges_content=False,
    ) as stream:
        _check_opening(stream.raise_for_status().head, stream.request, generate_accept_token(key))
        yield WebSocketStream(stream._exchange, Connection(ConnectionType.CLIENT), max_octets)


def _check_opening(head: Response, request: Request, accept: bytes) -> None:
    """Raise a HeadError unless a response opens the WebSocket; `accept` is the Sec-WebSocket-Accept of our key."""
    is_switched = head.has_token(b"upgrade", b"websocket") and head.has_token(b"connection", b"upgrade")
    if head.status != 101 or not is_switched:
        got = repr(head.start_line.decode("latin-1")) if head.status != 101 else "one without them"
        expected = "expected a 101 with Upgrade: websocket and Connection: Upgrade"
        raise HeadError(502, "no-websocket", f"{expected}, got {got}")
    if (accepted := head.get(b"sec-websocket-accept")) != accept:
        got = "none" if accepted is None else quoted(accepted)
        raise HeadError(502, "websocket-accept", f"expected a Sec-WebSocket-Accept of our key, got {got}")
    if head.get(b"sec-websocket-extensions"):
        raise HeadError(502, "websocket-extension", "expected no Sec-WebSocket-Extensions: none is supported")
    asked, chosen = (each.get(_PROTOCOL) for each in (request, head))
    if chosen and chosen not in [each.strip(b" \t") for each in (asked or b"").split(b",") if each]:
        expected = f"one Sec-WebSocket-Protocol of {quoted(asked)}" if asked else "no Sec-WebSocket-Protocol"
        raise HeadError(502, "websocket-protocol", f"expected {expected}, got {quoted(chosen)}")


class WebSocketStream:
    """The client's end of a WebSocket, an iterator over the server's messages: `str` or `bytes`.

    The iteration ends at a Close frame with status 1000, without a status, or with the one that `close` sent. Each step
    may be cancelled without loss.
    It raises, after the messages received before:
        WebSocketClosed: the Close frame has another status, or the server broke RFC 6455.
        IncompleteBody: the connection ended without a Close frame (`ResetBody`: by a reset, also by one of ours: a
            `send` was cancelled, or the server takes no octet of a Pong for 5 s).
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
        self._end: ChunkwireError | StopAsyncIteration | None = None
        self._answers = b""  # frames that answer the server's, unsent: the latest Pong, and a Close frame
        self._normal = {1000, 1005}  # RFC 6455 §7.4.1: a normal closure; a Close frame without a status code
        self._turn = trio.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        while not self._ready:
            if self._end is not None:
                raise self._end
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
        """Send a Close frame; the messages that the server sends before its own still come.

        Raises:
            LocalError: the code may not be sent (RFC 6455 §7.4), the reason is too long, or as `send`.
            PeerGone: as `send`.

        Cancellation: as `send`.
        """
        from wsproto.events import CloseConnection

        if code not in _SENT_CODES:
            raise LocalError(f"expected a status code that may be sent, such as 1000 or 3000 to 4999, got {code!r:.40}")
        if len(reason.encode("utf-8", "replace")) > MAX_REASON_OCTETS:
            raise LocalError(f"expected a reason of at most {MAX_REASON_OCTETS} octets, got {reason!r:.40}…")
        self._normal.add(code)  # servers mostly answer with the same
        await self._write(CloseConnection(code, reason))

    async def _write(self, event: Event) -> None:
        from wsproto.utilities import LocalProtocolError

        async with self._turn:
            octets = b""
            try:
                octets = self._frames.send(event)
            except LocalProtocolError as error:
                raise LocalError("expected an open WebSocket, got one with a Close frame") from error
            except UnicodeEncodeError as error:
                raise LocalError("expected a text that UTF-8 can represent, got a surrogate") from error
            finally:
                await self._send_all(octets)  # the answers in any case: `_receive` leaves them to this task

    async def _send_all(self, octets: bytes = b"") -> None:
        """Send octets and then the answers, also those that are added meanwhile."""
        try:
            while octets or self._answers:
                octets, self._answers = octets + self._answers, b""
                await self._connection.send_all(octets)
                octets = b""
        except trio.Cancelled:
            self._connection.reset()  # frames cannot follow one that was sent in part
            raise

    async def _receive(self) -> None:
        """Take one receive, and answer its Ping and Close frames; a `send` that is running sends the answers last."""
        try:
            if (read := await self._body.next()) is None:
                raise IncompleteBody(self._body.scanner.wire_octets, "a Close frame")
        except (IncompleteBody, Deadline) as error:
            error.received = bytes(self._begun)
            self._end = error
            return
        self._take(content(read))
        if self._answers and not self._turn.locked():
            with trio.move_on_after(_ANSWER_S, shield=True), suppress(PeerGone):  # the next receive reports it
                async with self._turn:
                    await self._send_all()

    def _take(self, octets: bytes) -> None:
        """Take octets of frames."""
        from wsproto.connection import ConnectionState
        from wsproto.events import CloseConnection, Message, Ping

        self._frames.receive_data(octets)
        for event in self._frames.events():
            may_answer = self._frames.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
            if isinstance(event, CloseConnection):
                self._take_close(event)
                self._answers += self._frames.send(event.response()) if may_answer else b""
                return
            if isinstance(event, Ping) and may_answer:
                self._answers = self._frames.send(event.response())  # RFC 6455 §5.5.3: the latest is enough
            elif isinstance(event, Message):
                self._begun += event.data.encode() if isinstance(event.data, str) else event.data
                if len(self._begun) > self._max:
                    self._end = TooLong("a message", self._max, "octets")
                    return
                if event.message_finished:
                    whole = bytes(self._begun)
                    self._ready.append(whole.decode() if isinstance(event.data, str) else whole)
                    self._begun.clear()

    def _take_close(self, event: CloseConnection) -> None:
        """Take the server's Close frame; or wsproto's, for frames that break RFC 6455."""
        from wsproto.connection import ConnectionState

        is_servers = self._frames.state in (ConnectionState.REMOTE_CLOSING, ConnectionState.CLOSED)
        if is_servers:
            self._body.leave("complete")
        if is_servers and event.code in self._normal and not self._begun:
            self._end = StopAsyncIteration()
        else:
            self._end = WebSocketClosed(event.code, event.reason or "", bytes(self._begun))
