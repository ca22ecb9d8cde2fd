"""Run the answer endpoint on an address.

The rule here: only assembly. The engine that serves it is the origin's; it knows nothing of providers.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

import trio

from chunkwire.net.listen import Address
from chunkwire.origin.resources import list_resource
from chunkwire.origin.server import serve_origin
from chunkwire.origin.settings import DEFAULT_SETTINGS, Settings
from chunkwire.tools.ask.endpoint import AskSettings, Endpoint
from chunkwire.tools.ask.providers import Provider, check_names
from chunkwire.tools.ask.relay import Patience, Relay


async def serve_ask(
    address: Address,
    providers: Sequence[Provider],
    *,
    ask_settings: AskSettings,
    patience: Patience,
    settings: Settings = DEFAULT_SETTINGS,
    tls: ssl.SSLContext | None = None,
    write_audit: Callable[[str], None] | None = None,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `/ask` and `/providers` until cancelled, or until a drain is over.

    Args:
        providers: in the order in which they are asked; at least one.
        tls: for https providers; None takes the system's roots.
        write_audit: takes a line of JSON, without its newline, for each request that is over.
        handle_signals: SIGTERM drains (main thread only).
        task_status: started with the bound addresses once accepting.

    Raises:
        LocalError: two providers of one name.
        ListenError: the address cannot be bound.

    Cancellation: every answer is cut, and its provider's stream ended.
    """
    check_names(providers)
    endpoint = Endpoint(Relay(providers, patience, tls=tls), ask_settings, write_audit=write_audit)
    served = endpoint.resources()
    await serve_origin(
        address,
        settings=settings,
        resources=(list_resource(served), *served),
        handle_signals=handle_signals,
        task_status=task_status,
    )
