"""Latency curves as inline SVG, over percentile or over time; the latency axis is logarithmic. Pure.

Over percentile the x axis is logarithmic, too: 90, 99 and 99.9 are at equal distances. A latency below 1 µs is drawn as
1 µs. A drawing has no script and fetches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from chunkwire.tools.paint import three_digits

WIDTH: Final = 860
STYLE: Final = (
    "svg{width:100%;min-width:46rem;max-width:60rem;height:auto;font:12px system-ui,sans-serif}"
    "svg text:not([fill]){fill:currentColor}.grid,.leader{stroke:#8884;fill:none}"
)
_HEIGHT: Final = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 16, 44
_TICKS: Final = ((0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"))


@dataclass(frozen=True, slots=True)
class LatencyCurve:
    """One curve.

    Attributes:
        points: one or more, by rising x: (fraction of the samples, latency in µs) in `percentile_chart`, (s, latency in
            µs) in `time_chart`, of any unit in `linear_chart`.
        colour: of CSS.
        is_dashed: for a reference.
        is_main: drawn wider.
        is_dotted: with a dot at each point.
    """

    points: Sequence[tuple[float, float]]
    colour: str
    is_dashed: bool = False
    is_main: bool = False
    is_dotted: bool = False


def percentile_chart(curves: Mapping[str, LatencyCurve], *, label: str, of: str) -> str:
    """Return the drawing of curves by name; "" where there is none.

    Args:
        label: what the drawing shows, for screen readers.
        of: what the percentiles are of, such as "frames".
    """
    if not curves:
        return ""
    most = max(1.0, *(_nines(curve.points[-1][0]) for curve in curves.values()))
    ticks = [(fraction, tick) for fraction, tick in _TICKS if _nines(fraction) <= most + 1e-9]
    axes = _Axes(curves, lambda fraction: _nines(fraction) / most, *_latencies(curves))
    return axes.drawing(ticks, f"percent of the {of}", label)


def time_chart(curves: Mapping[str, LatencyCurve], *, seconds: float, label: str) -> str:
    """Return the drawing of curves by name; "" where there is none.

    Args:
        seconds: length of the time axis; below 1 it is 1.
    """
    if not curves:
        return ""
    most = max(1.0, seconds)
    axes = _Axes(curves, lambda moment: moment / most, *_latencies(curves))
    return axes.drawing(_round_ticks(most), "s of sampling", label)


def linear_chart(curves: Mapping[str, LatencyCurve], *, caption: str, label: str) -> str:
    """Return the drawing of one or more curves by name; both axes are linear from 0, where what is below 0 is drawn."""
    points = (point for curve in curves.values() for point in curve.points)
    right, top = (max(0.0, *coordinates) or 1.0 for coordinates in zip(*points, strict=True))
    axes = _Axes(curves, lambda x: max(0.0, x) / right, lambda y: max(0.0, y) / top, _round_ticks(top))
    return axes.drawing(_round_ticks(right), caption, label)


def _round_ticks(most: float) -> list[tuple[float, str]]:
    """Return the ticks of a linear axis: four to ten steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * times for times in (0.1, 0.2, 0.5, 1.0) if most / (power * times) <= 10)
    return [(step * count, three_digits(step * count)) for count in range(math.floor(most / step + 1e-9) + 1)]


def _latencies(curves: Mapping[str, LatencyCurve]) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """Return the logarithmic scale of latencies, and its ticks: 1, 2 and 5 times each power of ten, in µs."""
    values = [max(us, 1.0) for curve in curves.values() for _, us in curve.points]
    least, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.01))
    steps = [*(times * 10.0**power for power in range(least, most) for times in (1, 2, 5)), 10.0**most]
    ticks = [(us, f"{us:g} µs" if us < 1e3 else f"{us / 1e3:g} ms" if us < 1e6 else f"{us / 1e6:g} s") for us in steps]
    return lambda us: (math.log10(max(us, 1.0)) - least) / (most - least), ticks


@dataclass(frozen=True, slots=True)
class _Axes:
    """The scales of a drawing, and its parts."""

    curves: Mapping[str, LatencyCurve]
    across: Callable[[float], float]  # maps a coordinate to its share of the axis, 0 to 1
    up: Callable[[float], float]  # the same upwards
    levels: Sequence[tuple[float, str]]  # the ticks of the axis upwards

    def x(self, place: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * self.across(place)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * self.up(value)

    def drawing(self, ticks: Sequence[tuple[float, str]], caption: str, label: str) -> str:
        drawn = (self.line(name, curve) for name, curve in self.curves.items())
        return svg(_HEIGHT, [*self.grid(ticks, caption), *drawn, *self.names()], label)

    def grid(self, ticks: Sequence[tuple[float, str]], caption: str) -> Iterator[str]:
        for place, label in ticks:
            x = self.x(place)
            yield f'<path class="grid" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
            yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{label}</text>'
        for value, label in self.levels:
            y = self.y(value)
            yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
            yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        yield f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(caption)}</text>'

    def line(self, name: str, curve: LatencyCurve) -> str:
        places = [(f"{self.x(x):.1f}", f"{self.y(y):.1f}") for x, y in curve.points]
        width = 3 if curve.is_main else 1.5
        dash = ' stroke-dasharray="4 4"' if curve.is_dashed else ""
        return (
            f'<polyline fill="none" stroke="{curve.colour}" stroke-width="{width}"{dash} '
            f'points="{" ".join(map(",".join, places))}"><title>{escape(name)}</title></polyline>'
        ) + "".join(f'<circle cx="{x}" cy="{y}" r="2" fill="{curve.colour}"/>' for x, y in places if curve.is_dotted)

    def names(self) -> list[str]:
        """Return each curve's name, right of the axes, with a line to its end; names do not overlap."""
        parts: list[str] = []
        lowest = float(_TOP)
        for name, curve in sorted(self.curves.items(), key=lambda item: -item[1].points[-1][1]):
            fraction, us = curve.points[-1]
            y = max(self.y(us) + 4, lowest)
            lowest = y + 14
            line = f"M{self.x(fraction):.1f} {self.y(us):.1f}L{WIDTH - _RIGHT + 8} {y - 4:.1f}"
            parts.append(f'<path class="leader" d="{line}"/>')
            weight = ' font-weight="700"' if curve.is_main else ""
            parts.append(
                f'<text x="{WIDTH - _RIGHT + 12}" y="{y:.1f}" fill="{curve.colour}"{weight}>{escape(name)}</text>'
            )
        return parts


def svg(height: int, parts: Sequence[str], label: str) -> str:
    """Return a drawing of `WIDTH` by `height` units, which scales with the page."""
    opened = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label, quote=True)}">'
    return opened + "".join(parts) + "</svg>"


def _nines(fraction: float) -> float:
    """Return -log10(1 - fraction), at most 9: 1 for 0.9, 2 for 0.99."""
    return -math.log10(max(1 - fraction, 1e-9))
