"""The figures of a bench: a table, and a line of JSON.

The rule here: samples in, lines out. Nothing is shown without the number of its samples, and a percentile that too few
samples lie beyond is left blank. Lines are of whole words and as wide as the caller says; None: as long as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Final

from chunkwire.tools.bench.intervals import DIFFERENCE_CONFIDENCE, differences_of, intervals_of
from chunkwire.tools.bench.limits import MAX, NAMES, Target, streams_line
from chunkwire.tools.bench.own_error import OWN_ERROR, own_line
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.saturation import warnings
from chunkwire.tools.bench.segments import names_of
from chunkwire.tools.bench.statistics import ALIASES, DEFINITIONS, PERCENTILES, QUANTILES, Summary, summary_of
from chunkwire.tools.paint import wrapped

_COMPARED: Final = (
    f"diff is the target less base, ± the {DIFFERENCE_CONFIDENCE * 100:g} % interval from resampling the rounds; "
    "~ where no difference is to be seen"
)

SMALLEST_RATIO: Final = 1e-4
"""A smaller one is written with an exponent, or it would not fit its column."""


def figures(summary: Summary) -> dict[str, int | None]:
    """Return the figures of a quantity by their names, in ns."""
    return {**{NAMES[percentage]: value for percentage, value in summary.percentiles.items()}, MAX: summary.largest}


def table(gathered: Gathered, baseline: Gathered | None = None, *, width: int | None = None) -> Iterator[str]:
    """Yield the heading, a row for each quantity, and beside a baseline its row and the ratio."""
    if not any(gathered.has(quantity) for quantity in DEFINITIONS):
        return
    yield " " * 8 + "".join(f"{NAMES[percentage]:>9}" for percentage in PERCENTILES) + f"{MAX:>9}"
    for quantity, definition in DEFINITIONS.items():
        summary = summary_of(gathered.figure(quantity))
        if not summary.n:
            continue
        yield from wrapped(_row(f"  {quantity}", summary) + "   ms  ", definition, width)
        if baseline is not None:
            other = summary_of(baseline.figure(quantity))
            yield _row("    base", other)
            yield from _differences(gathered, baseline, quantity)
            yield _ratios(summary, other)


def segment_table(gathered: Gathered) -> Iterator[str]:
    """Yield the segments of the way in µs, each with how many of its frames are known; nothing where there are none."""
    names = names_of(gathered)
    if not names:
        return
    yield f"  {'segment':<26}" + "".join(f"{NAMES[percentage]:>9}" for percentage in PERCENTILES[:1] + PERCENTILES[2:])
    for name in names:
        figure = gathered.figure(name)
        summary = summary_of(figure)
        cells = (summary.percentiles[percentage] for percentage in PERCENTILES[:1] + PERCENTILES[2:])
        shown = "".join(f"{'' if value is None else f'{value / 1e3:.1f}':>9}" for value in cells)
        yield f"  {name:<26}{shown} µs  known {figure.known} of {figure.of}"


def _row(name: str, summary: Summary) -> str:
    # Zero is added so that what rounds to zero has no sign.
    cells = ("" if value is None else f"{round(value / 1e6, 2) + 0.0:.2f}" for value in figures(summary).values())
    return f"{name:<8}" + "".join(f"{cell:>9}" for cell in cells)


def _differences(gathered: Gathered, baseline: Gathered, quantity: str) -> Iterator[str]:
    """Yield the target less its baseline, `~` where no difference is seen, and half the width of each interval."""
    found = list(differences_of(gathered, baseline, quantity).values())
    if not any(found):
        return
    shown = ("" if one is None else f"{one.value / 1e6:+.2f}" if one.is_seen else "~" for one in found)
    yield ("    diff" + "".join(f"{cell:>9}" for cell in shown)).rstrip()
    halves = ("" if one is None else f"{one.half / 1e6:.2f}" for one in found)
    yield ("       ±" + "".join(f"{cell:>9}" for cell in halves)).rstrip()


def _ratios(summary: Summary, baseline: Summary) -> str:
    cells = ("" if ratio is None else f"{_three_digits(ratio)}x" for ratio in ratios(summary, baseline).values())
    return ("       x" + "".join(f"{cell:>9}" for cell in cells)).rstrip()


def ratios(summary: Summary, baseline: Summary) -> dict[str, float | None]:
    """Return each figure over that of the baseline; None where one is missing or not above zero."""
    others = figures(baseline)
    return {
        name: value / other if value is not None and value > 0 and (other := others[name]) and other > 0 else None
        for name, value in figures(summary).items()
    }


def _three_digits(ratio: float) -> str:
    """Return a ratio, which is above 0, with three significant digits: 0.00123, 1.23, 12.3, 123, 1230."""
    rounded = float(f"{ratio:.3g}")
    if rounded < SMALLEST_RATIO:
        return f"{rounded:.1e}"
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def lines(result: BenchResult, *, width: int | None = None, until: Target | None = None) -> Iterator[str]:
    """Yield the table, how many samples there are, what failed, and under what conditions they were taken."""
    if result.is_partial:
        yield "* partial: ended by Ctrl-C; these are the figures until then"
    yield from table(result.gathered, result.baseline, width=width)
    yield from segment_table(result.gathered)
    notes = [*_notes(result.gathered), ", ".join(f"{name} {value}" for name, value in result.conditions.items())]
    if result.baseline is not None:
        notes.append(f"base is {result.baseline_url}: {streams_line(result.baseline)}")
        notes += [f"base is {warning}" for warning in warnings(result.baseline.trends)]
        notes.append(_COMPARED)
    if "rate" in result.conditions:
        notes.append("first is counted from the moment that a stream was to begin, its connection included")
    if until is not None and result.gathered.has("first"):
        notes.insert(0, until.line(result.gathered))
    for note in notes:
        yield from wrapped("* ", note, width)


def _notes(gathered: Gathered) -> Iterator[str]:
    yield from warnings(gathered.trends)
    counts = (f"{name} {gathered.samples(name).n}" for name in DEFINITIONS if gathered.has(name))
    yield f"n: {', '.join(counts) or 'none'}; percentiles: {QUANTILES}"
    yield f"{streams_line(gathered)}; {gathered.frames} frames in {gathered.reads} reads" + (
        f", {_share(gathered):.2f} reads a frame" if gathered.frames else ""
    )
    if line := own_line(gathered):
        yield line
    if not gathered.has("added") and (gathered.has("first") or not gathered.streams):
        yield "no stamps in the stream: late, added and hold need them (/probe has them)"


def _share(gathered: Gathered) -> float:
    return gathered.reads / gathered.frames if gathered.frames else 0.0


def to_json(result: BenchResult) -> str:
    """Return the result as one line of JSON: what can be added, and beside it its figures in ms, each with its rule."""
    gathered, baseline = result.gathered, result.baseline
    members: dict[str, object] = {
        **result.as_json(),
        "unit": "ms",
        "quantiles": QUANTILES,
        "quantities": {name: _quantity(gathered, name, rule) for name, rule in DEFINITIONS.items()},
        "aliases": {alias: _quantity(gathered, name, rule) for alias, (name, rule) in ALIASES.items()},
        "segments": {
            name: {**_quantity(gathered, name, "from one moment to the next"), "of": gathered.figure(name).of}
            for name in names_of(gathered)
        },
        "own_error": {name: _quantity(gathered, name, rule) for name, rule in OWN_ERROR.items() if gathered.has(name)},
        "intervals": {name: _intervals(gathered, name) for name in DEFINITIONS},
        "streams": gathered.streams,
        "failed": gathered.failed,
        "failures": gathered.failures,
        "warnings": list(warnings(gathered.trends)),
        "warmup": gathered.warmup,
        "frames": gathered.frames,
        "reads": gathered.reads,
        "reads_a_chunk": round(_share(gathered), 4),
    }
    if baseline is not None:
        members["baseline"] = {name: _quantity(baseline, name, rule) for name, rule in DEFINITIONS.items()}
        members["baseline_streams"] = baseline.streams
        members["baseline_failures"] = baseline.failures
        members["baseline_warnings"] = list(warnings(baseline.trends))
        members["ratios"] = {name: _ratio_members(gathered, baseline, name) for name in DEFINITIONS}
        members["differences"] = {name: _difference_members(gathered, baseline, name) for name in DEFINITIONS}
    return json.dumps(members, separators=(",", ":"))


def _intervals(gathered: Gathered, name: str) -> dict[str, list[float] | None]:
    found = intervals_of(gathered, name)
    return {
        NAMES[percentage]: None if one is None else [round((one.value + side * one.half) / 1e6, 4) for side in (-1, 1)]
        for percentage, one in found.items()
    }


def _difference_members(gathered: Gathered, baseline: Gathered, name: str) -> dict[str, dict[str, object] | None]:
    """Return by figure the difference in ms, half the width of its interval, and whether a difference is seen."""
    found = differences_of(gathered, baseline, name)
    return {
        NAMES[percentage]: None
        if one is None
        else {"ms": round(one.value / 1e6, 4), "half": round(one.half / 1e6, 4), "seen": one.is_seen}
        for percentage, one in found.items()
    }


def _ratio_members(gathered: Gathered, baseline: Gathered, name: str) -> dict[str, float | None]:
    found = ratios(summary_of(gathered.figure(name)), summary_of(baseline.figure(name)))
    return {figure: None if ratio is None else float(f"{ratio:.3g}") for figure, ratio in found.items()}


def _quantity(gathered: Gathered, name: str, rule: str) -> dict[str, object]:
    summary = summary_of(gathered.figure(name))
    values = {figure: None if value is None else round(value / 1e6, 4) for figure, value in figures(summary).items()}
    return {"n": summary.n, **values, "rule": rule}
