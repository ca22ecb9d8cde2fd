"""The loop over a client's connection, and the server around it.

For each request on a connection: wait for it, check its head, run the exchange. The connection is kept while both
sides allow it. A refused head is answered, and no other request is served after it.
"""

from __future__ import annotations

import logging
import select
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from chunkwire.forward.access import OnEnd, ProbeTraffic, log_text
from chunkwire.forward.barrier import BarrierEndpoint, BarrierMover, arrival_of, barrier_of, field_line_of, refused
from chunkwire.forward.exchange import Exchange, answer_failure
from chunkwire.forward.failure import Failure, Outcome, client_failure
from chunkwire.forward.report import Report
from chunkwire.forward.rewrite import HeadAdditions, admitted_framing
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS, GatewaySettings
from chunkwire.forward.tap import Tap
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.net.certificates import ServerTls
from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.framing import Framing
from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.net.listen import Address, Drain, ServedStream
from chunkwire.net.movers import Mover, PlainMover, SendTimeout, SinkGone, send_in_time
from chunkwire.net.sleeper import current_sleeper
from chunkwire.net.unread import unread_request
from chunkwire.server.metrics import Metrics
from chunkwire.server.refusal import Refusal
from chunkwire.server.running import open_all, run_server
from chunkwire.server.site import NO_SITE, AdminSite

if TYPE_CHECKING:
    from chunkwire.server.stampdesk import StampDesk
    from chunkwire.server.tap import RecordFor

logger = logging.getLogger(__name__)


class Gateway:
    """The gateway as a handler of connections.

    Args:
        record_for: returns the consumer of an exchange's records, given its request head; None makes none, at no cost.
        on_end: called at the end of each exchange, and for each request that was instead refused, or answered as one
            about a barrier.
        metrics: counts exchanges, refused requests and chunks; None counts nothing.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        settings: GatewaySettings = DEFAULT_GATEWAY_SETTINGS,
        mover: Mover | None = None,
        drain: Drain | None = None,
        record_for: RecordFor | None = None,
        on_end: OnEnd = log_text,
        metrics: Metrics | None = None,
    ) -> None:
        self.upstreams = upstreams
        self.drain = drain or Drain()
        self._settings = settings
        marks, chunked_marks = settings.marks(is_chunked=False), settings.marks(is_chunked=True)
        self._additions = HeadAdditions(settings.name, settings.preserve_host, marks, chunked_marks)
        self._mover: Mover = mover or default_mover(settings.poll)
        self._record_for = record_for
        self._on_end = on_end
        self._metrics = metrics
        self.stamps: StampDesk | None = None  # keeps kernel timestamps for the requests that ask for them
        self._by_client: Counter[str] = Counter()
        self._streams = 0
        self._has_logged_fin = False
        self._probes = ProbeTraffic()
        self._barriers = BarrierEndpoint() if settings.has_barriers else None

    async def run(self) -> None:
        """Run the mover and the sweep of idle upstream connections, until cancelled.

        Deadlines need `drain.deadlines.run` too: `run_server` runs that of the drain it is given.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._mover.run, name="mover")
            nursery.start_soon(self.upstreams.run, name="idle upstreams")

    async def handle(self, stream: ServedStream) -> None:
        """Serve one client's connection until either side ends it."""
        client = ServerConnection(
            stream, bare_lf=False, limits=self._settings.head_limits, may_linger=self.drain.may_linger
        )
        if self.stamps is not None:
            client.carry_stamps()
        timeout = self._settings.head_timeout
        try:
            with suppress(PeerGone):
                while await self._serve_one(client, timeout):
                    timeout = self._settings.keep_alive_timeout
        finally:
            self._mover.unwatch(client)

    async def relay(self, client: ServerConnection, request: Request) -> None:
        """Serve one request whose head the caller has received; the connection may be closed afterwards.

        Raises:
            HeadError: this gateway refuses the framing of the request's body; no answer has been sent.
        """
        framing = admitted_framing(request, self._settings.name)
        try:
            await self._run_exchange(client, request, framing)
        finally:
            self._mover.unwatch(client)

    async def _serve_one(self, client: ServerConnection, timeout: float) -> bool:
        """Serve the next request; return False if no other one can follow."""
        if not await self.drain.wait_next(client, timeout):
            self._mover.unwatch(client)
            await client.close()
            return False
        received = await self._receive(client)
        if received is None:
            return False
        request, framing = received
        if self._barriers is not None:
            return await self._serve_barrier(client, request, framing, self._barriers)
        return await self._run_limited(client, request, framing)

    async def _serve_barrier(
        self, client: ServerConnection, request: Request, framing: Framing, endpoint: BarrierEndpoint
    ) -> bool:
        """Answer a request about barriers; run an exchange for any other, with the barrier that it names, if any."""
        answer = await endpoint.answer(request)
        if answer is not None:
            report = Report(Outcome.CUT, answer[0].status, is_about_barrier=answer[0].status != 400)
            return await self._answer(client, request, framing, report, *answer)
        name, hint, request = barrier_of(request)
        if not name:
            return await self._run_limited(client, request, framing)
        try:
            added = field_line_of(hint)
            with endpoint.barriers.opened(name) as barrier:
                barrier.arrived = arrival_of(request)
                mover = BarrierMover(self._mover, barrier, is_old=request.version == b"1.0", added=added)
                return await self._run_limited(client, request, framing, mover)
        except Refusal as error:
            return await self._answer(client, request, framing, Report(Outcome.CUT, error.status), *refused(error))

    async def _answer(
        self,
        client: ServerConnection,
        request: Request,
        framing: Framing,
        report: Report,
        head: Response,
        content: bytes,
    ) -> bool:
        """Answer a request about barriers; close the connection, and return False, if no other request may follow."""
        octets = client.head_octets(head, request.method) + (b"" if request.method == b"HEAD" else content)
        try:
            await send_in_time(client, octets, self._settings.send_timeout)
            report.verdict, report.keep_alive = Outcome.COMPLETE, framing.is_empty and request.keeps_alive
        except (SinkGone, SendTimeout) as error:
            failure = client_failure(error)
            report.verdict, report.details = failure.verdict, failure.details
        finally:
            self._on_end(client.peer, request, report)
        if not report.keep_alive:
            self._mover.unwatch(client)
            await client.close()
        return report.keep_alive

    async def _run_limited(
        self, client: ServerConnection, request: Request, framing: Framing, mover: Mover | None = None
    ) -> bool:
        """Run an exchange, or refuse it if its client has `max_streams_per_client` exchanges already."""
        limit = self._settings.max_streams_per_client
        host = client.peer.rpartition(":")[0] if limit else ""
        if not host:  # no limit, or a client of a Unix socket, which has no address
            return await self._run_exchange(client, request, framing, mover)
        if self._by_client[host] >= limit:
            details = f"expected at most {limit} streams at once from one address"
            await self._refuse(client, Failure(Outcome.REFUSED, 429, "connection_limit_reached", details), request)
            return False
        self._by_client[host] += 1
        try:
            return await self._run_exchange(client, request, framing, mover)
        finally:
            self._by_client[host] -= 1
            if not self._by_client[host]:
                del self._by_client[host]

    async def _run_exchange(
        self, client: ServerConnection, request: Request, framing: Framing, mover: Mover | None = None
    ) -> bool:
        sheet = self.stamps.open(client, request) if self.stamps is not None else None
        exchange = self._exchange(client, request, framing, mover or self._mover)
        if sheet is not None:
            exchange.on_source = sheet.receive_from
        if self._metrics is not None:
            self._metrics.begin(exchange.report)
        self._probes.begin(request, exchange.report)
        try:
            report = await exchange.run(self.upstreams)
        except BaseException:
            exchange.abort()
            exchange.report.verdict = Outcome.CUT
            raise
        finally:
            if sheet is not None and self.stamps is not None:
                self.stamps.close(sheet)
            self._probes.end(request, exchange.report)
            self._ended(client.peer, request, exchange.report)
        return report.keep_alive

    def _ended(self, peer: str, request: Request, report: Report) -> None:
        self._on_end(peer, request, report)
        metrics = self._metrics
        if metrics is None:
            return
        metrics.end(report, str(report.verdict))
        if report.rule:
            metrics.refusals[report.rule] += 1
        if report.first_s is not None:
            metrics.first_frame.observe(report.first_s)

    def _tap(self, request: Request) -> Tap | None:
        self._streams += 1
        record_to = self._record_for(request) if self._record_for is not None else None
        return Tap(record_to, self._streams, request, self._settings.limits) if record_to is not None else None

    def _exchange(self, client: ServerConnection, request: Request, framing: Framing, mover: Mover) -> Exchange:
        settings, additions = self._settings, self._additions
        if isinstance(mover, BarrierMover):
            settings = replace(settings, on_client_fin="cancel")  # its client is a proxy, whose FIN means that it left
            additions = additions._replace(keeps_version=True)
            client.take_chunks()
        return Exchange(
            client,
            request,
            framing,
            settings=settings,
            additions=additions,
            mover=mover,
            drain=self.drain,
            on_half_close=self._note_half_close,
            tap=self._tap(request),
            gap=self._metrics.gap if self._metrics is not None else None,
        )

    async def _receive(self, client: ServerConnection) -> tuple[Request, Framing] | None:
        """Return the next request and its framing; None when there is none, or when it was refused."""
        request = None
        try:
            if client.has_whole_head():
                request = await client.receive_request()
            else:
                with trio.fail_after(self._settings.head_timeout):
                    request = await client.receive_request()
            if request is None:
                return None
            framing = client.body_before = admitted_framing(request, self._settings.name)
        except HeadError as error:
            await self._refuse(client, client_failure(error), request or unread_request(error.first_line))
            return None
        except trio.TooSlowError:
            details = f"expected a whole request head within {self._settings.head_timeout:g} s"
            await self._refuse(
                client,
                Failure(Outcome.TIMEOUT, 408, "http_request_error", details),
                unread_request(bytes(client.leftover)),
            )
            return None
        return request, framing

    async def _refuse(self, client: ServerConnection, failure: Failure, request: Request) -> None:
        self._mover.unwatch(client)
        await answer_failure(client, failure, request, self._settings, self._tap(request))
        report = Report(failure.verdict, failure.status, details=failure.details, rule=failure.rule)
        self._ended(client.peer, request, report)

    def _note_half_close(self) -> None:
        """Log once that a FIN does not end the upstream request, although clients of language models may expect it."""
        if not self._has_logged_fin:
            self._has_logged_fin = True
            logger.info(
                "a client sent a FIN during an event stream, which continues: it may be a half-close (RFC 9112 §9.6). "
                "--on-client-fin cancel ends the upstream request instead (logged once)."
            )


def default_mover(poll: float) -> Mover:
    """Return the fastest mover this platform has."""
    if hasattr(select, "epoll"):
        from chunkwire.net.fastmover import FastMover  # its epoll exists on Linux only

        return FastMover(poll_seconds=poll)
    return PlainMover()


async def serve_gateway(
    address: Address | str,
    upstreams: Sequence[Upstream],
    *,
    settings: GatewaySettings = DEFAULT_GATEWAY_SETTINGS,
    record_for: RecordFor | None = None,
    on_end: OnEnd = log_text,
    admin: Address | str | None = None,
    admin_site: AdminSite = NO_SITE,
    metrics: Metrics | None = None,
    reuse_port: bool = False,
    certificate: ServerTls | None = None,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, or until a drain is over.

    Args:
        record_for, on_end: see `Gateway`.
        admin: the address of `/metrics` and `/healthz`; None for neither.
        admin_site: what else is served there.
        metrics: see `Gateway`; with an admin address, None makes new ones.
        reuse_port: share the address with other processes (SO_REUSEPORT).
        certificate: serve over TLS with it; None serves in the clear.
        handle_signals: SIGTERM and SIGINT drain, and SIGHUP reads the certificate again (main thread only).
        task_status: started with the bound addresses once accepting.

    Raises:
        ListenError: an address cannot be bound.
        LocalError: a text is no address, or `reuse_port` is not possible.
        KeyboardInterrupt: with `handle_signals`, if a SIGINT came, once the drain is over.
    """
    if admin is not None and metrics is None:
        metrics = Metrics("gateway")
    if metrics is not None:
        metrics.sleeper_form = (await current_sleeper()).form.value
    listeners = await open_all(address, admin, reuse_port=reuse_port, certificate=certificate)
    gateway = Gateway(Upstreams(upstreams), settings=settings, record_for=record_for, on_end=on_end, metrics=metrics)
    gateway.stamps = admin_site.stamps
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run, name="gateway")
        await run_server(
            listeners,
            gateway.handle,
            drain=gateway.drain,
            read_metrics=(metrics or Metrics("gateway")).read,
            admin_site=admin_site,
            grace=settings.grace,
            max_connections=settings.max_connections,
            handle_signals=handle_signals,
            task_status=task_status,
        )
        nursery.cancel_scope.cancel()
