"""A report as one self-contained HTML page, without scripts and without requests. Pure."""

from __future__ import annotations

from html import escape

from bench.results import Column, Report, Row, Table, Verdict
from bench.svg import bars, colours, curves
from bench.text import figure, ratios_text
from chunkwire.tools.bench.chart import STYLE

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #777; --good: #1a7f37; --bad: #cf222e; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin: 3rem 0 0; border-top: 1px solid var(--line); padding-top: 1rem; }
h2 code { font-size: 1em; } p.shows { margin: 0 0 1rem; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .85rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td small { color: var(--soft); display: block; line-height: 1; }
tr.own { font-weight: 700; } p { margin: .5rem 0; }
svg { margin: 1rem 0; } .spread { stroke: currentColor; stroke-width: 2; fill: none; }
.pass { color: var(--good); } .miss { color: var(--bad); } ul { padding-left: 1.2rem; } nav a { margin-right: 1rem; }
"""
_INTRODUCTION = """Each figure is the median of the rounds, under it the smallest and the largest. Ratios within one run
hold; absolute figures differ between runs and machines. The row <b>direct</b> has no program under test: it measures
the machine and the meter alone. A percentile with fewer than ten larger samples is left out."""
_HOLDS = {True: ("pass", "pass"), False: ("miss", "MISS"), None: ("", "~")}


def report_html(report: Report) -> str:
    """Return the page."""
    conditions = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.conditions.items()
    )
    links = " ".join(f'<a href="#{escape(table.name)}">{escape(table.name)}</a>' for table in report.tables)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>chunkwire bench</title><style>{_STYLE}{STYLE}</style></head><body>"
        f"<h1>chunkwire bench</h1><p>{_INTRODUCTION}</p><dl>{conditions}</dl>{_verdicts(report)}<nav>{links}</nav>"
        f"{''.join(_section(table) for table in report.tables)}</body></html>\n"
    )


def _verdicts(report: Report) -> str:
    lines = [_verdict(verdict, table) for table in report.tables for verdict in table.verdicts]
    return f"<h2>Targets</h2><ul>{''.join(lines)}</ul>" if lines else ""


def _verdict(verdict: Verdict, table: Table) -> str:
    kind, word = _HOLDS[verdict.holds]
    return (
        f'<li><b class="{kind}">{word}</b> <a href="#{escape(table.name)}">{escape(table.name)}</a>: '
        f"{escape(verdict.target)}; got {escape(verdict.got)}</li>"
    )


def _section(table: Table) -> str:
    colour = colours([row.name for row in table.rows])
    drawing = curves(table, colour) or bars(table, colour)
    heads = "".join(f"<th>{escape(column.label)}<br>{escape(column.unit)}</th>" for column in table.columns)
    rows = "".join(_row(row, table.columns) for row in table.rows)
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    failed = "".join(_failure(row) for row in table.rows if row.error)
    return (
        f'<section id="{escape(table.name)}"><h2><code>{escape(table.name)}</code></h2>'
        f'<p class="shows">{escape(table.shows)}</p>{drawing}'
        f'<div class="scroll"><table><tr><th></th>{heads}</tr>{rows}</table></div>'
        f"{failed}{note}<p>{escape(ratios_text(table, 'chunkwire').strip())}</p></section>"
    )


def _failure(row: Row) -> str:
    return f'<p class="miss">{escape(row.name)}: {escape(row.failure)}</p>'


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    own = ' class="own"' if row.name == "chunkwire" else ""
    figures = (figure(row, column) for column in columns)
    cells = "".join(f"<td>{middle}<small>{spread}</small></td>" for middle, spread in figures)
    return f"<tr{own}><td>{escape(row.name)}</td>{cells}</tr>"
