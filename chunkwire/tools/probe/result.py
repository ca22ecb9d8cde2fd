"""What a probe found, as one value: every form of output is written from it (`view`, `page`, `exports`).

The rule here: what is said is decided here, once: the figures of a hop, the sentence about the chain, the remarks, the
outcome of a gate. The writers only choose layout, and make safe what a peer sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from chunkwire.tools.paint import number
from chunkwire.tools.probe.fixes import AS_BEFORE, Basis, Fix, advice_for, revised
from chunkwire.tools.probe.holding import Shape, observe
from chunkwire.tools.probe.verdict import (
    CUTTING,
    DEFECTS,
    IDENTITY,
    UNDECIDED,
    Finding,
    HopVerdict,
    Kind,
    Proof,
    milliseconds,
)

# A sentence for the first hop with a fault, the worst fault first.
_FAULTS: Final = (
    (lambda verdict: verdict.is_holding, "is the first hop that holds the stream."),
    (lambda verdict: verdict.kind is Kind.ORIGIN_BURSTS, "writes the stream in bursts itself."),
    (lambda verdict: verdict.kind in CUTTING, "is the first hop that cuts the stream."),
    (lambda verdict: verdict.kind is Kind.CACHED, "answers with an old stream."),
    (lambda verdict: verdict.kind is Kind.SUSPECT, "holds the stream, or the stream is written so."),
    (lambda verdict: verdict.kind is Kind.UNREACHABLE, "is the first hop that gives no answer."),
    (lambda verdict: verdict.kind is Kind.NOT_THE_STREAM, "is the first hop whose answer is not the stream."),
)

_CLOSER: Final = "probe closer to the origin as well, the innermost URL first: chunkwire probe ORIGIN-URL {hop}…"
_STAMPED: Final = "or run chunkwire serve behind this hop and probe its /probe, whose events say when they were written"
_OWN: Final = (
    "or, if the application is yours: chunkwire forward APP --barrier -l ADDR before it, and --barrier-at ADDR here"
)


def cells_of(verdict: HopVerdict) -> tuple[str, str, str, str, str]:
    """Return name and figures of a hop: first event in ms, chunks, reads, longest hold."""
    evidence = verdict.evidence
    return (
        verdict.hop,
        "-" if evidence.first is None else f"{evidence.first * 1000:.1f}",
        str(evidence.chunks) if evidence.runs and evidence.chunks else "-",
        str(evidence.reads) if evidence.runs else "-",
        "-" if evidence.longest_hold is None else f"{evidence.longest_hold * 1000:.1f} ms",
    )


def evidence_of(verdict: HopVerdict) -> Iterator[str]:
    """Yield what a verdict rests on, in half sentences."""
    evidence = verdict.evidence
    if not evidence.runs:
        return
    reads = number(evidence.reads, "read")
    if evidence.acked:
        frames = number(evidence.acked, "frame")
        yield f"{frames}, each written after the one before had been acknowledged, in {reads}"
        answers = number(evidence.overtaking, "request was", "requests were")
        yield f"{answers} answered by the same hop while a frame was written and had not come"
    elif evidence.longest_hold is None:
        yield f"{number(evidence.runs, 'run')} of the same request, judged by arrival times alone"
        yield f"{number(evidence.events, 'event or frame', 'events or frames')}, in {reads}"
    else:
        yield f"{number(evidence.runs, 'run')} of the same request, held in {evidence.held_runs}"
        yield f"{number(evidence.events, 'event')} written over {milliseconds(evidence.span)}, in {reads}"
    if evidence.connect is not None:
        head = "" if evidence.head is None else f"; the response head came after {evidence.head * 1000:.1f} ms"
        yield f"a TCP connection takes {evidence.connect * 1000:.1f} ms{head}"
    if evidence.octets_held and verdict.octets is None:
        yield f"{number(evidence.octets_held, 'octet')} held while the origin was still writing"
    if evidence.arrived:
        yield f"the origin saw: {evidence.arrived}"
    if verdict.software:
        yield f"it calls itself: {verdict.software}"
    if evidence.our_delay:
        yield f"our own timer was at most {evidence.our_delay * 1000:.1f} ms late"


def remarks_on(verdict: HopVerdict) -> Iterator[tuple[str, str]]:
    """Yield what was found out about the hop to blame, or how to find out more: a label (may be empty) and a text."""
    if verdict.is_holding and verdict.asks_old:
        yield "", "it asks the origin in HTTP/1.0"
    if verdict.is_holding and verdict.runs and verdict.runs[0].head is None:
        yield (
            "",
            "its response head did not come either, so nothing names its software: see Server in what curl -I gets",
        )
    if verdict.kind is Kind.SUSPECT:
        yield "to tell: ", _CLOSER.format(hop=verdict.hop)
        yield "         ", _STAMPED
        if not verdict.unproved:
            yield "         ", _OWN
    elif verdict.is_holding and verdict.is_innermost:
        yield "", "no hop further in was seen to stream: one of those may hold it instead; probe closer to the origin"
    if verdict.is_holding and verdict.freed_by:
        yield "shown: ", "it streams " + ", ".join(f"with {change}" for change in verdict.freed_by)
        if IDENTITY in verdict.freed_by:
            compression = "without a content coding nothing is held, so it is the compression that holds the stream"
            yield "       ", compression


def outcome_of(verdict: HopVerdict, *, is_gate: bool) -> str:
    """Return "failed", "undecided", or nothing for a hop that passes.

    As a gate, what holds or bursts fails, and what streams passes, only where an order of events proves it. A hop that
    does not lead to the barrier never passes, behind another one that holds either.
    """
    if verdict.kind in UNDECIDED or verdict.is_awaited:
        return "undecided"
    if verdict.kind in DEFECTS:
        return "failed"
    if verdict.is_holding or verdict.kind is Kind.ORIGIN_BURSTS:
        return "failed" if verdict.proof is Proof.BY_ORDER or not is_gate else "undecided"
    is_passed = verdict.proof is Proof.PROVED or not (is_gate or verdict.is_elsewhere)
    return "" if is_passed else "undecided"


def out_of_order(verdicts: Sequence[HopVerdict]) -> str:
    """Return what speaks against the order in which the hops are named, by orders of events; empty for nothing.

    It is no proof: an outer hop may ask in another way, such as without a content coding, or may not ask the inner one.
    """
    for inner, outer in combinations(verdicts, 2):
        shapes = [
            observe(each.runs[0]).shape if each.runs and each.runs[0].is_ordered else None for each in (inner, outer)
        ]
        if shapes == [Shape.TO_END, Shape.IN_BURSTS]:
            return f"{inner.hop} holds to the end what {outer.hop} passes on sooner"
        if inner.is_holding and outer.is_streaming and inner.proof is Proof.BY_ORDER and outer.proof is Proof.PROVED:
            return f"{inner.hop} holds what {outer.hop} streams"
        if inner.kind is Kind.SUSPECT and outer.is_streaming:
            return f"{inner.hop} has at once what {outer.hop} streams"
    return ""


def conclusion_of(findings: Sequence[Finding]) -> str:
    """Return in one sentence what came of the changes of `--why`; empty where none was tried."""
    tried = {each.change: each.frees for each in findings if not each.is_of_pace}
    if AS_BEFORE not in tried:
        return ""
    before = tried.pop(AS_BEFORE)
    freed = [change for change, frees in tried.items() if frees]
    held = [change for change, frees in tried.items() if frees is False]
    if before:
        return f"it streams unchanged, but not with {', '.join(held)}." if held else "it streams unchanged."
    if freed:
        return f"it streams with {', '.join(freed)}."
    if before is None and not held:
        return "neither a hold nor a stream is shown, as before and with each change."
    return "no change that was tried frees it: what does is a setting of the hop."


def unproved_of(verdict: HopVerdict) -> str:
    """Return in one sentence why no order of events is known; empty where one is, or where that was not tried."""
    by_time = "" if verdict.is_elsewhere else "is judged by time: "
    return f"{verdict.hop} {by_time}{verdict.unproved}." if verdict.unproved else ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found."""

    verdicts: tuple[HopVerdict, ...]  # from the inside out
    findings: tuple[Finding, ...] = ()  # of `--why`, on the hop that is to blame
    is_whole: bool = True  # no signal stopped it: every hop was asked
    is_order_told: bool = False  # the order of the hops, and what shows it, is printed with the frames of captures
    blamed: HopVerdict | None = field(init=False)  # the first hop with the worst fault; None where there is none
    sentence: str = field(init=False)  # about the hop that is to blame, without its name; empty where there is none

    def __post_init__(self) -> None:
        faults = (
            (verdict, sentence) for is_fault, sentence in _FAULTS for verdict in self.verdicts if is_fault(verdict)
        )
        blamed, sentence = next(faults, (None, ""))
        object.__setattr__(self, "blamed", blamed)
        object.__setattr__(self, "sentence", sentence)

    def naming_of(self, verdict: HopVerdict, fixes: Iterable[Fix]) -> str:
        """Return how it is known that a hop is the software which changes are for, as half a line.

        Where at most one proxy was asked, a name that the response gives may be that of another one behind it.

        Args:
            fixes: the changes, one or more.
        """
        are_said = {fix.is_said(verdict.software) for fix in fixes}
        ways = ["the hop's name says what it is"] if False in are_said else []
        if True in are_said:
            ways += [f"the response says: {verdict.software}"]
            ways += ["if there are several proxies, probe each"] if len(self.verdicts) < 3 else []
        return "; ".join(ways)

    def message_of(self, verdict: HopVerdict) -> str:
        """Return the verdict, why it is not proved, and the best founded change, in one line."""
        lead = "it " if verdict.is_elsewhere else "not proved: "
        unproved = [lead + verdict.unproved] if verdict.unproved else []
        tries = []
        for basis, fix in ((each.basis, each.fix) for each in advice_for(verdict)[:1]):
            naming = f" ({self.naming_of(verdict, [fix])})" if basis is Basis.NAMED else ""
            tries = [f"{'guess' if basis is Basis.GUESS else 'try'}: {fix.change}{naming}"]
        return "; ".join([verdict.proved_line, *unproved, *tries])

    @property
    def assumed_order(self) -> str:
        """The order of the hops that the blame rests on, where several may hold; empty where nothing rests on it."""
        behind = [each.hop for each in self.verdicts if each.kind is Kind.NOT_JUDGED]
        if self.is_order_told or self.blamed is None or not (behind and self.blamed.is_innermost):
            return ""
        if self.blamed.kind is Kind.ORIGIN_BURSTS:
            return ""  # nothing is further in
        return f"taken as inner first: {', then '.join((self.blamed.hop, *behind))}; nothing here shows that order"

    @property
    def conclusion(self) -> str:
        """What came of the changes of `--why`, in one sentence; empty where a remark on the hop to blame says it."""
        freed = {each.change for each in self.findings if each.frees and not each.is_of_pace}
        is_said = self.blamed is not None and self.blamed.is_holding and freed <= set(self.blamed.freed_by)
        return "" if freed and is_said else conclusion_of(self.findings)

    @property
    def is_empty(self) -> bool:
        """Say whether no hop gave an event or frame to judge by."""
        return not any(verdict.evidence.events for verdict in self.verdicts)

    @property
    def headline(self) -> str:
        """The sentence about the chain; empty where there is none to say."""
        if self.blamed is not None:
            return f"{self.blamed.hop} {self.sentence}"
        is_asked = bool(self.verdicts) and self.is_whole
        is_streaming = is_asked and all(each.is_streaming for each in self.verdicts)
        return "no hop holds the stream." if is_streaming else ""


def result_of(verdicts: Sequence[HopVerdict], findings: Sequence[Finding] = ()) -> ProbeResult:
    """Return what a probe found; findings of `--why`, which are about the hop to blame, may change its verdict."""
    found = ProbeResult(tuple(verdicts), tuple(findings))
    tried = [(each.change, each.frees) for each in findings if each.frees is not None and not each.is_of_pace]
    if found.blamed is None or not tried:
        return found
    changed = (revised(verdict, tried) if verdict is found.blamed else verdict for verdict in verdicts)
    return ProbeResult(tuple(changed), found.findings)
