"""Refuse a call from outside of trio, and say what to do about it."""

from __future__ import annotations

import trio

from chunkwire.wire.errors import LocalError


def refuse_outside_trio() -> None:
    """Raise a LocalError that says what to do, unless a trio task runs here."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError as error:
        raise LocalError(f"expected to be called inside of trio, got {_other_loop()}") from error


def _other_loop() -> str:
    """Return what runs here in place of trio, and what to do about it."""
    import asyncio  # here, as it takes 3 MB and is for this error alone

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "no event loop: call it from an async function that `trio.run(main)` runs"
    return (
        "asyncio: await `asyncio.to_thread(trio.run, main)`, run trio as a guest (`trio.lowlevel.start_guest_run`), "
        'or with anyio `anyio.run(main, backend="trio")`'
    )
