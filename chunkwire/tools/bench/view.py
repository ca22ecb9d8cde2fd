"""The figures of a bench: a table, a line of JSON, and whether its limits hold.

The rule here: samples in, lines out. Nothing is shown without the number of its samples, and a percentile that too few
samples lie beyond is left blank.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.tools.bench.samples import Gathered
from chunkwire.tools.bench.statistics import ALIASES, DEFINITIONS, PERCENTILES, Summary, summarize
from chunkwire.wire.errors import LocalError

_LIMIT: Final = re.compile(
    r"(?P<quantity>[a-z]+)\.(?P<figure>p\d{1,2}(?:\.\d+)?|max)=(?P<value>\d+(?:\.\d+)?)(?P<unit>us|µs|ms|s)"
)
_UNITS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_NAMES: Final = {50.0: "p50", 90.0: "p90", 99.0: "p99", 99.9: "p99.9"}
MAX: Final = "max"


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


def parse_limit(text: str) -> Limit:
    """Return the limit of `hold.p99=5ms`.

    Raises:
        LocalError: it is none, or names no figure that a bench has.
    """
    found = _LIMIT.fullmatch(text)
    known = (*_NAMES.values(), MAX)
    if not found or found["quantity"] not in DEFINITIONS or found["figure"] not in known:
        quantities, figures = ", ".join(DEFINITIONS), ", ".join(known)
        raise LocalError(
            f"expected QUANTITY.FIGURE=TIME, such as hold.p99=5ms, of {quantities} and {figures}; got {text!r}"
        )
    return Limit(found["quantity"], found["figure"], float(found["value"]) * _UNITS[found["unit"]], text)


def missed(limits: Sequence[Limit], gathered: Gathered) -> Iterator[str]:
    """Yield a line for each limit that does not hold; one that cannot be judged does not."""
    for limit in limits:
        value = figures(summarize(gathered.samples(limit.quantity)))[limit.figure]
        if value is None:
            yield f"{limit.text}: cannot be judged, too few samples lie beyond; take a longer run or more streams"
        elif value > limit.seconds:
            yield f"{limit.text}: missed, {limit.quantity}.{limit.figure} is {value * 1000:.2f} ms"


def figures(summary: Summary) -> dict[str, float | None]:
    """Return the figures of a quantity by their names."""
    return {**{_NAMES[percentage]: value for percentage, value in summary.percentiles.items()}, MAX: summary.largest}


def table(gathered: Gathered, baseline: Gathered | None = None) -> Iterator[str]:
    """Yield the heading, a row for each quantity, and beside a baseline its row and the ratio."""
    yield " " * 8 + "".join(f"{_NAMES[percentage]:>9}" for percentage in PERCENTILES) + f"{MAX:>9}"
    for quantity, definition in DEFINITIONS.items():
        summary = summarize(gathered.samples(quantity))
        if not summary.n:
            continue
        yield _row(f"  {quantity}", summary) + f"   ms  {definition}"
        if baseline is not None:
            other = summarize(baseline.samples(quantity))
            yield _row("    base", other)
            yield _ratios(summary, other)


def _row(name: str, summary: Summary) -> str:
    cells = ("" if value is None else f"{value * 1000:.2f}" for value in figures(summary).values())
    return f"{name:<8}" + "".join(f"{cell:>9}" for cell in cells)


def _ratios(summary: Summary, baseline: Summary) -> str:
    cells = []
    for value, other in zip(figures(summary).values(), figures(baseline).values(), strict=True):
        cells.append("" if value is None or not other else f"{value / other:.2f}x")
    return ("       x" + "".join(f"{cell:>9}" for cell in cells)).rstrip()


def notes(gathered: Gathered, conditions: Mapping[str, object]) -> Iterator[str]:
    """Yield how many samples there are, and under what conditions they were taken."""
    counts = (f"{name} {len(gathered.samples(name))}" for name in DEFINITIONS if gathered.samples(name))
    yield f"* n: {', '.join(counts) or 'none'}"
    frames = f"{gathered.frames} frames in {gathered.reads} reads"
    yield f"* {gathered.streams} streams, {gathered.failed} failed; {frames}, {_share(gathered):.2f} reads a frame"
    if not gathered.added:
        yield "* no stamps in the stream: late, added and hold need them (/probe has them)"
    yield f"* {', '.join(f'{name} {value}' for name, value in conditions.items())}"


def _share(gathered: Gathered) -> float:
    return gathered.reads / gathered.frames if gathered.frames else 0.0


def to_json(gathered: Gathered, *, url: str, conditions: Mapping[str, object], baseline: Gathered | None = None) -> str:
    """Return the figures as one line of JSON, times in ms; each quantity has its rule beside it."""
    members: dict[str, object] = {
        "v": 1,
        "kind": "bench",
        "url": url,
        "unit": "ms",
        "quantities": {name: _quantity(gathered, name, rule) for name, rule in DEFINITIONS.items()},
        "aliases": {alias: _quantity(gathered, name, rule) for alias, (name, rule) in ALIASES.items()},
        "streams": gathered.streams,
        "failed": gathered.failed,
        "frames": gathered.frames,
        "reads": gathered.reads,
        "reads_a_chunk": round(_share(gathered), 4),
        "conditions": dict(conditions),
    }
    if baseline is not None:
        members["baseline"] = {name: _quantity(baseline, name, rule) for name, rule in DEFINITIONS.items()}
    return json.dumps(members, separators=(",", ":"))


def _quantity(gathered: Gathered, name: str, rule: str) -> dict[str, object]:
    summary = summarize(gathered.samples(name))
    values = {figure: None if value is None else round(value * 1000, 4) for figure, value in figures(summary).items()}
    return {"n": summary.n, **values, "rule": rule}
