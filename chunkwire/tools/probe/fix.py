"""One row of the table of fixes, and the table, which is read from `fixes.toml`.

The rule here: a row says for which software, versions and verdicts it is, what to change, whose change it is, when
that was checked, and the test that proves it; where no test does, a source stands in its place. A row whose software
cannot be recognized is never offered as if it were. What this module must not know: how a verdict was reached.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

from chunkwire.tools.probe.verdict import ACCEL, HTTP_1_0, INCREMENTAL, POST, HopVerdict, Kind

_DISPROVING: Final = (POST, ACCEL, INCREMENTAL, HTTP_1_0)


class Whose(enum.Enum):
    """Who can make the change."""

    OPERATOR = "those who run this hop"
    APPLICATION = "you, in the application's response"
    VENDOR = "the vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One change that frees a stream.

    Attributes:
        software: its name; empty for a change that does not depend on it. It is `name` in the file, where what the rows
            of one software share may stand beside it.
        versions: that it applies to, in words.
        kinds: verdicts that it mends.
        says: a pattern that the hop's own words match (Server, Via, marks of a vendor, its host name); None asks none.
        is_silent: the software says nothing of itself, or may not, so the row is for hops that say nothing as well.
        arrived: a pattern that the request matches as the origin saw it; None asks none.
        seconds: the hold must lie between these; None asks nothing.
        change: what to set, one line.
        sets: the field line of the response that the change adds; empty where it is a setting of the software.
        needs: a field line that the response must have, at this hop or further in; empty for none.
        behind: a pattern that what the hop and the one before both say matches; empty asks nothing.
        tried: what `--why` or the runs of a probe tried that this would pass through: where it did not free the stream,
            the row is ruled out.
        before, after: lines of the software's configuration, without the change and with it; empty where `sets` is not.
        proof: the test that shows the hold, applies the change and sees it stream; empty where none does.
        proved_on: versions of the software with which that was seen; empty where it was not tried.
        source: where it was read, where no test proves it.
    """

    software: str
    versions: str = "all"
    kinds: frozenset[Kind]
    says: str | None = None
    is_silent: bool = False
    arrived: str | None = None
    seconds: Sequence[float] | None = None
    change: str
    sets: str = ""
    needs: str = ""
    behind: str = ""
    tried: str = ""
    before: str = ""
    after: str = ""
    whose: Whose
    proof: str = ""
    proved_on: str = ""
    source: str = ""
    checked: date

    @property
    def is_shown_by(self) -> str:
        """The change that is this one, and shows that it works where it frees the stream; empty for none."""
        return self.tried if self.sets or self.tried == self.change.partition(" instead of ")[0] else ""

    def applies(self, verdict: HopVerdict) -> bool:
        """Say whether a verdict shows what this row mends, and nothing that was tried rules it out."""
        if not self.kinds & _kinds_of(verdict) or self._is_ruled_out(verdict) or verdict.has(self.sets):
            return False
        if self.needs and not verdict.has(self.needs):
            return False
        if self.behind and not re.search(self.behind, verdict.passed_on, re.IGNORECASE):
            return False
        is_anonymous = self.is_silent and not verdict.software
        if (self.says is not None or self.is_silent) and not (
            is_anonymous or self.names(verdict) or self.may_name(verdict)
        ):
            return False
        if self.arrived is not None and not re.search(self.arrived, verdict.evidence.arrived):
            return False
        if self.seconds is None:
            return True
        low, high = self.seconds
        return verdict.seconds is not None and low <= verdict.seconds <= high

    def names(self, verdict: HopVerdict) -> bool:
        """Say whether the hop says that it is this row's software."""
        said = f"{verdict.software} {verdict.hop}"
        return self.says is not None and re.search(self.says, said, re.IGNORECASE) is not None

    def may_name(self, verdict: HopVerdict) -> bool:
        """Say whether the hop says nothing of its own, and what it says with the hop before is this row's software.

        That of an application it is not: the application is further in.
        """
        if self.says is None or self.whose is not Whose.OPERATOR or verdict.software:
            return False
        return re.search(self.says, verdict.passed_on, re.IGNORECASE) is not None

    def _is_ruled_out(self, verdict: HopVerdict) -> bool:
        if self.tried and dict(verdict.tried).get(self.tried) is False:
            return True
        # A guessed software holds whatever the client asks for: what frees the stream disproves the guess.
        is_guess = self.is_silent and not self.names(verdict)
        return is_guess and any(change in verdict.freed_by for change in _DISPROVING if change != self.tried)


@cache
def all_fixes() -> tuple[Fix, ...]:
    """Return the rows of the table, in the order in which they are offered."""
    table = tomllib.loads(resources.files(__package__).joinpath("fixes.toml").read_text("utf-8"))
    return tuple(_rows(table))


def _rows(table: dict[str, Any]) -> Iterator[Fix]:
    for software in table["software"]:
        shared = {name: value for name, value in software.items() if name not in ("name", "fixes")}
        for row in software["fixes"]:
            members = {"software": software.get("name", ""), "checked": table["checked"], **shared, **row}
            names = [name for kind in row["kinds"] for name in table["groups"].get(kind, [kind])]
            members |= {"kinds": frozenset(map(Kind, names)), "whose": Whose[row["whose"].upper()]}
            yield Fix(**members)


def _kinds_of(verdict: HopVerdict) -> frozenset[Kind]:
    """Return the kinds of verdict whose rows are for this one: what may be held is mended as if it were."""
    if verdict.kind is not Kind.SUSPECT:
        return frozenset({verdict.kind})
    return frozenset({Kind.TO_END, Kind.COMPRESSED} if verdict.evidence.coding else {Kind.TO_END})
