"""Serve resources on an address until drained, and beside them the admin resources.

The rule here: only assembly. How an exchange goes is the engine's; how connections are accepted is `net.listen`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from chunkwire.net.listen import (
    Address,
    Drain,
    bound_addresses,
    drain_on_signal,
    open_listeners,
    raise_file_limit,
    serve_connections,
)
from chunkwire.net.pacing import PlainPacer, open_pacer
from chunkwire.record.values import Record
from chunkwire.server.engine import Server
from chunkwire.server.journal import Journal, JournalEntry
from chunkwire.server.metrics import CONTENT_TYPE, Metrics
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS, ServerSettings

logger = logging.getLogger(__name__)

ReadMetrics: TypeAlias = Callable[[], Awaitable[str]]


async def serve(
    address: Address,
    resources: Sequence[Resource],
    *,
    settings: ServerSettings = DEFAULT_SERVER_SETTINGS,
    record_to: Callable[[Record], None] | None = None,
    journal: Journal | None = None,
    on_end: Callable[[JournalEntry], None] | None = None,
    admin: Address | None = None,
    metrics: Metrics | None = None,
    reuse_port: bool = False,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, or until a drain is over.

    Args:
        resources: what is served; their list stands at `/` unless one of them does.
        record_to: takes the records of what is written; None makes none.
        journal: filled with the exchanges; None makes one of its own.
        on_end: told of each exchange when it is over.
        admin: where `/metrics` and `/healthz` are served; None serves them nowhere.
        metrics: counts what is done; None makes its own.
        reuse_port: share the address with other processes (SO_REUSEPORT).
        handle_signals: SIGTERM drains (main thread only).
        task_status: started with the bound addresses once accepting.

    Raises:
        ListenError: an address cannot be bound.

    Cancellation: every stream is cut.
    """
    raise_file_limit()
    listeners = await open_listeners(address, reuse_port=reuse_port)
    admin_listeners = await open_listeners(admin) if admin is not None else []
    drain = Drain()
    async with open_pacer() as pacer, trio.open_nursery() as nursery:
        server = Server(
            resources,
            pacer=pacer,
            settings=settings,
            record_to=record_to,
            drain=drain,
            journal=journal,
            on_end=on_end,
            metrics=metrics,
        )
        if handle_signals:
            await nursery.start(drain_on_signal, drain, nursery.cancel_scope, name="signals")
        if admin_listeners:
            logger.info("admin on http://%s", bound_addresses(admin_listeners)[0])
            nursery.start_soon(serve_admin, admin_listeners, server.metrics.read, drain, name="admin")
        task_status.started(bound_addresses(listeners))
        await serve_connections(
            listeners, server.handle, drain=drain, grace=settings.grace, max_connections=settings.max_connections
        )
        nursery.cancel_scope.cancel()


async def serve_admin(listeners: list[trio.SocketListener], read: ReadMetrics, drain: Drain) -> None:
    """Serve `/metrics` and `/healthz` of one server, on addresses of their own, until drained or cancelled."""
    admin = Server(admin_resources(read), pacer=PlainPacer(), drain=drain)
    await serve_connections(listeners, admin.handle, drain=drain)


def admin_resources(read: ReadMetrics) -> tuple[Resource, ...]:
    """Return the resources that tell how a server is doing; `read` gives its metrics as text."""

    async def metrics(_: IncomingRequest, response: Responder) -> None:
        await response.fixed(200, ((b"Content-Type", CONTENT_TYPE),), (await read()).encode())

    async def healthz(_: IncomingRequest, response: Responder) -> None:
        await response.text(200, "ok\n")

    return (
        Resource("/metrics", metrics, "counters and histograms, as Prometheus text", "{origin}/metrics"),
        Resource("/healthz", healthz, "ok while connections are accepted", "{origin}/healthz"),
    )
