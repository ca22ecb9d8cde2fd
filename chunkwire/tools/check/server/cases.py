"""The form of a server's rows: what is sent, and by which ruling it is judged.

The rule here: a case is a row and what judges it, given the server and its baseline; the tables are in `bodies`,
`heads` and `connections`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from chunkwire.tools.check.rows import CheckRow, Level, Ruling
from chunkwire.tools.check.server.baseline import Baseline
from chunkwire.tools.check.server.talk import ServerTarget


@dataclass(frozen=True, slots=True)
class CheckedServer:
    """The server under test, and what it does with requests in order."""

    target: ServerTarget
    baseline: Baseline


Judge: TypeAlias = Callable[[CheckedServer], Awaitable[Ruling]]


@dataclass(frozen=True, slots=True)
class ServerCase:
    """A row, and what judges it."""

    row: CheckRow
    judge: Judge


def case(row_id: str, level: Level, title: str, judge: Judge, *, clause: str = "") -> ServerCase:
    """Return a case; its clause is that of its id unless another one is given."""
    document, section, _ = row_id.split("/")
    return ServerCase(CheckRow(row_id, level, title, clause or f"{document} §{section}"), judge)
