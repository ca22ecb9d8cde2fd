"""The result of a probe as a person reads it: a row a hop, then what was found and what to try.

The rule here: whatever a peer sent passes `Paint.text` first. Lines are of whole words and as wide as the caller says;
None: as long as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from chunkwire.tools.paint import PLAIN, Paint, columns, wrapped
from chunkwire.tools.probe.fixes import Basis, advice_for
from chunkwire.tools.probe.result import (
    ProbeResult,
    cells_of,
    evidence_of,
    out_of_order,
    remarks_on,
    unproved_of,
)
from chunkwire.tools.probe.verdict import NO_PROBE_EVENT, Finding, HopVerdict, Kind

HOP_COLUMNS: Final = 23
_HEADING: Final = ("hop", "first ms", "chunks", "reads", "longest hold")


def lines_of(
    result: ProbeResult, paint: Paint = PLAIN, *, width: int | None = None, is_verbose: bool = False
) -> Iterator[str]:
    """Yield the lines of a result; if verbose, with the evidence of each hop."""
    yield from _table(result.verdicts, paint, width)
    for verdict in result.verdicts if is_verbose else ():
        yield f"{paint.text(verdict.hop)}:"
        for evidence in evidence_of(verdict):
            yield from (paint.text(line) for line in wrapped("  ", evidence, width))
    for lead, text in _conclusion(result):
        yield from (paint.text(line) for line in wrapped(lead, text, width))
    yield from _finding_lines(result.findings, paint, width)
    if result.conclusion:
        yield from (paint.text(line) for line in wrapped("", result.conclusion, width))


def _table(verdicts: Sequence[HopVerdict], paint: Paint, width: int | None) -> Iterator[str]:
    """Yield the heading and a row for each hop; where a row is too wide, its verdict goes on beneath itself."""
    longest = max((columns(verdict.hop) for verdict in verdicts), default=0)
    hop_width = max(HOP_COLUMNS, longest)
    widest = max((columns(verdict.proved_line) for verdict in verdicts), default=0)
    if width is not None and columns(_row(_HEADING, hop_width)) + widest > width:
        hop_width = longest
    yield _row(_HEADING, hop_width) + "verdict"
    for verdict in verdicts:
        role = "bad" if verdict.is_holding else "good" if verdict.is_streaming else "mark"
        yield from _painted(_row(cells_of(verdict), hop_width), verdict.proved_line, role, paint, width)


def _row(cells: tuple[str, str, str, str, str], hop_width: int) -> str:
    hop, first, chunks, reads, hold = cells
    return f"  {PLAIN.text(hop):<{hop_width}}{first:>10}{chunks:>8}{reads:>7}{hold:>14}   "


def _painted(lead: str, text: str, role: str, paint: Paint, width: int | None) -> Iterator[str]:
    """Yield a text behind its lead, the text alone in the colour of a role."""
    for number, line in enumerate(wrapped(lead, PLAIN.text(text), width)):
        place = min(len(lead), len(line)) if not number else 0
        yield paint.text(line[:place]) + paint(role, line[place:])


def _conclusion(result: ProbeResult) -> Iterator[tuple[str, str]]:
    """Yield which hops are not judged by order, what was found, and what to try: a lead and a text each."""
    for verdict in result.verdicts:
        if unproved := unproved_of(verdict):
            yield "", unproved
    if result.headline:
        yield "", result.headline
    if why := out_of_order(result.verdicts):
        yield "", f"The hops may not be named from the inside out, the application first: {why}."
    elif result.assumed_order:
        yield "  ", result.assumed_order
    if any(each.kind is Kind.NOT_THE_STREAM and each.reason.startswith(NO_PROBE_EVENT) for each in result.verdicts):
        yield "  your own application? ", "chunkwire forward APP --barrier, then chunkwire probe URL --barrier-at ADDR"
    if result.blamed is not None:
        yield from (("  " + label, text) for label, text in remarks_on(result.blamed))
        yield from _advised(result, result.blamed)


def _advised(result: ProbeResult, verdict: HopVerdict) -> Iterator[tuple[str, str]]:
    """Yield what to try, and why; what was shown to free the stream stands in the remarks."""
    offered = advice_for(verdict)
    ask = "  if it is held, try: " if verdict.kind is Kind.SUSPECT else "  try: "
    leads = {(Basis.NAMED, False): ask, (Basis.GENERAL, False): ask, (Basis.GUESS, False): "  guess: "}
    leads |= {(Basis.NAMED, True): "  then try: ", (Basis.GUESS, True): "  then guess: "}
    for kind in dict.fromkeys((each.basis, each.is_second) for each in offered):
        if (lead := leads.get(kind)) is None:
            continue
        fixes = [each.fix for each in offered if (each.basis, each.is_second) == kind]
        changes = [fix.change for fix in fixes]
        for number, line in enumerate(("   or ".join(changes[:2]), *changes[2:])):
            yield (" " * len(lead) if number else lead), line
        if kind[0] is Basis.NAMED:
            yield " " * len(lead), f"({result.naming_of(verdict, fixes)})"
    if any(advice.fix.may_name(verdict) for advice in offered):
        yield (
            "         ",
            f"(both this hop and the one before give this name, so it may be of either: {verdict.passed_on})",
        )


def _finding_lines(findings: Sequence[Finding], paint: Paint, width: int | None) -> Iterator[str]:
    if findings:
        yield "one change at a time:"
    column = max((len(finding.change) for finding in findings), default=0)
    for finding in findings:
        role = {True: "good", False: "bad", None: "quiet"}[finding.frees]
        yield from _painted(f"  {finding.change:<{column}}   ", finding.outcome, role, paint, width)


def differences(found: Mapping[str, Sequence[HopVerdict]]) -> Iterator[str]:
    """Yield a line for each hop that treats these clients differently.

    Args:
        found: by client, the verdicts on the hops that were asked as it.
    """
    by_hop: dict[str, dict[str, HopVerdict]] = {}
    for agent, verdicts in found.items():
        for verdict in verdicts:
            by_hop.setdefault(verdict.hop, {})[agent] = verdict
    for hop, its in by_hop.items():
        held = [agent for agent, verdict in its.items() if verdict.is_holding]
        if held and len(held) < len(its):
            said = "; ".join(f"to {agent}: {verdict.claim}" for agent, verdict in its.items())
            yield f"{hop} treats clients differently: {said}"
