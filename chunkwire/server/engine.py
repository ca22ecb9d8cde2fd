"""The server: one exchange after another on each connection.

The steps of each exchange:

    wait for the first octet → receive the head → find the resource → run its responder → log → drain the body

How a connection is closed:

- by a reset: if the client took no octet for `send_timeout`, or the response stopped early and the close delimits its
  body;
- otherwise in stages, so that the last octets arrive (RFC 9112 §9.6): after a response with `Connection: close`, one
  that stopped early (a FIN in place of the last-chunk), or a request body that was not read to its end.

A FIN of the client may be a half-close: it ends the connection only while the server waits for the next request.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.framing import BodyKind, Framing, request_framing
from chunkwire.net.heads import HeadError, Request
from chunkwire.net.listen import Drain
from chunkwire.net.movers import SendTimeout
from chunkwire.net.sleeper import Pacer
from chunkwire.net.unread import unread_request
from chunkwire.server.body import BodyState
from chunkwire.server.cors import preflight_fields
from chunkwire.server.journal import Ended, Journal, JournalEntry
from chunkwire.server.metrics import Metrics
from chunkwire.server.refusal import Refusal, refusal_of
from chunkwire.server.request import IncomingRequest, RequestBody
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource, Routes, known_parameters
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS, ServerSettings
from chunkwire.server.stampdesk import StampDesk
from chunkwire.server.tap import RecordFor, SentTap
from chunkwire.wire.errors import FramingError, IncompleteBody, LocalError, leaf_errors

logger = logging.getLogger(__name__)

_NO_BODY: Final = Framing(BodyKind.NONE)
_ENDED: Final = {
    BodyState.OPEN: Ended.CUT,  # the responder returned before the end of the body, after its own timeout for example
    BodyState.COMPLETE: Ended.COMPLETE,
    BodyState.HANDED_OVER: Ended.COMPLETE,
    BodyState.CUT: Ended.CUT,
    BodyState.RESET: Ended.RESET,
}
# The states in which a SendTimeout of a response is about this client: it was cut, or the connection handed over.
_STOPPED: Final = (BodyState.CUT, BodyState.RESET, BodyState.HANDED_OVER)


class Server:
    """An HTTP/1.1 server: resources, and the loop that serves them.

    Args:
        resources: what is served; `/` lists them unless one of them is at `/`.
        pacer: the clock of all times reported, and of the moments at which bodies are written.
        record_for: returns the consumer of an exchange's records, at the point `origin.sent`; None makes no records.
        drain: starting it shuts the server down gracefully; None makes one.
        on_end: called at the end of each exchange, for an access line.
        stamps: keeps kernel timestamps for the requests that ask for them; None reads none.
    """

    def __init__(
        self,
        resources: Iterable[Resource],
        *,
        pacer: Pacer,
        settings: ServerSettings = DEFAULT_SERVER_SETTINGS,
        record_for: RecordFor | None = None,
        drain: Drain | None = None,
        metrics: Metrics | None = None,
        on_end: Callable[[JournalEntry], None] | None = None,
        stamps: StampDesk | None = None,
    ) -> None:
        self.settings = settings
        self.journal = Journal(settings.journal_entries)
        self.metrics = metrics or Metrics("server")
        self._pacer = pacer
        self._record_for = record_for
        self.drain = drain or Drain()
        self._routes = Routes(resources)
        self._on_end = on_end
        self._stamps = stamps
        self._numbers = itertools.count(1)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end.

        Resource handling: closes the stream, unless it is cancelled.
        """
        connection = ServerConnection(
            stream, bare_lf=True, limits=self.settings.head_limits, may_linger=self.drain.may_linger
        )
        if self._stamps is not None:
            connection.carry_stamps()
        try:
            while await self._serve_next(connection):
                pass
        except PeerGone as error:
            logger.debug("%s", error)  # between two exchanges: no response was cut
        await connection.close()

    async def _serve_next(self, connection: ServerConnection) -> bool:
        """Serve the next request; False if no other one can be read from this connection."""
        if not await self.drain.wait_next(connection, self.settings.keep_alive_timeout):
            return False
        try:
            with trio.fail_after(self.settings.head_timeout):
                head = await connection.receive_request()
        except HeadError as error:
            received, refusal = error.first_line, refusal_of(error)
        except trio.TooSlowError:
            expected = f"expected its empty line within {self.settings.head_timeout:g} s"
            received = bytes(connection.leftover)
            refusal = Refusal(408, "head-timeout", f"request head: {expected}, got no end")
        else:
            return head is not None and await self._serve(connection, head)
        return await self._serve(connection, unread_request(received), refusal)

    async def _serve(self, connection: ServerConnection, head: Request, refusal: Refusal | None = None) -> bool:
        """Serve one exchange; True if another may follow on this connection."""
        framing = _NO_BODY
        try:
            framing = connection.body_before = request_framing(head)
        except HeadError as error:
            refusal = refusal_of(error)
        exchange, tap = self._open(connection, head)
        sheet = self._stamps.open(connection, head) if self._stamps is not None else None
        body = RequestBody(connection, framing, self.settings, awaits_continue=_awaits_continue(head))
        request = IncomingRequest(head, body=body, connection=connection, settings=self.settings, journal=self.journal)
        response = Responder(
            connection,
            request,
            exchange,
            pacer=self._pacer,
            drain=self.drain,
            tap=tap,
            must_close=refusal is not None,
        )
        ended = Ended.CUT  # if this is cancelled at the end of the drain's grace time
        try:
            ended = await self._respond_unless_reset(connection, request, response, refusal)
        finally:
            if response.state is BodyState.OPEN and not response.is_chunked:
                connection.reset()  # a FIN would be the end of the body
            self._close(exchange, tap, ended)
            if sheet is not None and self._stamps is not None:
                self._stamps.close(sheet)
        if response.must_close or self.drain.is_started:
            return False
        return response.state is BodyState.COMPLETE and await body.drain()

    async def _respond_unless_reset(
        self, connection: ServerConnection, request: IncomingRequest, response: Responder, refusal: Refusal | None
    ) -> Ended:
        """Respond; cancel the responder when the client resets the connection, also between two frames."""
        ended = Ended.CLIENT_GONE

        async def respond(scope: trio.CancelScope) -> None:
            nonlocal ended
            try:
                if refusal is not None:
                    raise refusal
                await self._respond(request, response)
                ended = _ENDED[response.state]
            except Exception as error:  # noqa: BLE001 - `_fail` logs what is unexpected
                ended = await self._fail(connection, request, response, error)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            # In a new task, as resuming a coroutine walks every `await` frame: a shallow stack is cheaper.
            nursery.start_soon(respond, scope, name="responder")
            await _cancel_on_reset(connection, request.body, response, scope)
        return ended

    async def _respond(self, request: IncomingRequest, response: Responder) -> None:
        """Find the resource and run its responder."""
        head = request.head
        if head.version != b"1.0" and (expected := head.get(b"expect")) and not _awaits_continue(head):
            got = expected.decode("latin-1")
            raise Refusal(417, "expectation", f"Expect: expected 100-continue, got {got!r}")
        if head.method == b"OPTIONS" and not self._routes.answers_options(head):
            allowed = self._routes.allowed(head)
            preflight = preflight_fields(head, allowed) if self.settings.cors else ()
            await response.fixed(204, ((b"Allow", allowed), *preflight))
            return
        resource, request.captures = self._routes.find(head)
        known = known_parameters(resource)
        if known is not None:
            request.query.refuse_unknown(known, resource.path)
        await resource.responder(request, response)
        if response.state is BodyState.UNSENT:
            raise LocalError(
                f"expected a response from the responder of {resource.path}, got none; is an await missing?"
            )

    async def _fail(
        self, connection: ServerConnection, request: IncomingRequest, response: Responder, error: Exception
    ) -> Ended:
        """Answer an error if no octet of a response has left, else end it; return how the exchange ended.

        A PeerGone of another connection, opened by the responder, is an error of the responder.
        """
        cause = _sole_cause(error)
        if isinstance(cause, PeerGone) and cause.connection in (None, connection):
            return Ended.CLIENT_GONE
        if isinstance(cause, SendTimeout) and (response.state in _STOPPED or cause is request.body.error):
            response.reset()
            return Ended.TIMEOUT
        if isinstance(cause, FramingError | IncompleteBody) and cause is request.body.error:
            response.must_close = True
            cause = request.body.refusal_of(cause)
        asked = request.head.start_line.decode("ascii", "backslashreplace")
        if not isinstance(cause, Refusal):
            first = next(leaf_errors(cause))
            logger.error(
                "%s: the responder failed: %s: %s", asked, type(first).__name__, first, exc_info=_of_responder(error)
            )
            cause = Refusal(500, "responder", "the responder failed; the log of the server says how")
        response.exchange.rule, response.exchange.detail = cause.rule, str(cause)
        if response.state is not BodyState.UNSENT:
            if cause is error:
                logger.warning("%s: refused after its head, so the response is cut: %s", asked, cause)
            response.must_close = True
            return Ended.ERROR
        return await self._refuse(response, cause)

    async def _refuse(self, response: Responder, refusal: Refusal) -> Ended:
        self.metrics.refusals[refusal.rule] += 1
        try:
            await response.text(refusal.status, refusal.text, refusal.fields)
        except PeerGone:
            return Ended.CLIENT_GONE
        except SendTimeout:
            response.reset()
            return Ended.TIMEOUT
        return Ended.ERROR if refusal.status == 500 else Ended.COMPLETE

    def _open(self, connection: ServerConnection, head: Request) -> tuple[JournalEntry, SentTap | None]:
        now = self._pacer.now()
        exchange = JournalEntry(next(self._numbers), head, peer=connection.peer, now=now, metrics=self.metrics)
        self.journal.add(exchange)
        self.metrics.begin(exchange)
        record_to = self._record_for(head) if self._record_for is not None else None
        if record_to is None:
            return exchange, None
        wall = exchange.began_ns / 1e9
        return exchange, SentTap(record_to, head, stream=exchange.number, began=now, wall=wall)

    def _close(self, exchange: JournalEntry, tap: SentTap | None, ended: Ended) -> None:
        exchange.ended = self._pacer.now()
        exchange.ended_by = ended
        self.metrics.end(exchange, ended.value)
        if tap is not None:
            tap.end(exchange.ended, ended)
        if self._on_end is not None:
            self._on_end(exchange)


async def _cancel_on_reset(
    connection: ServerConnection, body: RequestBody, response: Responder, scope: trio.CancelScope
) -> None:
    with response.watch:
        try:
            if not body.is_complete:
                with body.unread:
                    await connection.wait_reset()
                    raise PeerGone("the client reset the connection", connection)
            await connection.peek()  # returns at octets and at a FIN, which do not cancel
        except PeerGone:
            if response.state is not BodyState.RESET:  # else the responder itself reset it, and may go on
                scope.cancel()


def _awaits_continue(head: Request) -> bool:
    """Say whether the client waits for a 100; an HTTP/1.0 client does not (RFC 9110 §10.1.1)."""
    return head.version != b"1.0" and (head.get(b"expect") or b"").strip().lower() == b"100-continue"


def _of_responder(error: Exception) -> Exception:
    """Begin the traceback of an error at the responder; a wrong use of ours ends where the responder called us."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_ours(trace):
        trace = trace.tb_next
    if trace is None or _is_ours(trace):
        return error.with_traceback(None)
    last = trace if isinstance(error, LocalError) else None
    while last is not None and last.tb_next is not None:
        if _is_ours(last.tb_next):
            last.tb_next = None
        else:
            last = last.tb_next
    return error.with_traceback(trace)


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith("chunkwire.")


def _sole_cause(error: Exception) -> Exception:
    """Return the first error of a group if all its errors are of one expected kind; else the error itself."""
    errors = list(leaf_errors(error))
    for kind in (PeerGone, SendTimeout, Refusal, FramingError, IncompleteBody):
        if all(isinstance(each, kind) for each in errors):
            return errors[0]
    return error
