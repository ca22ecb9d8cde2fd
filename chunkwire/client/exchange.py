"""One request and its response on one connection, which a pool may keep for another request.

The rule here: where the peer or a timeout ends an exchange, that is recorded, also before the response head. What this
module must not know: retries, resumption, and who reads the body.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.client.body import BodyReader
from chunkwire.client.completion import Completion
from chunkwire.client.errors import Deadline
from chunkwire.client.request import Body, is_chunked
from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.dial import CONNECT_SECONDS, Url, dial
from chunkwire.net.ends import ClientConnection, IncompleteHead
from chunkwire.net.framing import Framing, response_framing
from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.net.pool import Pool, may_keep, server_of
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.frames import Event
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner

_SHORT_OCTETS: Final = 16384  # of a body that is sent with its head: a socket's send buffer takes so many at once
HTTPS_HINT: Final = "https:// perhaps?"  # where a server ends a connection without TLS before it answers
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
        if is_chunked(self.request):
            return False
        return self.body is None or (isinstance(self.body, bytes) and len(self.body) <= _SHORT_OCTETS)

    def take_kept(self) -> ClientConnection | None:
        """Return a connection from the pool; None if there is none, or if the body could not be sent a second time."""
        if self.pool is None or not isinstance(self.body, bytes | None):
            return None
        return self.pool.take(server_of(self.url, self.tls))

    def recorder(self, stream: int, *, way: str) -> Recorder | None:
        """Return a recorder of one message; None without `record_to`."""
        if self.record_to is None:
            return None
        point = "client.received" if way == "response" else "client.sent"
        return Recorder(self.record_to, stream=stream, point=point, way=way)


class Upload:
    """Sends the body of one request, while the response may already arrive.

    Each item of the caller's stream is written by one send, as one chunk if the body is chunked; an empty item is
    skipped. A peer that closes the connection causes no error here: the reader of the response reports what happened.
    An error of the caller's stream resets the connection, so that the server cannot take half a body for a whole one.

    Attributes:
        is_complete: the whole body has been written to the socket.
        error: the exception of the caller's stream that ended the sending; else None.
        scope: cancel it to stop sending.

    Args:
        recorder: None for a body that is not chunked, which is not recorded.
    """

    def __init__(self, connection: Connection, body: Body, *, chunked: bool, recorder: Recorder | None) -> None:
        self.is_complete = False
        self.error: Exception | None = None
        self.scope = trio.CancelScope()
        self._connection = connection
        self._body = body
        self._is_chunked = chunked
        self._recorder = recorder
        self._began = time.monotonic()
        self._scanner = ChunkedScanner()
        self._sends = 0

    async def run(self) -> None:
        """Send it all, or as much as the peer takes; an exception is kept in `error`, not raised.

        Cancellation: a part of the body may have been sent; the connection stays open.
        """
        with self.scope:
            try:
                await self._send()
                self.is_complete = True
            except PeerGone:
                return  # the reader of the response gets the response, or the error
            except Exception as error:  # noqa: BLE001  the caller's stream may raise anything; the reader raises it again
                self.error = error
                self._connection.reset()

    async def _send(self) -> None:
        body = self._body
        if body is None or isinstance(body, bytes):
            await self._send_piece(body or b"")
        else:
            # The caller's generator is closed here where it is not exhausted, not by the garbage collector.
            async with aclosing(body) if isinstance(body, AsyncGenerator) else nullcontext():
                async for piece in body:
                    await self._send_piece(piece)
        if self._is_chunked:
            await self._send_one(encode_last_chunk())
        if self._recorder is not None:
            self._recorder.end(time.monotonic() - self._began, "complete")

    async def _send_piece(self, piece: bytes) -> None:
        if piece:  # an empty chunk would end the body
            await self._send_one(encode_chunk(piece) if self._is_chunked else piece)

    async def _send_one(self, octets: bytes) -> None:
        await self._connection.send_all(octets)
        self._sends += 1
        if self._recorder is not None:
            events: list[Event] = []
            self._scanner.scan(octets, len(octets), events)
            self._recorder.body(time.monotonic() - self._began, events, self._sends)


class ClientExchange:
    """A request and its response; `head` and `body` are set by `begin`.

    Attributes:
        informational: the 1xx heads before the final one.
    """

    head: Response
    body: BodyReader
    _framing: Framing

    def __init__(self, connection: ClientConnection, plan: RequestPlan, number: int) -> None:
        self.connection = connection
        self.plan = plan
        self.informational: tuple[Response, ...] = ()
        self._is_finished = False
        self.began = time.monotonic()
        self._recorder = plan.recorder(number, way="response")
        connection.keeps_head = self._recorder is not None
        self._sent = plan.recorder(number, way="request")
        chunked = is_chunked(plan.request)
        self.upload = Upload(connection, plan.body, chunked=chunked, recorder=self._sent if chunked else None)

    async def begin(self, nursery: trio.Nursery | None) -> None:
        """Send the head, start to send the body, and receive the final head; a plan that `is_short` needs no nursery.

        Raises:
            LocalError: the head is not legal; nothing was sent.
            Deadline, PeerGone, IncompleteHead, HeadError: no final head came, or a malformed one.
            Exception: of the caller's stream, if it ended the exchange.
        """
        plan = self.plan
        late = trio.current_time() + plan.head_timeout
        is_total = plan.end <= late
        try:
            with trio.fail_at(plan.end if is_total else late):
                await self._send(nursery)
                await self._receive_heads()
            self._framing = response_framing(self.head, plan.request.method)
        except trio.TooSlowError as error:
            passed = Deadline("total", plan.total) if is_total else Deadline("head", plan.head_timeout)
            raise self._failed(passed) from error
        except (PeerGone, IncompleteHead, HeadError) as error:
            raise self.upload.error or self._failed(error) from error
        completion = Completion.of(self.head, plan.request) if plan.judges_content else Completion(is_judged=False)
        self.body = self._reader(self._framing.scanner(plan.limits), completion, self._recorder)

    def switch(self) -> BodyReader:
        """Read what follows a 101 until the connection ends, in place of its body, which is empty; not recorded."""
        self.body = self._reader(CloseScanner(), Completion(is_judged=False), None)
        return self.body

    def _reader(self, scanner: BodyScanner, completion: Completion, recorder: Recorder | None) -> BodyReader:
        return BodyReader(
            self.connection.receive_some,
            scanner,
            began=self.began,
            completion=completion,
            idle_timeout=self.plan.idle_timeout,
            total_timeout=self.plan.total,
            end=self.plan.end,
            recorder=recorder,
            waiting_since=time.monotonic() if self.connection.leftover else None,
        )

    async def _send(self, nursery: trio.Nursery | None) -> None:
        self.began = time.monotonic()
        request, body = self.plan.request, self.plan.body
        if self._sent is not None:
            self._sent.request(0.0, request.method, request.target, request.fields, time.time())
        short = body if isinstance(body, bytes) and self.plan.is_short else b""
        await self.connection.send_request(request, short)
        if self.plan.is_short:
            self.upload.is_complete = True
        elif nursery is not None:
            nursery.start_soon(self.upload.run, name="request body")

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
        is_unanswered = isinstance(error, PeerGone | IncompleteHead) and not self.connection.has_answered
        if is_unanswered and self.plan.tls is None:
            error.add_note(HTTPS_HINT)
        if self._recorder is not None:
            verdict = next(verdict for kind, verdict in _VERDICTS if isinstance(error, kind))
            self._recorder.end(time.monotonic() - self.began, verdict, error=str(error))
        return error

    async def finish(self) -> None:
        """After a complete exchange close the connection or give it to the pool; else reset it. Later calls do nothing.

        Cancellation: the connection is closed.
        """
        if self._is_finished:
            return
        self._is_finished = True
        self.upload.scope.cancel()
        body = getattr(self, "body", None)
        if isinstance(body, BodyReader):
            body.leave()
            if body.framing == "complete" and self.upload.is_complete:
                if self.plan.pool is not None and self._may_serve_again(body):
                    self.plan.pool.give(server_of(self.plan.url, self.plan.tls), self.connection)
                else:
                    await trio.aclose_forcefully(self.connection.stream)
                return
        self.connection.reset()

    def _may_serve_again(self, body: BodyReader) -> bool:
        request = self.plan.request
        if body.has_surplus or self.head.status == 101 or not request.keeps_alive:
            return False
        return may_keep(request, self.head, self._framing, has_body=bool(self.plan.body) or is_chunked(request))


async def begin_exchange(
    plan: RequestPlan, nursery: trio.Nursery | None, number: int, *, kept: ClientConnection | None = None
) -> ClientExchange:
    """Connect, send, and receive the head; see `ClientExchange.begin`.

    Args:
        kept: the connection to use; None opens a new one.

    Raises:
        DialError: no connection; nothing was sent. Else as `begin`.

    Cancellation: the connection is reset; the request may have been received.
    """
    patience = min(plan.connect_timeout, plan.end - trio.current_time())
    connection = kept or await dial(plan.url.host, plan.url.port, tls=plan.tls, timeout=max(0.0, patience))
    exchange = ClientExchange(connection, plan, number)
    try:
        await exchange.begin(nursery)
    except BaseException:
        exchange.upload.scope.cancel()
        connection.reset()
        raise
    return exchange
