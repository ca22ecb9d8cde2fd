"""Run the answer endpoint on an address.

The rule here: only assembly.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

import trio

from chunkwire.ask.answering import Answers, AskSettings
from chunkwire.ask.attempt import Patience
from chunkwire.ask.counts import AskMetrics
from chunkwire.ask.endpoint import ask_resources
from chunkwire.ask.overload import RetryBudget
from chunkwire.ask.providers import Provider, check_names
from chunkwire.ask.relay import Relay
from chunkwire.client.pool import Pool
from chunkwire.net.certificates import ServerTls
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
    budget: RetryBudget | None = None,
    tls: ssl.SSLContext | None = None,
    certificate: ServerTls | None = None,
    write_audit: Callable[[str], None] | None = None,
    admin: Address | None = None,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the endpoint until cancelled, or until a drain is over.

    Args:
        providers: in the order in which they are asked; at least one.
        budget: of retries, for all providers; None takes the default.
        tls: for https providers; None takes the system's roots.
        write_audit: takes a line of JSON, without its newline, for each request that is over.
        admin: where `/metrics` and `/healthz` are served; None serves them nowhere.
        certificate: serve over TLS with it; None serves without TLS.
        handle_signals: SIGTERM drains, and SIGHUP reads the certificate again (main thread only).
        task_status: started with the bound addresses once accepting.

    Raises:
        LocalError: two providers of one name.
        ListenError: the address cannot be bound.

    Cancellation: every answer is cut, and its provider's stream ended.
    """
    check_names(providers)
    with Pool() as pool:
        relay = Relay(
            providers, patience, tls=tls, pool=pool, budget=budget, passes_reasoning=ask_settings.passes_reasoning
        )
        await serve(
            address,
            ask_resources(Answers(relay, ask_settings, write_audit=write_audit)),
            settings=settings,
            admin=admin,
            metrics=AskMetrics(relay),
            certificate=certificate,
            handle_signals=handle_signals,
            task_status=task_status,
        )
