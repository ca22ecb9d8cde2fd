"""The table of fixes: each row stands on a test or on a source, and is offered only where it may apply."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from chunkwire.tools.probe.fix import Fix
from chunkwire.tools.probe.fix_table import FIXES
from chunkwire.tools.probe.fixes import fixes_for, lines_for
from chunkwire.tools.probe.verdict import HOLDING, Evidence, HopVerdict, Kind

PROOFS = Path(__file__).resolve().parent.parent / "real_probe"


def changes(kind: Kind, *, software: str = "", seconds: float | None = None, arrived: str = "") -> list[str]:
    verdict = HopVerdict(hop="hop", kind=kind, software=software, seconds=seconds, evidence=Evidence(arrived=arrived))
    return [fix.change for fix in fixes_for(verdict)]


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: f"{fix.software}: {fix.change}")
def test_each_row_stands_on_a_test_that_exists_or_on_a_source(fix: Fix) -> None:
    assert bool(fix.proof) != bool(fix.source)
    if fix.proof:
        file, name = fix.proof.split("::")
        tree = ast.parse((PROOFS / file).read_bytes())
        assert name in {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }


def test_what_a_hop_says_of_itself_chooses_the_rows() -> None:
    assert changes(Kind.TO_END, software="nginx/1.22.1")[0] == "proxy_buffering off;"
    assert "proxy_buffering off;" not in changes(Kind.TO_END, software="Caddy")


def test_the_name_of_a_host_may_say_it_too() -> None:
    verdict = HopVerdict(hop="nginx:8080", kind=Kind.TO_END)
    assert list(lines_for(verdict)) == ["proxy_buffering off;   or X-Accel-Buffering: no in the response"]


def test_the_version_that_the_origin_saw_adds_a_row() -> None:
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
def test_what_is_not_wrong_is_not_mended(kind: Kind) -> None:
    assert changes(kind, software="nginx") == []


def test_alternatives_stand_side_by_side_the_rest_one_a_line() -> None:
    verdict = HopVerdict(hop="hop", kind=Kind.COMPRESSED, software="nginx")
    assert list(lines_for(verdict)) == [
        "proxy_buffering off;   or X-Accel-Buffering: no in the response",
        "gzip off; for this location",
    ]


def test_every_row_has_a_date_and_applies_to_something() -> None:
    for fix in FIXES:
        assert fix.checked.year >= 2026
        assert fix.kinds
        assert replace(fix, kinds=frozenset()).applies(HopVerdict(hop="", kind=Kind.TO_END)) is False
