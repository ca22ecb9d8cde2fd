"""The bench of first tokens and departures runs from end to end with tiny counts; no value is asserted."""

from bench.answers import answers
from bench.rounds import Plan
from bench.workshop import Workshop

WAYS = ["direct", "gateway", "ask", "ask, gateway"]


def test_first_tokens_and_departures_are_measured_every_way(workshop: Workshop) -> None:
    first, leaving, crowd = answers(Plan(rounds=1, is_quick=True), workshop)
    tokens = {"max", "samples"}
    for table, keys in ((first, tokens), (leaving, {"reset_p50", "reset_tokens", "close_p50"}), (crowd, tokens)):
        assert sorted(row.name for row in table.rows) == sorted(WAYS)
        for row in table.rows:
            assert row.failure == ""
            assert keys <= set(row.counted[0].figures)
