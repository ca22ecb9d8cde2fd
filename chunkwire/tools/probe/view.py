"""A chain of verdicts as a person reads it: a row a hop, then what was found and what to try.

The rule here: verdicts in, lines out. Whatever a peer said passes `Paint.text` first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.tools.paint import PLAIN, Paint
from chunkwire.tools.probe.fixes import lines_for
from chunkwire.tools.probe.verdict import HopVerdict, Kind, milliseconds
from chunkwire.tools.probe.why import Finding

HOP_COLUMNS: Final = 23
_HEADING: Final = "  {hop:<{width}}{first:>10}{chunks:>8}{reads:>7}{hold:>14}   {verdict}"

# How the first hop that spoils a stream is told, the worst first.
_SPOILS: Final = (
    (lambda verdict: verdict.is_holding, "is the first hop that holds the stream."),
    (lambda verdict: verdict.kind is Kind.ORIGIN_BURSTS, "writes the stream in bursts itself."),
    (lambda verdict: verdict.kind in (Kind.CUT, Kind.IDLE_CUT), "is the first hop that cuts the stream."),
    (lambda verdict: verdict.kind is Kind.CACHED, "answers with an old stream."),
)


def table(verdicts: Sequence[HopVerdict], paint: Paint = PLAIN) -> Iterator[str]:
    """Yield the heading and a row for each hop."""
    width = max([HOP_COLUMNS, *(len(verdict.hop) for verdict in verdicts)])
    yield _HEADING.format(
        hop="hop", width=width, first="first ms", chunks="chunks", reads="reads", hold="longest hold", verdict="verdict"
    )
    for verdict in verdicts:
        evidence = verdict.evidence
        is_seen = evidence.runs > 0
        hold = evidence.longest_hold
        role = "bad" if verdict.is_holding else "good" if verdict.is_streaming else "mark"
        yield _HEADING.format(
            hop=paint.text(verdict.hop),
            width=width,
            first="-" if evidence.first is None else f"{evidence.first * 1000:.1f}",
            chunks=str(evidence.chunks) if is_seen and evidence.chunks else "-",
            reads=str(evidence.reads) if is_seen else "-",
            hold="-" if hold is None else f"{hold * 1000:.1f} ms",
            verdict=paint(role, PLAIN.text(verdict.line)),
        )


def conclusion(verdicts: Sequence[HopVerdict], paint: Paint = PLAIN) -> Iterator[str]:
    """Yield what was found, and what to try."""
    verdict, sentence = spoiler(verdicts)
    if verdict is None:
        if verdicts and all(each.is_streaming for each in verdicts):
            yield "no hop holds the stream."
        return
    yield paint.text(f"{verdict.hop} {sentence}")
    arrived = verdict.evidence.arrived
    if verdict.is_holding and arrived.startswith("HTTP/1.0"):
        yield "  it asks the origin in HTTP/1.0"
    for number, line in enumerate(lines_for(verdict)):
        yield f"  {'try:' if not number else '    '} {line}"


def finding_lines(findings: Sequence[Finding], paint: Paint = PLAIN) -> Iterator[str]:
    """Yield what each change did."""
    if findings:
        yield "one change at a time:"
    width = max((len(finding.change) for finding in findings), default=0)
    for finding in findings:
        role = {True: "good", False: "bad", None: "quiet"}[finding.frees]
        yield f"  {finding.change:<{width}}   {paint(role, PLAIN.text(finding.outcome))}"


def spoiler(verdicts: Sequence[HopVerdict]) -> tuple[HopVerdict | None, str]:
    """Return the hop to blame, and of what; None where there is none."""
    for is_to_blame, sentence in _SPOILS:
        for verdict in verdicts:
            if is_to_blame(verdict):
                return verdict, sentence
    return None, ""


def evidence_lines(verdict: HopVerdict) -> Iterator[str]:
    """Yield what a verdict rests on, for those who ask."""
    evidence = verdict.evidence
    if not evidence.runs:
        return
    yield f"runs of the same request: {evidence.runs}, held in {evidence.held_runs}"
    yield f"{evidence.events} events written over {milliseconds(evidence.span)}, {evidence.reads} reads"
    if evidence.connect is not None:
        head = (evidence.head or 0.0) * 1000
        yield f"a TCP connection takes {evidence.connect * 1000:.1f} ms; the response head came after {head:.1f} ms"
    if evidence.octets_held:
        yield f"{evidence.octets_held} octets held while the origin was still writing"
    if evidence.arrived:
        yield f"the origin saw: {evidence.arrived}"
    if verdict.software:
        yield f"it calls itself: {verdict.software}"
    yield f"our own timer was at most {evidence.our_delay * 1000:.1f} ms late"
