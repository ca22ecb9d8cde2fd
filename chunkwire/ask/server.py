"""Run the answer endpoint on an address.

The rule here: only assembly. The engine is `server`; it knows nothing of providers.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

import trio

from chunkwire.ask.answering import AskSettings
from chunkwire.ask.endpoint import Endpoint
from chunkwire.ask.providers import Provider, check_names
from chunkwire.ask.relay import Patience, Relay
from chunkwire.client.pool import Pool
from chunkwire.net.listen import Address
from chunkwire.server.serving import serve
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS, ServerSettings


async def serve_ask(
    address: Address,
    providers: Sequence[Provider],
    *,
    ask_settings: AskSettings,
    patience: Patience,
    settings: ServerSettings = DEFAULT_SERVER_SETTINGS,
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
    with Pool() as pool:
        endpoint = Endpoint(Relay(providers, patience, tls=tls, pool=pool), ask_settings, write_audit=write_audit)
        await serve(
            address,
            endpoint.resources(),
            settings=settings,
            handle_signals=handle_signals,
            task_status=task_status,
        )
