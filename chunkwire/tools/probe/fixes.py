"""What may free a stream that a hop holds: how a verdict finds its rows in the table, and what speaks for each.

The rule here: changes that were tried come first, then those for the software that the hop names, then guesses, each
labelled so. A change that did not help, or that the response has already, is not offered. What this module must not
know: how a verdict was reached, and what the rows say.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chunkwire.tools.probe.fix import Fix, all_fixes
from chunkwire.tools.probe.verdict import HOLDING, IDENTITY, HopVerdict, Kind

AS_BEFORE = "as before"
"""The first run of `--why`, with nothing changed: where it streams, the other runs prove nothing."""


class Basis(enum.Enum):
    """What speaks for a change."""

    SHOWN = "shown"
    """The stream came through with it, in this probe."""
    NAMED = "named"
    """The hop says that it is the software which the change is for."""
    GENERAL = "general"
    """It mends this whatever the software is."""
    GUESS = "guess"
    """The hop behaves like that software, or any software may obey it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A change, and what speaks for it."""

    basis: Basis
    fix: Fix


def advice_for(verdict: HopVerdict) -> list[Advice]:
    """Return the changes that may free a hop, the best founded first; empty where nothing is known.

    Guesses are left out where the hop says what software it is, and where it is not known to hold.
    """
    rows = [fix for fix in all_fixes() if fix.applies(verdict)]
    shown = [fix for fix in rows if fix.is_shown_by in verdict.freed_by]
    named = [fix for fix in rows if fix.names(verdict) and fix not in shown]
    if IDENTITY in verdict.freed_by:
        named.sort(key=_is_of_more)
    guesses = []
    if not named and verdict.kind is not Kind.SUSPECT:
        guesses = [fix for fix in _guesses(rows, verdict) if fix not in shown]
    found = [Advice(Basis.SHOWN, fix) for fix in shown] + [Advice(Basis.NAMED, fix) for fix in named]
    is_general = verdict.kind not in HOLDING
    found += [Advice(Basis.GENERAL if is_general and not fix.software else Basis.GUESS, fix) for fix in guesses]
    changes = [advice.fix.change for advice in found]
    return [advice for number, advice in enumerate(found) if advice.fix.change not in changes[:number]]


def _is_of_more(fix: Fix) -> bool:
    """Say whether a row is for more than what a content coding holds: such rows come later where it is the coding."""
    return fix.kinds != {Kind.COMPRESSED}


def _guesses(rows: Sequence[Fix], verdict: HopVerdict) -> list[Fix]:
    """Return the rows that the hop's behaviour suggests, and then those that do not depend on its software."""
    suggested = [fix for fix in rows if fix.seconds is not None]
    if suggested or verdict.kind not in HOLDING:
        return suggested or list(rows)
    passed_on = [fix for fix in rows if fix.may_name(verdict)]
    if IDENTITY in verdict.freed_by:
        passed_on.sort(key=_is_of_more)
    silent = [fix for fix in rows if fix.is_silent]
    return passed_on + silent + [fix for fix in rows if fix not in passed_on and fix not in silent]


def lines_for(verdict: HopVerdict, basis: Basis) -> Iterator[str]:
    """Yield what to try on one basis as it is printed: the first two alternatives side by side, then one a line."""
    changes = [advice.fix.change for advice in advice_for(verdict) if advice.basis is basis]
    if changes:
        yield "   or ".join(changes[:2])
        yield from changes[2:]


def revised(verdict: HopVerdict, tried: Sequence[tuple[str, bool]]) -> HopVerdict:
    """Return a verdict as the changes of `--why` leave it.

    A stream that comes through without a content coding is held by its compression; and what was held or written so
    is held, where a change of the request alone frees it.

    Args:
        tried: each change, and whether the stream came through; `AS_BEFORE` must not have.
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
