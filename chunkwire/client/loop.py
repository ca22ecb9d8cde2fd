"""Whether the client can run here: it runs on trio.

The rule here: a call from outside trio raises one line that says what to do.
"""

from __future__ import annotations

import asyncio

import trio

from chunkwire.wire.errors import LocalError


def check_loop() -> None:
    """Return where a trio task runs.

    Raises:
        LocalError: none does.
    """
    try:
        trio.lowlevel.current_task()
    except RuntimeError as error:
        raise LocalError(f"expected to be called inside of trio, got {_place()}") from error


def _place() -> str:
    """Return what runs here in place of trio, and what to do about it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "no event loop: call it from an async function that `trio.run(main)` runs"
    return (
        "asyncio: await `asyncio.to_thread(trio.run, main)`, run trio as a guest (`trio.lowlevel.start_guest_run`), "
        'or with anyio `anyio.run(main, backend="trio")`'
    )
