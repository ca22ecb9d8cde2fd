"""Latency curves as inline SVG, over percentile or over time; the latency axis is logarithmic. Pure.

Over percentile the x axis is logarithmic, too: 90, 99 and 99.9 are at equal distances. A latency below 1 µs is drawn as
1 µs. A drawing has no script and fetches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
STYLE: Final = (
    "svg{width:100%;max-width:60rem;height:auto;font:12px system-ui,sans-serif}svg text:not([fill]){fill:currentColor}"
    ".grid,.leader{stroke:#8884;fill:none}"
)
_HEIGHT: Final = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 16, 44
_TICKS: Final = ((0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"))


@dataclass(frozen=True, slots=True)
class LatencyCurve:
    """One curve.

    Attributes:
        points: (x, latency in µs), one or more, by rising x: the fraction of the samples (0 to 1) in
            `percentile_chart`, s in `time_chart`.
        colour: of CSS.
        is_dashed: for a reference.
        is_main: drawn wider.
    """

    points: Sequence[tuple[float, float]]
    colour: str
    is_dashed: bool = False
    is_main: bool = False


def percentile_chart(curves: Mapping[str, LatencyCurve], *, label: str, of: str) -> str:
    """Return the drawing of curves by name; "" where there is none.

    Args:
        label: what the drawing shows, for screen readers.
        of: what the percentiles are of, such as "frames".
    """
    if not curves:
        return ""
    axes = _Axes(curves, max(_nines(curve.points[-1][0]) for curve in curves.values()), _nines)
    ticks = [(fraction, tick) for fraction, tick in _TICKS if _nines(fraction) <= axes.x_most + 1e-9]
    return axes.drawing(ticks, f"percent of the {of}", label)


def time_chart(curves: Mapping[str, LatencyCurve], *, seconds: float, label: str) -> str:
    """Return the drawing of curves by name; "" where there is none.

    Args:
        seconds: length of the time axis; below 1 it is 1.
    """
    if not curves:
        return ""
    axes = _Axes(curves, seconds, float)
    ticks = [(axes.x_most * step / 5, f"{axes.x_most * step / 5:.3g}") for step in range(6)]
    return axes.drawing(ticks, "s of sampling", label)


class _Axes:
    """The scales of a drawing, and its parts.

    Args:
        x_most: the largest scaled x; below 1 it is 1.
        scale: maps a point's fraction or moment to a scaled x.
    """

    def __init__(self, curves: Mapping[str, LatencyCurve], x_most: float, scale: Callable[[float], float]) -> None:
        values = [max(us, 1.0) for curve in curves.values() for _, us in curve.points]
        self.x_most = max(x_most, 1.0)
        self.y_least: float = 10 ** math.floor(math.log10(min(values)))
        self.y_most: float = 10 ** math.ceil(math.log10(max(values) * 1.01))
        self._curves, self._scale = curves, scale

    def x(self, place: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * self._scale(place) / self.x_most

    def y(self, us: float) -> float:
        share = math.log(max(us, self.y_least) / self.y_least) / math.log(self.y_most / self.y_least)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def drawing(self, ticks: Sequence[tuple[float, str]], caption: str, label: str) -> str:
        drawn = (self.line(name, curve) for name, curve in self._curves.items())
        return svg(_HEIGHT, [*self.grid(ticks, caption), *drawn, *self.names()], label)

    def grid(self, ticks: Sequence[tuple[float, str]], caption: str) -> list[str]:
        parts = []
        for place, label in ticks:
            x = self.x(place)
            parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{label}</text>')
        step = self.y_least
        while step <= self.y_most * 1.001:
            for times in (1, 2, 5):
                if step * times <= self.y_most * 1.001:
                    parts += self._level(step * times)
            step *= 10
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(caption)}</text>')
        return parts

    def _level(self, us: float) -> list[str]:
        y = self.y(us)
        label = f"{us:g} µs" if us < 1e3 else f"{us / 1e3:g} ms" if us < 1e6 else f"{us / 1e6:g} s"
        return [
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>',
        ]

    def line(self, name: str, curve: LatencyCurve) -> str:
        points = " ".join(f"{self.x(fraction):.1f},{self.y(us):.1f}" for fraction, us in curve.points)
        width = 3 if curve.is_main else 1.5
        dash = ' stroke-dasharray="4 4"' if curve.is_dashed else ""
        return (
            f'<polyline fill="none" stroke="{curve.colour}" stroke-width="{width}"{dash} points="{points}">'
            f"<title>{escape(name)}</title></polyline>"
        )

    def names(self) -> list[str]:
        """Return each curve's name, right of the axes, with a line to its end; names do not overlap."""
        parts: list[str] = []
        lowest = float(_TOP)
        for name, curve in sorted(self._curves.items(), key=lambda item: -item[1].points[-1][1]):
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
