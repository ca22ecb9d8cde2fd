"""A probe as a check of a pull request: one line for a log, JUnit XML, annotations in GitHub's form.

The rule here: verdicts in, text out. As a gate only proofs count: a hop passes where it is proved to stream, fails
where an order of events shows that it holds, and is undecided otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import quoteattr

from chunkwire.tools.paint import PLAIN
from chunkwire.tools.probe.fixes import advice_for
from chunkwire.tools.probe.verdict import HopVerdict, Kind, Proof
from chunkwire.tools.probe.view import first_fault

_FAILING: Final = frozenset({Kind.ORIGIN_BURSTS, Kind.CUT, Kind.IDLE_CUT, Kind.CACHED, Kind.NOT_THE_STREAM})


def gate_line(verdicts: Sequence[HopVerdict], *, is_passed: bool) -> str:
    """Return the outcome as one line."""
    if is_passed:
        hops = ", ".join(verdict.hop for verdict in verdicts)
        return PLAIN.text(f"probe: passed: {hops}: each frame came before the next one was written")
    blamed, _ = first_fault(verdicts)
    blamed = blamed or next((verdict for verdict in verdicts if _outcome(verdict, is_gate=True)), verdicts[-1])
    outcome = _outcome(blamed, is_gate=True) or "undecided"
    return PLAIN.text(f"probe: {outcome}: {blamed.hop}: {_message(blamed)}")


def _outcome(verdict: HopVerdict, *, is_gate: bool) -> str:
    """Return "failed", "undecided", or nothing for a hop that passes."""
    if verdict.kind in _FAILING or verdict.kind is Kind.UNREACHABLE:
        return "failed"
    if verdict.is_holding:
        return "failed" if verdict.proof is Proof.BY_ORDER or not is_gate else "undecided"
    return "" if verdict.proof is Proof.PROVED or not is_gate else "undecided"


def _message(verdict: HopVerdict) -> str:
    """Return the verdict, why it is not proved, and the best founded change, in one line."""
    parts = [verdict.proved_line]
    if verdict.unproved:
        parts.append(f"not proved: {verdict.unproved}")
    parts += [f"try: {advice.fix.change}" for advice in advice_for(verdict)[:1]]
    return "; ".join(parts)


def junit(verdicts: Sequence[HopVerdict], *, is_gate: bool) -> str:
    """Return the verdicts as JUnit XML: a test case a hop; a hop that nothing decides is an error."""
    cases = [_case(verdict, _outcome(verdict, is_gate=is_gate)) for verdict in verdicts]
    failures, errors = (sum(f"<{tag} " in case for case in cases) for tag in ("failure", "error"))
    head = f'<testsuite name="chunkwire probe" tests="{len(cases)}" failures="{failures}" errors="{errors}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def _case(verdict: HopVerdict, outcome: str) -> str:
    seconds = verdict.evidence.span
    name = quoteattr(PLAIN.text(verdict.hop))
    begin = f'  <testcase classname="chunkwire.probe" name={name} time="{seconds:.3f}"'
    if not outcome:
        return f"{begin}/>"
    tag = "failure" if outcome == "failed" else "error"
    return f"{begin}><{tag} message={quoteattr(PLAIN.text(_message(verdict)))}/></testcase>"


def github_lines(verdicts: Sequence[HopVerdict], *, is_gate: bool) -> Iterator[str]:
    """Yield a workflow command of GitHub's for each hop that fails, or is undecided."""
    for verdict in verdicts:
        outcome = _outcome(verdict, is_gate=is_gate)
        if outcome:
            level = "error" if outcome == "failed" else "warning"
            title = _escaped(f"{PLAIN.text(verdict.hop)}: {verdict.kind.value}").replace(":", "%3A").replace(",", "%2C")
            yield f"::{level} title={title}::{_escaped(PLAIN.text(_message(verdict)))}"


def _escaped(text: str) -> str:
    """Return text as GitHub's workflow commands take it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
