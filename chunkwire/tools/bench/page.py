"""One self-contained page about a bench: percentile curves, and arrival against plan, where buffering shows as stairs.

The rule here: figures in, one page out, which fetches nothing and runs nothing.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.tools.bench.chart import STYLE, WIDTH, PercentileCurve, percentile_chart, svg
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.statistics import DEFINITIONS, MIN_BEYOND, curve
from chunkwire.tools.bench.view import lines

_COLUMNS: Final = 88  # of a fixed-width font: what fits 1000 px
_HEIGHT: Final = 360
_LEFT: Final = 100
_BOTTOM: Final = 40
_BASE: Final = " (baseline)"
_COLOURS: Final = {"first": "#888", "late": "#1f77b4", "added": "#2ca02c", "hold": "#d62728", "gap": "#9467bd"}
_STREAM_COLOURS: Final = ("#1f77b4", "#ff7f0e", "#2ca02c")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;"
    "padding:1em;white-space:pre-wrap;overflow-wrap:anywhere}"
)
_STAIRS: Final = (
    "Each point is a frame of one of the first streams: when it was due, and when it came. A stream that comes through"
    " is a straight line; frames that were held and came together are a stair."
)


def page(result: BenchResult) -> str:
    """Return the page."""
    gathered, baseline, baseline_url = result.gathered, result.baseline, html.escape(result.baseline_url or "")
    against = f" against {baseline_url}" if baseline is not None else ""
    title = f"{html.escape(f'chunkwire bench {result.url}')}{against}{' (partial)' if result.is_partial else ''}"
    figures = "\n".join(lines(result, width=_COLUMNS))
    body = [
        f"<h1>{title}</h1><pre>{html.escape(figures)}</pre>",
        "<h2>Percentile curves</h2>",
        f"<p>Each curve ends where fewer than {MIN_BEYOND} samples lie beyond."
        + (f" Those of the baseline, {baseline_url}, are dashed." if baseline is not None else "")
        + "</p>",
        _percentiles(gathered, baseline),
        "<h2>Arrival against plan</h2>",
        f"<p>{_STAIRS}</p>",
        stairs_chart(gathered),
    ]
    if baseline is not None:
        body += [f"<h2>Arrival against plan: the baseline, {baseline_url}</h2>", stairs_chart(baseline)]
    head = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}{STYLE}</style>'
    )
    return f"{head}\n<body>\n" + "\n".join(body) + "\n</body></html>\n"


def _percentiles(gathered: Gathered, baseline: Gathered | None) -> str:
    """Return the curves of all quantities but `gap` and `first`; those of a baseline are dashed.

    Where a quantity has no curve, since the stream bears no stamps, those two are drawn.
    """
    curves = _curves(gathered, is_baseline=False)
    if baseline is not None:
        curves |= _curves(baseline, is_baseline=True)
    chart = percentile_chart(curves, label="percentile curves", of="frames")
    return chart or "<p>Too few stamped frames for a curve.</p>"


def _curves(gathered: Gathered, *, is_baseline: bool) -> dict[str, PercentileCurve]:
    names = [name for name in DEFINITIONS if (name in ("gap", "first")) is not gathered.has("added")]
    points = {name: [(p / 100, ns / 1e3) for p, ns in curve(gathered.samples(name))] for name in names}
    return {
        name + _BASE * is_baseline: PercentileCurve(found, _COLOURS[name], is_dashed=is_baseline)
        for name, found in points.items()
        if len(found) > 1
    }


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
    parts = list(_axes(up, across))
    if is_planned:
        parts.append(_line([(0.0, 0.0), (1.0, min(1.0, right / top))], "#ccc"))
    for number, points in enumerate(series):
        colour = _STREAM_COLOURS[number % len(_STREAM_COLOURS)]
        parts.append(_line([(x / right, y / top) for x, y in points], colour, is_dotted=True))
        parts.append(_legend(number, f"stream {number + 1}", colour))
    return svg(_HEIGHT, parts, "arrival against plan")


def _axes(top: str, across: str) -> Iterator[str]:
    floor = _HEIGHT - _BOTTOM
    yield f'<path d="M{_LEFT} 10V{floor}H{WIDTH - 10}" fill="none" stroke="#000"/>'
    yield f'<text x="{_LEFT - 6}" y="20" text-anchor="end">{html.escape(top)}</text>'
    yield f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
    yield f'<text x="{WIDTH - 10}" y="{_HEIGHT - 6}" text-anchor="end">{html.escape(across)}</text>'


def _line(points: Sequence[tuple[float, float]], colour: str, *, is_dotted: bool = False) -> str:
    places = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    line = f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    if not is_dotted:
        return line
    return line + "".join(f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="2" fill="{colour}"/>' for x, y in points)


def _legend(number: int, name: str, colour: str) -> str:
    return f'<text x="{_LEFT + 16}" y="{24 + 16 * number}" fill="{colour}">{html.escape(name)}</text>'


def _x(share: float) -> float:
    return _LEFT + share * (WIDTH - _LEFT - 10)


def _y(share: float) -> float:
    return (_HEIGHT - _BOTTOM) - share * (_HEIGHT - _BOTTOM - 10)
