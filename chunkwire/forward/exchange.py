"""One request and its response.

`rewrite` decides how heads change, `failure` what an error means; this file does the I/O. The task of the client's
connection relays the response. If there is a request body, a second task sends it upstream. As soon as the request has
been sent, the client is watched for a FIN or reset. The first failure ends the exchange.

A failure before the response head was sent to the client is answered with an error status. A later one aborts the
response: the connection is closed before the body is complete, or reset if the close is what delimits the body. A
client that left, or took nothing in time, is reset without an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from chunkwire.forward.failure import (
    Failure,
    IncrementalRefused,
    Outcome,
    ResponseTimeout,
    TooManyInformational,
    client_failure,
    failure_response,
    fault_failure,
    upstream_failure,
)
from chunkwire.forward.report import Report
from chunkwire.forward.rewrite import (
    HeadAdditions,
    check_switch,
    downstream_response,
    informational_fields,
    may_repeat,
    named_by_connection,
    switching_fields,
    upstream_request,
    wants_incremental,
)
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import Dechunker, FaultPlayed, ModeName, fault_shaper, shaper
from chunkwire.forward.tap import Gaps, Tap
from chunkwire.forward.tunnel import tunnel
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError
from chunkwire.net.ends import ClientConnection, IncompleteHead, ServerConnection
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.heads import Request, Response, is_event_stream
from chunkwire.net.listen import Drain
from chunkwire.net.movers import (
    Leaving,
    MoveOptions,
    Mover,
    SendTimeout,
    Shaper,
    SinkGone,
    drop_body,
    send_in_time,
)
from chunkwire.net.writer import date_now
from chunkwire.origin.scenarios import Ending
from chunkwire.server.metrics import Histogram
from chunkwire.wire.errors import ChunkwireError

HOLD_SECONDS: Final = 300.0  # a fault that stalls sends nothing for so long
_TURNS_TO_END: Final = 3  # iterations of trio's loop between a mover's last send and the end of the task that called it
_GONE: Final = Failure(Outcome.CLIENT_GONE, 0, "connection_terminated", "the client left")


class Exchange:
    """One exchange on a client's connection; `run` it once.

    Args:
        on_half_close: called once or twice if the client of an event stream sent a FIN and the stream continues.
    """

    def __init__(
        self,
        client: ServerConnection,
        request: Request,
        framing: Framing,
        *,
        settings: GatewaySettings,
        additions: HeadAdditions,
        mover: Mover,
        drain: Drain,
        on_half_close: Callable[[], None],
        tap: Tap | None = None,
        gap: Histogram | None = None,
    ) -> None:
        self._client = client
        self._request = request
        self._framing = framing
        self._settings = settings
        self._additions = additions
        self._mover = mover
        self._drain = drain
        self._tap = tap
        self._gap = gap
        self._on_half_close = on_half_close
        self.report = Report()
        self.on_source: Callable[[ClientConnection], None] | None = None  # called with the source of a response's body
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None  # of the task that sends the request body
        self._upstream: Upstream | None = None
        self._connection: ClientConnection | None = None
        self._request_is_sent = framing.is_empty
        self._client_has_fin = False  # the client sent a FIN, and the response continues
        self._is_event_stream = False
        self._response_began = False  # an octet of the final head may have been sent to the client
        self._closes_body = False  # the close delimits the body sent to the client: a failure must reset
        self._upstream_has_ended = False  # its response or its tunnel is complete
        self._upstream_may_serve_again = False
        self._failure: Failure | None = None

    async def run(self, upstreams: Upstreams) -> Report:
        """Serve the request from the first upstream that can be reached.

        Cancellation: resets the upstream. A response that has begun is left without its end; call `abort`.
        """
        try:
            with self._scope:
                if self._request_is_sent:
                    self._mover.watch(self._client, self._client_left)
                    await self._serve(upstreams)
                else:
                    async with trio.open_nursery() as self._nursery:
                        await self._serve(upstreams)
                        self._nursery.cancel_scope.cancel()
            if self._scope.cancelled_caught:  # by a failure of the client, which is noted already, or by the deadline
                limit = self._settings.response_timeout
                self._fail(upstream_failure(ResponseTimeout(f"no response head came within {limit:g} s")))
        finally:
            self._drain.deadlines.remove(self)
            self._mover.rest(self._client)
            self._settle_upstream()
        await self._settle_client()
        if self._tap is not None:
            self._tap.end(self.report.verdict)
        return self.report

    def abort(self) -> None:
        """Reset the client's connection if its close would make the response look complete; call it if `run` raised."""
        if self._response_began and self._closes_body:
            self._mover.unwatch(self._client)
            self._client.reset()

    async def _serve(self, upstreams: Upstreams) -> None:
        """Get a response and relay it; note a failure instead of raising it."""
        try:
            if self._settings.mode.name is ModeName.BUFFER and wants_incremental(self._request):
                details = "asked not to be buffered, and this gateway buffers (--mode buffer)"
                return self._fail(Failure(Outcome.REFUSED, 501, "incremental_refused", details))
            await self._deliver(*await self._obtain(upstreams))
        except FaultPlayed as error:
            await self._end_by_fault(error)
        except (SinkGone, SendTimeout) as error:
            self._fail(client_failure(error))
        except ChunkwireError as error:
            self._fail(upstream_failure(error))

    async def _end_by_fault(self, played: FaultPlayed) -> None:
        """Wait if the fault is a stall; set whether `_settle_client` closes the connection or resets it."""
        if played.fault.ending is Ending.HOLD:
            await trio.sleep(HOLD_SECONDS)
        self._closes_body = played.fault.ending is Ending.RESET
        self._response_began = True
        self._fail(fault_failure(played))

    def _fail(self, failure: Failure) -> None:
        """Note why the exchange failed; ignore later failures, which the first one caused."""
        if self._failure is None:
            self._failure = failure

    def _settle_upstream(self) -> None:
        """Keep the upstream connection if it can serve again; else close it after a complete exchange, or reset it."""
        connection, upstream = self._connection, self._upstream
        if connection is None or upstream is None:
            return
        is_clean = self._upstream_has_ended and self._request_is_sent and not (self._failure or connection.leftover)
        if is_clean and self._upstream_may_serve_again:
            upstream.keep(connection)
        elif is_clean:
            connection.close_nowait()
        else:
            connection.reset()

    async def _settle_client(self) -> None:
        """Keep the client's connection open, close it gracefully, answer the failure, or reset it."""
        report, failure = self.report, self._failure
        report.keep_alive = report.keep_alive and failure is None and self._request_is_sent
        if report.keep_alive:
            return
        self._mover.unwatch(self._client)
        if failure is None:
            await self._client.close()
            return
        report.verdict, report.details, report.rule = failure.verdict, failure.details, failure.rule
        if not failure.status or (self._response_began and self._closes_body):
            self._client.reset()
        elif self._response_began:
            await self._client.close()  # no last-chunk, or fewer octets than Content-Length: incomplete for the client
        else:
            report.status = failure.status
            await answer_failure(self._client, failure, self._request, self._settings, self._tap)

    async def _upload(self, connection: ClientConnection) -> None:
        """Send the request body upstream, then watch the client for a FIN or reset."""
        named, settings = named_by_connection(self._request), self._settings
        scanner = self._framing.scanner(settings.limits, forbidden=named)
        observer = self._tap.body("request", self._framing, named) if self._tap is not None else None
        options = MoveOptions(settings.idle_timeout, settings.send_timeout, observe=observer, ends_with_source=True)
        try:
            with suppress(SinkGone, SendTimeout):  # the upstream may have answered already (RFC 9112 §9.5)
                await self._mover.move(self._client, connection, scanner, options)
                self._request_is_sent = True
        except ChunkwireError as error:
            self._fail(client_failure(error))
            self._scope.cancel()
            return
        self._expect_response()
        self._mover.watch(self._client, self._client_left)

    def _client_left(self, how: Leaving) -> None:
        if how is Leaving.FIN and self._settings.on_client_fin == "keep":
            self._client_has_fin = True
            self._note_half_close()
        elif self._settings.on_client_gone == "cancel":  # else the next write fails, and `_deliver` reads on
            self._fail(_GONE)
            self._scope.cancel()

    def _note_half_close(self) -> None:
        if self._client_has_fin and self._is_event_stream:
            self._on_half_close()

    async def _obtain(self, upstreams: Upstreams) -> tuple[ClientConnection, Response]:
        """Return a connection and the final response head received on it.

        If an upstream cannot be reached, the request goes to the next one. A kept connection is used only for a request
        that may be repeated. If it ends before the first octet of a response, it is replaced by a new one.

        Raises:
            ChunkwireError: the error of the last upstream.
        """
        refused: DialError | None = None
        for upstream in upstreams:
            self._upstream, self.report.upstream = upstream, str(upstream)
            self._connection = upstream.take_idle() if may_repeat(self._request, self._framing) else None
            if self._connection is not None:
                try:
                    return self._connection, await self._ask(upstream, self._connection)
                except (IncompleteHead, PeerGone):
                    if self._connection.has_answered:
                        raise
                    self._connection.reset()
            try:
                self._connection = await upstream.connect()
            except DialError as error:
                refused = error
                continue
            return self._connection, await self._ask(upstream, self._connection)
        raise refused or DialError("unreachable", "no upstream")

    async def _ask(self, upstream: Upstream, connection: ClientConnection) -> Response:
        """Send the request head, start its body, and return the final response head."""
        client = self._client if self._settings.forwarded else None
        head = upstream_request(self._request, self._framing, upstream.url, self._additions, forwarded_for=client)
        if self._tap is not None:
            self._tap.request(head)
        await connection.send_request(head)
        if self._nursery is None:
            self._expect_response()
        else:
            self._nursery.start_soon(self._upload, connection, name="request body")
        return await self._final_head(connection)

    def _expect_response(self) -> None:
        """Start the deadline of the response head, once the request body has been sent."""
        if self.report.head_s is None:
            self._drain.deadlines.set(self, self._settings.response_timeout, self._scope.cancel)

    async def _final_head(self, connection: ClientConnection) -> Response:
        """Relay 1xx responses (RFC 9110 §15.2), but to no HTTP/1.0 client; return the final response head, or a 101.

        Raises:
            TooManyInformational: more 1xx came than `max_informational`.

        Cancellation: the exchange's scope cancels this if no head comes in time.
        """
        for left in range(self._settings.max_informational, -1, -1):
            response = await connection.receive_response()
            if response.status >= 200 or response.status == 101:
                self._drain.deadlines.remove(self)
                self._is_event_stream = is_event_stream(response)
                self._note_half_close()
                return response
            if left and self._request.version != b"1.0":
                fields = informational_fields(response)
                self._response_began = self._closes_body = True  # no answer may follow a part of this head
                octets = self._client.informational_octets(response.status, fields, response.reason)
                await send_in_time(self._client, octets, self._settings.send_timeout)
                self._response_began = self._closes_body = False
        raise TooManyInformational(f"expected at most {self._settings.max_informational} 1xx responses, got more")

    async def _deliver(self, connection: ClientConnection, response: Response) -> None:
        """Relay a final response: the head at once, with the octets of the body received so far, then the rest."""
        settings = self._settings
        self.report.head_s = trio.current_time() - self.report.started
        if response.status == 101:
            await self._switch(connection, response)
            return
        if settings.fault is not None and settings.fault.fault.breaks_head:
            self.report.fault = settings.fault
            await send_in_time(self._client, settings.fault.fault.head, settings.send_timeout)
            raise FaultPlayed(settings.fault.fault)
        if settings.mode.name is ModeName.BUFFER and wants_incremental(response):
            raise IncrementalRefused("the response asks not to be buffered, and this gateway buffers (--mode buffer)")
        closes = self._drain.is_started or not await self._upload_is_over()
        additions, date = self._additions, date_now()
        answer = downstream_response(response, self._request, self._framing, additions, date=date, close=closes)
        octets = self._client.head_octets(answer.head, self._request.method)
        self._closes_body, self._response_began = answer.closes_body, True
        shape, observe = self._shape(answer.framing), None
        if self._tap is not None:
            shape, observe = self._tap.response(response, answer, shape)
        self.report.status, self.report.keep_alive = response.status, answer.keeps_client
        scanner = self.report.scanner = answer.framing.scanner(settings.limits, forbidden=answer.forbidden)
        gap = self._gap if answer.framing.kind is BodyKind.CHUNKED else None
        note_counts = Gaps(gap, scanner).note if gap is not None else None
        options = MoveOptions(
            settings.idle_timeout, settings.send_timeout, shape, octets, self._note_first, observe, note_counts
        )
        if self.on_source is not None:
            self.on_source(connection)
        keeps_upstream = answer.keeps_upstream
        del response, answer, octets  # a stream may last for hours, and there may be thousands
        try:
            await self._mover.move(connection, self._client, scanner, options)
        except SinkGone:
            if settings.on_client_gone == "drain":
                await drop_body(connection, scanner, idle_timeout=settings.idle_timeout)
            raise
        self._upstream_has_ended, self._upstream_may_serve_again = True, keeps_upstream

    async def _upload_is_over(self) -> bool:
        """Say whether the request has been sent; wait until its task, which may have finished, has been scheduled."""
        for _ in range(_TURNS_TO_END):
            if self._request_is_sent:
                break
            await trio.lowlevel.checkpoint()
        return self._request_is_sent

    def _shape(self, framing: Framing) -> Shaper | None:
        """Return what rewrites the body, and report its mode or fault; None relays the body exactly."""
        fault, comes_chunked = self._settings.fault, framing.kind is BodyKind.CHUNKED
        goes_chunked = comes_chunked and not self._closes_body
        if goes_chunked and fault is not None:
            self.report.fault = fault
            return fault_shaper(fault)
        shape = shaper(self._settings.mode, is_chunked=goes_chunked)
        if shape is not None:
            self.report.mode = self._settings.mode
        return shape or (Dechunker() if comes_chunked and not goes_chunked else None)

    def _note_first(self) -> None:
        self.report.first_s = trio.current_time() - self.report.started

    async def _switch(self, connection: ClientConnection, response: Response) -> None:
        """Relay a 101, then relay octets both ways as a tunnel."""
        check_switch(self._request, response)
        self._response_began = self._closes_body = True
        self.report.status = 101
        octets = self._client.informational_octets(101, switching_fields(response), response.reason)
        await send_in_time(self._client, octets, self._settings.send_timeout)
        self._mover.unwatch(self._client)
        await tunnel(self._client, connection, send_timeout=self._settings.send_timeout)
        self._upstream_has_ended = True


async def answer_failure(
    client: ServerConnection, failure: Failure, request: Request, settings: GatewaySettings, tap: Tap | None
) -> None:
    """Answer a request that failed before a response began, and close the connection."""
    head, content = failure_response(failure, name=settings.name, date=date_now())
    octets = client.head_octets(head, request.method)
    content = b"" if request.method == b"HEAD" else content
    verdict = Outcome.CUT  # if this is cancelled
    try:
        await send_in_time(client, octets + content, settings.send_timeout)
        verdict = Outcome.COMPLETE
    except (SinkGone, SendTimeout) as error:  # answers before it may fill its buffers
        verdict = client_failure(error).verdict
    finally:
        if tap is not None:
            tap.answer(head, content, verdict)
    await client.close()
