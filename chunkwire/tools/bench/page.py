"""The HTML page of a bench: its figures, percentile curves, percentiles over time, and arrival against plan.

The rule here: pure; a result in, one page out, which runs no script and sends no request.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Final

from chunkwire.tools.bench.chart import STYLE, LatencyCurve, linear_chart, percentile_chart, time_chart
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.statistics import DEFINITIONS, FIGURES, MIN_BEYOND, curve
from chunkwire.tools.bench.view import cell, lines

_COLUMNS: Final = 90  # characters of a line of the text figures; wide enough for its table, narrow enough for 800 px
_COLOURS: Final = {name: f"var(--{name})" for name in DEFINITIONS}
_STREAM_COLOURS: Final = ("var(--late)", "var(--added)", "var(--hold)")
_STYLE: Final = (
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--soft:#59636e;--line:#8c959f;--box:#f6f8fa;"
    "--first:#59636e;--late:#0969da;--added:#1a7f37;--hold:#cf222e;--gap:#8250df}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9198a1;--line:#6e7681;--box:#151b23;"
    "--first:#9198a1;--late:#58a6ff;--added:#3fb950;--hold:#f85149;--gap:#bc8cff}}"
    "body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;"
    "padding:0 1em}h1{font-size:1.4em;overflow-wrap:anywhere}h2{font-size:1.1em;margin:2em 0 .3em}p{color:var(--soft)}"
    "pre{background:var(--box);padding:1em;overflow-x:auto;border-radius:6px;font:13px/1.45 ui-monospace,monospace}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}"
    "th,td{text-align:right;padding:.1em .9em;border-bottom:1px solid var(--box)}th{color:var(--soft);font-weight:400}"
    ".wide{overflow-x:auto}"
)
_ROWS: Final = 20  # of the table over time
_STAIRS: Final = (
    "Each point is a frame of one of the first streams: its planned moment on the x axis, its arrival on the y axis."
    " Without a plan: its arrival on the x axis, its number on the y axis. A step is frames that arrived together."
    " A moment before the stream began is drawn as 0."
)


def page(result: BenchResult) -> str:
    """Return the page."""
    gathered, baseline, baseline_url = result.gathered, result.baseline, html.escape(result.baseline_url or "")
    against = f" against {baseline_url}" if baseline is not None else ""
    title = f"{html.escape(f'chunkwire bench {result.url}')}{against}{' (partial)' if result.is_partial else ''}"
    figures = "\n".join(lines(result, width=_COLUMNS))
    curves = _curves(gathered) | (_curves(baseline, is_baseline=True) if baseline is not None else {})
    chart = percentile_chart(curves, label="percentile curves", of="frames")
    body = [
        f"<h1>{title}</h1><pre>{html.escape(figures)}</pre>",
        "<h2>Percentile curves</h2>",
        f"<p>Each curve ends where fewer than {MIN_BEYOND} samples are larger."
        " A time below 1 µs, or below zero, is drawn as 1 µs."
        + (f" Those of the baseline, {baseline_url}, are dashed." if baseline is not None else "")
        + "</p>",
        _scrolling(chart) if chart else "<p>Too few frames for a curve.</p>",
        *_over_time(gathered, baseline),
    ]
    if gathered.shown:
        body += [f"<h2>Arrival against plan</h2><p>{_STAIRS}</p>", _scrolling(stairs_chart(gathered))]
    if baseline is not None and baseline.shown:
        body += [f"<h2>Arrival against plan: the baseline, {baseline_url}</h2>", _scrolling(stairs_chart(baseline))]
    head = (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}{STYLE}</style>"
    )
    return f"{head}\n<body>\n" + "\n".join(body) + "\n</body></html>\n"


def _over_time(gathered: Gathered, baseline: Gathered | None) -> Iterator[str]:
    """Yield a chart of both and a table of each: the first of late, added and gap that the target has.

    Nothing is yielded for one round.
    """
    name = next((name for name in ("late", "added", "gap") if gathered.has(name)), "")
    if len(gathered.rounds) < 2 or not name:
        return
    dashed = "" if baseline is None else " Curves of the baseline are dashed."
    yield f"<h2>Percentiles over time: {name}</h2><p>{html.escape(DEFINITIONS[name])}; one point per round.{dashed}</p>"
    curves, seconds = _time_curves(gathered, name), gathered.seconds
    if baseline is not None:
        curves |= _time_curves(baseline, name, is_baseline=True)
        seconds = max(seconds, baseline.seconds)
    yield _scrolling(time_chart(curves, seconds=seconds, label=f"percentiles of {name} over time"))
    yield f"<p>In ms. A percentile is blank if fewer than {MIN_BEYOND} samples are larger.</p>"
    yield _time_table(gathered, name)
    if baseline is not None:
        yield f"<p>The baseline:</p>{_time_table(baseline, name)}"


def _time_table(gathered: Gathered, name: str) -> str:
    heading = "".join(f"<th>{cell}</th>" for cell in ("from s", "n", *FIGURES))
    rows, began = [], 0.0
    for one in gathered.in_rounds(_ROWS):
        quantity = one.quantity(name)
        cells = [f"{began:.2f}", str(quantity.known), *(cell(name, figure, quantity) for figure in FIGURES)]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        began += one.seconds
    return _scrolling(f"<table><tr>{heading}</tr>{''.join(rows)}</table>")


def _scrolling(part: str) -> str:
    """Return a part that scrolls by itself where the page is narrower, as on a phone."""
    return f'<div class="wide">{part}</div>'


def _time_curves(gathered: Gathered, name: str, *, is_baseline: bool = False) -> dict[str, LatencyCurve]:
    points: dict[str, list[tuple[float, float]]] = {}
    began = 0.0
    for one in gathered.rounds:
        for figure, ns in one.quantity(name).figures.items():
            if ns is not None:
                points.setdefault(figure, []).append((began + one.seconds / 2, ns / 1e3))
        began += one.seconds
    palette = (_COLOURS[name] for name in ("late", "added", "gap", "hold", "first"))  # five colours, in any order
    colours = dict(zip(FIGURES, palette, strict=True))
    return {
        f"{figure} (baseline)" if is_baseline else figure: LatencyCurve(found, colours[figure], is_dashed=is_baseline)
        for figure, found in points.items()
        if len(found) > 1
    }


def _curves(gathered: Gathered, *, is_baseline: bool = False) -> dict[str, LatencyCurve]:
    """Return the curves of late, added and hold; those of first and gap if `added` has no samples."""
    names = ("late", "added", "hold") if gathered.has("added") else ("first", "gap")
    points = {name: [(p / 100, ns / 1e3) for p, ns in curve(gathered.samples(name))] for name in names}
    return {
        f"{name} (baseline)" if is_baseline else name: LatencyCurve(found, _COLOURS[name], is_dashed=is_baseline)
        for name, found in points.items()
        if len(found) > 1
    }


def stairs_chart(gathered: Gathered) -> str:
    """Return a chart: x planned moment, y arrival; if a frame has no plan, x arrival, y number of the frame."""
    shown = [points for points in gathered.shown if points]
    if not shown:
        return "<p>No frames came.</p>"
    is_planned = all(planned is not None for points in shown for planned, _ in points)
    curves: dict[str, LatencyCurve] = {}
    for stream, points in enumerate(shown):
        steps = [
            (planned, arrived) if planned is not None and is_planned else (arrived, float(number))
            for number, (planned, arrived) in enumerate(points, 1)
        ]
        colour = _STREAM_COLOURS[stream % len(_STREAM_COLOURS)]
        curves[f"stream {stream + 1}"] = LatencyCurve(steps, colour, is_dotted=True)
    if is_planned:
        steps = [point for curve in curves.values() for point in curve.points]
        end = min(max(coordinates) for coordinates in zip(*steps, strict=True))  # arrival equals plan up to there
        curves["as planned"] = LatencyCurve([(0.0, 0.0), (end, end)], "var(--line)")
    caption = "planned (s), and upwards arrived (s)" if is_planned else "arrived (s), and upwards the number of frames"
    return linear_chart(curves, caption=caption, label="arrival against plan")
