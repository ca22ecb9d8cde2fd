"""The form of a server's rows.

The rule here: a case is a row with the function that judges it, given the server and its baseline; the tables are in
`bodies`, `heads` and `connections`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from chunkwire.tools.check.rows import CheckRow, Level, Ruling, check_row
from chunkwire.tools.check.server.baseline import Baseline
from chunkwire.tools.check.server.rulings import worst
from chunkwire.tools.check.server.talk import ServerTarget, Talk, talk


@dataclass(frozen=True, slots=True)
class CheckedServer:
    """The server under test, and its answers to correct requests."""

    target: ServerTarget
    baseline: Baseline


Judge: TypeAlias = Callable[[CheckedServer], Awaitable[Ruling]]


@dataclass(frozen=True, slots=True)
class ServerCase:
    """A row, and the function that judges it."""

    row: CheckRow
    judge: Judge


def case(row_id: str, level: Level, title: str, judge: Judge, *, clause: str = "") -> ServerCase:
    """Return a case; `clause` as in `check_row`."""
    return ServerCase(check_row(row_id, level, title, clause), judge)


async def judge_each(
    server: CheckedServer,
    requests: Iterable[bytes],
    rule: Callable[[Talk], Ruling],
    *,
    method: bytes = b"GET",
    is_followed: bool = True,
    fin: bool = False,
) -> Ruling:
    """Send requests, the variants of one row, each on a new connection; return the worst ruling.

    Args:
        method: of these requests.
        is_followed: each is followed by a GET with `Connection: close`.
        fin: as in `talk`.
    """
    behind = (server.target.closing(),) if is_followed else ()
    return worst([rule(await talk(server.target, each, *behind, methods=(method,), fin=fin)) for each in requests])
