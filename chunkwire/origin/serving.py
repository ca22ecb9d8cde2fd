"""Serve the built-in resources on an address: the origin of `chunkwire serve` and `demo`.

The rule here: only assembly. The engine is `server`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from chunkwire.net.listen import Address
from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockSettings
from chunkwire.origin.resources import origin_resources
from chunkwire.record.values import Record
from chunkwire.server.journal import Journal, JournalEntry
from chunkwire.server.metrics import Metrics
from chunkwire.server.routes import Resource
from chunkwire.server.serve import serve
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS, ServerSettings


async def serve_origin(
    address: Address,
    *,
    settings: ServerSettings = DEFAULT_SERVER_SETTINGS,
    mock: MockSettings = DEFAULT_MOCK,
    resources: Sequence[Resource] | None = None,
    record_to: Callable[[Record], None] | None = None,
    on_end: Callable[[JournalEntry], None] | None = None,
    admin: Address | None = None,
    metrics: Metrics | None = None,
    reuse_port: bool = False,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, or until a drain is over; see `chunkwire.server.serve.serve`.

    Args:
        mock: how the mock of language models answers.
        resources: instead of the built-in ones.
    """
    journal = Journal(settings.journal_entries)
    await serve(
        address,
        origin_resources(journal, mock) if resources is None else resources,
        settings=settings,
        journal=journal,
        record_to=record_to,
        on_end=on_end,
        admin=admin,
        metrics=metrics,
        reuse_port=reuse_port,
        handle_signals=handle_signals,
        task_status=task_status,
    )
