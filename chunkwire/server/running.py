"""Run a server on its addresses until it has drained: its own, that of its metrics, and the signals to end it.

The rule here: what every server does, whatever it serves. How a connection is served is its handler's.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from chunkwire.net.certificates import ServerTls, reload_on_signal
from chunkwire.net.listen import (
    Address,
    Drain,
    Handler,
    ServedListener,
    behind_tls,
    bound_addresses,
    drain_on_signal,
    open_listeners,
    raise_file_limit,
    serve_connections,
)
from chunkwire.server.site import NO_SITE, AdminSite

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets that a server accepts connections on, and those for questions about it (none without `admin`).

    Attributes:
        certificate: for TLS on its own ones; None serves in the clear.
    """

    own: list[ServedListener]
    admin: list[ServedListener]
    certificate: ServerTls | None


class Endurance(Protocol):
    """Of a server's settings, how long its streams may go on in a drain (s), and how many connections it holds."""

    @property
    def grace(self) -> float:
        """Return the time."""

    @property
    def max_connections(self) -> int:
        """Return the number."""


async def open_all(
    address: Address | str, admin: Address | str | None, *, reuse_port: bool, certificate: ServerTls | None
) -> Listeners:
    """Bind both addresses, or neither.

    Raises:
        ListenError: an address cannot be bound.
        LocalError: the text of an address is none.
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
    admin_site: AdminSite = NO_SITE,
    settings: Endurance,
    handle_signals: bool,
    task_status: trio.TaskStatus[list[Address]],
) -> None:
    """Serve connections until the drain is over; started with the bound addresses once accepting.

    Args:
        read_metrics: gives what `/metrics` answers.
        admin_site: what else the admin address serves.
        handle_signals: SIGTERM drains, a second one ends at once; with TLS, SIGHUP reads the certificate again (main
            thread only).

    Cancellation: closes the listeners and every connection.
    """
    async with trio.open_nursery() as nursery:
        if handle_signals:
            await nursery.start(drain_on_signal, drain, nursery.cancel_scope, name="signals")
            if listeners.certificate is not None and hasattr(signal, "SIGHUP"):
                await nursery.start(reload_on_signal, listeners.certificate, name="reload")
        if listeners.admin:
            from chunkwire.server.admin import serve_admin  # an engine: 2 MB that a gateway without it does not hold

            logger.info("admin on http://%s", bound_addresses(listeners.admin)[0])
            nursery.start_soon(serve_admin, listeners.admin, read_metrics, drain, admin_site, name="admin")
        task_status.started(bound_addresses(listeners.own))
        await serve_connections(
            listeners.own,
            handler if listeners.certificate is None else behind_tls(handler, listeners.certificate, drain),
            drain=drain,
            grace=settings.grace,
            max_connections=settings.max_connections,
        )
        nursery.cancel_scope.cancel()
