"""The exit code of `probe`, plain and with --gate: the table of `chunkwire help barrier`, row by row."""

import re
import signal
from dataclasses import replace
from typing import NoReturn

import pytest
import trio

from chunkwire.cli import probe_run
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import main
from chunkwire.cli.probe_run import exit_code
from chunkwire.lab.pages import PAGES
from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.exports import gate_line, junit
from chunkwire.tools.probe.page import page_of, to_html
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.result import outcome_of
from chunkwire.tools.probe.unproved import not_at
from chunkwire.tools.probe.verdict import DEFECTS, PROVABLE, UNDECIDED, Evidence, HopVerdict, Kind, Proof
from chunkwire.tools.probe.view import lines_of
from tests.tools.synthesis import Path, Probe, result_on, run_of

REFUSED = run_of(Probe(), Path(status_line=b"HTTP/1.1 404 Not Found", fields=()))


def verdict_on(kind: Kind, proof: Proof | None = None, *runs: Run, events: int = 20) -> HopVerdict:
    return HopVerdict(hop=kind.value, kind=kind, proof=proof, runs=runs, evidence=Evidence(runs=1, events=events))


def table() -> list[tuple[HopVerdict, int, int]]:
    """Return each verdict of the page with its exit codes, plain and with --gate."""
    rows = []
    for line in PAGES["barrier"].text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[3].isdigit():
            proof = Proof(cells[1]) if cells[1] else None
            runs = (REFUSED,) if "status 400" in cells[0] else ()
            kinds = [name for name in re.findall("`([^`]+)`", cells[0]) if not name.startswith("--")]
            rows += [(verdict_on(Kind(name), proof, *runs), int(cells[2]), int(cells[3])) for name in kinds]
    return rows


def test_the_table_has_each_verdict_with_each_proof_that_it_may_rest_on() -> None:
    seen = {(verdict.kind, verdict.proof) for verdict, _, _ in table()}
    assert {kind for kind, _ in seen} == set(Kind)
    assert {kind for kind, proof in seen if proof is Proof.BY_TIME} == PROVABLE
    assert {kind for kind, proof in seen if proof is None} == set(Kind) - PROVABLE
    assert not PROVABLE & DEFECTS


@pytest.mark.parametrize(
    "verdict, plain, gate", [pytest.param(*row, id=f"{row[0].kind} {row[0].proof}") for row in table()]
)
def test_a_verdict_has_the_exit_codes_of_the_table(verdict: HopVerdict, plain: int, gate: int) -> None:
    result = result_on(verdict)
    assert exit_code(result, is_strict=False, is_gate=False) == plain
    assert exit_code(result, is_strict=False, is_gate=True) == gate
    word = {0: "passed", 28: "undecided"}.get(gate, "failed")
    assert gate_line(result, is_passed=gate == 0).startswith(f"probe: {word}: {verdict.kind.value}: ")
    counts = {"passed": (0, 0), "undecided": (0, 1), "failed": (1, 0)}[word]
    assert 'failures="{}" errors="{}"'.format(*counts) in junit(result, is_gate=True)
    assert bool(outcome_of(verdict, is_gate=False)) == (plain != 0)
    assert exit_code(result, is_strict=True, is_gate=False) == (1 if verdict.kind in UNDECIDED else plain)


def test_a_hop_that_does_not_lead_to_the_barrier_never_passes() -> None:
    verdict = replace(verdict_on(Kind.NOT_JUDGED, None), unproved=not_at(parse_url(":8001")))
    assert "the barrier at 127.0.0.1:8001: make that the upstream" in verdict.unproved
    assert exit_code(result_on(verdict), is_strict=False, is_gate=False) == ExitCode.TIMEOUT
    assert result_on(verdict).headline == ""
    told = " sent no request to the barrier at 127.0.0.1:8001: "
    for text in ("\n".join(lines_of(result_on(verdict))), to_html(list(page_of(result_on(verdict), made="")))):
        assert verdict.hop + told in text
    assert f"; it{told}" in gate_line(result_on(verdict), is_passed=False)


@pytest.mark.parametrize(
    "kinds, plain, gate",
    [
        ((Kind.UNSURE,), 28, 28),
        ((Kind.NOT_THE_STREAM, Kind.UNREACHABLE), 1, 1),
        ((Kind.CUT, Kind.UNREACHABLE), 7, 7),
        ((Kind.SUSPECT, Kind.UNREACHABLE), 7, 7),
        ((Kind.TO_END, Kind.CUT), 1, 18),
        ((Kind.TO_END, Kind.NOT_JUDGED), 1, 28),
    ],
)
def test_of_several_hops_the_smallest_code_counts_that_is_not_0(kinds: tuple[Kind, ...], plain: int, gate: int) -> None:
    """Without a frame at any hop none passes."""
    verdicts = [verdict_on(kind, Proof.BY_TIME if kind in PROVABLE else None, events=0) for kind in kinds]
    codes = [exit_code(result_on(*verdicts), is_strict=False, is_gate=is_gate) for is_gate in (False, True)]
    assert codes == [plain, gate]
    word = "undecided" if gate == ExitCode.TIMEOUT else "failed"
    assert gate_line(result_on(*verdicts), is_passed=False).startswith(f"probe: {word}: ")


@pytest.mark.parametrize("name, is_noted", [("127.0.0.1:1", True), ("127.0.0.1:2", False)])
def test_the_application_is_called_so_where_a_signal_ends_its_run(
    name: str, is_noted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(*_: object, **__: object) -> bool:
        return True

    async def ask(prober: Prober, *_: object, **__: object) -> NoReturn:
        prober.asking = (name, [run_of()])
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    monkeypatch.setattr(probe_run, "is_barrier_gateway", answer)
    monkeypatch.setattr(Prober, "probe", ask)
    assert main(["probe", ":2/sse", "--barrier-at", ":1"]) == ExitCode.INTERRUPTED
    row = capsys.readouterr().out.splitlines()[1]
    assert (row.split()[0], "; your application, behind this barrier" in row) == (name, is_noted)
