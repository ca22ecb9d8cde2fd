"""A scorecard as one page that needs nothing else: no script, no font, no image from outside. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from chunkwire.tools.check.rows import Level, RowOutcome, RowResult
from chunkwire.tools.check.scorecard import Scorecard, as_text, clause_of
from chunkwire.tools.check.view import role_of, word_of

_STYLE: Final = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--soft:#59636e;--line:#d1d9e0;--box:#f6f8fa;
--good:#1a7f37;--bad:#cf222e;--mark:#9a6700}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9198a1;--line:#3d444d;--box:#151b23;
--good:#3fb950;--bad:#f85149;--mark:#d29922}}
body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;
padding:0 1em}
h1{font-size:1.4em;margin:0;overflow-wrap:anywhere}p{margin:.4em 0;color:var(--soft)}
p.sum{color:var(--fg);font-size:1.1em}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:var(--box);padding:.7em;margin:.4em 0 1em;
white-space:pre-wrap;overflow-wrap:anywhere;border-radius:6px}
h2{font-size:1em;margin:2em 0 .3em}
summary .title::after{content:" \\25B8";color:var(--soft)}details[open] .title::after{content:" \\25BE"}
details,div.row{border-top:1px solid var(--line);padding:.35em 0}
summary,div.row{display:grid;grid-template-columns:8.5em 4.5em 3.5em 1fr;gap:.3em .7em;cursor:pointer}
div.row{cursor:default}summary::-webkit-details-marker{display:none}
summary:focus-visible{outline:2px solid var(--mark)}
.why{grid-column:4;color:var(--soft);font-size:.9em;overflow-wrap:anywhere}
b.good{color:var(--good)}b.bad{color:var(--bad)}b.mark{color:var(--mark)}b.quiet{color:var(--soft);font-weight:400}
.level{color:var(--soft)}
@media(max-width:40em){summary,div.row{grid-template-columns:1fr auto auto}.title,.why{grid-column:1/-1}}
"""
_LEGEND: Final = (
    "Only a failed <b>must</b> fails the run. A <b>should</b> counts with --strict. What is <b>seen</b> is allowed"
    " either way. <b>n/a</b>: does not apply here. <b>open</b>: what would decide it did not come."
)


def page(card: Scorecard) -> str:
    """Return the page; a row that has octets opens to them."""
    title = escape(f"chunkwire check {card.kind}: {card.target}")
    versions = ", ".join(f"{name} {version}" for name, version in card.versions)
    stopped = "" if card.is_whole else " The run was stopped before its last row."
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{escape(f'{card.started:%Y-%m-%d %H:%M %Z}')}{escape('; ' + versions if versions else '')}.{stopped}</p>",
        f'<p class="sum">{escape(card.summary)}</p>',
        f"<p>{_LEGEND}</p>",
        *_sections(card),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _sections(card: Scorecard) -> Iterator[str]:
    """Yield what failed first, then the rest, each in the order of the rows."""
    failed = [r for r in card.results if r.outcome is RowOutcome.FAIL and r.row.level is not Level.SEEN]
    others = [r for r in card.results if r not in failed]
    for heading, results in (("Failed", failed), ("All others" if failed else "Rows", others)):
        if results:
            yield f"<h2>{heading}</h2>"
            yield from map(_row, results)


def _row(result: RowResult) -> str:
    cells = (
        f"<code>{escape(result.row.id)}</code>"
        f'<span class="level">{result.row.level.value}</span>'
        f'<b class="{role_of(result)}">{word_of(result)}</b>'
        f'<span class="title">{escape(result.row.title)}</span>'
        f'<span class="why">{escape(clause_of(result.row))}{escape(": " + result.why if result.why else "")}</span>'
    )
    if not result.octets:
        return f'<div class="row">{cells}</div>'
    octets = "\n".join(map(as_text, result.octets))
    return f"<details><summary>{cells}</summary><pre>{escape(octets)}</pre></details>"
