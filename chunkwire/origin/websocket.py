"""`/ws`: a WebSocket (RFC 6455) that sends messages and echoes messages.

This file implements the opening handshake, which is HTTP; wsproto implements the frames. wsproto is an extra
(not a dependency) and imported at its use: an origin without it serves everything else.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import trio

from chunkwire.net.ends import ServerConnection
from chunkwire.net.movers import SendTimeout
from chunkwire.origin.settings import caps_of
from chunkwire.origin.streams import paced
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.errors import missing_package

if TYPE_CHECKING:
    from wsproto.connection import Connection
    from wsproto.events import Event, Message

_VERSION: Final = b"13"  # RFC 6455 §4.2.1
_UPGRADE: Final = (b"Upgrade", b"websocket")  # RFC 9110 §15.5.22: a 426 MUST name what it would upgrade to
_KEY_OCTETS: Final = 16
_CLOSE_S: Final = 5.0  # how long the client may take to answer our Close frame (RFC 6455 §7.1.1)


async def ws(request: IncomingRequest, response: Responder) -> None:
    """Send `n` messages, one each `interval`, then close; meanwhile, or with n=0 until the client closes, echo.

    After `max_duration` the connection is closed without a Close frame.
    """
    n, interval = paced(request, n=0, interval=0.1)
    socket = await open_websocket(request, response)
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + caps_of(request).max_duration
        if n:
            nursery.start_soon(_send_texts, socket, response, n, interval, nursery.cancel_scope, name="texts")
        await _echo(socket, response)
        nursery.cancel_scope.cancel()


async def open_websocket(request: IncomingRequest, response: Responder) -> WebSocket:
    """Answer an opening handshake and return the WebSocket; the connection is closed when the responder returns.

    Raises:
        Refusal: the request is no valid opening handshake (426, 400), or wsproto is not installed (501).
    """
    try:
        from wsproto import ConnectionType
        from wsproto.connection import Connection
        from wsproto.utilities import generate_accept_token
    except ImportError as error:
        raise Refusal(501, "no-websocket", missing_package(request.path, "wsproto")) from error
    accept = generate_accept_token(check_handshake(request))
    connection = await response.switch_protocols(b"websocket", ((b"Sec-WebSocket-Accept", accept),))
    return WebSocket(connection, Connection(ConnectionType.SERVER), request.settings.send_timeout)


def check_handshake(request: IncomingRequest) -> bytes:
    """Return the Sec-WebSocket-Key of an opening handshake (RFC 6455 §4.2.1).

    Raises:
        Refusal: 426 if the client does not ask for a WebSocket, or asks for another version; 400 for a malformed key.
    """
    head = request.head
    if not asks_for_websocket(request):
        expected = f"{request.path}: expected Upgrade: websocket and Connection: Upgrade"
        raise Refusal(426, "no-upgrade", expected, fields=(_UPGRADE,))
    if head.get(b"sec-websocket-version") != _VERSION:
        fields = (_UPGRADE, (b"Sec-WebSocket-Version", _VERSION))
        raise Refusal(426, "websocket-version", "Sec-WebSocket-Version: expected 13", fields=fields)
    key = (head.get(b"sec-websocket-key") or b"").strip()
    try:
        octets = base64.b64decode(key, validate=True)
    except binascii.Error:
        octets = b""
    if len(octets) != _KEY_OCTETS:
        raise Refusal(400, "websocket-key", f"Sec-WebSocket-Key: expected {_KEY_OCTETS} octets in base64")
    return key


def asks_for_websocket(request: IncomingRequest) -> bool:
    """Say whether a request is an opening handshake, perhaps a malformed one."""
    return request.head.has_token(b"upgrade", b"websocket") and request.head.has_token(b"connection", b"upgrade")


class WebSocket:
    """Converts between frames and octets; several tasks may call `send`, one task reads `messages`."""

    def __init__(self, connection: ServerConnection, frames: Connection, send_timeout: float) -> None:
        self._frames = frames
        self._connection = connection
        self._send_timeout = send_timeout
        self._turn = trio.Lock()

    async def messages(self) -> AsyncGenerator[Message[Any], None]:
        """Yield messages, or their fragments, until the client closes or breaks a rule; answer Ping and Close frames.

        Raises:
            PeerGone: the client reset the connection.
        """
        from wsproto.events import CloseConnection, Message, Ping

        while octets := await self._connection.receive_some():
            self._frames.receive_data(octets)
            for event in self._frames.events():
                if isinstance(event, CloseConnection):  # the client's, or wsproto's for a client that broke the rules
                    await self.send(event.response())
                    return
                if isinstance(event, Ping):
                    await self.send(event.response())
                elif isinstance(event, Message):
                    yield event

    async def send(self, event: Event) -> None:
        """Send one frame in one write. After a Close, drop all but the answer to the client's Close (RFC 6455 §5.5.1).

        Raises:
            SendTimeout: the client took nothing for `send_timeout`.
        """
        from wsproto.connection import ConnectionState
        from wsproto.events import CloseConnection

        async with self._turn:
            is_answer = self._frames.state is ConnectionState.REMOTE_CLOSING and isinstance(event, CloseConnection)
            if self._frames.state is not ConnectionState.OPEN and not is_answer:
                return
            octets = self._frames.send(event)
            try:
                with trio.fail_after(self._send_timeout):
                    await self._connection.send_all(octets)
            except trio.TooSlowError as error:
                raise SendTimeout(f"{self._connection.peer} took nothing for {self._send_timeout:g} s") from error


async def _send_texts(socket: WebSocket, response: Responder, n: int, interval: float, scope: trio.CancelScope) -> None:
    from wsproto.events import CloseConnection, TextMessage

    start = response.pacer.now()
    for number in range(1, n + 1):
        await response.pacer.wait_until(start + (number - 1) * interval)
        await socket.send(TextMessage(json.dumps({"n": number, "of": n})))
    await socket.send(CloseConnection(1000, "that was all"))
    scope.deadline = trio.current_time() + _CLOSE_S


async def _echo(socket: WebSocket, response: Responder) -> None:
    """Send every message back, each fragment in a frame as it arrives, until the client closes."""
    async with aclosing(socket.messages()) as messages:
        async for piece in messages:
            await socket.send(type(piece)(data=piece.data, message_finished=piece.message_finished))
            octets = len(piece.data)
            response.exchange.note_frame(response.pacer.now(), chunks=1, octets=octets, wire_octets=octets)


WEBSOCKET: Final = (
    Resource(
        "/ws",
        ws,
        "a WebSocket: n messages, one each interval, and each message of the client's back (package: wsproto)",
        "-i -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'"
        " -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' '{origin}/ws?n=3'",
        parameters=frozenset({"n", "interval"}),
    ),
)
