"""Two drawings of a table as inline SVG: percentile curves, and bars with their spread. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from bench.results import Column, Row, Table
from bench.stats import middle_curve
from bench.text import number
from chunkwire.tools.bench.chart import WIDTH, LatencyCurve, percentile_chart, svg

_BAR = 24
_NAMES = 150
# Five of Okabe and Ito's palette, which colour-blind readers can tell apart, and five more.
_COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#a0522d",
    "#9467bd",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)
_OWN_COLOURS = {"chunkwire": "#d55e00", "nopoll": "#f4a582", "always": "#b2182b", "direct": "#999999"}


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name; our own rows have the same colours in every drawing."""
    own = {**_OWN_COLOURS, **{name: _OWN_COLOURS["chunkwire"] for name in names if name.startswith("chunkwire")}}
    others = [name for name in names if name not in own]
    return {**own, **{name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(others)}}


def curves(table: Table, colour: Mapping[str, str]) -> str:
    """Return the percentile curves of a table, each the median over its rounds; "" where no row has one."""
    found = {
        row.name: middle_curve([one.curve for one in row.counted])
        for row in table.rows
        if any(r.curve for r in row.counted)
    }
    found = {name: curve for name, curve in found.items() if len(curve) > 1}
    drawn = {
        name: LatencyCurve(curve, colour[name], is_dashed=name == "direct", is_main=name == "chunkwire")
        for name, curve in found.items()
    }
    return percentile_chart(drawn, label=f"percentile curves of {table.name}", of="chunks")


def bars(table: Table, colour: Mapping[str, str]) -> str:
    """Return a bar for each row's first figure, with a line from its smallest to its largest round; "" without bars."""
    column = table.columns[0]
    rows = [row for row in table.rows if row.median(column.key) is not None]
    if not rows:
        return ""
    most = max(max(row.values(column.key)) for row in rows) or 1.0
    parts = [part for at, row in enumerate(rows) for part in _bar(row, column, at, most, colour[row.name])]
    label = f"{column.label} {column.unit}".strip()
    parts.append(f'<text x="{_NAMES}" y="{len(rows) * _BAR + 30}">{escape(label)}</text>')
    return svg(len(rows) * _BAR + 40, parts, f"{label} of {table.name}")


def _bar(row: Row, column: Column, at: int, most: float, colour: str) -> list[str]:
    values, middle = row.values(column.key), row.median(column.key) or 0.0
    room = WIDTH - _NAMES - 90
    top, centre = at * _BAR + 12, at * _BAR + 20
    least, largest = (_NAMES + room * value / most for value in (min(values), max(values)))
    weight = ' font-weight="700"' if row.name == "chunkwire" else ""
    return [
        f'<text x="{_NAMES - 8}" y="{centre + 4}" text-anchor="end"{weight}>{escape(row.name)}</text>',
        f'<rect x="{_NAMES}" y="{top}" width="{max(1.0, room * middle / most):.1f}" height="16" fill="{colour}"/>',
        f'<path class="spread" d="M{least:.1f} {centre}H{largest:.1f}"/>',
        f'<text x="{largest + 8:.1f}" y="{centre + 4}">{number(middle * column.scale)}</text>',
    ]
