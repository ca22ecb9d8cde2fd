"""One self-contained page about a bench: percentile curves, and arrival against plan, where buffering shows as stairs.

The rule here: figures in, one page out, which fetches nothing and runs nothing.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from chunkwire.tools.bench.samples import Gathered
from chunkwire.tools.bench.statistics import DEFINITIONS, MIN_BEYOND, curve
from chunkwire.tools.bench.view import baseline_notes, notes, table

_COLUMNS: Final = 88  # of a fixed-width font: what fits 1000 px
_WIDTH: Final = 860
_HEIGHT: Final = 360
_LEFT: Final = 100
_BOTTOM: Final = 40
_BASE: Final = " (baseline)"
_COLOURS: Final = {"first": "#888", "late": "#1f77b4", "added": "#2ca02c", "hold": "#d62728", "gap": "#9467bd"}
_STREAM_COLOURS: Final = ("#1f77b4", "#ff7f0e", "#2ca02c")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;"
    "padding:1em;white-space:pre-wrap;overflow-wrap:anywhere}svg{width:100%;height:auto}"
    "text{font:12px system-ui,sans-serif}"
)
_STAIRS: Final = (
    "Each point is a frame of one of the first streams: when it was due, and when it came. A stream that comes through"
    " is a straight line; frames that were held and came together are a stair."
)


def page(
    gathered: Gathered,
    *,
    url: str,
    conditions: Mapping[str, object],
    baseline: Gathered | None = None,
    baseline_url: str = "",
    is_partial: bool = False,
) -> str:
    """Return the page."""
    against = f" against {baseline_url}" if baseline is not None else ""
    title = html.escape(f"chunkwire bench {url}{against}{' (partial)' if is_partial else ''}")
    lines = [*table(gathered, baseline, width=_COLUMNS), *notes(gathered, conditions, width=_COLUMNS)]
    if baseline is not None:
        lines += baseline_notes(baseline, baseline_url, width=_COLUMNS)
    body = [
        f"<h1>{title}</h1><pre>{html.escape(chr(10).join(lines))}</pre>",
        "<h2>Percentile curves</h2>",
        f"<p>Each curve ends where fewer than {MIN_BEYOND} samples lie beyond."
        + (f" Those of the baseline, {html.escape(baseline_url)}, are dashed." if baseline is not None else "")
        + "</p>",
        percentile_chart(gathered, baseline),
        "<h2>Arrival against plan</h2>",
        f"<p>{_STAIRS}</p>",
        stairs_chart(gathered),
    ]
    if baseline is not None:
        body += [f"<h2>Arrival against plan: the baseline, {html.escape(baseline_url)}</h2>", stairs_chart(baseline)]
    head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"{head}\n<body>\n" + "\n".join(body) + "\n</body></html>\n"


def percentile_chart(gathered: Gathered, baseline: Gathered | None = None) -> str:
    """Return the curves of all quantities but `gap` and `first`: value over percentile, towards 100 on a log scale.

    Where a quantity has no curve, since the stream bears no stamps, those two are drawn. A baseline's are dashed.
    """
    curves = _curves(gathered, "") | (_curves(baseline, _BASE) if baseline is not None else {})
    if not curves:
        return "<p>Too few stamped frames for a curve.</p>"
    farthest = max(_nines(points[-1][0]) for points in curves.values())
    highest = max(points[-1][1] for points in curves.values()) * 1000 or 1.0
    parts = list(_axes(f"{highest:.2f} ms", "percentile", _percentile_ticks(farthest)))
    for number, (name, points) in enumerate(curves.items()):
        path = [(_nines(p) / farthest, value * 1000 / highest) for p, value in points]
        colour = _COLOURS[name.removesuffix(_BASE)]
        parts.append(_line(path, colour, is_dashed=name.endswith(_BASE)))
        parts.append(_legend(number, name, colour))
    return _svg(parts)


def _curves(gathered: Gathered, suffix: str) -> dict[str, list[tuple[float, float]]]:
    names = [name for name in DEFINITIONS if (name in ("gap", "first")) is not bool(gathered.added)]
    curves = {name + suffix: curve(gathered.samples(name)) for name in names}
    return {name: points for name, points in curves.items() if points}


def stairs_chart(gathered: Gathered) -> str:
    """Return arrivals over their plan; without a plan, the number of frames over their arrival."""
    shown = [points for points in gathered.shown if points]
    if not shown:
        return "<p>No frames came.</p>"
    is_planned = all(planned is not None for points in shown for planned, _ in points)
    series: list[list[tuple[float, float]]] = [
        [
            (planned if planned is not None and is_planned else arrived, arrived if is_planned else float(number))
            for number, (planned, arrived) in enumerate(points, 1)
        ]
        for points in shown
    ]
    right = max(x for points in series for x, _ in points) or 1.0
    top = max(y for points in series for _, y in points) or 1.0
    up = f"arrived {top:.2f} s" if is_planned else f"{top:.0f} frames"
    across = f"planned, up to {right:.2f} s" if is_planned else f"arrived, up to {right:.2f} s"
    parts = list(_axes(up, across, ()))
    if is_planned:
        parts.append(_line([(0.0, 0.0), (1.0, min(1.0, right / top))], "#ccc"))
    for number, points in enumerate(series):
        colour = _STREAM_COLOURS[number % len(_STREAM_COLOURS)]
        parts.append(_line([(x / right, y / top) for x, y in points], colour, is_dotted=True))
        parts.append(_legend(number, f"stream {number + 1}", colour))
    return _svg(parts)


def _nines(percentage: float) -> float:
    """Return how far a percentile lies on a scale on which 90, 99 and 99.9 are equally far apart."""
    return -math.log10(max(1e-9, 1 - percentage / 100))


def _percentile_ticks(farthest: float) -> Iterator[tuple[float, str]]:
    for percentage, name in ((0.0, "0"), (50.0, "50"), (90.0, "90"), (99.0, "99"), (99.9, "99.9"), (99.99, "99.99")):
        if _nines(percentage) <= farthest:
            yield _nines(percentage) / farthest, name


def _axes(top: str, across: str, ticks: Iterator[tuple[float, str]] | Sequence[tuple[float, str]]) -> Iterator[str]:
    floor = _HEIGHT - _BOTTOM
    yield f'<path d="M{_LEFT} 10V{floor}H{_WIDTH - 10}" fill="none" stroke="#000"/>'
    yield f'<text x="{_LEFT - 6}" y="20" text-anchor="end">{html.escape(top)}</text>'
    yield f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
    yield f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 6}" text-anchor="end">{html.escape(across)}</text>'
    for place, name in ticks:
        yield f'<text x="{_x(place):.1f}" y="{floor + 16}" text-anchor="middle">{name}</text>'


def _line(
    points: Sequence[tuple[float, float]], colour: str, *, is_dotted: bool = False, is_dashed: bool = False
) -> str:
    places = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    dashes = ' stroke-dasharray="6 4"' if is_dashed else ""
    line = f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>'
    if not is_dotted:
        return line
    return line + "".join(f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="2" fill="{colour}"/>' for x, y in points)


def _legend(number: int, name: str, colour: str) -> str:
    return f'<text x="{_LEFT + 16}" y="{24 + 16 * number}" fill="{colour}">{html.escape(name)}</text>'


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - 10)


def _y(share: float) -> float:
    return (_HEIGHT - _BOTTOM) - share * (_HEIGHT - _BOTTOM - 10)


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
