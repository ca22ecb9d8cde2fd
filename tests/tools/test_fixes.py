"""The table of fixes: each row stands on a test or on a source, and is offered only where it may apply."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from chunkwire.tools.probe.fixes import AS_BEFORE, Basis, Fix, advice_for, all_fixes, revised
from chunkwire.tools.probe.verdict import (
    ACCEL,
    HOLDING,
    HTTP_1_0,
    IDENTITY,
    INCREMENTAL,
    NO_TRANSFORM,
    POST,
    Evidence,
    HopVerdict,
    Kind,
)
from tests.tools.synthesis import fixes_for

PROOFS = Path(__file__).resolve().parent.parent / "real_probe"


def changes(kind: Kind, *, software: str = "", seconds: float | None = None, arrived: str = "") -> list[str]:
    verdict = HopVerdict(hop="hop", kind=kind, software=software, seconds=seconds, evidence=Evidence(arrived=arrived))
    return [fix.change for fix in fixes_for(verdict)]


@pytest.mark.parametrize("fix", all_fixes(), ids=lambda fix: f"{fix.software}: {fix.change}")
def test_each_row_has_its_proof_its_date_and_the_lines_or_the_field_that_it_changes(fix: Fix) -> None:
    assert bool(fix.proof) != bool(fix.source)
    if fix.proof:
        file, name = fix.proof.split("::")
        nodes = ast.walk(ast.parse((PROOFS / file).read_bytes()))
        assert name in {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert fix.checked.year >= 2026
    assert fix.kinds
    assert replace(fix, kinds=frozenset()).applies(HopVerdict(hop="", kind=Kind.TO_END)) is False
    assert fix.tried in ("", POST, ACCEL, NO_TRANSFORM, INCREMENTAL, HTTP_1_0)
    assert (": " in fix.sets) == (fix.sets != "") == ("in the response" in fix.change)
    assert fix.sets or fix.before != fix.after != ""
    assert bool(fix.sets) != bool(fix.before and fix.after)


def test_what_a_hop_says_of_itself_its_name_and_the_version_it_asks_with_choose_the_rows() -> None:
    assert changes(Kind.TO_END, software="nginx/1.22.1")[0] == "proxy_buffering off;"
    assert "proxy_buffering off;" not in changes(Kind.TO_END, software="Caddy")
    assert offered(HopVerdict(hop="nginx:8080", kind=Kind.TO_END), Basis.NAMED)[0] == "proxy_buffering off;"
    row = "proxy_http_version 1.1; for frames below 4 KiB"
    assert row in changes(Kind.TO_END, software="nginx", arrived="HTTP/1.0, Connection: close")
    assert row not in changes(Kind.TO_END, software="nginx", arrived="HTTP/1.1")


@pytest.mark.parametrize("seconds, word", [(0.2, "http-no-delay"), (0.04, "TCP_NODELAY"), (0.5, "X-Accel-Buffering")])
def test_a_time_suggests_what_waits_so_long(seconds: float, word: str) -> None:
    found = changes(Kind.FOR_TIME, seconds=seconds)
    assert word in found[0]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind in HOLDING and kind is not Kind.FOR_TIME])
def test_software_that_says_nothing_is_offered_the_fields_of_a_response(kind: Kind) -> None:
    assert "X-Accel-Buffering: no in the response" in changes(kind)
    assert "Incremental: ?1 in the response" in changes(kind)


@pytest.mark.parametrize("kind", [Kind.STREAMS, Kind.REFRAMED, Kind.UNSURE, Kind.NOT_JUDGED, Kind.UNREACHABLE])
def test_a_verdict_without_a_fault_has_no_fix(kind: Kind) -> None:
    assert changes(kind, software="nginx") == []


def after_why(verdict: HopVerdict, *freeing: str, in_vain: tuple[str, ...] = ()) -> HopVerdict:
    """Return a verdict after --why, with the changes that freed the stream, and those that did not."""
    changes = [(AS_BEFORE, False), *((change, True) for change in freeing), *((change, False) for change in in_vain)]
    return revised(verdict, changes)


def offered(verdict: HopVerdict, basis: Basis | None = None) -> list[str]:
    return [advice.fix.change for advice in advice_for(verdict) if basis in (None, advice.basis)]


HELD = HopVerdict(hop="hop", kind=Kind.TO_END)
NGINX = replace(HELD, software="nginx/1.22.1")
AT_ONCE = HopVerdict(hop="hop", kind=Kind.SUSPECT, reason="all of it at once, after 950 ms")


def test_a_change_that_was_tried_in_vain_is_not_offered() -> None:
    tried = (ACCEL, NO_TRANSFORM, INCREMENTAL, POST)
    guesses = ["--set stream_large_bodies=1, if this is mitmproxy"]  # nginx's is ruled out: it heeds X-Accel-Buffering
    guesses.append("no buffering middleware on this router, if this is Traefik")
    assert offered(after_why(HELD, in_vain=tried)) == guesses
    assert ACCEL not in offered(after_why(NGINX, in_vain=tried))
    assert "proxy_buffering off;" in offered(after_why(NGINX, in_vain=tried))


def test_the_first_guess_about_a_hop_without_a_name_is_the_most_common_software() -> None:
    assert offered(HELD)[0] == "proxy_buffering off, if this is nginx"
    assert "proxy_buffering off, if this is nginx" not in offered(replace(HELD, software="Caddy"))


@pytest.mark.parametrize("freeing", [POST, HTTP_1_0, ACCEL, INCREMENTAL])
def test_a_guess_is_dropped_where_a_change_that_it_contradicts_frees_the_stream(freeing: str) -> None:
    assert any("mitmproxy" in change for change in offered(HELD))
    assert not any("mitmproxy" in change for change in offered(after_why(HELD, freeing)))


def test_http_1_0_that_streams_leaves_nothing_else_to_offer_once_the_fields_were_tried() -> None:
    verdict = after_why(HELD, HTTP_1_0, in_vain=(POST, ACCEL, NO_TRANSFORM, INCREMENTAL, IDENTITY))
    assert (offered(verdict), verdict.freed_by) == ([], (HTTP_1_0,))


def test_what_was_shown_comes_before_what_the_hop_says_and_that_before_guesses() -> None:
    verdict = after_why(NGINX, ACCEL)
    assert offered(verdict, Basis.SHOWN) == [ACCEL]
    assert offered(verdict, Basis.NAMED) == ["proxy_buffering off;"]
    assert offered(verdict, Basis.GUESS) == []
    assert offered(HELD, Basis.GUESS) == offered(HELD) != []


@pytest.mark.parametrize(
    "present, gone",
    [
        (("x-accel-buffering", "no"), ACCEL),
        (("X-Accel-Buffering".lower(), "No"), ACCEL),
        (("cache-control", "no-cache, no-transform"), NO_TRANSFORM),
        (("incremental", "?1"), "Incremental: ?1 in the response"),
    ],
)
def test_what_the_response_has_already_is_not_offered(present: tuple[str, str], gone: str) -> None:
    kind = Kind.COMPRESSED
    assert gone in offered(replace(HELD, kind=kind))
    assert gone not in offered(replace(HELD, kind=kind, present=(present,)))
    near = (present[0], "yes")
    assert gone in offered(replace(HELD, kind=kind, present=(near,)))


@pytest.mark.parametrize("verdict", [HELD, NGINX, AT_ONCE, replace(HELD, kind=Kind.TO_OCTETS, octets=4096)])
def test_a_stream_without_a_coding_that_comes_through_says_compression(verdict: HopVerdict) -> None:
    found = after_why(verdict, IDENTITY)
    assert found.kind is Kind.COMPRESSED
    assert found.line.startswith("COMPRESSED, and then HOLDS ")
    assert after_why(verdict, in_vain=(IDENTITY,)).kind is not Kind.COMPRESSED


def test_shown_compression_offers_its_own_switch_first() -> None:
    assert offered(after_why(NGINX, IDENTITY))[0] == "gzip off; for this location"


def test_a_change_that_frees_what_was_held_or_written_so_shows_that_it_is_held() -> None:
    verdict = after_why(AT_ONCE, HTTP_1_0)
    assert verdict.line == "HOLDS all of it at once, after 950 ms; it streams with HTTP/1.0 in the request"
    assert after_why(AT_ONCE, in_vain=(HTTP_1_0,)).kind is Kind.SUSPECT


def test_changes_prove_nothing_where_the_unchanged_request_streams_as_well() -> None:
    assert revised(HELD, [(AS_BEFORE, True), (ACCEL, True)]) == HELD


def test_what_may_be_held_is_offered_what_the_server_names_and_no_guess() -> None:
    assert offered(AT_ONCE) == []
    assert offered(replace(AT_ONCE, software="nginx"))[:2] == ["proxy_buffering off;", ACCEL]
    coded = replace(AT_ONCE, software="nginx", evidence=Evidence(coding="gzip"))
    assert "gzip off; for this location" in offered(coded)


@pytest.mark.parametrize("kind", [Kind.ORIGIN_BURSTS, Kind.CACHED, Kind.IDLE_CUT])
def test_what_mends_any_software_is_no_guess(kind: Kind) -> None:
    assert {advice.basis for advice in advice_for(HopVerdict(hop="hop", kind=kind))} == {Basis.GENERAL}


def test_our_gateway_is_known_by_its_mode_not_by_a_via_that_any_exact_one_writes() -> None:
    assert offered(replace(HELD, software="1.1 chunkwire, Chunkwire-Mode: buffer")) == ["--mode exact"]
    assert "--mode exact" not in offered(replace(HELD, software="1.1 chunkwire"))


@pytest.mark.parametrize("software", ["", "Express"])
def test_nodes_compression_is_offered_where_the_hop_says_nothing_or_is_express(software: str) -> None:
    assert changes(Kind.COMPRESSED, software=software)[:1] == ["Cache-Control: no-transform in the response"]
    assert any(change.startswith("res.flush()") for change in changes(Kind.COMPRESSED, software=software))
    verdict = HopVerdict(hop="h", kind=Kind.COMPRESSED, software=software)
    assert (advice_for(verdict)[0].basis is Basis.NAMED) == bool(software)


@pytest.mark.parametrize("seconds, is_guessed", [(0.2, True), (0.5, False)])
def test_a_time_that_the_named_software_does_not_wait_says_first_what_does(seconds: float, is_guessed: bool) -> None:
    first = advice_for(replace(NGINX, kind=Kind.HOLDS, octets=66, seconds=seconds))[0]
    assert (first.basis is Basis.GUESS) is is_guessed
    assert ("HAProxy" in first.fix.change) is is_guessed
    own = HopVerdict(hop="hop", kind=Kind.FOR_TIME, seconds=seconds, software="1.1 chunkwire, Chunkwire-Mode: coalesce")
    assert offered(own)[0] == "--mode exact"


def test_software_that_both_hops_name_is_guessed_once() -> None:
    found = offered(replace(HELD, passed_on="nginx/1.22.1"))
    assert found[0] == "proxy_buffering off;"
    assert "proxy_buffering off, if this is nginx" not in found
    assert "--set stream_large_bodies=1, if this is mitmproxy" in found


def test_a_hop_that_asks_in_http_1_0_is_guessed_to_be_software_that_does() -> None:
    old = replace(HELD, asks_old=True)
    assert "proxy_buffering off, if this is nginx" in offered(old)
    assert not any("mitmproxy" in change or "Traefik" in change for change in offered(old))
    assert any("Traefik" in change for change in offered(HELD))


def test_no_transform_that_frees_rules_out_what_holds_without_compressing() -> None:
    verdict = after_why(HELD, NO_TRANSFORM)
    assert not any(name in change for change in offered(verdict) for name in ("nginx", "mitmproxy", "Traefik"))
    compressed = after_why(replace(HELD, kind=Kind.COMPRESSED), NO_TRANSFORM)
    assert any("HAProxy" in change for change in offered(compressed))
