"""A chain of verdicts as a person reads it: a row a hop, then what was found and what to try.

The rule here: verdicts in, lines out. Whatever a peer said passes `Paint.text` first. Lines are of whole words and as
wide as the caller says; None: as long as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.tools.paint import PLAIN, Paint, columns, wrapped
from chunkwire.tools.probe.fixes import Basis, advice_for, lines_for
from chunkwire.tools.probe.verdict import IDENTITY, HopVerdict, Kind, milliseconds
from chunkwire.tools.probe.why import Finding

HOP_COLUMNS: Final = 23
_HEADING: Final = "  {hop:<{width}}{first:>10}{chunks:>8}{reads:>7}{hold:>14}   "

# A sentence for the first hop with a fault, the worst fault first.
_FAULTS: Final = (
    (lambda verdict: verdict.is_holding, "is the first hop that holds the stream."),
    (lambda verdict: verdict.kind is Kind.ORIGIN_BURSTS, "writes the stream in bursts itself."),
    (lambda verdict: verdict.kind in (Kind.CUT, Kind.IDLE_CUT), "is the first hop that cuts the stream."),
    (lambda verdict: verdict.kind is Kind.CACHED, "answers with an old stream."),
    (lambda verdict: verdict.kind is Kind.SUSPECT, "holds the stream, or the stream is written so."),
)

_CLOSER: Final = "probe closer to the origin as well, the innermost URL first: chunkwire probe ORIGIN-URL {hop}…"
_STAMPED: Final = "or run chunkwire serve behind this hop and probe its /probe, whose events say when they were written"


def table(verdicts: Sequence[HopVerdict], paint: Paint = PLAIN, *, width: int | None = None) -> Iterator[str]:
    """Yield the heading and a row for each hop; where a row is too wide, its verdict goes on beneath itself."""
    longest = max((columns(verdict.hop) for verdict in verdicts), default=0)
    hop_width = max(HOP_COLUMNS, longest)
    widest = max((columns(verdict.proved_line) for verdict in verdicts), default=0)
    if width is not None and columns(_heading(hop_width)) + widest > width:
        hop_width = longest
    yield _heading(hop_width) + "verdict"
    for verdict in verdicts:
        role = "bad" if verdict.is_holding else "good" if verdict.is_streaming else "mark"
        yield from _painted(_row(verdict, hop_width), verdict.proved_line, role, paint, width)


def _painted(lead: str, text: str, role: str, paint: Paint, width: int | None) -> Iterator[str]:
    """Yield a text behind its lead, the text alone in the colour of a role."""
    for number, line in enumerate(wrapped(lead, PLAIN.text(text), width)):
        place = min(len(lead), len(line)) if not number else 0
        yield paint.text(line[:place]) + paint(role, line[place:])


def _heading(hop_width: int) -> str:
    return _HEADING.format(
        hop="hop", width=hop_width, first="first ms", chunks="chunks", reads="reads", hold="longest hold"
    )


def _row(verdict: HopVerdict, hop_width: int) -> str:
    hop, first, chunks, reads, hold = cells(verdict)
    return _HEADING.format(hop=PLAIN.text(hop), width=hop_width, first=first, chunks=chunks, reads=reads, hold=hold)


def cells(verdict: HopVerdict) -> tuple[str, str, str, str, str]:
    """Return a hop's name and figures: first event in ms, chunks, reads, longest hold."""
    evidence, hold = verdict.evidence, verdict.evidence.longest_hold
    is_seen = evidence.runs > 0
    return (
        verdict.hop,
        "-" if evidence.first is None else f"{evidence.first * 1000:.1f}",
        str(evidence.chunks) if is_seen and evidence.chunks else "-",
        str(evidence.reads) if is_seen else "-",
        "-" if hold is None else f"{hold * 1000:.1f} ms",
    )


def conclusion(verdicts: Sequence[HopVerdict], paint: Paint = PLAIN, *, width: int | None = None) -> Iterator[str]:
    """Yield why a hop is judged by time although it was asked in order, what was found, and what to try."""
    for each in verdicts:
        if each.unproved:
            yield from (
                paint.text(line) for line in wrapped("", f"{each.hop} is judged by time: {each.unproved}.", width)
            )
    verdict, sentence = first_fault(verdicts)
    if verdict is None:
        if verdicts and all(each.is_streaming for each in verdicts):
            yield "no hop holds the stream."
        return
    yield from (paint.text(line) for line in wrapped("", f"{verdict.hop} {sentence}", width))
    for lead, text in (*remarks(verdict), *_advised(verdict)):
        yield from (paint.text(line) for line in wrapped(lead, text, width))


def remarks(verdict: HopVerdict) -> Iterator[tuple[str, str]]:
    """Yield what was found out of the hop that is to blame, or how to: a lead and a text each."""
    if verdict.is_holding and verdict.evidence.arrived.startswith("HTTP/1.0"):
        yield "  ", "it asks the origin in HTTP/1.0"
    if verdict.kind is Kind.SUSPECT:
        yield "  to tell: ", _CLOSER.format(hop=verdict.hop)
        yield "           ", _STAMPED
    elif verdict.is_holding and verdict.is_innermost:
        yield "  ", "no hop further in was seen to stream: one of those may hold it instead; probe closer to the origin"
    yield from _shown(verdict)


def _advised(verdict: HopVerdict) -> Iterator[tuple[str, str]]:
    """Yield what to try, and what speaks for it."""
    ask = "  if it is held, try: " if verdict.kind is Kind.SUSPECT else "  try: "
    yield from _listed(ask, lines_for(verdict, Basis.NAMED))
    yield from _listed(ask, lines_for(verdict, Basis.GENERAL))
    if any(advice.basis is Basis.NAMED for advice in advice_for(verdict)):
        yield " " * len(ask), says_line(verdict)
    yield from _listed("  guess: ", lines_for(verdict, Basis.GUESS))
    if any(advice.fix.may_name(verdict) for advice in advice_for(verdict)):
        yield "         ", f"(it says what the hop before says, its own name or that one's: {verdict.passed_on})"


def _shown(verdict: HopVerdict) -> Iterator[tuple[str, str]]:
    """Yield what was shown to free the stream."""
    if not verdict.is_holding or not verdict.freed_by:
        return
    with_them = [f"with {change}" for change in verdict.freed_by]
    yield "  shown: ", f"it streams {', '.join(with_them)}"
    if IDENTITY in verdict.freed_by:
        yield "         ", "without a content coding nothing is held, so it is the compression that holds the stream"


def _listed(lead: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield (" " * len(lead) if number else lead), line


def says_line(verdict: HopVerdict) -> str:
    """Return by what the hop is taken for the software that a change is for."""
    return f"(it says of itself: {verdict.software})" if verdict.software else "(by its name)"


def finding_lines(findings: Sequence[Finding], paint: Paint = PLAIN, *, width: int | None = None) -> Iterator[str]:
    """Yield what each change did."""
    if findings:
        yield "one change at a time:"
    column = max((len(finding.change) for finding in findings), default=0)
    for finding in findings:
        role = {True: "good", False: "bad", None: "quiet"}[finding.frees]
        yield from _painted(f"  {finding.change:<{column}}   ", finding.outcome, role, paint, width)


def first_fault(verdicts: Sequence[HopVerdict]) -> tuple[HopVerdict | None, str]:
    """Return the first hop with the worst fault, and a sentence about it; None where there is none."""
    for is_to_blame, sentence in _FAULTS:
        for verdict in verdicts:
            if is_to_blame(verdict):
                return verdict, sentence
    return None, ""


def evidence_lines(verdict: HopVerdict) -> Iterator[str]:
    """Yield what a verdict rests on, for those who ask."""
    evidence = verdict.evidence
    if not evidence.runs:
        return
    reads = _counted(evidence.reads, "read")
    if evidence.acked:
        frames = _counted(evidence.acked, "frame")
        yield f"{frames}, each written after the one before had been acknowledged, in {reads}"
        answers = _counted(evidence.overtaking, "request was", "requests were")
        yield f"{answers} answered by the same hop while a frame was written and had not come"
    elif evidence.longest_hold is None:
        yield f"{_counted(evidence.runs, 'run')} of the same request, judged by arrival times alone"
        yield f"{_counted(evidence.events, 'event or frame', 'events or frames')}, in {reads}"
    else:
        yield f"{_counted(evidence.runs, 'run')} of the same request, held in {evidence.held_runs}"
        yield f"{_counted(evidence.events, 'event')} written over {milliseconds(evidence.span)}, in {reads}"
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


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
