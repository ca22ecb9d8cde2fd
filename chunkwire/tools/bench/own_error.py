"""The meter's own error, measured in the same run: how late its timers are, and how long it takes to wake up.

The rule here: pure. Where this error would decide a figure, the run is no measurement, and a line says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chunkwire.net.stamps import STEP_NS
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.segments import TIMER, WAKE
from chunkwire.tools.bench.statistics import percentile_of

DECIDING_SHARE: Final = 0.5
"""A figure of which more than half is the meter's own says more of the meter than of the target."""
OWN_ERROR: Final = {WAKE: "arrival to our receive", TIMER: "how late our timers were"}
_LOOKED_AT: Final = (50.0, 99.0)


def own_line(gathered: Gathered) -> str:
    """Return how large the meter's own error was; empty where it was not measured."""
    parts = []
    for name, text in ((WAKE, "it read frames {} ms after they arrived"), (TIMER, "its timers were {} ms late")):
        samples = gathered.samples(name)
        values = [percentile_of(samples, percentage) for percentage in _LOOKED_AT]
        shown = [
            f"{value / 1e6:.3f} (p{p:g})" for value, p in zip(values, _LOOKED_AT, strict=True) if value is not None
        ]
        if shown:
            parts.append(text.format(", ".join(shown)))
    return f"this meter's own error: {'; '.join(parts)}" if parts else ""


def deciding(gathered: Gathered, *, is_kernel: bool, has_rate: bool) -> Iterator[str]:
    """Yield a line for each figure that the meter's own error decides.

    Args:
        is_kernel: frames are timed by the kernel, so that waking up late delays none.
        has_rate: streams begin at moments, from which `first` is counted.
    """
    if not is_kernel:
        own = WAKE if gathered.has(WAKE) else TIMER
        yield from _decided(gathered, "added" if gathered.has("added") else "first", own)
    if has_rate:
        yield from _decided(gathered, "first", TIMER)


def _decided(gathered: Gathered, name: str, own: str) -> Iterator[str]:
    for percentage in _LOOKED_AT:
        value, error = (percentile_of(gathered.samples(one), percentage) for one in (name, own))
        if value is not None and error is not None and error > max(0, value) * DECIDING_SHARE:
            what = "its wake-up" if own == WAKE else "the lateness of its timers"
            yield (
                f"{name} p{percentage:g} is {value / 1e6:.3f} ms, of which {error / 1e6:.3f} ms are this meter's own: "
                f"{what} decides the result"
            )
            return


def step_line(step_ns: int) -> str:
    """Return why a run in which a clock was set is void; empty where none was."""
    if abs(step_ns) <= STEP_NS:
        return ""
    return f"the wall clock was set during the run, by {step_ns / 1e6:+.3f} ms, and frames are timed by it"
