"""Scenarios: the legal and broken ways to send a stream, each a value with a name.

The rule here: one registry. `/fault/NAME`, `forward --fault NAME`, the mock of language models, `testing` and `check`
all use its octets. `values` defines what a scenario is; `legal` and `broken` are the tables. They are pure: no I/O, no
clock. `playing` writes scenarios as responses. `quirks` are streams of language models.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from chunkwire.origin.scenarios.broken import BROKEN
from chunkwire.origin.scenarios.legal import LEGAL
from chunkwire.origin.scenarios.values import EVENTS, Ending, Scenario, Write
from chunkwire.wire.errors import LocalError

_LISTED: Final = 50  # names in an error message: all scenarios, not all quirks

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType({each.name: each for each in (*LEGAL, *BROKEN)})

# The scenarios of `/fault/NAME`: they follow whole frames of any chunked body, slice them, or replace the response.
FAULTS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {each.name: each for each in (*BROKEN, *LEGAL) if each.tail is not None or each.slice_octets}
)


def find_scenario(name: str, among: Mapping[str, Scenario] = SCENARIOS) -> Scenario:
    """Return the scenario of this name.

    Raises:
        LocalError: there is none; the message suggests the nearest name, or lists them.
    """
    return among[known_name(name, among, "scenario")]


def known_name(name: str, among: Collection[str], what: str) -> str:
    """Return the name, which must be among these.

    Raises:
        LocalError: it is not; the message suggests the nearest one, or lists the first `_LISTED`.
    """
    if name in among:
        return name
    if near := difflib.get_close_matches(name, among, n=1):
        raise LocalError(f"no {what} {name!r:.80}: did you mean {near[0]}?")
    listed = [*list(among)[:_LISTED], *(["…"] if len(among) > _LISTED else [])]
    raise LocalError(f"expected one of {', '.join(listed)}, got {name!r:.80}")


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
    "known_name",
]
