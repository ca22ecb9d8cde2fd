"""Serve resources on an address until drained: `serve` in a trio program, `run` as the whole program.

The rule here: this file only connects the parts: `engine` serves exchanges, `net.listen` accepts connections.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypedDict, Unpack

import trio

from chunkwire.net.certificates import ServerTls
from chunkwire.net.listen import Address, Drain, ListenError
from chunkwire.net.sleeper import current_sleeper
from chunkwire.net.triosleep import SleeperClock
from chunkwire.record.values import Record
from chunkwire.server.engine import Server
from chunkwire.server.journal import JournalEntry
from chunkwire.server.metrics import Metrics
from chunkwire.server.routes import Resource
from chunkwire.server.running import open_all, run_server
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS, ServerSettings
from chunkwire.server.site import NO_SITE, AdminSite
from chunkwire.server.tap import RecordFor
from chunkwire.wire.errors import LocalError, leaf_errors
from chunkwire.wire.nearest import refuse_unknown

logger = logging.getLogger(__name__)


class ServeOptions(TypedDict, total=False):
    """Options of `run`; see `serve`."""

    settings: ServerSettings
    record_to: Callable[[Record], None] | None
    record_for: RecordFor | None
    on_end: Callable[[JournalEntry], None] | None
    admin: Address | str | None
    admin_site: AdminSite
    drain: Drain | None
    metrics: Metrics | None
    reuse_port: bool
    certificate: ServerTls | None


def run(address: Address | str, resources: Iterable[Resource], **options: Unpack[ServeOptions]) -> None:
    """Run trio, and in it `serve`, until a drain that Ctrl-C, SIGTERM or `drain` starts is over; then return.

    Streams may go on for `settings.grace`; a second Ctrl-C or SIGTERM ends them at once.

    Raises:
        SystemExit: with 130 once the drain is over, if a Ctrl-C came; with 71 after one line in the log, if an address
            cannot be bound.
        LocalError: as `serve`, or an option is unknown.
    """
    refuse_unknown(options, ServeOptions.__annotations__, by="run()")
    code = 0
    has_signals = threading.current_thread() is threading.main_thread()  # Python handles them in no other

    async def serve_and_report() -> None:
        async with trio.open_nursery() as nursery:
            serving = partial(serve, address, resources, handle_signals=has_signals, **options)
            for bound in await nursery.start(serving, name="serve"):
                # At a terminal also where logging is not configured.
                level = logging.INFO if logger.hasHandlers() else logging.WARNING
                logger.log(level, "listening on %s", bound.url("https" if options.get("certificate") else "http"))

    try:
        trio.run(serve_and_report, clock=SleeperClock())
    except* LocalError as wrong:
        raise next(leaf_errors(wrong)).with_traceback(None) from None
    except* KeyboardInterrupt:
        code = 128 + signal.SIGINT  # as a shell has it
    except* ListenError as failed:
        code = 71  # EX_OSERR of sysexits.h, as the exit code of `chunkwire serve`
        logger.error("%s", next(leaf_errors(failed)))
    if code:
        raise SystemExit(code)


async def serve(
    address: Address | str,
    resources: Iterable[Resource],
    *,
    settings: ServerSettings = DEFAULT_SERVER_SETTINGS,
    record_to: Callable[[Record], None] | None = None,
    record_for: RecordFor | None = None,
    on_end: Callable[[JournalEntry], None] | None = None,
    admin: Address | str | None = None,
    admin_site: AdminSite = NO_SITE,
    drain: Drain | None = None,
    metrics: Metrics | None = None,
    reuse_port: bool = False,
    certificate: ServerTls | None = None,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, or until a drain is over.

    Args:
        address: an Address, or a text that `listen.parse_address` reads; port 0 takes a free port.
        resources: what is served; `/` lists them unless one of them is at `/`.
        record_to: called with each record of the octets written; None makes no records.
        record_for: returns the `record_to` of one exchange, given its request head; used in place of `record_to`.
        on_end: called at the end of each exchange.
        admin: the address of `/metrics` and `/healthz`; None for neither.
        admin_site: what else is served there.
        drain: its `start` shuts the server down gracefully: streams may continue for `settings.grace`.
        reuse_port: share the address with other processes (SO_REUSEPORT).
        certificate: serve over TLS with it; None serves in the clear.
        handle_signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reads the certificate (main thread
            only).
        task_status: started with the bound addresses once accepting.

    Raises:
        ListenError: an address cannot be bound.
        LocalError: an address or resource that is not valid, or two resources at one path.
        KeyboardInterrupt: with `handle_signals`, if a SIGINT came, once the drain is over.

    Cancellation: every stream is cut.
    """
    sleeper = await current_sleeper()
    server = Server(
        resources,
        pacer=sleeper,
        settings=settings,
        record_for=record_for or (lambda _: record_to),
        drain=drain,
        metrics=metrics,
        on_end=on_end,
        stamps=admin_site.stamps,
    )
    server.metrics.sleeper_form = sleeper.form.value
    await run_server(
        await open_all(address, admin, reuse_port=reuse_port, certificate=certificate),
        server.handle,
        drain=server.drain,
        read_metrics=server.metrics.read,
        admin_site=admin_site,
        grace=settings.grace,
        max_connections=settings.max_connections,
        handle_signals=handle_signals,
        task_status=task_status,
    )
