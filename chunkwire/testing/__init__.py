"""The origin inside your tests: real sockets, the providers' streams, and every legal and broken framing.

    from chunkwire.testing import Origin, cut, status

    with Origin() as origin:
        run = origin.openai([status(429, retry_after=0), cut(after_events=2), "Hello"])
        ...  # point the client at run.url

A run has a base URL of its own; its responses come in sequence, and `run.requests` has what came. Leaving the origin
fails the test where a response was never asked for or a request was not expected. With pytest, the fixture `chunkwire`
is such an origin, one a test, and `@pytest.mark.chunkwire(LEGAL)` runs a test once for each `scenario`.

What a maintainer must know of this room: `steps` is what a response is asked for as (`responses` in Python), `answers`
what it is on the wire. `runs` keeps runs; `responding`, `hands` and `sockets` answer their requests. `control` is the
way to all of this from another process, `thread` from another thread; `origin` is what a Python test holds. `plugin` is
for pytest, which alone imports it. The names here are loaded when they are asked for: pytest loads the plugin always.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chunkwire.origin.scenarios import BROKEN, LEGAL, SCENARIOS, Scenario
    from chunkwire.origin.scenarios.quirks import QUIRKS
    from chunkwire.testing.origin import Origin, OriginRun
    from chunkwire.testing.responses import (
        by_hand,
        cut,
        failing,
        fault,
        framed,
        octets,
        reset,
        stall,
        status,
        tool_call,
    )
    from chunkwire.testing.runs import RunFailed, RunRequest

__all__ = [
    "Origin",
    "OriginRun",
    "RunRequest",
    "RunFailed",
    "status",
    "cut",
    "reset",
    "stall",
    "fault",
    "framed",
    "tool_call",
    "failing",
    "octets",
    "by_hand",
    "LEGAL",
    "BROKEN",
    "SCENARIOS",
    "Scenario",
    "QUIRKS",
]

_HOMES = {
    "chunkwire.origin.scenarios": ("BROKEN", "LEGAL", "SCENARIOS", "Scenario"),
    "chunkwire.origin.scenarios.quirks": ("QUIRKS",),
    "chunkwire.testing.origin": ("Origin", "OriginRun"),
    "chunkwire.testing.runs": ("RunFailed", "RunRequest"),
}


def __getattr__(name: str) -> object:
    """Load one of the names of `__all__` (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "chunkwire.testing.responses")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value
