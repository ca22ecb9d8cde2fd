"""The table of faults in README has a row a fault, and an answer of each client."""

import re

from bench.faults import MARKS, README, ROWS
from chunkwire.origin.scenarios import FAULTS


def rows() -> list[list[str]]:
    start, end = MARKS
    table = README.read_text("utf-8").partition(start)[2].partition(end)[0]
    return [line.strip("| ").split(" | ") for line in table.split("\n") if line.startswith("|")]


def test_the_table_has_a_row_for_each_fault() -> None:
    assert [row[:2] for row in rows()[2:]] == [[f"`{name}`", FAULTS[name].summary] for name in ROWS]


def test_each_client_has_said_something() -> None:
    head, _, *faults = rows()
    assert len(head) >= 6
    for row in faults:
        assert len(row) == len(head)
        assert not [answer for answer in row[2:] if re.fullmatch(r"\??", answer)]


def test_no_client_takes_a_broken_framing_for_whole() -> None:
    for row in rows()[2:]:
        is_framed = FAULTS[row[0].strip("`")].is_framed
        assert [answer == "ok" for answer in row[2:]] == [is_framed] * (len(row) - 2)
