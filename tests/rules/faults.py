"""The ways in which a stream breaks, each with the test of what the gateway then does."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

FAULTS: Final[Rows] = {}

__all__ = ["FAULTS", "Row"]
