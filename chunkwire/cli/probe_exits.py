"""Which exit code a probe's verdicts are: what was found, and whether a proof decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chunkwire.cli.exits import ExitCode

if TYPE_CHECKING:
    from chunkwire.tools.probe.judge import Hop
    from chunkwire.tools.probe.verdict import HopVerdict


def is_undecided(verdicts: list[HopVerdict]) -> bool:
    """Say whether no proof decides: no hop holds by order, and not every one is proved to stream."""
    from chunkwire.tools.probe.verdict import Proof

    if any(verdict.proof is Proof.BY_ORDER for verdict in verdicts):
        return False
    return not all(verdict.proof is Proof.PROVED for verdict in verdicts)


def exit_code(hops: list[Hop], verdicts: list[HopVerdict], *, is_strict: bool = False) -> int:
    """Return the exit code of a chain: the worst that was found; strict, what cannot be ruled out counts as found."""
    from chunkwire.tools.probe.verdict import Kind

    kinds = {verdict.kind for verdict in verdicts}
    if any(verdict.is_holding for verdict in verdicts) or kinds & {Kind.ORIGIN_BURSTS, Kind.CACHED}:
        return ExitCode.FINDING
    if Kind.UNREACHABLE in kinds:
        return ExitCode.NO_CONNECTION
    if kinds & {Kind.CUT, Kind.IDLE_CUT}:
        return ExitCode.CUT
    if Kind.NOT_THE_STREAM in kinds:
        failed = any((hop.runs[0].status or 0) >= 400 for hop in hops if hop.runs)
        return ExitCode.HTTP_ERROR if failed else ExitCode.FINDING
    return ExitCode.FINDING if is_strict and kinds & {Kind.SUSPECT, Kind.UNSURE} else ExitCode.OK
