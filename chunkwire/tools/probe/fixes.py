"""What may free a stream that a hop holds: the table of fixes, read from `fixes.toml`, and the rows for a verdict.

The rule here: a row says for which software, versions and verdicts it is, what to change, who can change it, when that
was checked, and the test that proves it, or else a source. Changes that freed the stream in this probe come first, then
those for the software that the hop names, then others, each with its basis. A change that did not help, or that the
response has already, is not offered. What this module must not know: how a verdict was reached.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

from chunkwire.tools.probe.verdict import (
    ACCEL,
    HOLDING,
    HTTP_1_0,
    IDENTITY,
    INCREMENTAL,
    NO_TRANSFORM,
    POST,
    HopVerdict,
    Kind,
)

AS_BEFORE: Final = "as before"
"""The first run of `--why`, with nothing changed: where it streams, the other runs prove nothing."""

_DISPROVING: Final = (POST, ACCEL, INCREMENTAL, HTTP_1_0)


class Whose(enum.Enum):
    """Who can make the change."""

    OPERATOR = "those who run this hop"
    APPLICATION = "you, in the application's response"
    VENDOR = "the vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One change that frees a stream."""

    # its name; empty for a change that does not depend on it. In the file it is `name` of a table whose members all its
    # rows share.
    software: str
    versions: str = "all"  # that it applies to, in words
    kinds: frozenset[Kind]  # verdicts that it mends
    # a pattern for the names that the hop gives (Server, Via, a vendor's fields) and its host name; None: any
    says: str | None = None
    is_silent: bool = False  # the software may give no name, so the row is for hops that give none as well
    asks_old: bool = False  # the software may ask the origin in HTTP/1.0
    arrived: str | None = None  # a pattern for the request as the origin received it; None: any
    seconds: Sequence[float] | None = None  # the hold must lie between these two, or be one of them; None: any
    change: str  # what to set, one line
    sets: str = ""  # the field line of the response that the change adds; empty where it is a setting of the software
    needs: str = ""  # a field line that the response must have, at this hop or further in; empty for none
    behind: str = ""  # a pattern for the names that this hop and the one before both give; empty: any
    # a change that `--why` or the runs of a probe try, and that must free the stream if this row is right: where it did
    # not, the row is ruled out
    tried: str = ""
    before: str = ""  # lines of the software's configuration without the change; empty where `sets` is not
    after: str = ""  # the same with the change
    whose: Whose
    proof: str = ""  # the test that shows the hold, applies the change and sees it stream; empty where none does
    proved_on: str = ""  # versions of the software with which that was seen; empty where it was not tried
    source: str = ""  # where it was read, where no test proves it
    checked: date

    @property
    def is_shown_by(self) -> str:
        """The change of this row, if a probe can try it; else empty."""
        return self.tried if self.sets or self.tried == self.change.partition(" instead of ")[0] else ""

    def applies(self, verdict: HopVerdict) -> bool:
        """Say whether this row may mend such a verdict, and neither what was tried nor the response rules it out."""
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
        """Say whether the hop gives the name of this row's software."""
        return self.is_said(f"{verdict.software} {verdict.hop}")

    def is_said(self, names: str) -> bool:
        """Say whether the name of this row's software is among these."""
        return self.says is not None and re.search(self.says, names, re.IGNORECASE) is not None

    def may_name(self, verdict: HopVerdict) -> bool:
        """Say whether this row's software is named by the hop and the one before, and the hop gives no name of its own.

        A row for the application is not meant: that is further in.
        """
        if self.whose is not Whose.OPERATOR or verdict.software:
            return False
        return self.is_said(verdict.passed_on)

    def _is_ruled_out(self, verdict: HopVerdict) -> bool:
        if self.tried and dict(verdict.tried).get(self.tried) is False:
            return True
        # A row for software that gives no name is a guess. No change of `_DISPROVING` frees that software, except the
        # row's own `tried`: if another one frees the stream, the hop is other software.
        is_guess = self.is_silent and not self.names(verdict)
        if is_guess and verdict.asks_old and not self.asks_old:
            return True
        # `NO_TRANSFORM` frees only what holds by compressing.
        disproving = _DISPROVING if Kind.COMPRESSED in self.kinds else (*_DISPROVING, NO_TRANSFORM)
        return is_guess and any(change in verdict.freed_by for change in disproving if change != self.tried)


class Basis(enum.Enum):
    """Why a change is offered."""

    SHOWN = "shown"
    """The stream came through with it, in this probe."""
    NAMED = "named"
    """The hop gives the name of the software which the change is for."""
    GENERAL = "general"
    """It mends this whatever the software is."""
    GUESS = "guess"
    """The hop behaves like that software, or any software may obey this."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A change, and why it is offered."""

    basis: Basis
    fix: Fix
    is_second: bool = False  # it is for the hold that remains without the content coding


def advice_for(verdict: HopVerdict) -> list[Advice]:
    """Return the changes that may free a hop, the best founded first; empty where nothing is known.

    Those for a hold that remains without the content coding come last.
    """
    second = _uncompressed(verdict)
    return (
        _advice(verdict) + [replace(advice, is_second=True) for advice in _advice(second)]
        if second
        else _advice(verdict)
    )


def _uncompressed(verdict: HopVerdict) -> HopVerdict | None:
    """Return the verdict on a hop that compresses as it is without the coding; None where it then holds nothing."""
    if verdict.remaining is None:
        return None
    return replace(verdict, kind=Kind.FOR_TIME, seconds=verdict.remaining, remaining=None)


def _advice(verdict: HopVerdict) -> list[Advice]:
    """Return the changes against one hold.

    Guesses are left out where it is not known whether it holds. Where a row is for software that the hop names, only
    those of `_of_its_timer` are made, and come before it.
    """
    rows = [fix for fix in all_fixes() if fix.applies(verdict)]
    shown = [fix for fix in rows if fix.is_shown_by in verdict.freed_by]
    named = [fix for fix in rows if fix.names(verdict) and fix not in shown]
    if IDENTITY in verdict.freed_by:
        named.sort(key=_is_of_more)
    guesses = []
    if not named and verdict.kind is not Kind.SUSPECT:
        guesses = [fix for fix in _guesses(rows, verdict) if fix not in shown]
    timed = [fix for fix in _of_its_timer(verdict) if fix not in shown] if named else []
    found = [Advice(Basis.SHOWN, fix) for fix in shown] + [Advice(Basis.GUESS, fix) for fix in timed]
    found += [Advice(Basis.NAMED, fix) for fix in named]
    is_general = verdict.kind not in HOLDING
    found += [Advice(Basis.GENERAL if is_general and not fix.software else Basis.GUESS, fix) for fix in guesses]
    changes = [advice.fix.change for advice in found]
    return [advice for number, advice in enumerate(found) if advice.fix.change not in changes[:number]]


def _is_of_more(fix: Fix) -> bool:
    """Say whether a row is for more than compression: such rows come later where it is the compression that holds."""
    return fix.kinds != {Kind.COMPRESSED}


def _guesses(rows: Sequence[Fix], verdict: HopVerdict) -> list[Fix]:
    """Return the rows for a hold of this length, if there are any; else all, those for unnamed software first.

    Those for software that also makes the hold that remains without the coding come first, then those for software that
    this hop and the one before both name.
    """
    suggested = [fix for fix in rows if fix.seconds is not None]
    if suggested or verdict.kind not in HOLDING:
        return suggested or list(rows)
    passed_on = [fix for fix in rows if fix.may_name(verdict)]
    if IDENTITY in verdict.freed_by:
        passed_on.sort(key=_is_of_more)
    named_by_both = {fix.software for fix in passed_on}
    rows = [fix for fix in rows if fix in passed_on or fix.software not in named_by_both]
    second = _uncompressed(verdict)
    makers = {fix.software for fix in all_fixes() if fix.software and fix.applies(second)} if second else set()
    first = [fix for fix in rows if fix.is_silent and fix.software in makers]
    leading = first + passed_on + [fix for fix in rows if fix.is_silent and fix not in first]
    return leading + [fix for fix in rows if fix not in leading]


def _of_its_timer(verdict: HopVerdict) -> list[Fix]:
    """Return the rows for software that waits as long as this hop does, with or without the coding, and gives no name.

    The name that the hop gives is then more likely that of a server further in. Empty where software of that name waits
    for a time too.
    """
    if any(fix.names(verdict) and Kind.FOR_TIME in fix.kinds and fix.applies(verdict) for fix in all_fixes()):
        return []
    timed, anonymous = _uncompressed(verdict) or verdict, replace(verdict, software="")
    makers = {
        fix.software for fix in all_fixes() if fix.seconds is not None and fix.says is None and fix.applies(timed)
    }
    rows = [fix for fix in all_fixes() if fix.software and fix.software in makers and fix.applies(anonymous)]
    return [fix for fix in rows if fix.is_silent or fix.seconds is not None]


def revised(verdict: HopVerdict, tried: Sequence[tuple[str, bool]]) -> HopVerdict:
    """Return a verdict in the light of what `--why` tried.

    A stream that comes through without a content coding is held by its compression. What is held, or written so, is
    held if a change frees it.

    Args:
        tried: each change, and whether the stream came through; with `AS_BEFORE` it proves nothing.
    """
    outcomes = dict(tried)
    if outcomes.pop(AS_BEFORE, False):
        return verdict
    verdict = replace(verdict, tried=tuple({**dict(verdict.tried), **outcomes}.items()))
    if not verdict.freed_by or not (verdict.is_holding or verdict.kind is Kind.SUSPECT):
        return verdict
    if IDENTITY in verdict.freed_by and verdict.kind is not Kind.COMPRESSED:
        how = verdict.reason if verdict.kind is Kind.SUSPECT else verdict.claim.removeprefix("HOLDS ")
        return replace(verdict, kind=Kind.COMPRESSED, reason=how)
    if verdict.kind is Kind.SUSPECT:
        return replace(verdict, kind=Kind.HOLDS, reason=f"{verdict.reason}; it streams with {verdict.freed_by[0]}")
    return verdict


@cache
def all_fixes() -> tuple[Fix, ...]:
    """Return the rows of the table, in its order."""
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
    """Return the kinds whose rows are for this verdict: what may be held is treated as held, by its coding too."""
    if verdict.kind is not Kind.SUSPECT:
        return frozenset({verdict.kind})
    return frozenset({Kind.TO_END, Kind.COMPRESSED} if verdict.evidence.coding else {Kind.TO_END})
