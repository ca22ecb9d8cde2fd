"""What the tests of this room share: each mover in turn, and a sleeper on a clock of the test."""

from collections.abc import AsyncIterator

import pytest

from tests.net.asleep import Asleep, opened
from tests.net.carry import MakeMover, mover_makers


@pytest.fixture(params=[*mover_makers(in_each_form=True)], ids=lambda make: make.__name__)
def make_mover(request: pytest.FixtureRequest) -> MakeMover:
    """Give what makes a mover: every test of movers is a test of each of them."""
    made: MakeMover = request.param
    return made


@pytest.fixture
async def asleep() -> AsyncIterator[Asleep]:
    """Give a sleeper, and tasks that wait for moments."""
    async with opened() as opened_one:
        yield opened_one
