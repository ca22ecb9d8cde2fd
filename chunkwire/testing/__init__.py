"""The origin inside your tests: real sockets, the providers' streams, and every legal and broken framing.

    from chunkwire.testing import Origin, cut, status

    with Origin() as origin:
        run = origin.openai([status(429, retry_after=0), cut(after_events=2), "Hello"])
        ...  # point the client at run.url

Each run has a base URL; its responses are sent in sequence, and `run.requests` has the requests that came. Leaving the
origin fails the test if a response was not requested, or a request was not expected. With pytest, the fixture
`chunkwire` is an origin for one test, and `@pytest.mark.chunkwire(LEGAL)` runs a test once for each `scenario`.

The files: `steps` reads descriptions of responses (`responses` makes them in Python), `answers` turns them into octets.
`runs` keeps the runs; `responding`, `hands` and `sockets` answer their requests. `control` is the API for other
processes, `thread` for other threads; `origin` is the API for tests in Python. Only pytest imports `plugin`. Names are
loaded at their first use: pytest imports this package in every project, for the plugin.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chunkwire.origin.scenarios import BROKEN as BROKEN
    from chunkwire.origin.scenarios import LEGAL as LEGAL
    from chunkwire.origin.scenarios import SCENARIOS as SCENARIOS
    from chunkwire.origin.scenarios import Scenario as Scenario
    from chunkwire.origin.scenarios.quirks import QUIRKS as QUIRKS
    from chunkwire.testing.origin import Origin as Origin
    from chunkwire.testing.origin import OriginRun as OriginRun
    from chunkwire.testing.responses import by_hand as by_hand
    from chunkwire.testing.responses import cut as cut
    from chunkwire.testing.responses import failing as failing
    from chunkwire.testing.responses import fault as fault
    from chunkwire.testing.responses import framed as framed
    from chunkwire.testing.responses import octets as octets
    from chunkwire.testing.responses import reset as reset
    from chunkwire.testing.responses import stall as stall
    from chunkwire.testing.responses import status as status
    from chunkwire.testing.responses import tool_call as tool_call
    from chunkwire.testing.responses import waiting as waiting
    from chunkwire.testing.runs import RunFailed as RunFailed
    from chunkwire.testing.runs import RunRequest as RunRequest

_MODULES = {
    "chunkwire.origin.scenarios": ("BROKEN", "LEGAL", "SCENARIOS", "Scenario"),
    "chunkwire.origin.scenarios.quirks": ("QUIRKS",),
    "chunkwire.testing.origin": ("Origin", "OriginRun"),
    "chunkwire.testing.responses": (
        "by_hand",
        "cut",
        "failing",
        "fault",
        "framed",
        "octets",
        "reset",
        "stall",
        "status",
        "tool_call",
        "waiting",
    ),
    "chunkwire.testing.runs": ("RunFailed", "RunRequest"),
}
__all__ = [name for names in _MODULES.values() for name in names]


def __getattr__(name: str) -> object:
    """Load one of the names of `__all__`."""
    from chunkwire.late import load_name

    return load_name(__name__, _MODULES, name)
