"""An origin for each test, directly and behind a gateway."""

from collections.abc import Generator

import pytest

from chunkwire.testing import Origin


@pytest.fixture(params=[False, True], ids=["direct", "gateway"])
def origin(request: pytest.FixtureRequest) -> Generator[Origin, None, None]:
    with Origin(gateway=request.param) as made:
        yield made
