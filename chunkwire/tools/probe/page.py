"""The result of a probe as one page, for a ticket to those who run the hop: what was asked, what came, what to change.

The rule here: self-contained, and safe to send: no credentials (records have none, and fields of the request that look
like one are redacted). Prose for a reader who does not know this program. Everything is text in blocks until it is
rendered as HTML or as Markdown, and each form escapes what is special in it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from chunkwire.record.values import TextFields
from chunkwire.tools.paint import PLAIN, number
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.fixes import Advice, Basis, advice_for
from chunkwire.tools.probe.holding import holds_of, writes_of
from chunkwire.tools.probe.result import (
    ProbeResult,
    cells_of,
    evidence_of,
    out_of_order,
    remarks_on,
    unproved_of,
)
from chunkwire.tools.probe.verdict import HopVerdict, Kind

_SECRET: Final = re.compile(r"auth|token|key|secret|cookie|session|signature|credential|password", re.IGNORECASE)
_MAX_EVENTS: Final = 60

_METHOD: Final = (
    "The same stream was observed at each hop, from the origin outwards. {how} A hop that holds a stream keeps what it"
    " has received until more has gathered, or until the stream is over; its readers then see nothing for a while, and"
    " afterwards everything at once."
)
_ORDERED: Final = (
    "Each frame was written only after the one before had been acknowledged. A frame is held when the same hop answers"
    " other requests after the frame was written and before it arrives."
)
_STAMPED: Final = (
    "When each event was written is known: from its own stamp, or from the innermost place of a capture. The hold is"
    " how much later it arrived, compared with the least delayed event of its stream, so that neither the distance nor"
    " another clock counts."
)
_UNSTAMPED: Final = (
    "The events of this stream do not say when they were written, so that only the times of their arrival are known."
)
_BASES: Final = {
    Basis.SHOWN: "In this probe the stream came through with this change.",
    Basis.GENERAL: "It does not depend on what software the hop is.",
    Basis.GUESS: "This is a guess.",
}
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


def page_of(result: ProbeResult, *, made: str) -> Iterator[Block]:
    """Yield the page, block by block.

    Args:
        made: when and by what, one line.
    """
    blamed, headline = result.blamed, result.headline.rstrip(".") or "A stream, hop by hop"
    yield Heading(1, headline if blamed is not None else headline[:1].upper() + headline[1:])
    yield Paragraph(f"{made}. {_METHOD.format(how=_how(result))}")
    yield Table(
        ("Hop", "First event, ms", "Chunks", "Reads", "Longest hold", "Verdict"),
        tuple((*cells_of(verdict), verdict.proved_line) for verdict in result.verdicts),
    )
    yield from map(Paragraph, filter(None, map(unproved_of, result.verdicts)))
    if why := out_of_order(result.verdicts):
        yield Paragraph(f"The hops may not be named from the inside out: {why}.")
    elif result.assumed_order:
        yield Paragraph(_sentence(result.assumed_order))
    if blamed is not None:
        yield from _changes(result, blamed)
    if result.findings:
        yield Heading(2, "What was tried")
        yield Paragraph("The same stream was asked for again, each time with one thing changed.")
        yield Table(("Change", "Outcome"), tuple((each.change, each.outcome) for each in result.findings))
        if conclusion := result.conclusion:
            yield Paragraph(f"{conclusion[:1].upper()}{conclusion[1:]}")
    for verdict in result.verdicts:
        yield from _hop(verdict)


def _how(result: ProbeResult) -> str:
    runs = [run for verdict in result.verdicts for run in verdict.runs]
    is_ordered, is_stamped = any(run.is_ordered for run in runs), any(run.is_stamped for run in runs)
    texts = ((_ORDERED, is_ordered), (_STAMPED, is_stamped), (_UNSTAMPED, not (is_ordered or is_stamped)))
    return " ".join(text for text, applies in texts if applies)


def _changes(result: ProbeResult, verdict: HopVerdict) -> Iterator[Block]:
    remarks, offered = [_sentence(text) for _, text in remarks_on(verdict)], advice_for(verdict)
    if offered or remarks:
        yield Heading(2, "What frees it" if verdict.kind is not Kind.SUSPECT else "What to do")
        yield from map(Paragraph, remarks)
        for advice in offered:
            yield from _change(result, verdict, advice)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _change(result: ProbeResult, verdict: HopVerdict, advice: Advice) -> Iterator[Block]:
    fix = advice.fix
    yield Heading(3, fix.change)
    versions = "" if fix.versions == "all" else f", {fix.versions}"
    software = [f"It is for {fix.software}{versions}."] if fix.software else []
    naming = _sentence(result.naming_of(verdict, [fix]))
    basis = naming if advice.basis is Basis.NAMED else _BASES[advice.basis]
    basis += " It is against the hold that remains without the compression." if advice.is_second else ""
    tried = f"The change was tried with the real software{f', {fix.proved_on}' if fix.proved_on else ''}"
    source = tried if fix.proof else f"Source: {fix.source}"
    who = f"Who can make the change: {fix.whose.value}."
    yield Paragraph(" ".join((*software, who, basis, f"{source} (checked {fix.checked}).")))
    yield Pair(("Before", "After"), _before_and_after(verdict, advice))


def _before_and_after(verdict: HopVerdict, advice: Advice) -> tuple[str, str]:
    """Return the lines to change: of a configuration, or of the response head."""
    fix = advice.fix
    if not fix.sets:
        return fix.before, fix.after
    name = fix.sets.partition(":")[0].lower()
    kept = [f"{its_name.title()}: {value}" for its_name, value in dict.fromkeys(verdict.present)]
    others = [line for line in kept if line.partition(":")[0].lower() != name]
    return "\n".join(["HTTP/1.1 200 OK", *kept]), "\n".join(["HTTP/1.1 200 OK", *others, fix.sets])


def _hop(verdict: HopVerdict) -> Iterator[Block]:
    yield Heading(2, f"{verdict.hop}: {verdict.line}")
    if not verdict.runs:
        return
    yield Paragraph(" ".join(map(_sentence, evidence_of(verdict))))
    run = verdict.runs[0]
    heads = "\n".join(_heads(run))
    if heads:
        yield Literal(heads)
    if run.units:
        yield _arrivals(run)
    if len(run.units) > _MAX_EVENTS:
        yield Paragraph(f"{number(len(run.units) - _MAX_EVENTS, 'more is', 'more are')} left out.")


def _heads(run: Run) -> Iterator[str]:
    if run.request is not None:
        yield PLAIN.text(f"> {run.request.method} {run.request.target} HTTP/1.1")
        yield from _fields(">", run.request.fields)
    if run.head is not None:
        yield PLAIN.text(f"< {run.head.status_line}")
        yield from _fields("<", run.head.fields)


def _fields(mark: str, fields: TextFields) -> Iterator[str]:
    for name, value in fields:
        yield PLAIN.text(f"{mark} {name}: {'[redacted]' if _SECRET.search(name) else value}")


def _arrivals(run: Run) -> Table:
    units = run.units[:_MAX_EVENTS]
    if not run.is_stamped:
        rows = tuple((str(n), f"{unit.t * 1000:.1f}", str(unit.read)) for n, unit in enumerate(units, 1))
        return Table(("Event or frame", "Arrived, ms", "Read"), rows)
    timed = enumerate(zip(units, writes_of(run), holds_of(run), strict=False), 1)
    return Table(
        ("Event", "Written, ms", "Arrived, ms", "Held, ms", "Read"),
        tuple(
            (str(n), *(f"{t * 1000:.1f}" for t in (written, unit.t, hold)), str(unit.read))
            for n, (unit, written, hold) in timed
        ),
    )


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
