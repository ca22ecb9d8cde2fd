"""Judge the rows of a scorecard of clients, servers or proxies, several at a time, and keep their results.

The rule here: results are in the order of the rows, not in that of their completion. A row that was cancelled has no
result. A case is what `judge` gets to judge one row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

import trio

from chunkwire.tools.check.rows import RowOutcome, RowResult, Ruling, T
from chunkwire.wire.errors import ChunkwireError, describe_error, leaf_errors


class RowRun(Generic[T]):
    """One run of cases.

    Args:
        cases: one for each row.
        judge: judges a case; if it raises a `ChunkwireError`, also one in a group of a nursery, the row is undecided.
        jobs: how many cases are judged at a time.
        report: called with each result as it comes.
    """

    def __init__(
        self,
        cases: Sequence[T],
        judge: Callable[[T], Awaitable[Ruling]],
        *,
        jobs: int = 1,
        report: Callable[[RowResult], None] = lambda _: None,
    ) -> None:
        self._cases, self._judge = cases, judge
        self._jobs = jobs
        self._report = report
        self._found: dict[int, RowResult] = {}

    @property
    def results(self) -> list[RowResult]:
        """The results so far, in the order of the rows."""
        return [self._found[place] for place in sorted(self._found)]

    @property
    def is_whole(self) -> bool:
        """Say whether every row has its result."""
        return len(self._found) == len(self._cases)

    async def run(self) -> None:
        """Judge every case; those with `runs_alone` come last, one at a time.

        Cancellation: the results so far stay.
        """
        for is_alone in (False, True):
            jobs = trio.CapacityLimiter(1 if is_alone else self._jobs)
            async with trio.open_nursery() as nursery:
                for place, case in enumerate(self._cases):
                    if case.runs_alone is is_alone:
                        await jobs.acquire_on_behalf_of(place)  # here, so that the rows start in their order
                        nursery.start_soon(self._run_one, place, case, jobs, name=f"row {case.row.id}")

    async def _run_one(self, place: int, case: T, jobs: trio.CapacityLimiter) -> None:
        try:
            ruling = await self._judge(case)
            result = RowResult(case.row, ruling.outcome, ruling.why, ruling.octets)
        except* ChunkwireError as errors:
            result = RowResult(case.row, RowOutcome.UNDECIDED, describe_error(next(leaf_errors(errors))))
        finally:
            jobs.release_on_behalf_of(place)
        self._found[place] = result
        self._report(result)
