"""One request and its response on one connection, which a pool may keep for another request.

The rule here: every end of an exchange is recorded, also one before the response head. What this module must not know:
retries, resumption, and who reads the body.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.client.body import BodyReader
from chunkwire.client.completion import Completion
from chunkwire.client.errors import Deadline
from chunkwire.client.pool import Pool, server_of
from chunkwire.client.request import Body, is_chunked
from chunkwire.client.upload import Upload
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import CONNECT_SECONDS, Url, dial
from chunkwire.net.ends import ClientConnection, IncompleteHead
from chunkwire.net.heads import BodyKind, Framing, HeadError, Request, Response, response_framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits

POINT = "client.received"
_SHORT_OCTETS: Final = 16384  # of a body that is sent with its head: a socket's send buffer takes so many at once
_MAX_INFORMATIONAL: Final = 100  # 1xx heads before a final one; a 102 may come every few seconds (Go's client: 5)
_VERDICTS: tuple[tuple[type[ChunkwireError], str], ...] = (
    (PeerGone, "reset"),
    (Deadline, "timeout"),
    (IncompleteHead, "cut"),
    (HeadError, "malformed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPlan:
    """A request to make, and its timeouts in seconds.

    Attributes:
        end: the deadline of everything, on trio's clock.
        total: the timeout that `end` was computed from.
        judges_content: find out whether the content is complete (`completion`).
        pool: keeps connections; None opens one for each request.
    """

    url: Url
    request: Request
    body: Body = None
    tls: ssl.SSLContext | None = None
    connect_timeout: float = CONNECT_SECONDS
    head_timeout: float = math.inf
    idle_timeout: float = math.inf
    total: float = math.inf
    end: float = math.inf
    limits: Limits = DEFAULT_LIMITS
    record_to: Callable[[Record], None] | None = None
    judges_content: bool = True
    pool: Pool | None = None

    @property
    def is_short(self) -> bool:
        """There is no body, or it is sent with the head."""
        if isinstance(self.body, bytes):
            return len(self.body) <= _SHORT_OCTETS and not is_chunked(self.request)
        return self.body is None

    def take_kept(self) -> ClientConnection | None:
        """Return a connection from the pool; None if there is none, or if the body could not be sent a second time."""
        if self.pool is None or not isinstance(self.body, bytes | None):
            return None
        return self.pool.take(server_of(self.url, self.tls))

    def recorder(self, stream: int, *, way: str) -> Recorder | None:
        """Return a recorder of one message; None without `record_to`."""
        if self.record_to is None:
            return None
        point = POINT if way == "response" else "client.sent"
        return Recorder(self.record_to, stream=stream, point=point, way=way)


class ClientExchange:
    """A request and its response; `head` and `body` are set by `receive_head`.

    Attributes:
        informational: the 1xx heads before the final one.
    """

    head: Response
    body: BodyReader
    _framing: Framing

    def __init__(self, connection: ClientConnection, order: RequestPlan, number: int) -> None:
        self.connection = connection
        self.order = order
        self.informational: tuple[Response, ...] = ()
        self.began = time.monotonic()
        self._recorder = order.recorder(number, way="response")
        connection.keeps_head = self._recorder is not None
        self._sent = order.recorder(number, way="request")
        chunked = is_chunked(order.request)
        self.upload = Upload(connection, order.body, chunked=chunked, recorder=self._sent if chunked else None)

    async def send(self, nursery: trio.Nursery | None) -> None:
        """Send the request's head, and start to send its body; an order that `is_short` needs no nursery.

        Raises:
            LocalError: the head is not legal.
            PeerGone: the server closed the connection.
        """
        self.began = time.monotonic()
        request = self.order.request
        if self._sent is not None:
            self._sent.request(0.0, request.method, request.target, request.fields, time.time())
        body = self.order.body
        short = body if isinstance(body, bytes) and self.order.is_short else b""
        try:
            await self.connection.send_request(request, short)
        except PeerGone as error:
            raise self._failed(error) from error
        if self.order.is_short:
            self.upload.is_complete = True
        elif nursery is not None:
            nursery.start_soon(self.upload.run, name="request body")

    async def receive_head(self) -> None:
        """Receive the 1xx heads and the final head.

        Raises:
            Deadline, PeerGone, IncompleteHead, HeadError: no final head came, or a malformed one.
        """
        order = self.order
        late = trio.current_time() + order.head_timeout
        is_total = order.end <= late
        try:
            with trio.fail_at(order.end if is_total else late):
                await self._receive_heads()
            self._framing = response_framing(self.head, order.request.method)
        except trio.TooSlowError as error:
            passed = Deadline("total", order.total) if is_total else Deadline("head", order.head_timeout)
            raise self._failed(passed) from error
        except (PeerGone, IncompleteHead, HeadError) as error:
            raise self.upload.error or self._failed(error) from error
        self.body = BodyReader(
            self.connection.receive_some,
            self._framing.scanner(order.limits),
            began=self.began,
            completion=Completion.of(self.head, order.request) if order.judges_content else Completion(is_judged=False),
            idle_timeout=order.idle_timeout,
            total_timeout=order.total,
            end=order.end,
            recorder=self._recorder,
            waiting_since=time.monotonic() if self.connection.leftover else None,
        )

    async def _receive_heads(self) -> None:
        for _ in range(_MAX_INFORMATIONAL + 1):
            head = await self.connection.receive_response()
            if self._recorder is not None:
                octets = self.connection.latest_head
                self._recorder.head(time.monotonic() - self.began, head.start_line, head.fields, octets=octets)
            if head.status >= 200 or head.status == 101:  # after a 101 no other head follows (RFC 9110 §15.2.2)
                self.head = head
                return
            self.informational = (*self.informational, head)
        expected = f"expected at most {_MAX_INFORMATIONAL} 1xx responses before the final one, got more"
        raise HeadError(502, "informational", expected)

    def _failed(self, error: ChunkwireError) -> ChunkwireError:
        if self._recorder is not None:
            verdict = next(verdict for kind, verdict in _VERDICTS if isinstance(error, kind))
            self._recorder.end(time.monotonic() - self.began, verdict, error=str(error))
        return error

    async def finish(self) -> None:
        """After a complete exchange close the connection or give it to the pool; else reset it.

        Cancellation: the connection is closed.
        """
        self.upload.scope.cancel()
        body = getattr(self, "body", None)
        if isinstance(body, BodyReader):
            body.leave()
            if body.framing == "complete" and self.upload.is_complete:
                if self.order.pool is not None and self._may_serve_again(body):
                    self.order.pool.give(server_of(self.order.url, self.order.tls), self.connection)
                else:
                    await trio.aclose_forcefully(self.connection.stream)
                return
        self.connection.reset()

    def _may_serve_again(self, body: BodyReader) -> bool:
        is_ended_by_close = self._framing.kind is BodyKind.CLOSE or self.head.status == 101
        return self.head.keeps_alive and not is_ended_by_close and not body.has_surplus


async def begin_exchange(
    order: RequestPlan, nursery: trio.Nursery | None, number: int, *, kept: ClientConnection | None = None
) -> ClientExchange:
    """Connect, send, and receive the head.

    Args:
        kept: the connection to use; None opens a new one.

    Raises:
        DialError: no connection; nothing was sent.
        Deadline, PeerGone, IncompleteHead, HeadError: no response.

    Cancellation: the connection is reset; the request may have been received.
    """
    patience = min(order.connect_timeout, order.end - trio.current_time())
    connection = kept or await dial(order.url.host, order.url.port, tls=order.tls, timeout=max(0.0, patience))
    exchange = ClientExchange(connection, order, number)
    try:
        await exchange.send(nursery)
        await exchange.receive_head()
    except BaseException:
        exchange.upload.scope.cancel()
        connection.reset()
        raise
    return exchange
