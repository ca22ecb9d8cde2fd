"""An origin for each module; what a run leaves undone fails the run's own end."""

from collections.abc import Generator

import pytest

from chunkwire.testing import Origin


@pytest.fixture(scope="module")
def origin() -> Generator[Origin, None, None]:
    with Origin() as made:
        yield made
