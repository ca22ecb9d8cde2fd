"""The map is complete, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.rules.attacks import ATTACKS
from tests.rules.faults import FAULTS
from tests.rules.rules import RULES
from tests.rules.suites import SUITES
from tests.rules.table import Row

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = {
    **{f"rule {name}": row for name, row in RULES.items()},
    **{f"attack {name}": row for name, row in ATTACKS.items()},
    **{f"fault {name}": row for name, row in FAULTS.items()},
    **{f"suites {name}": row for name, row in SUITES.items()},
}


@cache
def defined_in(file: str) -> dict[str, str]:
    """Return the tests that a file defines, each with its docstring."""
    tree = ast.parse(ROOT.joinpath(file).read_bytes())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name: ast.get_docstring(each) or "" for each in functions if each.name.startswith("test_")}


def test_the_rules_are_the_69_rows() -> None:
    assert list(RULES) == [str(number) for number in range(1, 70)]


def test_the_faults_are_the_28_rows() -> None:
    assert list(FAULTS) == [str(number) for number in range(1, 29)]


def test_every_attack_is_there() -> None:
    assert len(ATTACKS) >= 43


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_has_a_test_for_each_server_it_concerns(row: Row) -> None:
    assert row.says
    assert ("O" in row.who, "G" in row.who) == (bool(row.origin), bool(row.gateway))
    assert row.who in ("O", "G", "OG")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_named_test_exists_and_says_when_it_fails(row: Row) -> None:
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in defined_in(file), test
        assert "Fails " in defined_in(file)[name], f"{test} does not say on which broken variant it fails"


@pytest.mark.parametrize("number", RULES)
def test_each_test_of_a_rule_says_its_row(number: str) -> None:
    for test in RULES[number].tests:
        file, _, name = test.partition("::")
        rows = re.match(r"Rows? ([\d, and]+)", defined_in(file)[name])
        assert rows, test
        assert number in re.findall(r"\d+", rows[1]), f"{test} is not of row {number}"
