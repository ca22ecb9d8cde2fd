"""One origin with its mocks and one gateway before it, both in processes of their own, for all tests of this folder."""

from collections.abc import Generator

import pytest

from tests.peers.command import Served, serving

FAST = ("--time-to-first-token", "0", "--inter-token-latency", "0")


@pytest.fixture(scope="session")
def origin() -> Generator[Served, None, None]:
    """An origin whose mocks answer at once."""
    with serving("serve", *FAST) as served:
        yield served


@pytest.fixture(scope="session")
def gateway(origin: Served) -> Generator[Served, None, None]:
    """The gateway in front of it."""
    with serving("forward", origin.url("")) as served:
        yield served


@pytest.fixture(params=["direct", "gateway"])
def base(request: pytest.FixtureRequest) -> str:
    """Where the SDK is pointed, without a path."""
    served: Served = request.getfixturevalue("origin" if request.param == "direct" else "gateway")
    return served.url("")
