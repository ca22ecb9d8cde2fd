"""Rows of a scorecard: a rule with its id, level and clause, how it is judged, and what came of it.

The rule here: values and the choice among them. What judges rows is in `client`, `server` and `proxy`; how rows run,
count and print in `running`, `scorecard`, `view` and `page`.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chunkwire.wire.errors import LocalError


class Level(enum.Enum):
    """How much a rule weighs."""

    MUST = "must"
    """A MUST or MUST NOT of the RFC, or what follows from its definitions: it fails the run."""
    SHOULD = "should"
    """A SHOULD: it fails the run with `--strict`."""
    SEEN = "seen"
    """Allowed either way: shown, never failed."""


class RowOutcome(enum.Enum):
    """What became of a row."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    """What was learned before rules it out: a method that is refused, a version that cannot do it."""
    UNDECIDED = "undecided"
    """What would decide it did not come in time, or something else came in between."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One rule.

    Attributes:
        id: section and number, such as `9112/7.1/3`; it stays when rows are added.
        title: what a sound peer does, one line.
        clause: where it is written, such as `9112 §7.1`.
        name: what it is called beside its id, where it is: the name of a scenario.
    """

    id: str
    level: Level
    title: str
    clause: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """Octets of the exchange that a ruling rests on; the label says whose they are."""

    label: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a test of a row found.

    Attributes:
        why: one line; of a pass too: what the peer did.
        octets: what was sent and what came, in the order of the exchange.
    """

    outcome: RowOutcome
    why: str
    octets: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class RowTest:
    """A row and what judges it. A `ChunkwireError` that `judge` raises makes the row undecided."""

    row: CheckRow
    judge: Callable[[], Awaitable[Ruling]]


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row with its ruling."""

    row: CheckRow
    outcome: RowOutcome
    why: str
    octets: tuple[Shown, ...] = ()


class HasRow(Protocol):
    """What `choose` chooses among: a `RowTest`, or what becomes one once its peer is known."""

    @property
    def row(self) -> CheckRow:
        """The row."""
        ...


T = TypeVar("T", bound=HasRow)


def choose(tests: Sequence[T], only: Sequence[str]) -> list[T]:
    """Return the tests whose row is named by an id, or by the section that begins it; all where `only` is empty.

    Raises:
        LocalError: an id that no row has.
    """
    if not only:
        return list(tests)
    for wanted in only:
        if not any(is_named(test.row, wanted) for test in tests):
            ids = [name for test in tests for name in (test.row.id, test.row.name) if name]
            close = difflib.get_close_matches(wanted, ids, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise LocalError(f"--only: no row {wanted!r}{hint} (--list shows them)")
    return [test for test in tests if any(is_named(test.row, wanted) for wanted in only)]


def check_row(row_id: str, level: Level, title: str, clause: str = "") -> CheckRow:
    """Return a row; its clause is the section that its id begins with, unless another one is given."""
    document, section, _ = row_id.split("/")
    return CheckRow(row_id, level, title, clause or f"{document} §{section}")


def is_named(row: CheckRow, wanted: str) -> bool:
    """Say whether a row has this id or name, or is in this section: `9112/7.1` names 9112/7.1/3, not 9112/7.10/1."""
    wanted = wanted.rstrip("/")
    return wanted in (row.id, row.name) or row.id.startswith(wanted + "/")
