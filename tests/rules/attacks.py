"""The attacks on relays, each with the test that shows it fail."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

ATTACKS: Final[Rows] = {}

__all__ = ["ATTACKS", "Row"]
