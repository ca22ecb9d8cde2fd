"""What a probe found, as one value: every form of output is written from it (`view`, `page`, `exports`).

The rule here: what is said is decided here, once: the figures of a hop, the sentence about the chain, the remarks, the
outcome of a gate. The writers only choose layout, and make safe what a peer sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from chunkwire.tools.probe.fixes import Advice, Basis, advice_for, revised
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.probe.verdict import CUTTING, IDENTITY, Finding, HopVerdict, Kind, Proof, milliseconds

# A sentence for the first hop with a fault, the worst fault first.
_FAULTS: Final = (
    (lambda verdict: verdict.is_holding, "is the first hop that holds the stream."),
    (lambda verdict: verdict.kind is Kind.ORIGIN_BURSTS, "writes the stream in bursts itself."),
    (lambda verdict: verdict.kind in CUTTING, "is the first hop that cuts the stream."),
    (lambda verdict: verdict.kind is Kind.CACHED, "answers with an old stream."),
    (lambda verdict: verdict.kind is Kind.SUSPECT, "holds the stream, or the stream is written so."),
)
_FAILING: Final = CUTTING | {Kind.ORIGIN_BURSTS, Kind.CACHED, Kind.NOT_THE_STREAM, Kind.UNREACHABLE}

_CLOSER: Final = "probe closer to the origin as well, the innermost URL first: chunkwire probe ORIGIN-URL {hop}…"
_STAMPED: Final = "or run chunkwire serve behind this hop and probe its /probe, whose events say when they were written"
_OWN: Final = (
    "or, if the application is yours: chunkwire forward APP --barrier -l ADDR before it, and --barrier-at ADDR here"
)


@dataclass(frozen=True, slots=True)
class HopResult:
    """One hop: what was recorded, the verdict, and what may free it."""

    hop: Hop
    verdict: HopVerdict
    advice: tuple[Advice, ...]

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Its name and figures: first event in ms, chunks, reads, longest hold."""
        evidence = self.verdict.evidence
        return (
            self.verdict.hop,
            "-" if evidence.first is None else f"{evidence.first * 1000:.1f}",
            str(evidence.chunks) if evidence.runs and evidence.chunks else "-",
            str(evidence.reads) if evidence.runs else "-",
            "-" if evidence.longest_hold is None else f"{evidence.longest_hold * 1000:.1f} ms",
        )

    def changes(self, basis: Basis) -> list[str]:
        """Return what to change, as far as it is offered on one basis."""
        return [advice.fix.change for advice in self.advice if advice.basis is basis]

    @property
    def evidence(self) -> Iterator[str]:
        """What the verdict rests on, in half sentences."""
        evidence = self.verdict.evidence
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
        if evidence.octets_held and self.verdict.octets is None:
            yield f"{evidence.octets_held} octets held while the origin was still writing"
        if evidence.arrived:
            yield f"the origin saw: {evidence.arrived}"
        if self.verdict.software:
            yield f"it calls itself: {self.verdict.software}"
        yield f"our own timer was at most {evidence.our_delay * 1000:.1f} ms late"

    @property
    def remarks(self) -> Iterator[tuple[str, str]]:
        """What was found out about a hop that is to blame, or how to find out more: label (may be empty) and text."""
        verdict = self.verdict
        if verdict.is_holding and verdict.evidence.arrived.startswith("HTTP/1.0"):
            yield "", "it asks the origin in HTTP/1.0"
        if verdict.kind is Kind.SUSPECT:
            yield "to tell: ", _CLOSER.format(hop=verdict.hop)
            yield "         ", _STAMPED
            if not verdict.unproved:
                yield "         ", _OWN
        elif verdict.is_holding and verdict.is_innermost:
            yield (
                "",
                "no hop further in was seen to stream: one of those may hold it instead; probe closer to the origin",
            )
        if verdict.is_holding and verdict.freed_by:
            yield "shown: ", "it streams " + ", ".join(f"with {change}" for change in verdict.freed_by)
            if IDENTITY in verdict.freed_by:
                yield (
                    "       ",
                    "without a content coding nothing is held, so it is the compression that holds the stream",
                )

    def outcome(self, *, is_gate: bool) -> str:
        """Return "failed", "undecided", or nothing for a hop that passes. As a gate only proofs count."""
        if self.verdict.kind in _FAILING:
            return "failed"
        if self.verdict.is_holding:
            return "failed" if self.verdict.proof is Proof.BY_ORDER or not is_gate else "undecided"
        return "" if self.verdict.proof is Proof.PROVED or not is_gate else "undecided"

    @property
    def message(self) -> str:
        """The verdict, why it is not proved, and the best founded change, in one line."""
        unproved = [f"not proved: {self.verdict.unproved}"] if self.verdict.unproved else []
        return "; ".join(
            [self.verdict.proved_line, *unproved, *(f"try: {each.fix.change}" for each in self.advice[:1])]
        )


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found."""

    hops: tuple[HopResult, ...]  # from the inside out
    findings: tuple[Finding, ...] = ()  # of `--why`, on the hop that is to blame
    blamed: HopResult | None = field(init=False)  # the first hop with the worst fault; None where there is none
    sentence: str = field(init=False)  # about the hop that is to blame, without its name; empty where there is none

    def __post_init__(self) -> None:
        faults = ((hop, sentence) for is_fault, sentence in _FAULTS for hop in self.hops if is_fault(hop.verdict))
        blamed, sentence = next(faults, (None, ""))
        object.__setattr__(self, "blamed", blamed)
        object.__setattr__(self, "sentence", sentence)

    @property
    def headline(self) -> str:
        """The sentence about the chain; empty where there is none to say."""
        if self.blamed is not None:
            return f"{self.blamed.verdict.hop} {self.sentence}"
        is_streaming = bool(self.hops) and all(hop.verdict.is_streaming for hop in self.hops)
        return "no hop holds the stream." if is_streaming else ""

    @property
    def verdicts(self) -> tuple[HopVerdict, ...]:
        """The verdicts on the hops."""
        return tuple(hop.verdict for hop in self.hops)


def result_of(hops: Sequence[Hop], verdicts: Sequence[HopVerdict], findings: Sequence[Finding] = ()) -> ProbeResult:
    """Return what a probe found; findings of `--why` may change the verdict on the hop that is to blame."""
    pairs = list(zip(hops, verdicts, strict=True))
    found = ProbeResult(tuple(HopResult(hop, verdict, tuple(advice_for(verdict))) for hop, verdict in pairs))
    tried = [(each.change, each.frees) for each in findings if each.frees is not None and not each.is_of_pace]
    if found.blamed is None or not tried:
        return ProbeResult(found.hops, tuple(findings))
    blamed = found.blamed.verdict
    changed = [revised(verdict, tried) if verdict is blamed else verdict for verdict in verdicts]
    return ProbeResult(result_of(hops, changed).hops, tuple(findings))


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
