"""The figures of a bench: the design's table, blanks, limits, JSON with its rules, and the page."""

import json

import pytest

from chunkwire.tools.bench.page import page
from chunkwire.tools.bench.samples import Gathered
from chunkwire.tools.bench.view import missed, notes, parse_limit, table, to_json
from chunkwire.wire.errors import LocalError


def gathered(n: int = 20000, *, factor: float = 1.0) -> Gathered:
    """Return samples whose percentiles are easily counted: 1 to n, in units of 0.1 µs."""
    samples = [factor * k * 1e-7 for k in range(1, n + 1)]
    shown: list[list[tuple[float | None, float]]] = [[(k / 20, k // 4 / 5) for k in range(20)]]
    return Gathered(
        first=samples[-50:],
        late=samples,
        added=samples,
        hold=samples,
        gap=samples,
        frames=n,
        reads=n,
        streams=50,
        shown=shown,
    )


def test_the_table_is_the_designs() -> None:
    heading, _, late, *_ = table(gathered())
    assert heading == "              p50      p90      p99    p99.9      max"
    assert late == "  late       1.00     1.80     1.98     2.00     2.00   ms  arrival later than planned"


def test_a_percentile_with_few_samples_beyond_is_blank() -> None:
    _, first, *_ = table(gathered())
    assert first == "  first      2.00                                2.00   ms  request sent → first frame complete"


def test_a_quantity_without_samples_has_no_row() -> None:
    rows = list(table(Gathered(first=[0.001])))
    assert [row.split()[0] for row in rows[1:]] == ["first"]


def test_a_baseline_stands_beneath_with_the_ratio() -> None:
    rows = list(table(gathered(factor=2.0), gathered()))
    place = next(n for n, row in enumerate(rows) if row.startswith("  late"))
    assert rows[place + 1].split() == ["base", "1.00", "1.80", "1.98", "2.00", "2.00"]
    assert rows[place + 2].split() == ["x", "2.00x", "2.00x", "2.00x", "2.00x", "2.00x"]


@pytest.mark.parametrize("text, holds", [("hold.p99=1980us", True), ("hold.p99=1.9ms", False), ("late.max=1s", True)])
def test_a_limit_holds_or_is_missed(text: str, holds: bool) -> None:
    assert (list(missed([parse_limit(text)], gathered())) == []) is holds


def test_a_limit_that_cannot_be_judged_does_not_hold() -> None:
    (line,) = missed([parse_limit("hold.p99=1s")], gathered(100))
    assert line.startswith("hold.p99=1s: cannot be judged")


@pytest.mark.parametrize("text", ["hold.p99", "hold.p98=1ms", "nix.p99=1ms", "hold.p99=1", "hold.p99=-1ms"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(LocalError, match=r"hold\.p99=5ms"):
        parse_limit(text)


def test_json_has_the_rule_beside_each_alias() -> None:
    told = json.loads(to_json(gathered(), url="http://x/", conditions={"cores": 2}))
    assert told["quantities"]["hold"]["p99"] == pytest.approx(1.98)
    assert "(frames - 1)" in told["aliases"]["tpot"]["rule"]
    assert told["aliases"]["ttft"]["p50"] == told["quantities"]["first"]["p50"]
    assert told["reads_a_chunk"] == 1.0


def test_the_notes_tell_how_many_samples_there_are() -> None:
    first, *_ = notes(gathered(100), {"cores": 2})
    assert first == "* n: first 50, late 100, added 100, hold 100, gap 100"
    assert any("no stamps" in line for line in notes(Gathered(), {}))


def test_the_page_is_self_contained_and_draws_both_charts() -> None:
    text = page(gathered(), url="http://x/?<b>", conditions={"cores": 2})
    assert text.count("<svg") == 2
    assert "<polyline" in text
    assert "<script" not in text
    assert "src=" not in text
    assert "<b>" not in text


def test_a_page_without_stamps_draws_frames_over_time() -> None:
    shown: list[list[tuple[float | None, float]]] = [[(None, 0.1), (None, 0.2)]]
    text = page(Gathered(first=[0.1], shown=shown), url="x", conditions={})
    assert "2 frames" in text
    assert "Too few stamped frames" in text
