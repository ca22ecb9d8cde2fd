"""Rows of a scorecard: a rule with its id, level and clause, and its result.

The rule here: only values, and the selection of rows. `client`, `server` and `proxy` judge rows; `running` runs them,
`scorecard` counts them, `view` and `page` show them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import near


class Level(enum.Enum):
    """How much a rule weighs."""

    MUST = "must"
    """A MUST or MUST NOT of the RFC, or a consequence of its definitions: a failure fails the run."""
    SHOULD = "should"
    """A SHOULD: a failure fails the run with `--strict`."""
    SEEN = "seen"
    """Both ways are allowed: the result is shown, and never fails the run."""


class RowOutcome(enum.Enum):
    """The result of a row."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    """The rule cannot be tested with this peer: it refuses the method, for example, or has another HTTP version."""
    UNDECIDED = "undecided"
    """What came does not decide it; or the deciding event did not come in time, or an error came first."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One rule.

    Attributes:
        id: document, section, and a number or name, such as `9112/7.1/3`; stable when rows are added.
        title: what a correct peer does, in one line.
        clause: the section of the rule, such as `9112 §7.1`.
        name: a second name in addition to the id, that of a scenario; "" for none.
    """

    id: str
    level: Level
    title: str
    clause: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """Octets that a ruling is based on; the label says whose they are.

    Attributes:
        is_exchanged: they were sent or received; False for what a command printed.
    """

    label: str
    octets: bytes
    is_exchanged: bool = True


@dataclass(frozen=True, slots=True)
class Ruling:
    """The outcome of a row's test.

    Attributes:
        why: one line about what the peer did, also for a pass.
        octets: sent and received, in the order of the exchange.
    """

    outcome: RowOutcome
    why: str
    octets: tuple[Shown, ...] = ()


# Rulings by their outcome; each takes `why`, and octets.
passed: Final = partial(Ruling, RowOutcome.PASS)
failed: Final = partial(Ruling, RowOutcome.FAIL)
undecided: Final = partial(Ruling, RowOutcome.UNDECIDED)
inapplicable: Final = partial(Ruling, RowOutcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row with its ruling."""

    row: CheckRow
    outcome: RowOutcome
    why: str
    octets: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class RowCase:
    """A row; its subclasses add what their judges need.

    Attributes:
        runs_alone: no other row may be judged at the same time.
    """

    row: CheckRow
    runs_alone: bool = field(default=False, kw_only=True)


T = TypeVar("T", bound=RowCase)


def choose(cases: Sequence[T], only: Sequence[str]) -> list[T]:
    """Return the cases whose row has one of these ids or names, or is in one of these sections; all if `only` is empty.

    Raises:
        LocalError: one of them matches no row.
    """
    if not only:
        return list(cases)
    for wanted in only:
        if not any(is_named(case.row, wanted) for case in cases):
            ids = [name for case in cases for name in (case.row.id, case.row.name) if name]
            raise LocalError(f"--only: no row {wanted!r}{near(wanted, ids)} (--list shows them)")
    return [case for case in cases if any(is_named(case.row, wanted) for wanted in only)]


def check_row(level: Level, row_id: str, title: str, clause: str = "") -> CheckRow:
    """Return a row; its clause is the section that its id begins with, unless another one is given."""
    document, section, _ = row_id.split("/")
    return CheckRow(row_id, level, title, clause or f"{document} §{section}")


# Rows by their level, as in `check_row`.
must: Final = partial(check_row, Level.MUST)
should: Final = partial(check_row, Level.SHOULD)
seen: Final = partial(check_row, Level.SEEN)


def is_named(row: CheckRow, wanted: str) -> bool:
    """Say whether a row has this id or name, or is in this section: `9112/7.1` names 9112/7.1/3, not 9112/7.10/1."""
    wanted = wanted.rstrip("/")
    return wanted in (row.id, row.name) or row.id.startswith(wanted + "/")
