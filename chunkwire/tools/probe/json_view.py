"""A chain of verdicts as JSON, a line a hop and one for the chain. Readers ignore members they do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from chunkwire.tools.probe.fixes import Advice, advice_for
from chunkwire.tools.probe.verdict import HopVerdict
from chunkwire.tools.probe.view import first_fault
from chunkwire.tools.probe.why import Finding

VERSION = 1


def verdict_lines(verdicts: Sequence[HopVerdict], findings: Sequence[Finding] = ()) -> Iterator[str]:
    """Yield a line for each hop, for each finding of `--why`, and for the chain; times are in seconds."""
    for verdict in verdicts:
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
    for finding in findings:
        yield _line(kind="why", change=finding.change, outcome=finding.outcome, frees=finding.frees)
    blamed, sentence = first_fault(verdicts)
    holds = blamed.hop if blamed is not None and blamed.is_holding else None
    yield _line(kind="chain", holds=holds, blamed=blamed.hop if blamed else None, sentence=sentence)


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
