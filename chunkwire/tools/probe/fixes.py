"""What may free a stream that a hop holds: how a verdict finds its rows in the table.

The rule here: software is named only where the hop said it is that, or behaves as only that does. What this module
must not know: how a verdict was reached, and what the rows say.
"""

from __future__ import annotations

from collections.abc import Iterator

from chunkwire.tools.probe.fix import Fix
from chunkwire.tools.probe.fix_table import FIXES
from chunkwire.tools.probe.verdict import HOLDING, HopVerdict


def fixes_for(verdict: HopVerdict) -> list[Fix]:
    """Return the changes that may free a hop, the likeliest first; empty where nothing is known.

    Where the hop said what software it is, the rows of that software are all there are. Else come those that its
    behaviour suggests, and then the fields of a response that free some software, whichever this is.
    """
    rows = [fix for fix in FIXES if fix.applies(verdict)]
    named = [fix for fix in rows if fix.says is not None]
    if named:
        return named
    suggested = [fix for fix in rows if fix.seconds is not None]
    if suggested or verdict.kind not in HOLDING:
        return suggested or rows
    return [fix for fix in rows if fix.is_silent] + [fix for fix in rows if not fix.is_silent]


def lines_for(verdict: HopVerdict) -> Iterator[str]:
    """Yield what to try as it is printed: the first two alternatives side by side, then one a line."""
    changes = list(dict.fromkeys(fix.change for fix in fixes_for(verdict)))
    if changes:
        yield "   or ".join(changes[:2])
        yield from changes[2:]
