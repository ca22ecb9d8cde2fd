"""A lab and a headless Chromium for each module that looks at pages: beyond it its event loop would disturb others."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.lab.browser import RunningLab, Sight


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    from tests.lab.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def lab() -> Generator[RunningLab, None, None]:
    from tests.lab.browser import lab_process

    with lab_process("--clock", "fixed") as running:
        yield running


@pytest.fixture
def sight(browser: Browser, lab: RunningLab) -> Generator[Sight, None, None]:
    """Pages that must ask nobody else, and log no error."""
    from tests.lab.browser import Sight

    seen = Sight(browser, lab)
    yield seen
    seen.close()
    assert (seen.strangers, seen.errors) == ([], [])
