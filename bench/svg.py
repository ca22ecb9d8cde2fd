"""Two drawings as inline SVG: percentile curves, and bars with their spread. Pure; no script, no outside request.

The x axis of the curves is the share of the samples that are slower, on a logarithmic scale, so that each nine of a
percentile gets the same room; the y axis is logarithmic too. A curve ends where fewer than ten samples lie beyond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from bench.results import Column, Row, Table
from bench.stats import Curve, middle_curve
from bench.text import number

_WIDTH, _HEIGHT = 860, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 16, 44
_BAR = 24
_NAMES = 150
# Okabe and Ito's palette and three more: told apart by colour-blind readers, and on black as on white.
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
_TICKS = ((0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999"))


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name; the project's own rows have theirs in every drawing."""
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
    if not found:
        return ""
    values = [max(us, 1.0) for curve in found.values() for _, us in curve]
    axes = _Axes(
        x_most=max(_nines(curve[-1][0]) for curve in found.values()),
        y_least=10 ** math.floor(math.log10(min(values))),
        y_most=10 ** math.ceil(math.log10(max(values) * 1.01)),
    )
    parts = [*axes.grid(), *(axes.line(name, curve, colour[name]) for name, curve in found.items())]
    parts += axes.names({name: curve[-1] for name, curve in found.items()}, colour)
    return _svg(_HEIGHT, parts, f"percentile curves of {table.name}")


class _Axes:
    """Where a fraction and a latency lie in the drawing."""

    def __init__(self, *, x_most: float, y_least: float, y_most: float) -> None:
        self.x_most, self.y_least, self.y_most = max(x_most, 1.0), y_least, y_most

    def x(self, fraction: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * _nines(fraction) / self.x_most

    def y(self, us: float) -> float:
        share = math.log(max(us, self.y_least) / self.y_least) / math.log(self.y_most / self.y_least)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def grid(self) -> list[str]:
        parts = []
        for fraction, label in _TICKS:
            if _nines(fraction) > self.x_most + 1e-9:
                continue
            x = self.x(fraction)
            parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{label}</text>')
        step = self.y_least
        while step <= self.y_most * 1.001:
            for times in (1, 2, 5):
                if step * times <= self.y_most * 1.001:
                    parts += self._level(step * times)
            step *= 10
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">percent of the chunks</text>')
        return parts

    def _level(self, us: float) -> list[str]:
        y = self.y(us)
        label = f"{us / 1000:g} ms" if us >= 1000 else f"{us:g} µs"
        return [
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>',
        ]

    def line(self, name: str, curve: Curve, colour: str) -> str:
        points = " ".join(f"{self.x(fraction):.1f},{self.y(us):.1f}" for fraction, us in curve)
        width = 3 if name == "chunkwire" else 1.5
        dash = ' stroke-dasharray="4 4"' if name == "direct" else ""
        return (
            f'<polyline fill="none" stroke="{colour}" stroke-width="{width}"{dash} points="{points}">'
            f"<title>{escape(name)}</title></polyline>"
        )

    def names(self, ends: Mapping[str, tuple[float, float]], colour: Mapping[str, str]) -> list[str]:
        """Write each curve's name at its end; names that would overlap move apart."""
        parts: list[str] = []
        lowest = float(_TOP)
        for name, (fraction, us) in sorted(ends.items(), key=lambda item: -item[1][1]):
            y = max(self.y(us) + 4, lowest)
            lowest = y + 14
            line = f"M{self.x(fraction):.1f} {self.y(us):.1f}L{_WIDTH - _RIGHT + 8} {y - 4:.1f}"
            parts.append(f'<path class="leader" d="{line}"/>')
            weight = ' font-weight="700"' if name == "chunkwire" else ""
            x = _WIDTH - _RIGHT + 12
            parts.append(f'<text x="{x}" y="{y:.1f}" fill="{colour[name]}"{weight}>{escape(name)}</text>')
        return parts


def bars(table: Table, colour: Mapping[str, str]) -> str:
    """Return a bar for each row's first figure, with a mark from its least to its most; "" where none has one."""
    column = table.columns[0]
    rows = [row for row in table.rows if row.median(column.key) is not None]
    if not rows:
        return ""
    most = max(max(row.values(column.key)) for row in rows) or 1.0
    parts = [part for at, row in enumerate(rows) for part in _bar(row, column, at, most, colour[row.name])]
    label = f"{column.label} {column.unit}".strip()
    parts.append(f'<text x="{_NAMES}" y="{len(rows) * _BAR + 30}">{escape(label)}</text>')
    return _svg(len(rows) * _BAR + 40, parts, f"{label} of {table.name}")


def _bar(row: Row, column: Column, at: int, most: float, colour: str) -> list[str]:
    values, middle = row.values(column.key), row.median(column.key) or 0.0
    room = _WIDTH - _NAMES - 90
    top, centre = at * _BAR + 12, at * _BAR + 20
    least, largest = (_NAMES + room * value / most for value in (min(values), max(values)))
    weight = ' font-weight="700"' if row.name == "chunkwire" else ""
    return [
        f'<text x="{_NAMES - 8}" y="{centre + 4}" text-anchor="end"{weight}>{escape(row.name)}</text>',
        f'<rect x="{_NAMES}" y="{top}" width="{max(1.0, room * middle / most):.1f}" height="16" fill="{colour}"/>',
        f'<path class="spread" d="M{least:.1f} {centre}H{largest:.1f}"/>',
        f'<text x="{largest + 8:.1f}" y="{centre + 4}">{number(middle * column.scale)}</text>',
    ]


def _nines(fraction: float) -> float:
    """Return how many factors of ten fewer samples lie beyond a fraction."""
    return -math.log10(max(1 - fraction, 1e-9))


def _svg(height: int, parts: Sequence[str], label: str) -> str:
    opened = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label, quote=True)}">'
    return opened + "".join(parts) + "</svg>"
