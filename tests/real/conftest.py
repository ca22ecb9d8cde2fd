"""What the acceptance tests share: a Go program built once, and the origin with a gateway before it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.peers.command import Served, serving
from tests.peers.writers import GO, build_go


@pytest.fixture(scope="session")
def go_binary(go_folder: Path) -> Path:
    """Return the Go writer, compiled."""
    return build_go(go_folder, GO, "writer")


@pytest.fixture(scope="module")
def origin() -> Generator[Served, None, None]:
    """Run the origin once for a file of tests."""
    with serving("serve") as served:
        yield served


@pytest.fixture(scope="module")
def gateway(origin: Served) -> Generator[Served, None, None]:
    """Run a gateway before that origin."""
    with serving("forward", origin.url("")) as served:
        yield served


@pytest.fixture(params=["origin", "gateway"])
def served(request: pytest.FixtureRequest, origin: Served, gateway: Served) -> Served:
    """Return each of the two in turn."""
    return origin if request.param == "origin" else gateway
