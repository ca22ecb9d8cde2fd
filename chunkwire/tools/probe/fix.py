"""One row of the table of fixes.

The rule here: a row says for which software, versions and verdicts it is, what to change, whose change it is, when
that was checked, and the test that proves it; where no test does, a source stands in its place. A row whose software
cannot be recognized is never offered as if it were. What this module must not know: how a verdict was reached.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from chunkwire.tools.probe.verdict import HopVerdict, Kind

CHECKED: Final = date(2026, 11, 21)

BUFFERED: Final = frozenset({Kind.TO_END, Kind.TO_OCTETS, Kind.HOLDS, Kind.GET_ONLY})


class Whose(enum.Enum):
    """Who can make the change."""

    OPERATOR = "whoever runs this hop"
    APPLICATION = "you, in the application's response"
    VENDOR = "the vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One change that frees a stream.

    Attributes:
        software: its name; empty for a change that does not depend on it.
        versions: that it applies to, in words.
        kinds: verdicts that it mends.
        says: a pattern that the hop's own words match (Server, Via, marks of a vendor, its host name); None asks none.
        is_silent: the software says nothing of itself, so the row is for hops that say nothing.
        arrived: a pattern that the request matches as the origin saw it; None asks none.
        seconds: the hold must lie between these; None asks nothing.
        change: what to set, one line.
        proof: the test that shows the hold, applies the change and sees it stream; empty where none does.
        source: where it was read, where no test proves it.
    """

    software: str
    versions: str = "all"
    kinds: frozenset[Kind]
    says: str | None = None
    is_silent: bool = False
    arrived: str | None = None
    seconds: tuple[float, float] | None = None
    change: str
    whose: Whose
    proof: str = ""
    source: str = ""
    checked: date = CHECKED

    def applies(self, verdict: HopVerdict) -> bool:
        """Say whether a verdict shows what this row mends."""
        if verdict.kind not in self.kinds:
            return False
        if self.says is not None and not re.search(self.says, f"{verdict.software} {verdict.hop}", re.IGNORECASE):
            return False
        if self.is_silent and verdict.software:
            return False
        if self.arrived is not None and not re.search(self.arrived, verdict.evidence.arrived):
            return False
        if self.seconds is None:
            return True
        low, high = self.seconds
        return verdict.seconds is not None and low <= verdict.seconds <= high
