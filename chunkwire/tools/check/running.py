"""Run the tests of a scorecard, several at a time, and keep their results.

The rule here: results are in the order of the rows, whatever order they came in; cancelled tests have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from chunkwire.tools.check.rows import RowOutcome, RowResult, RowTest
from chunkwire.wire.errors import ChunkwireError


class RowRun:
    """The run of some tests.

    Args:
        jobs: how many run at a time.
        report: called with each result as it comes.
    """

    def __init__(
        self, tests: Sequence[RowTest], *, jobs: int = 1, report: Callable[[RowResult], None] = lambda _: None
    ) -> None:
        self._tests = tests
        self._jobs = trio.CapacityLimiter(jobs)
        self._report = report
        self._found: dict[int, RowResult] = {}

    @property
    def results(self) -> list[RowResult]:
        """The results so far, in the order of the tests."""
        return [self._found[place] for place in sorted(self._found)]

    @property
    def is_whole(self) -> bool:
        """Say whether every test has its result."""
        return len(self._found) == len(self._tests)

    async def run(self) -> None:
        """Judge every row.

        Cancellation: the results so far stay.
        """
        async with trio.open_nursery() as nursery:
            for place, test in enumerate(self._tests):
                await self._jobs.acquire_on_behalf_of(place)
                nursery.start_soon(self._judge, place, test, name=f"row {test.row.id}")

    async def _judge(self, place: int, test: RowTest) -> None:
        try:
            ruling = await test.judge()
            result = RowResult(test.row, ruling.outcome, ruling.why, ruling.octets)
        except ChunkwireError as error:
            result = RowResult(test.row, RowOutcome.UNDECIDED, " ".join(str(error).split()))
        finally:
            self._jobs.release_on_behalf_of(place)
        self._found[place] = result
        self._report(result)
