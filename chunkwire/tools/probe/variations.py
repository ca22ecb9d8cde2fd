"""How the request of one run differs from another's: read from the requests, so that recordings show it too."""

from __future__ import annotations

import enum

from chunkwire.tools.probe.arrival import RUN_PARAMETERS, Run, joined

_PACE = frozenset({"n", "interval", "nonce"})


class Variation(enum.Enum):
    """How a run's request differs from that of the first run of its hop."""

    NONE = "a repetition"
    SIZE = "events of another size"
    POST = "POST instead of GET"
    IDENTITY = "no content coding asked for"
    BURST = "frames back to back"
    DELAY = "a pause between head and first event"
    MARK = "extensions and a trailer"
    OTHER = "something else"


_BY_PARAMETER = {"burst": Variation.BURST, "delay": Variation.DELAY, "mark": Variation.MARK}


def vary(base: Run, run: Run) -> Variation:
    """Return what a run's request varies; where it varies more than one thing, `OTHER`.

    A burst, a delay or a mark comes with a pace of its own: that is no second difference.
    """
    if base.request is None or run.request is None:
        return Variation.NONE
    here, there = run.asked, base.asked
    found: set[Variation] = set()
    if run.request.method != base.request.method:
        found.add(Variation.POST if run.request.method == "POST" else Variation.OTHER)
    if _codings(run) != _codings(base):
        found.add(Variation.OTHER if _codings(run) else Variation.IDENTITY)
    names = {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)} - RUN_PARAMETERS
    found |= {_BY_PARAMETER[name] for name in names if name in _BY_PARAMETER}
    if "size" in names:
        found.add(Variation.SIZE)
    if names - _BY_PARAMETER.keys() - _PACE - {"size"} or (names & _PACE and not found & set(_BY_PARAMETER.values())):
        found.add(Variation.OTHER)
    if not found:
        return Variation.NONE
    return found.pop() if len(found) == 1 else Variation.OTHER


def _codings(run: Run) -> str:
    """Return the content codings that a request accepts; empty for none but identity."""
    said = joined(run.request.fields, "accept-encoding").strip().lower() if run.request is not None else ""
    return "" if said == "identity" else said
