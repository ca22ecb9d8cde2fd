"""A page of headings, paragraphs, blocks and tables, as HTML or as Markdown.

The rule here: everything is text until it is rendered, and each form escapes what is special in it. Nothing is fetched
from anywhere. What this module must not know: what a page is about.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

# At 1000 px nothing scrolls sideways: what is too wide is wrapped, a long word too.
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:58em;margin:2em auto;padding:0 1em}"
    "h1,h2,h3,p,pre,td{overflow-wrap:anywhere}td:first-child{min-width:9em}"
    "h2{margin-top:2em}pre{background:#f4f4f4;padding:.7em 1em;white-space:pre-wrap;font-size:14px;margin:.3em 0}"
    "table{border-collapse:collapse;width:100%;font-size:14px}"
    "th,td{text-align:left;vertical-align:top;padding:.3em .7em .3em 0;border-bottom:1px solid #ddd}"
    ".pair{display:grid;grid-template-columns:1fr 1fr;gap:1em}.pair h4{margin:.3em 0 0;font-weight:normal;color:#555}"
)
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|])")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of prose."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """Lines that stand as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two literal texts beside each other, each with a title."""

    titles: tuple[str, str]
    texts: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows beneath a heading."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block: TypeAlias = Heading | Paragraph | Literal | Pair | Table


def to_html(blocks: Sequence[Block]) -> str:
    """Return the page as HTML, complete in itself."""
    title = next((html.escape(block.text) for block in blocks if isinstance(block, Heading)), "")
    head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"{head}\n<body>\n" + "\n".join(_html(block) for block in blocks) + "\n</body></html>\n"


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Literal(text):
            return f"<pre>{html.escape(text)}</pre>"
        case Pair(titles, texts):
            both = zip(titles, texts, strict=True)
            halves = (f"<div><h4>{html.escape(title)}</h4>{_html(Literal(text))}</div>" for title, text in both)
            return f'<div class="pair">{"".join(halves)}</div>'
        case Table(heading, rows):
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heading)
            body = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
            return f"<table><tr>{head}</tr>" + "".join(f"<tr>{cells}</tr>" for cells in body) + "</table>"


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return the page as Markdown."""
    return "\n\n".join("\n".join(_markdown(block)) for block in blocks) + "\n"


def _markdown(block: Block) -> Iterator[str]:
    match block:
        case Heading(level, text):
            yield f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            yield _escaped(text)
        case Literal(text):
            fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", text))])
            yield from (fence, text, fence)
        case Pair(titles, texts):
            for title, text in zip(titles, texts, strict=True):
                yield from (f"{_escaped(title)}:", "", *_markdown(Literal(text)), "")
        case Table(heading, rows):
            for row in (heading, ("---",) * len(heading), *rows):
                yield "| " + " | ".join(cell if cell == "---" else _escaped(cell) for cell in row) + " |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
