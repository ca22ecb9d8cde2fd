"""The meter's own error, measured in the same run: the lateness of its timers, and the delay of its reads.

The rule here: pure. Where this error is most of a figure, the figure is not a measurement of the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chunkwire.net.stamps import STEP_NS
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.saturation import rate_missed
from chunkwire.tools.bench.segments import TIMER, WAKE
from chunkwire.tools.bench.statistics import percentile_of

DECIDING_SHARE: Final = 0.5
"""A figure of which more than this share is the meter's own error does not measure the target."""
OWN_ERROR: Final = {WAKE: "arrival to our read", TIMER: "lateness of our timers"}
_LOOKED_AT: Final = (50.0, 99.0)


def own_line(gathered: Gathered) -> str:
    """Return the meter's own error as a line; empty where it was not measured."""
    parts = []
    for name, text in ((WAKE, "it read frames {} after they arrived"), (TIMER, "its timers were {} late")):
        samples = gathered.samples(name)
        values = [percentile_of(samples, percentage) for percentage in _LOOKED_AT]
        shown = [
            f"{value / 1e6:.3f} ms (p{p:g})" for value, p in zip(values, _LOOKED_AT, strict=True) if value is not None
        ]
        if shown:
            parts.append(text.format(", ".join(shown)))
    return f"this meter's own error: {'; '.join(parts)}" if parts else ""


def deciding(gathered: Gathered, *, is_kernel: bool, has_rate: bool) -> Iterator[str]:
    """Yield why figures are not measurements of the target: a line for each that is mostly the meter's own error.

    Args:
        is_kernel: frames are timed by the kernel, so a late read does not count.
        has_rate: streams begin at a rate, so `first` counts from their planned beginning.
    """
    if not is_kernel:
        own = WAKE if gathered.has(WAKE) else TIMER
        yield from _decided(gathered, "added" if gathered.has("added") else "first", own)
    if has_rate:
        yield from _decided(gathered, "first", TIMER)
        is_answered = gathered.has_seen("first") or gathered.failed < gathered.streams
        if is_answered and (line := rate_missed(gathered.trends)):
            yield line


def _decided(gathered: Gathered, name: str, own: str) -> Iterator[str]:
    for percentage in _LOOKED_AT:
        value, error = (percentile_of(gathered.samples(one), percentage) for one in (name, own))
        if value is not None and error is not None and error > max(0, value) * DECIDING_SHARE:
            what = "it reads so late" if own == WAKE else "its timers are so late"
            yield (
                f"{name} p{percentage:g} is {value / 1e6:.3f} ms, and {error / 1e6:.3f} ms of it may be this meter's "
                f"own error: {what}"
            )
            return


def step_line(step_ns: int) -> str:
    """Return why a run is void in which the wall clock was set; empty where it was not."""
    if abs(step_ns) <= STEP_NS:
        return ""
    return f"the wall clock was set during the run, by {step_ns / 1e6:+.3f} ms, and frames are timed by it"
