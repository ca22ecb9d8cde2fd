"""The form of a server's rows.

The rule here: a case is a row with the function that judges it, given the server; the tables are in `bodies`, `heads`
and `connections`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from chunkwire.tools.check.rows import CheckRow, RowCase, Ruling
from chunkwire.tools.check.server.baseline import CheckedServer
from chunkwire.tools.check.server.rulings import NO_HALF_CLOSE, worst
from chunkwire.tools.check.server.talk import ServerTarget, Talk, talk


@dataclass(frozen=True, slots=True)
class ServerCase(RowCase):
    """A row, and the function that judges it."""

    judge: Callable[[CheckedServer], Awaitable[Ruling]]


def posts(
    variants: Iterable[tuple[bytes, bytes]], version: bytes = b"1.1"
) -> Callable[[ServerTarget], Iterable[bytes]]:
    """Return what makes requests with the target's method of these field lines and bodies, for `case_of_each`."""
    return lambda target: [
        target.request(lines, body, method=target.method, version=version) for lines, body in variants
    ]


def case_of_each(
    row: CheckRow,
    requests: Callable[[ServerTarget], Iterable[bytes]],
    rule: Callable[[Talk, CheckedServer], Ruling],
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
        target = server.target
        if fin and target.tls is not None:
            return server.asked.inapplicable(NO_HALF_CLOSE)
        after, methods = (target.closing(),) if is_followed else (), (method or target.method,)
        talks = [await talk(target, each, *after, methods=methods, fin=fin) for each in requests(target)]
        return worst([rule(said, server) for said in talks])

    return ServerCase(row, judge)
