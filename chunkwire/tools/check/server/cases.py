"""The form of a server's rows.

The rule here: a case is a row with the function that judges it, given the server and its baseline; the tables are in
`bodies`, `heads` and `connections`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from chunkwire.tools.check.rows import CheckRow, Ruling
from chunkwire.tools.check.server.baseline import Baseline
from chunkwire.tools.check.server.rulings import NO_HALF_CLOSE, worst
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


def case_of_each(
    row: CheckRow,
    requests: Callable[[ServerTarget], Iterable[bytes]],
    rule: Callable[[Talk, Baseline], Ruling],
    *,
    method: bytes | None = None,
    is_followed: bool = True,
    fin: bool = False,
) -> ServerCase:
    """Return a case of several requests, each sent on a new connection; the worst ruling counts.

    Args:
        method: of these requests; None for the target's method.
        is_followed: each is followed by a GET with `Connection: close`.
        fin: our FIN follows each; over TLS the row does not apply.
    """

    async def judge(server: CheckedServer) -> Ruling:
        target, baseline = server.target, server.baseline
        if fin and target.tls is not None:
            return baseline.talks[0].inapplicable(NO_HALF_CLOSE)
        behind, methods = (target.closing(),) if is_followed else (), (method or target.method,)
        talks = [await talk(target, each, *behind, methods=methods, fin=fin) for each in requests(target)]
        return worst([rule(said, baseline) for said in talks])

    return ServerCase(row, judge)
