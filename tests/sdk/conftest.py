"""An origin for each test, behind a gateway: what either of the two spoils, an SDK does not take."""

from collections.abc import Generator

import pytest

from chunkwire.testing import Origin


@pytest.fixture
def origin() -> Generator[Origin, None, None]:
    with Origin(gateway=True) as made:
        yield made
