"""Run a server until it has drained: its address, its admin address, and its signals.

The rule here: only code that origin and gateway share. `server.engine`, which takes 2 MB of memory, is imported only
for an admin address: a gateway without one does not need it.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from chunkwire.net.certificates import ServerTls, reload_on_signal
from chunkwire.net.listen import (
    Address,
    Drain,
    Handler,
    ServedListener,
    behind_tls,
    bound_addresses,
    open_listeners,
    raise_file_limit,
    serve_connections,
)
from chunkwire.server.site import AdminSite

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners of a server, and those of its admin address, if any; `certificate` is for `own` alone."""

    own: list[ServedListener]
    admin: list[ServedListener]
    certificate: ServerTls | None


async def open_all(
    address: Address | str, admin: Address | str | None, *, reuse_port: bool, certificate: ServerTls | None
) -> Listeners:
    """Bind both addresses, or neither; raise the limit of open files first.

    Raises:
        ListenError: an address cannot be bound.
        LocalError: a text that is no address, or `reuse_port` where it is not possible.
    """
    raise_file_limit()
    own = await open_listeners(address, reuse_port=reuse_port)
    try:
        return Listeners(own, await open_listeners(admin) if admin is not None else [], certificate)
    except BaseException:
        for listener in own:
            await listener.aclose()
        raise


async def run_server(
    listeners: Listeners,
    handler: Handler,
    *,
    drain: Drain,
    read_metrics: Callable[[], Awaitable[str]],
    admin_site: AdminSite,
    grace: float,
    max_connections: int,
    handle_signals: bool,
    task_status: trio.TaskStatus[list[Address]],
) -> None:
    """Serve connections until the drain is over; see `server.serving.serve` and `listen.serve_connections`.

    Args:
        read_metrics: returns the text of `/metrics`.

    Raises:
        KeyboardInterrupt: a SIGINT came, once the drain is over.
    """
    async with trio.open_nursery() as nursery:
        if handle_signals:
            await nursery.start(drain_on_signal, drain, nursery.cancel_scope, name="signals")
            if listeners.certificate is not None and hasattr(signal, "SIGHUP"):
                await nursery.start(reload_on_signal, listeners.certificate, name="reload")
        if listeners.admin:
            from chunkwire.server.admin import serve_admin

            logger.info("admin on http://%s", bound_addresses(listeners.admin)[0])
            nursery.start_soon(serve_admin, listeners.admin, read_metrics, drain, admin_site, name="admin")
        task_status.started(bound_addresses(listeners.own))
        await serve_connections(
            listeners.own,
            handler if listeners.certificate is None else behind_tls(handler, listeners.certificate, drain),
            drain=drain,
            grace=grace,
            max_connections=max_connections,
        )
        nursery.cancel_scope.cancel()
    if drain.is_interrupted:
        raise KeyboardInterrupt


async def drain_on_signal(
    drain: Drain, stop: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Start the drain at a SIGTERM or SIGINT (Ctrl-C); cancel `stop` at one that comes when it has started.

    A SIGINT that is ignored, as in a job that a shell script runs with `&`, stays ignored.

    Args:
        task_status: started once the signal handlers are installed.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with trio.open_signal_receiver(signal.SIGTERM, *(() if ignored else (signal.SIGINT,))) as signals:
        task_status.started()
        async for number in signals:
            is_interrupt = number == signal.SIGINT
            drain.is_interrupted |= is_interrupt
            # At a terminal also where logging is not configured: streams may go on for the grace time.
            level, name = (logging.WARNING, "Ctrl-C") if is_interrupt else (logging.INFO, "SIGTERM")
            extra = {"is_interrupt": is_interrupt}
            if drain.is_started:
                if is_interrupt:
                    logger.warning("ended at once", extra=extra)
                stop.cancel()
                continue
            logger.log(level, "draining: no new connections; a second %s ends at once", name, extra=extra)
            drain.start()
