"""The result of a bench as a table, and as a line of JSON.

The rule here: pure; a result in, lines out. Figures are shown with the number of their samples. Definitions and notes
break between words, at the width that the caller gives; None: they do not break.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from chunkwire.tools.bench.intervals import (
    CONFIDENCE,
    DIFFERENCE_CONFIDENCE,
    MIN_ROUNDS,
    Interval,
    differences_of,
    intervals_of,
)
from chunkwire.tools.bench.limits import Precision, clocks_left_out, mark_of, streams_line
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.saturation import OWN_ERROR, inexact_line, own_line, stamp_lines, warnings
from chunkwire.tools.bench.segments import OWN_SEGMENTS, names_of
from chunkwire.tools.bench.statistics import (
    ALIASES,
    DEFINITIONS,
    FIGURES,
    FROM_STAMPS,
    MIN_BEYOND,
    MIN_KNOWN,
    NAMES,
    NEEDS,
    QUANTILES,
    Quantity,
)
from chunkwire.tools.paint import number, wrapped

_COMPARED: Final = (
    f"diff is target less base, ± half its {DIFFERENCE_CONFIDENCE * 100:g} % interval by resampling rounds; ~ where it "
    "is not significant; x is target over base, 2x is twice as long; x needs two figures above zero"
)
_WHICH_COMPARES: Final = (
    "added compares the two targets themselves: it is from written to arrived; late includes how late the origin wrote"
)

_RULES: Final = {**DEFINITIONS, **{name: rule.partition(":")[0] for name, (_, rule) in ALIASES.items()}}

SMALLEST_RATIO: Final = 1e-4
"""A smaller one is only said to be smaller: it would not fit its column."""
_SEGMENT_PERCENTILES: Final = (50.0, 99.0, 99.9)
_WIDEST: Final = 8
"""Characters of a figure beside a space; one that is wider loses its decimals."""


def table(gathered: Gathered, baseline: Gathered | None = None, *, width: int | None = None) -> Iterator[str]:
    """Yield the heading and a row for each quantity that has figures, and under it how sure they are.

    With a baseline its row, difference and ratio.
    """
    parts = [part for part in (gathered, baseline) if part is not None]
    names = [name for name in _named(parts) if any(part.has(name) for part in parts)]
    if names:
        yield " " * 8 + _cells(FIGURES)
    for name in names:
        quantity = gathered.quantity(name)
        yield from wrapped(_row(f"  {name}", name, quantity) + "  ms  ", _RULES[name], width)
        if baseline is None:
            yield from _sureness(gathered, name)
        elif baseline.has(name):
            other = baseline.quantity(name)
            yield _row("    base", name, other)
            found = differences_of(gathered, baseline, name).values()
            for mark, cells in _differences(list(found), 1e6, 2):
                yield (mark + cells).rstrip()
            found_ratios = ratios(quantity.figures, other.figures).values()
            if any(found_ratios):
                cells = _cells("" if ratio is None else f"{_ratio_text(ratio)}x" for ratio in found_ratios)
                yield ("       x" + cells).rstrip()


def _named(parts: Sequence[Gathered]) -> list[str]:
    """Return the quantities to show: ttft and itl, too, if content is not just what each frame has."""
    is_answer = any(part.has("ttft") and part.samples("ttft") != part.samples("first") for part in parts)
    return [*DEFINITIONS, *(("ttft", "itl") if is_answer else ())]


def _sureness(gathered: Gathered, name: str) -> Iterator[str]:
    """Yield half the width of the interval of each percentile, if one has an interval."""
    found = intervals_of(gathered, name).values()
    if any(found):
        yield ("       ±" + _cells("" if one is None else f"{one.half / 1e6:.2f}" for one in found)).rstrip()


def segment_table(gathered: Gathered, baseline: Gathered | None = None) -> Iterator[str]:
    """Yield a row for each segment in µs, with its number of known frames; nothing where no hop has stamps.

    Where the baseline has the segment, too, its row and the difference follow. Without a hop they say nothing new.
    """
    names = names_of(gathered)
    if OWN_SEGMENTS.issuperset(names):
        return
    yield f"  {'segment':<26}" + _cells(NAMES[percentage] for percentage in _SEGMENT_PERCENTILES)
    for name in names:
        yield _segment_row(f"  {name}", gathered.quantity(name))
        if baseline is not None and name in names_of(baseline):
            yield _segment_row("    base", baseline.quantity(name))
            found = differences_of(gathered, baseline, name)
            for mark, cells in _differences([found[percentage] for percentage in _SEGMENT_PERCENTILES], 1e3, 1):
                yield f"{mark:<28}{cells}".rstrip()


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"{cell:>9}" for cell in cells)


def _segment_row(name: str, segment: Quantity) -> str:
    percentiles = segment.percentiles
    values = (percentiles[percentage] for percentage in _SEGMENT_PERCENTILES)
    shown = _cells("" if value is None else f"{value / 1e3:.1f}" for value in values)
    return f"{name:<28}{shown} µs  known {segment.known} of {segment.of}"


def _row(lead: str, name: str, quantity: Quantity) -> str:
    return f"{lead:<8}" + _cells(cell(name, figure, quantity) for figure in FIGURES)


def cell(name: str, figure: str, quantity: Quantity) -> str:
    """Return a figure in ms, with its mark if it rests on inexact samples; "" where it is blank."""
    value = quantity.figures[figure]
    if value is None:
        return ""
    # Zero is added so that what rounds to zero has no sign.
    mark, ms = mark_of(name, figure, quantity), round(value / 1e6, 2) + 0.0
    shown = f"{mark}{ms:.2f}"
    return shown if len(shown) <= _WIDEST else f"{mark}{ms:.0f}"


def _differences(found: Sequence[Interval | None], unit_ns: float, digits: int) -> Iterator[tuple[str, str]]:
    """Yield the differences, `~` for one that is not significant, and half the width of each interval."""
    if any(found):
        values = (
            "" if one is None else f"{one.value / unit_ns:+.{digits}f}" if one.is_significant else "~" for one in found
        )
        yield "    diff", _cells(values)
        yield "       ±", _cells("" if one is None else f"{one.half / unit_ns:.{digits}f}" for one in found)


def ratios(figures: Mapping[str, int | None], others: Mapping[str, int | None]) -> dict[str, float | None]:
    """Return each figure over that of the baseline; None where one is missing or not above zero."""
    return {
        name: value / other if value is not None and value > 0 and (other := others[name]) and other > 0 else None
        for name, value in figures.items()
    }


def _ratio_text(ratio: float) -> str:
    """Return a ratio, which is above 0, with three significant digits: 0.00123, 1.00, 12.3, 123, 1230."""
    rounded = float(f"{ratio:.3g}")
    if rounded < SMALLEST_RATIO:
        return f"<{SMALLEST_RATIO:.4f}"
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def lines(result: BenchResult, *, width: int | None = None, until: Precision | None = None) -> Iterator[str]:
    """Yield the tables, and notes: numbers of samples and failures, warnings, conditions."""
    if result.is_partial:
        yield "* partial: interrupted; these are the figures until then"
    yield from table(result.gathered, result.baseline, width=width)
    yield from segment_table(result.gathered, result.baseline)
    notes = [*_notes(result), ", ".join(f"{name} {value}" for name, value in result.conditions.items())]
    if result.baseline is not None:
        base = result.baseline
        notes.append(f"base is {result.baseline_url}: {streams_line(base)}")
        found = (own_line(base), *warnings(base.trends), *stamp_lines(base), inexact_line(base))
        notes += [f"base: {line}" for line in found if line]
        notes += _comparison_notes(result.gathered, base)
    if "rate" in result.conditions:
        notes.append("first counts from the planned beginning of the stream, so it includes the connection")
    if until is not None and result.gathered.has("first"):
        notes.insert(0, until.line(result.gathered))
    for note in notes:
        yield from wrapped("* ", note, width)


def _comparison_notes(gathered: Gathered, baseline: Gathered) -> Iterator[str]:
    yield _COMPARED
    if all(side.has(name) for side in (gathered, baseline) for name in ("late", "added")):
        late, added = (differences_of(gathered, baseline, name) for name in ("late", "added"))
        significant = [percentage for percentage, one in late.items() if one is not None and one.is_significant]
        differs_added = any(one is not None and one.is_significant for one in added.values())
        only_late = significant and all(added[percentage] for percentage in significant) and not differs_added
        names = ", ".join(NAMES[percentage] for percentage in significant)
        points = f"; here late ({names}) differs significantly and added does not: that points to the origin"
        yield _WHICH_COMPARES + (points if only_late else "")


def _notes(result: BenchResult) -> Iterator[str]:
    gathered = result.gathered
    yield from warnings(gathered.trends)
    yield from stamp_lines(gathered)
    if counts := ", ".join(f"{name} {gathered.samples(name).n}" for name in _named([gathered]) if gathered.has(name)):
        blank = f"blank where fewer than {MIN_BEYOND} samples are larger"
        is_sure = result.baseline is None and len(gathered.rounds) >= MIN_ROUNDS
        sure = "" if not is_sure else f"; ± half the {CONFIDENCE * 100:g} % interval by resampling rounds"
        yield f"n: {counts}; percentiles: {QUANTILES}, {blank}{sure}"
    if line := inexact_line(gathered):
        yield line
    names = names_of(gathered)
    if not OWN_SEGMENTS.issuperset(names) and not all(gathered.quantity(name).has_enough_known for name in names):
        yield f"a segment has no percentiles where fewer than {MIN_KNOWN * 100:g} % of its frames are known"
    if gathered.streams:
        came = f"{number(gathered.frames, 'frame')} in {number(gathered.reads, 'read')}"
        yield f"{result.url}: {streams_line(gathered)}; {came}"
    if line := own_line(gathered):
        yield line
    if left_out := clocks_left_out(gathered):
        yield left_out
    elif gathered.has("first") and not any(map(gathered.has, FROM_STAMPS)):
        yield f"{', '.join(FROM_STAMPS)} are left out: {NEEDS['added']}"


def _share(gathered: Gathered) -> float:
    return gathered.reads / gathered.frames if gathered.frames else 0.0


def to_json(result: BenchResult) -> str:
    """Return the result as one line of JSON: the histograms, and the figures in ms, each with its definition."""
    gathered, baseline = result.gathered, result.baseline
    members: dict[str, object] = {
        **result.as_json(),
        "unit": "ms",
        "quantiles": QUANTILES,
        "quantities": {name: _quantity(gathered, name, rule) for name, rule in DEFINITIONS.items()},
        "aliases": {alias: _quantity(gathered, name, rule) for alias, (name, rule) in ALIASES.items()},
        "segments": _segments(gathered),
        "own_error": {name: _quantity(gathered, name, rule) for name, rule in OWN_ERROR.items() if gathered.has(name)},
        "intervals": {name: _by_figure(intervals_of(gathered, name), _ends) for name in DEFINITIONS},
        "streams": gathered.streams,
        "failed": gathered.failed,
        "failures": gathered.failures,
        "warnings": [*warnings(gathered.trends), *stamp_lines(gathered)],
        "warmup": gathered.warmup,
        "frames": gathered.frames,
        "reads": gathered.reads,
        "reads_a_chunk": round(_share(gathered), 4),
    }
    if baseline is not None:
        members["baseline"] = {name: _quantity(baseline, name, rule) for name, rule in DEFINITIONS.items()}
        members["baseline_streams"] = baseline.streams
        members["baseline_failures"] = baseline.failures
        members["baseline_warnings"] = [*warnings(baseline.trends), *stamp_lines(baseline)]
        members["ratios"] = {name: _ratio_members(gathered, baseline, name) for name in DEFINITIONS}
        both = [name for name in names_of(gathered) if name in names_of(baseline)]
        members["baseline_segments"] = _segments(baseline)
        for kind, names in (("differences", [*DEFINITIONS]), ("segment_differences", both)):
            found = {name: differences_of(gathered, baseline, name) for name in names}
            members[kind] = {name: _by_figure(one, _difference) for name, one in found.items()}
    return json.dumps(members, separators=(",", ":"))


def _segments(gathered: Gathered) -> dict[str, dict[str, object]]:
    return {
        name: {**_quantity(gathered, name, "from one moment to the next"), "of": gathered.quantity(name).of}
        for name in names_of(gathered)
    }


def _by_figure(found: Mapping[float, Interval | None], members_of: Callable[[Interval], object]) -> dict[str, object]:
    return {NAMES[percentage]: None if one is None else members_of(one) for percentage, one in found.items()}


def _ends(one: Interval) -> list[float]:
    return [round((one.value + side * one.half) / 1e6, 4) for side in (-1, 1)]


def _difference(one: Interval) -> dict[str, object]:
    """Return the difference in ms, half the width of its interval, and whether it is significant."""
    return {"ms": round(one.value / 1e6, 4), "half": round(one.half / 1e6, 4), "seen": one.is_significant}


def _ratio_members(gathered: Gathered, baseline: Gathered, name: str) -> dict[str, float | None]:
    found = ratios(gathered.quantity(name).figures, baseline.quantity(name).figures)
    return {figure: None if ratio is None else float(f"{ratio:.3g}") for figure, ratio in found.items()}


def _quantity(gathered: Gathered, name: str, rule: str) -> dict[str, object]:
    quantity = gathered.quantity(name)
    values = {figure: None if value is None else round(value / 1e6, 4) for figure, value in quantity.figures.items()}
    resting = [figure for figure in FIGURES if figure in quantity.resting_on_inexact]
    return {"n": quantity.known, "inexact": quantity.inexact, **values, "resting_on_inexact": resting, "rule": rule}
