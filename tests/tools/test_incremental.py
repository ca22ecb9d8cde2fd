"""RFC 10036: what a verdict says of a hop that holds a response with the field Incremental."""

import json

import pytest

from chunkwire.tools.probe.exports import gate_line, json_lines, junit
from chunkwire.tools.probe.verdict import Evidence, HopVerdict, Kind
from chunkwire.tools.probe.view import lines_of
from tests.tools.synthesis import result_on

BOUNDS = {
    "octets": HopVerdict(hop="h", kind=Kind.TO_OCTETS, octets=4096),
    "time": HopVerdict(hop="h", kind=Kind.FOR_TIME, seconds=0.3),
    "octets or time": HopVerdict(hop="h", kind=Kind.HOLDS, reason="in bursts", octets=4096, seconds=0.3),
    "none": HopVerdict(hop="h", kind=Kind.TO_END, evidence=Evidence(octets_held=320000)),
}


def with_field(verdict: HopVerdict, value: str) -> HopVerdict:
    return HopVerdict(
        hop=verdict.hop,
        kind=verdict.kind,
        reason=verdict.reason,
        octets=verdict.octets,
        seconds=verdict.seconds,
        evidence=verdict.evidence,
        present=(("incremental", value),),
    )


@pytest.mark.parametrize("bound", BOUNDS)
def test_each_way_to_hold_has_its_bound_and_without_the_field_no_rule(bound: str) -> None:
    verdict = BOUNDS[bound]
    assert (verdict.bound, verdict.is_conforming) == (bound, None)
    assert "10036" not in verdict.line


@pytest.mark.parametrize("bound", BOUNDS)
def test_every_form_says_whether_the_field_allows_it(bound: str) -> None:
    verdict = with_field(BOUNDS[bound], "?1")
    allows = bound != "none"
    assert verdict.is_conforming is allows
    said = f"bounded by {bound}, which Incremental: ?1 allows (RFC 10036)"
    said = said if allows else "no bound seen in 320000 octets, though Incremental: ?1 asks for one (RFC 10036)"
    result = result_on(verdict)
    (first, *_) = json_lines(result)
    assert (json.loads(first)["bound"], json.loads(first)["rfc10036"]) == (bound, allows)
    for text in ("\n".join(lines_of(result)), junit(result, is_gate=False), gate_line(result, is_passed=False)):
        assert said in text


def test_the_field_may_allow_any_hold_or_be_broken() -> None:
    assert with_field(BOUNDS["none"], "?0").line.endswith("Incremental: ?0 allows that (RFC 10036)")
    assert with_field(BOUNDS["none"], '"?1"').is_conforming is None
    assert with_field(BOUNDS["none"], "?1;a=1").is_conforming is False


def test_a_hop_that_does_not_hold_has_no_bound() -> None:
    verdict = with_field(HopVerdict(hop="h", kind=Kind.STREAMS), "?1")
    assert (verdict.bound, verdict.is_conforming, verdict.line) == ("", None, "streams")
