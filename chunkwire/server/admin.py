"""Resources about a server itself: its metrics, its health, and the journal of its exchanges.

The rule here: texts are made only when they are requested. `/metrics` and `/healthz` are served on an address of their
own, the journal where the application adds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from chunkwire.net.listen import Drain, ServedListener, serve_connections
from chunkwire.net.sleeper import current_sleeper
from chunkwire.server.engine import Server
from chunkwire.server.journal import JOURNAL_PATH
from chunkwire.server.metrics import CONTENT_TYPE
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import JSON_LINES, Responder
from chunkwire.server.routes import Resource
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS
from chunkwire.server.site import NO_SITE, AdminSite

ReadMetrics: TypeAlias = Callable[[], Awaitable[str]]


async def serve_admin(
    listeners: list[ServedListener], read: ReadMetrics, drain: Drain, site: AdminSite = NO_SITE
) -> None:
    """Serve `/metrics` and `/healthz` of one server, and a site, on separate listeners until drained."""
    admin = Server(
        (*admin_resources(read), *site.resources, *((site.stamps.resource(),) if site.stamps is not None else ())),
        pacer=await current_sleeper(),
        settings=site.settings or DEFAULT_SERVER_SETTINGS,
        record_for=site.record_for,
        drain=drain,
    )
    await serve_connections(listeners, admin.handle, drain=drain)


def admin_resources(read: ReadMetrics) -> tuple[Resource, ...]:
    """Return `/metrics` and `/healthz`; `read` returns the metrics as text."""

    async def metrics(_: IncomingRequest, response: Responder) -> None:
        await response.fixed(200, ((b"Content-Type", CONTENT_TYPE),), (await read()).encode())

    async def healthz(_: IncomingRequest, response: Responder) -> None:
        await response.text(200, "ok\n")

    return (
        Resource("/metrics", metrics, "counters and histograms, as Prometheus text", "{origin}/metrics"),
        Resource("/healthz", healthz, "ok while connections are accepted", "{origin}/healthz"),
    )


async def _read_journal(request: IncomingRequest, response: Responder) -> None:
    nonce = request.query.text("nonce")
    # In chunks: as a whole it may take 50 MB, for as long as the client takes to read it.
    async with response.chunked(fields=(JSON_LINES, (b"Cache-Control", b"no-cache"))) as body:
        for line in request.journal.lines(nonce):
            await body.send_chunk(line)


JOURNAL: Final = Resource(
    JOURNAL_PATH.decode(),
    _read_journal,
    "the last exchanges as JSON Lines: how each request arrived, what was sent, how it ended; nonce picks a run",
    "'{origin}/journal?nonce=run1'",
)
