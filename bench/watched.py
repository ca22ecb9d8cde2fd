"""`watched`: a relayed stream beside a stream of 1000 frames a second that the lab's page watches.

All of it is one run of trio, as in `chunkwire lab`. `alone` has no second stream, `unwatched` has it without a page,
`watched` has stream and page. The difference between the last two is the cost of records and feed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.gateways import subject
from bench.meter import WORKLOADS, Workload, measure
from bench.processes import end, free_port, start
from bench.relays import BESIDE_WORKLOADS, relay
from bench.results import Round, Table
from bench.rounds import Plan, interleave
from bench.targets import judged
from bench.workshop import Workshop

WATCHED_WORKLOADS = (*BESIDE_WORKLOADS, "bulk1k")
RUN = "{python} -m bench.peers.watched_run {listen} {origin_url} "
READERS: dict[str, list[str] | None] = {"alone": None, "unwatched": [], "watched": ["feed"]}


def watched(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each workload of the neighbour."""
    for name in plan.choose(WATCHED_WORKLOADS):
        workload = WORKLOADS[name]
        measures: dict[str, Callable[[], Round]] = {
            each: partial(_measure, plan, workshop, workload, reader) for each, reader in READERS.items()
        }
        rows = interleave(measures, plan.rounds, what=f"watched/{name}")
        yield judged(Table(f"watched/{name}", workload.shows, workload.columns, rows))


def _measure(plan: Plan, workshop: Workshop, workload: Workload, reader: list[str] | None) -> Round:
    origin, page = free_port(), free_port()
    arguments = workload.of(is_quick=plan.is_quick)
    with relay(workshop, "lab", subject(RUN + str(page)), upstream=origin) as server, _reading(workshop, page, reader):
        return measure(workshop, arguments, target=server.port, origin=origin, server=server)


@contextmanager
def _reading(workshop: Workshop, page: int, words: list[str] | None) -> Iterator[None]:
    """Run the reader of the lab's stream in the with block, on the meter's core; None: no reader."""
    if words is None:
        yield
        return
    process = start([sys.executable, "-m", "bench.peers.watched_run", str(page), *words], workshop.cores.meter)
    try:
        yield
    finally:
        end(process)
