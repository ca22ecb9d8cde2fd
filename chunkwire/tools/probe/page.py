"""The result of a probe as one page, for a ticket to those who run the hop: what was asked, what came, what to change.

The rule here: self-contained, and safe to send: no credentials (records have none, and fields of the request that look
like one are redacted). Prose for a reader who does not know this program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from chunkwire.record.values import TextFields
from chunkwire.tools.paint import PLAIN
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.document import Block, Heading, Literal, Pair, Paragraph, Table
from chunkwire.tools.probe.fixes import Advice, Basis
from chunkwire.tools.probe.holding import holds_of, writes_of
from chunkwire.tools.probe.result import HopResult, ProbeResult
from chunkwire.tools.probe.verdict import HopVerdict, Kind

_SECRET: Final = re.compile(r"auth|token|key|secret|cookie|session|signature|credential|password", re.IGNORECASE)
_MAX_EVENTS: Final = 60

_METHOD: Final = (
    "Each hop was asked for the same stream, from the origin outwards. {how} A hop that holds a stream keeps what it"
    " has received until more has gathered, or until the stream is over; its readers then see nothing for a while, and"
    " afterwards everything at once."
)
_STAMPED: Final = (
    "Each event of the stream says when it was due and when the origin wrote it. A hold is how much later than that an"
    " event arrived, compared with the least delayed event of its stream, so that neither the distance nor another"
    " clock counts."
)
_UNSTAMPED: Final = (
    "The events of this stream do not say when they were written, so that only the times of their arrival are known."
)
_BASES: Final = {
    Basis.SHOWN: "In this probe the stream came through with this change.",
    Basis.NAMED: "The hop says that it is this software: {says}.",
    Basis.GENERAL: "It does not depend on what software the hop is.",
    Basis.GUESS: "This is a guess: the hop does not say what software it is.",
}


def page_of(result: ProbeResult, *, made: str) -> Iterator[Block]:
    """Yield the page, block by block.

    Args:
        made: when and by what, one line.
    """
    blamed, headline = result.blamed, result.headline.rstrip(".") or "A stream, hop by hop"
    yield Heading(1, headline if blamed is not None else headline[:1].upper() + headline[1:])
    is_stamped = any(run.is_stamped for each in result.hops for run in each.hop.runs)
    yield Paragraph(f"{made}. {_METHOD.format(how=_STAMPED if is_stamped else _UNSTAMPED)}")
    yield Table(
        ("Hop", "First event, ms", "Chunks", "Reads", "Longest hold", "Verdict"),
        tuple((*hop.cells, hop.verdict.proved_line) for hop in result.hops),
    )
    if blamed is not None:
        yield from _changes(blamed)
    if result.findings:
        yield Heading(2, "What was tried")
        yield Paragraph("The same stream was asked for again, each time with one thing changed.")
        yield Table(("Change", "Outcome"), tuple((each.change, each.outcome) for each in result.findings))
    for hop in result.hops:
        yield from _hop(hop)


def _changes(hop: HopResult) -> Iterator[Block]:
    remarks = [_sentence(text) for _, text in hop.remarks]
    if hop.advice or remarks:
        yield Heading(2, "What frees it" if hop.verdict.kind is not Kind.SUSPECT else "What to do")
        yield from map(Paragraph, remarks)
        for advice in hop.advice:
            yield from _change(hop.verdict, advice)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _change(verdict: HopVerdict, advice: Advice) -> Iterator[Block]:
    fix = advice.fix
    yield Heading(3, fix.change)
    versions = "" if fix.versions == "all" else f", {fix.versions}"
    software = [f"It is for {fix.software}{versions}."] if fix.software else []
    basis = _BASES[advice.basis].format(says=verdict.software or "its name")
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


def _hop(result: HopResult) -> Iterator[Block]:
    hop = result.hop
    yield Heading(2, f"{hop.name}: {result.verdict.line}")
    if not hop.runs:
        return
    yield Paragraph(" ".join(map(_sentence, result.evidence)))
    run = hop.runs[0]
    heads = "\n".join(_heads(run))
    if heads:
        yield Literal(heads)
    if run.units:
        yield _arrivals(run)
    if len(run.units) > _MAX_EVENTS:
        yield Paragraph(f"{len(run.units) - _MAX_EVENTS} more are left out.")


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
