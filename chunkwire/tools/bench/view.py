"""The figures of a bench: a table, a line of JSON, and whether its limits hold.

The rule here: samples in, lines out. Nothing is shown without the number of its samples, and a percentile that too few
samples lie beyond is left blank. Lines are of whole words and as wide as the caller says; None: as long as they are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.tools.bench.histogram import bounds, bucket_of
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.saturation import warnings
from chunkwire.tools.bench.statistics import ALIASES, DEFINITIONS, PERCENTILES, Summary, summarize
from chunkwire.tools.paint import wrapped
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError

_LIMIT: Final = re.compile(r"(?P<quantity>[a-z]+)\.(?P<figure>p\d{1,2}(?:\.\d+)?|max)=(?P<time>[\d.]+[a-zµ]+)")
_NAMES: Final = {50.0: "p50", 90.0: "p90", 99.0: "p99", 99.9: "p99.9"}
MAX: Final = "max"

SMALLEST_RATIO: Final = 1e-4
"""A smaller one is written with an exponent, or it would not fit its column."""


_OPENING: Final = "streams were opened one after another, each once the one before had its head, and then warmed up"
_TURNS: Final = "; target and baseline took turns at going first"


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure that must not be larger than this.

    Attributes:
        figure: "p50", "p90", "p99", "p99.9" or "max".
        seconds: the largest value that is still in order.
    """

    quantity: str
    figure: str
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many streams may fail: a number, or a share of all."""

    number: float
    is_percentage: bool
    text: str

    def allows(self, gathered: Gathered) -> bool:
        """Say whether no more streams failed than may."""
        allowed = self.number * gathered.streams / 100 if self.is_percentage else self.number
        return gathered.failed <= allowed


def parse_allowance(text: str) -> Allowance:
    """Return the allowance of `3` or `0.5%`.

    Raises:
        LocalError: it is none.
    """
    found = re.fullmatch(r"(\d{1,9})|(\d{1,3}(?:\.\d+)?)%", text.strip())
    if not found or float(found[2] or 0) > 100:
        raise LocalError(f"--max-failed: expected a number of streams or a percentage, such as 3 or 0.5%, got {text!r}")
    return Allowance(float(found[1] or found[2]), found[2] is not None, text.strip())


def parse_limit(text: str) -> Limit:
    """Return the limit of `hold.p99=5ms`.

    Raises:
        LocalError: it is none, or names no figure that a bench has.
    """
    found = _LIMIT.fullmatch(text)
    known = (*_NAMES.values(), MAX)
    seconds = parse_duration(found["time"]) if found else None
    if not found or seconds is None or found["quantity"] not in DEFINITIONS or found["figure"] not in known:
        quantities, figures = ", ".join(DEFINITIONS), ", ".join(known)
        raise LocalError(
            f"expected QUANTITY.FIGURE=TIME, such as hold.p99=5ms, of {quantities} and {figures}; got {text!r}"
        )
    return Limit(found["quantity"], found["figure"], seconds, text)


def missed(limits: Sequence[Limit], gathered: Gathered) -> Iterator[str]:
    """Yield a line for each limit that does not hold; one that cannot be judged does not."""
    for limit in limits:
        value = figures(summarize(gathered.samples(limit.quantity)))[limit.figure]
        if value is None:
            yield f"{limit.text}: cannot be judged, too few samples lie beyond; take a longer run or more streams"
        elif (value if limit.figure == MAX else bounds(bucket_of(value))[0]) > limit.seconds * 1e9:
            yield f"{limit.text}: missed, {limit.quantity}.{limit.figure} is {value / 1e6:.2f} ms"


def figures(summary: Summary) -> dict[str, int | None]:
    """Return the figures of a quantity by their names, in ns."""
    return {**{_NAMES[percentage]: value for percentage, value in summary.percentiles.items()}, MAX: summary.largest}


def table(gathered: Gathered, baseline: Gathered | None = None, *, width: int | None = None) -> Iterator[str]:
    """Yield the heading, a row for each quantity, and beside a baseline its row and the ratio."""
    if not any(gathered.has(quantity) for quantity in DEFINITIONS):
        return
    yield " " * 8 + "".join(f"{_NAMES[percentage]:>9}" for percentage in PERCENTILES) + f"{MAX:>9}"
    for quantity, definition in DEFINITIONS.items():
        summary = summarize(gathered.samples(quantity))
        if not summary.n:
            continue
        yield from wrapped(_row(f"  {quantity}", summary) + "   ms  ", definition, width)
        if baseline is not None:
            other = summarize(baseline.samples(quantity))
            yield _row("    base", other)
            yield _ratios(summary, other)


def _row(name: str, summary: Summary) -> str:
    # Zero is added so that what rounds to zero has no sign.
    cells = ("" if value is None else f"{round(value / 1e6, 2) + 0.0:.2f}" for value in figures(summary).values())
    return f"{name:<8}" + "".join(f"{cell:>9}" for cell in cells)


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


def lines(result: BenchResult, *, width: int | None = None) -> Iterator[str]:
    """Yield the table, how many samples there are, what failed, and under what conditions they were taken."""
    if result.is_partial:
        yield "* partial: ended by Ctrl-C; these are the figures until then"
    yield from table(result.gathered, result.baseline, width=width)
    notes = [*_notes(result.gathered), ", ".join(f"{name} {value}" for name, value in result.conditions.items())]
    notes.append(_OPENING + (_TURNS if result.baseline is not None else ""))
    if result.baseline is not None:
        notes.append(f"base is {result.baseline_url}: {streams_line(result.baseline)}")
        notes += [f"base is {warning}" for warning in warnings(result.baseline.trends)]
    for note in notes:
        yield from wrapped("* ", note, width)


def _notes(gathered: Gathered) -> Iterator[str]:
    yield from warnings(gathered.trends)
    counts = (f"{name} {gathered.samples(name).n}" for name in DEFINITIONS if gathered.has(name))
    yield f"n: {', '.join(counts) or 'none'}"
    yield f"{streams_line(gathered)}; {gathered.frames} frames in {gathered.reads} reads" + (
        f", {_share(gathered):.2f} reads a frame" if gathered.frames else ""
    )
    if not gathered.has("added") and (gathered.has("first") or not gathered.streams):
        yield "no stamps in the stream: late, added and hold need them (/probe has them)"


def streams_line(gathered: Gathered) -> str:
    """Return how many streams there were, and how many failed in which way, the most frequent first."""
    kinds = sorted(gathered.failures.items(), key=lambda failure: -failure[1])
    how = f" ({', '.join(f'{count} {kind}' for kind, count in kinds)})" if kinds else ""
    return f"{gathered.streams} streams, {gathered.failed} failed{how}"


def _share(gathered: Gathered) -> float:
    return gathered.reads / gathered.frames if gathered.frames else 0.0


def to_json(result: BenchResult) -> str:
    """Return the figures as one line of JSON, times in ms; each quantity has its rule beside it."""
    gathered, baseline = result.gathered, result.baseline
    members: dict[str, object] = {
        **result.as_json(),
        "unit": "ms",
        "quantities": {name: _quantity(gathered, name, rule) for name, rule in DEFINITIONS.items()},
        "aliases": {alias: _quantity(gathered, name, rule) for alias, (name, rule) in ALIASES.items()},
        "streams": gathered.streams,
        "failed": gathered.failed,
        "failures": gathered.failures,
        "warnings": list(warnings(gathered.trends)),
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
    return json.dumps(members, separators=(",", ":"))


def _ratio_members(gathered: Gathered, baseline: Gathered, name: str) -> dict[str, float | None]:
    found = ratios(summarize(gathered.samples(name)), summarize(baseline.samples(name)))
    return {figure: None if ratio is None else float(f"{ratio:.3g}") for figure, ratio in found.items()}


def _quantity(gathered: Gathered, name: str, rule: str) -> dict[str, object]:
    summary = summarize(gathered.samples(name))
    values = {figure: None if value is None else round(value / 1e6, 4) for figure, value in figures(summary).items()}
    return {"n": summary.n, **values, "rule": rule}
