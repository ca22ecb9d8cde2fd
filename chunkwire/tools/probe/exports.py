"""Forms of a probe's result that programs read: JSON lines, a line for a log, JUnit XML, GitHub's workflow commands.

The rule here: only the form. JSON escapes control characters that a peer may have sent; the other forms show dots.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final
from xml.sax.saxutils import quoteattr

from chunkwire.tools.paint import PLAIN
from chunkwire.tools.probe.fixes import Advice, advice_for
from chunkwire.tools.probe.result import ProbeResult, out_of_order, outcome_of
from chunkwire.tools.probe.verdict import HopVerdict, Kind

VERSION: Final = 1
_FIX_TEXTS: Final = ("software", "versions", "change", "proof", "proved_on", "source")


def json_lines(result: ProbeResult) -> Iterator[str]:
    """Yield a line for each hop, for each finding of `--why`, and for the chain; times are in seconds.

    `rfc10036` is `HopVerdict.is_conforming`. `complete` is false if SIGINT or SIGTERM ended the probe early. Readers
    ignore members they do not know.
    """
    for verdict in result.verdicts:
        yield _line(
            kind="verdict",
            hop=verdict.hop,
            verdict=verdict.kind.value,
            line=verdict.line,
            proof=verdict.proof,
            unproved=verdict.unproved,
            is_holding=verdict.is_holding,
            bound=verdict.bound,
            rfc10036=verdict.is_conforming,
            octets=verdict.octets,
            seconds=verdict.seconds,
            software=verdict.software,
            evidence=asdict(verdict.evidence),
            freed_by=list(verdict.freed_by),
            fixes=list(map(_fix, advice_for(verdict))),
        )
    for finding in result.findings:
        yield _line(kind="why", change=finding.change, outcome=finding.outcome, frees=finding.frees)
    blamed = result.blamed
    holds = blamed.hop if blamed is not None and blamed.is_holding else None
    yield _line(
        kind="chain",
        holds=holds,
        blamed=blamed.hop if blamed else None,
        sentence=result.sentence,
        out_of_order=out_of_order(result.verdicts),
        complete=result.is_whole,
    )


def _fix(advice: Advice) -> dict[str, str | bool]:
    texts = {name: getattr(advice.fix, name) for name in _FIX_TEXTS}
    others = {"whose": advice.fix.whose.value, "checked": advice.fix.checked.isoformat()}
    return {"basis": advice.basis.value, **texts, **others, "is_second": advice.is_second}


def _line(**members: object) -> str:
    return json.dumps({"v": VERSION, **members}, separators=(",", ":"))


def gate_line(result: ProbeResult, *, is_passed: bool) -> str:
    """Return the outcome of a gate as one line.

    Where it is not passed, the line is about the hop to blame, or else the first hop that did not pass. An interrupted
    probe may have neither: then it is about the last hop.
    """
    if is_passed:
        hops = ", ".join(verdict.hop for verdict in result.verdicts)
        return PLAIN.text(f"probe: passed: {hops}: each frame came before the next one was written")
    order = ("failed", "undecided", "")
    shown = min(result.verdicts, key=lambda hop: (order.index(outcome_of(hop, is_gate=True)), hop is not result.blamed))
    outcome = outcome_of(shown, is_gate=True) or "undecided"
    return PLAIN.text(f"probe: {outcome}: {shown.hop}: {result.message_of(shown)}")


def junit(result: ProbeResult, *, is_gate: bool) -> str:
    """Return the result as JUnit XML: one test case for each hop.

    A failed hop is a failure, an undecided one an error, and one that is not judged is skipped.

    Args:
        is_gate: see `outcome_of`.
    """
    outcomes = [outcome_of(verdict, is_gate=is_gate) for verdict in result.verdicts]
    failures, errors = outcomes.count("failed"), outcomes.count("undecided")
    skipped = sum(
        verdict.kind is Kind.NOT_JUDGED and not outcome
        for verdict, outcome in zip(result.verdicts, outcomes, strict=True)
    )
    counts = f'tests="{len(outcomes)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    head = f'<testsuite name="chunkwire probe" {counts}>'
    cases = map(_case, result.verdicts, outcomes, map(result.message_of, result.verdicts))
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def _case(verdict: HopVerdict, outcome: str, message: str) -> str:
    name = quoteattr(PLAIN.text(verdict.hop))
    begin = f'  <testcase classname="chunkwire.probe" name={name} time="{verdict.evidence.span:.3f}"'
    if not outcome and verdict.kind is not Kind.NOT_JUDGED:
        return f"{begin}/>"
    tag = {"failed": "failure", "undecided": "error", "": "skipped"}[outcome]
    return f"{begin}><{tag} message={quoteattr(PLAIN.text(message))}/></testcase>"


def github_lines(result: ProbeResult, *, is_gate: bool) -> Iterator[str]:
    """Yield one of GitHub's workflow commands for each hop that does not pass: an error, or a warning if undecided."""
    for verdict in result.verdicts:
        outcome = outcome_of(verdict, is_gate=is_gate)
        if outcome:
            level = "error" if outcome == "failed" else "warning"
            title = _escaped(f"{PLAIN.text(verdict.hop)}: {verdict.kind.value}")
            title = title.replace(":", "%3A").replace(",", "%2C")
            yield f"::{level} title={title}::{_escaped(PLAIN.text(result.message_of(verdict)))}"


def _escaped(text: str) -> str:
    """Return text with the escapes of GitHub's workflow commands."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
