"""`answers` runs from end to end with few samples; no value is asserted."""

from bench.answers import answers
from bench.rounds import Plan
from bench.workshop import Workshop

WAYS = ["direct", "gateway", "ask", "ask, gateway"]


def test_first_tokens_and_departures_are_measured_every_way(workshop: Workshop) -> None:
    plan = Plan(rounds=1, is_quick=True, workloads=("first", "leaving", "crowd", "100"))
    tokens, leaving = {"max", "samples"}, {"reset_p50", "reset_tokens", "close_p50"}
    expected = (tokens, leaving, tokens, {*tokens, "cpu_us_per_token"})
    for table, keys in zip(answers(plan, workshop), expected, strict=True):
        assert sorted(row.name for row in table.rows) == sorted(WAYS)
        for row in table.rows:
            assert row.failure == ""
            assert keys <= set(row.counted[0].figures)
