"""Each row of README.md has, for each server it concerns, a test that says it and on which broken variant it fails."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.forward.test_attacks_bodies import REFUSED, TAKEN

TESTS = Path(__file__).resolve().parent.parent
# Where the tests of each server are.
PLACES = {
    "O": ("server/*.py", "origin/*.py", "real/*.py", "forward/test_heads_at_both.py"),
    "G": ("forward/*.py", "real/*.py"),
}
COUNTS = {"Rules": 69, "Attacks": 43, "Faults": 28, "Suites": 13}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the heading of its table, its name there, and whom it concerns ("O", "G" or "OG")."""

    table: str
    name: str
    who: str

    def __str__(self) -> str:
        return f"{self.table}: {self.name}"


def rows() -> Iterator[Row]:
    for section in re.split(r"^## ", TESTS.joinpath("rules", "README.md").read_text("utf-8"), flags=re.MULTILINE)[1:]:
        lines = [line for line in section.splitlines() if line.startswith("| ")]
        for line in lines[1:]:
            name, _, who, _ = (cell.strip() for cell in line.strip("|").split("|"))
            yield Row(section.partition("\n")[0], name, who)


ROWS = list(rows())


@cache
def sayings(server: str) -> tuple[str, ...]:
    """Return what the tests of a server say that they hold: their docstrings up to the variant on which they fail."""
    found = []
    for path in (path for place in PLACES[server] for path in TESTS.glob(place)):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                said, fails, _ = (ast.get_docstring(node) or "").partition("Fails ")
                found.append(said if fails else "")
    return tuple(found)


def numbers(said: str, word: str) -> set[str]:
    """Return the rows that `Row 12`, `rows 28 and 29` or `faults 1, 2 and 3` names; beside one is not one."""
    return {
        number
        for listed in re.findall(rf"(?<!Beside )\b{word}s? ([\d, and]+)", said, re.IGNORECASE)
        for number in re.findall(r"\d+", listed)
    }


def is_said(row: Row, said: str) -> bool:
    match row.table:
        case "Rules":
            return row.name in numbers(said, "row")
        case "Faults":
            return row.name in numbers(said, "fault")
        case "Attacks":
            return re.search(rf"attacks? .*{re.escape(row.name)}", said, re.IGNORECASE) is not None
        case _:
            return f"suites: {row.name}" in said.replace("Suites", "suites")


def test_every_row_of_the_specification_is_there() -> None:
    assert {table: sum(row.table == table for row in ROWS) for table in COUNTS} == COUNTS
    for table in ("Rules", "Faults"):
        assert [row.name for row in ROWS if row.table == table] == [str(n + 1) for n in range(COUNTS[table])]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_has_a_test_for_each_server_it_concerns(row: Row) -> None:
    assert row.who in ("O", "G", "OG")
    if row.name not in {*REFUSED, *TAKEN}:
        assert [server for server in row.who if not any(is_said(row, said) for said in sayings(server))] == []


def test_no_test_says_a_row_that_is_not_there() -> None:
    for said in {*sayings("O"), *sayings("G")}:
        assert {int(number) for number in numbers(said, "row")} <= set(range(1, 70))
        assert {int(number) for number in numbers(said, "fault")} <= set(range(1, 29))
