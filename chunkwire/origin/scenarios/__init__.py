"""Scenarios: the legal and broken ways to send a stream, each a value with a name.

The rule here: one registry. `/fault/NAME`, `forward --fault NAME`, the mock of language models, `testing` and `check`
all use its octets. `values` defines what a scenario is; `legal` and `broken` are the tables. They are pure: no I/O, no
clock. `playing` writes scenarios as responses. `quirks` are streams of language models.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chunkwire.origin.scenarios.broken import BROKEN
from chunkwire.origin.scenarios.legal import LEGAL
from chunkwire.origin.scenarios.values import EVENTS, Ending, Scenario, Write
from chunkwire.wire.nearest import look_up

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType({each.name: each for each in (*LEGAL, *BROKEN)})

# The scenarios of `/fault/NAME`: they follow whole frames of any chunked body, slice them, or replace the response.
FAULTS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {each.name: each for each in (*BROKEN, *LEGAL) if each.tail is not None or each.slice_octets}
)


def find_scenario(name: str, among: Mapping[str, Scenario] = SCENARIOS) -> Scenario:
    """Return the scenario of this name.

    Raises:
        LocalError: there is none; the message suggests a name, or says which there are.
    """
    return look_up("scenario", name, among, listed_by="chunkwire.testing.SCENARIOS, or GET / of an origin")


__all__ = [
    "BROKEN",
    "EVENTS",
    "FAULTS",
    "LEGAL",
    "SCENARIOS",
    "Ending",
    "Scenario",
    "Write",
    "find_scenario",
]
