"""The result of a probe for programs: JSON, one line for a log, JUnit XML, annotations in GitHub's form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final
from xml.sax.saxutils import quoteattr

from chunkwire.tools.paint import PLAIN
from chunkwire.tools.probe.fixes import Advice, advice_for
from chunkwire.tools.probe.result import ProbeResult, message_of, outcome_of
from chunkwire.tools.probe.verdict import HopVerdict

VERSION: Final = 1


def json_lines(result: ProbeResult) -> Iterator[str]:
    """Yield a line for each hop, for each finding of `--why`, and for the chain; times are in seconds.

    The chain's line has `complete`: false where a signal ended the probe. Readers ignore members they do not know.
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
            fixes=[_fix(advice) for advice in advice_for(verdict)],
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
        complete=result.is_whole,
    )


def _fix(advice: Advice) -> dict[str, str]:
    fix = advice.fix
    return {
        "basis": advice.basis.value,
        "software": fix.software,
        "versions": fix.versions,
        "change": fix.change,
        "whose": fix.whose.value,
        "proof": fix.proof,
        "proved_on": fix.proved_on,
        "source": fix.source,
        "checked": fix.checked.isoformat(),
    }


def _line(**members: object) -> str:
    return json.dumps({"v": VERSION, **members}, separators=(",", ":"))


def gate_line(result: ProbeResult, *, is_passed: bool) -> str:
    """Return the outcome as one line."""
    if is_passed:
        hops = ", ".join(verdict.hop for verdict in result.verdicts)
        return PLAIN.text(f"probe: passed: {hops}: each frame came before the next one was written")
    undecided = (verdict for verdict in result.verdicts if outcome_of(verdict, is_gate=True))
    blamed = result.blamed or next(undecided, result.verdicts[-1])
    outcome = outcome_of(blamed, is_gate=True) or "undecided"
    return PLAIN.text(f"probe: {outcome}: {blamed.hop}: {message_of(blamed)}")


def junit(result: ProbeResult, *, is_gate: bool) -> str:
    """Return the result as JUnit XML: a test case a hop; a hop that nothing decides is an error."""
    outcomes = [outcome_of(verdict, is_gate=is_gate) for verdict in result.verdicts]
    failures, errors = outcomes.count("failed"), outcomes.count("undecided")
    head = f'<testsuite name="chunkwire probe" tests="{len(outcomes)}" failures="{failures}" errors="{errors}">'
    cases = map(_case, result.verdicts, outcomes)
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def _case(verdict: HopVerdict, outcome: str) -> str:
    name = quoteattr(PLAIN.text(verdict.hop))
    begin = f'  <testcase classname="chunkwire.probe" name={name} time="{verdict.evidence.span:.3f}"'
    if not outcome:
        return f"{begin}/>"
    tag = "failure" if outcome == "failed" else "error"
    return f"{begin}><{tag} message={quoteattr(PLAIN.text(message_of(verdict)))}/></testcase>"


def github_lines(result: ProbeResult, *, is_gate: bool) -> Iterator[str]:
    """Yield a workflow command of GitHub's for each hop that fails, or is undecided."""
    for verdict in result.verdicts:
        outcome = outcome_of(verdict, is_gate=is_gate)
        if outcome:
            level = "error" if outcome == "failed" else "warning"
            title = _escaped(f"{PLAIN.text(verdict.hop)}: {verdict.kind.value}")
            title = title.replace(":", "%3A").replace(",", "%2C")
            yield f"::{level} title={title}::{_escaped(PLAIN.text(message_of(verdict)))}"


def _escaped(text: str) -> str:
    """Return text as GitHub's workflow commands take it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
