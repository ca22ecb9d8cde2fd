"""The results as values: rounds of figures, rows of rounds, tables of rows; and their JSON.

The rule here: all figures of all rounds are kept; medians and spreads are computed for output. A figure with too few
samples is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.stats import Curve

JSON_VERSION = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A figure that a table shows.

    Attributes:
        key: its name in a round.
        scale: factor from the figure to `unit`.
    """

    key: str
    label: str
    unit: str = ""
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of one subject.

    Attributes:
        figures: by name; unknown ones are absent.
        curve: (fraction of the samples, latency in µs), for a plot; may be empty.
        error: why the round does not count; "" for one that does.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One subject and its rounds."""

    name: str
    rounds: tuple[Round, ...]

    @property
    def counted(self) -> tuple[Round, ...]:
        """The rounds that count."""
        return tuple(one for one in self.rounds if not one.error)

    @property
    def error(self) -> str:
        """The error of the first round that does not count; "" when all count."""
        return next((one.error for one in self.rounds if one.error), "")

    @property
    def failure(self) -> str:
        """How many rounds do not count, and the error of the first; "" when all count."""
        lost = len(self.rounds) - len(self.counted)
        return f"{lost} of {len(self.rounds)} rounds do not count: {self.error}" if lost else ""

    def values(self, key: str) -> list[float]:
        """Return a figure of every round that counts and has it."""
        return [one.figures[key] for one in self.counted if key in one.figures]

    def median(self, key: str) -> float | None:
        """Return the median of a figure over the rounds, None where there is none."""
        values = self.values(key)
        return median(values) if values else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a target was met; `holds` is None where a figure is missing, or the interval contains the target."""

    target: str
    got: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """One workload and every subject's row.

    Attributes:
        name: `relays/many`.
        shows: what the workload is, in a line.
        note: for readers of the figures; may be empty.
    """

    name: str
    shows: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...] = ()
    note: str = ""

    def row(self, name: str) -> Row | None:
        """Return the row of a subject."""
        return next((row for row in self.rows if row.name == name), None)


@dataclass(frozen=True, slots=True)
class Report:
    """A run: its conditions and its tables."""

    conditions: Mapping[str, str]
    tables: tuple[Table, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as values that `json` can write."""
        return {"version": JSON_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Report:
        """Return the report that `to_json` gave; raises ValueError for another version."""
        if value.get("version") != JSON_VERSION:
            raise ValueError(f"expected a report of version {JSON_VERSION}, got {value.get('version')!r}")
        return cls(value["conditions"], tuple(_table(one) for one in value["tables"]))


def _table(value: Mapping[str, Any]) -> Table:
    columns = tuple(Column(**one) for one in value["columns"])
    rows = tuple(Row(one["name"], tuple(_round(each) for each in one["rounds"])) for one in value["rows"])
    verdicts = tuple(Verdict(**one) for one in value["verdicts"])
    return Table(value["name"], value["shows"], columns, rows, verdicts, value["note"])


def _round(value: Mapping[str, Any]) -> Round:
    return Round(value["figures"], tuple((q, us) for q, us in value["curve"]), value["error"])
