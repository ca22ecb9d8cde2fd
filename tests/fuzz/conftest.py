"""How long to look: a fixed handful of cases, the same each time, or fresh ones for CHUNKWIRE_FUZZ_SECONDS."""

import os
import time
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.net.carry import make_mover

__all__ = ["fuzz", "make_mover"]

SECONDS = float(os.environ.get("CHUNKWIRE_FUZZ_SECONDS", "0"))
FEW = settings(settings.get_profile("fixed"), max_examples=60)
MANY = settings(FEW, max_examples=300, derandomize=False)


def fuzz(run: Callable[[settings], None], *, share: float = 1.0) -> None:
    """Run a fuzz once with fixed cases, or again and again with fresh ones for this share of the time."""
    if not SECONDS:
        run(FEW)
        return
    end = time.monotonic() + SECONDS * share
    while time.monotonic() < end:
        run(MANY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each fuzz the time it was asked to take, and some to end."""
    for item in items:
        if "tests/fuzz/" in item.nodeid:
            item.add_marker(pytest.mark.timeout(SECONDS + 120))
