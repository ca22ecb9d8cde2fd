"""One page about a probe, for the ticket of those who run the hop: what was asked, what came when, what to change.

The rule here: self-contained, and safe to send: no credentials (records have none, and fields of the request that look
like one are blanked). Prose for a reader who does not know this program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.record.values import TextFields
from chunkwire.tools.paint import PLAIN
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.document import Block, Heading, Literal, Pair, Paragraph, Table
from chunkwire.tools.probe.fixes import Advice, Basis, advice_for
from chunkwire.tools.probe.holding import holds_of
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.probe.verdict import HopVerdict, Kind
from chunkwire.tools.probe.view import cells, evidence_lines, first_fault, remarks
from chunkwire.tools.probe.why import Finding

_SECRET: Final = re.compile(r"auth|token|key|secret|cookie|session|signature|credential|password", re.IGNORECASE)
_BLANKED: Final = "[redacted]"
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


def report(
    hops: Sequence[Hop], verdicts: Sequence[HopVerdict], findings: Sequence[Finding], *, made: str
) -> Iterator[Block]:
    """Yield the page, block by block.

    Args:
        made: when and by what, one line.
    """
    blamed, sentence = first_fault(verdicts)
    if blamed is not None:
        yield Heading(1, f"{blamed.hop} {sentence.rstrip('.')}")
    elif verdicts and all(verdict.is_streaming for verdict in verdicts):
        yield Heading(1, "No hop holds the stream")
    else:
        yield Heading(1, "A stream, hop by hop")
    is_stamped = any(run.is_stamped for hop in hops for run in hop.runs)
    yield Paragraph(f"{made}. {_METHOD.format(how=_STAMPED if is_stamped else _UNSTAMPED)}")
    yield _overview(verdicts)
    if blamed is not None:
        yield from _changes(blamed)
    if findings:
        yield Heading(2, "What was tried")
        yield Paragraph("The same stream was asked for again, each time with one thing changed.")
        yield Table(("Change", "Outcome"), tuple((each.change, each.outcome) for each in findings))
    for hop, verdict in zip(hops, verdicts, strict=True):
        yield from _hop(hop, verdict)


def _overview(verdicts: Sequence[HopVerdict]) -> Table:
    rows = tuple((*cells(verdict), verdict.proved_line) for verdict in verdicts)
    return Table(("Hop", "First event, ms", "Chunks", "Reads", "Longest hold", "Verdict"), rows)


def _changes(verdict: HopVerdict) -> Iterator[Block]:
    advice = advice_for(verdict)
    texts = [text for _, text in remarks(verdict)]
    if not advice and not texts:
        return
    yield Heading(2, "What frees it" if verdict.kind is not Kind.SUSPECT else "What to do")
    for text in texts:
        yield Paragraph(f"{text[:1].upper()}{text[1:]}.")
    for each in advice:
        yield from _change(verdict, each)


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


def _hop(hop: Hop, verdict: HopVerdict) -> Iterator[Block]:
    yield Heading(2, f"{hop.name}: {verdict.line}")
    if not hop.runs:
        return
    yield Paragraph(" ".join(f"{line[:1].upper()}{line[1:]}." for line in evidence_lines(verdict)))
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
        yield PLAIN.text(f"{mark} {name}: {_BLANKED if _SECRET.search(name) else value}")


def _arrivals(run: Run) -> Table:
    units = run.units[:_MAX_EVENTS]
    if not run.is_stamped:
        rows = tuple((str(n), f"{unit.t * 1000:.1f}", str(unit.read)) for n, unit in enumerate(units, 1))
        return Table(("Event or frame", "Arrived, ms", "Read"), rows)
    began_ns = run.stamps[0].actual_ns
    stamped = zip(units, run.stamps, holds_of(run), strict=False)
    return Table(
        ("Event", "Written, ms", "Arrived, ms", "Held, ms", "Read"),
        tuple(
            (
                str(n),
                f"{(stamp.actual_ns - began_ns) / 1e6:.1f}",
                f"{unit.t * 1000:.1f}",
                f"{hold * 1000:.1f}",
                str(unit.read),
            )
            for n, (unit, stamp, hold) in enumerate(stamped, 1)
        ),
    )
