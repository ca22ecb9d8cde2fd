"""The rules for heads and bodies, each with the tests that hold the servers to it."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

RULES: Final[Rows] = {}

__all__ = ["RULES", "Row"]
