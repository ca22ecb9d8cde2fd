"""The limits of `--limit`, on figures and on the number of failed streams, and the precision that `--until` asks for.

The rule here: pure. Texts of the command line are parsed before the measurement. Limits are judged after it, the
precision also during it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from chunkwire.tools.bench.histogram import bounds, bucket_of
from chunkwire.tools.bench.intervals import CONFIDENCE, MIN_ROUNDS, Interval, intervals_of
from chunkwire.tools.bench.result import CLOCKS_COMPARED
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.statistics import (
    ALIASES,
    DEFINITIONS,
    FIGURES,
    FROM_STAMPS,
    MAX,
    MIN_BEYOND,
    MIN_KNOWN,
    NAMES,
    NEEDS,
    Quantity,
)
from chunkwire.tools.paint import number, three_digits
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import expected_one_of, near

_QUANTITIES: Final = {**{name: name for name in DEFINITIONS}, **{alias: name for alias, (name, _) in ALIASES.items()}}
_PERCENTAGES: Final = {name: percentage for percentage, name in NAMES.items()}

_DIFFERENCES: Final = ("hold", "gap", "itl")
"""Quantities with an earlier frame's arrival on the other side: if that one is inexact, the sample is too small."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest value that a figure may have.

    Attributes:
        figure: "p50", "p90", "p99", "p99.9" or "max".
        ns: the value. A percentile is known to one bucket of the histogram (0.1 %): it holds if the bucket begins at
            this value or below.
        text: as on the command line.
    """

    quantity: str
    figure: str
    ns: float
    text: str

    def missed_line(self, gathered: Gathered) -> str:
        """Return how it was missed, or why it cannot be judged; empty where it holds."""
        found = gathered.quantity(self.quantity)
        value = found.figures[self.figure]
        if value is None:
            return f"{self.text}: not judged, {why_blank(gathered, self.quantity, self.figure)}"
        smallest = value if self.figure == MAX else bounds(bucket_of(value))[0]
        inexact = f"{found.inexact} of {number(found.known, 'sample')} are inexact" if found.inexact else ""
        if smallest > self.ns:
            is_sure, least = self.figure not in found.resting_on_inexact, found.least[self.figure]
            judged = "missed" if is_sure or (least is not None and least > self.ns) else "not judged"
            shown = f"{mark_of(self.quantity, self.figure, found)}{value / 1e6:.2f} ms"
            also = f", and {inexact}" if inexact else ""
            return f"{self.text}: {judged}, {self.quantity}.{self.figure} is {shown}{also}"
        if self.quantity in _DIFFERENCES and found.inexact > (1 - MIN_KNOWN) * found.known:
            why = "and may be too small; --stamps process times each frame after its read"
            return f"{self.text}: not judged, {inexact} {why}"
        return ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many streams may fail: a number, or a percentage of all."""

    number: float
    is_percentage: bool
    text: str

    def missed_line(self, gathered: Gathered) -> str:
        """Return how it was missed; empty where it holds."""
        allowed = self.number * gathered.streams / 100 if self.is_percentage else self.number
        if gathered.failed <= allowed:
            return ""
        return f"{self.text}: missed, more streams failed than it allows: {streams_line(gathered)}"


def mark_of(name: str, figure: str, found: Quantity) -> str:
    """Return what stands before a figure that rests on inexact samples: ≤, or ≈ if it can be too small, too."""
    if figure not in found.resting_on_inexact:
        return ""
    return "≈" if name in _DIFFERENCES else "≤"


Requirement: TypeAlias = Limit | Allowance


def clocks_left_out(gathered: Gathered) -> str:
    """Return why quantities that compare two clocks are left out; "" if they are not."""
    if gathered.has("added") or not gathered.has("hold"):
        return ""
    return (
        f"{' and '.join(CLOCKS_COMPARED)} are left out: they compare the clocks of server and client, "
        "and the results are of several hosts (a log names none); --clocks-agree keeps them"
    )


def why_blank(gathered: Gathered, name: str, figure: str) -> str:
    """Return why a figure of a quantity is blank, and what would give it."""
    if not gathered.has(name):
        return (name in CLOCKS_COMPARED and clocks_left_out(gathered)) or NEEDS[name]
    return f"fewer than {MIN_BEYOND} samples are larger than {figure}; use a longer run or more streams"


@dataclass(frozen=True, slots=True)
class Precision:
    """How narrow the confidence interval of a figure must be.

    Attributes:
        quantity: None for `late` if the stream has it, else `added`, else `gap`.
        percentage: of the percentile, such as 99.9.
        share: the largest half width of the interval, as a share of the figure; 0.05 is 5 %.
        text: as on the command line.
    """

    quantity: str | None
    percentage: float
    share: float
    text: str

    def name_in(self, gathered: Gathered) -> str:
        """Return the name of the quantity."""
        return self.quantity or next((name for name in ("late", "added") if gathered.has(name)), "gap")

    def interval_in(self, gathered: Gathered) -> Interval | None:
        """Return the figure with its interval; None where it has none, see `intervals_of`."""
        return intervals_of(gathered, self.name_in(gathered), [self.percentage])[self.percentage]

    def is_reached(self, gathered: Gathered) -> bool:
        """Say whether the interval is narrow enough."""
        interval = self.interval_in(gathered)
        return interval is not None and interval.share is not None and interval.share <= self.share

    def is_decided(self, gathered: Gathered) -> bool:
        """Say whether it is reached, or never will be: frames arrived that do not say what the quantity needs."""
        is_absent = self.quantity in FROM_STAMPS and not gathered.has(self.quantity)
        return gathered.frames > 0 if is_absent else self.is_reached(gathered)

    def line(self, gathered: Gathered) -> str:
        """Return the figure with its interval, number of rounds and time of sampling; or why it has no interval."""
        name, figure, interval = self.name_in(gathered), NAMES[self.percentage], self.interval_in(gathered)
        what = f"{name}.{figure}"
        if interval is None:
            return f"{what} has no interval: {self._why_none(gathered, name, figure)}"
        value, seconds = (three_digits(each) for each in (interval.value / 1e6, gathered.seconds))
        sure = f"the {CONFIDENCE * 100:g} % interval from {interval.rounds} rounds in {seconds} s"
        if interval.share is None:
            return f"{what} is {value} ms, and only a figure above zero has a relative precision"
        return f"{what} is {value} ms ± {three_digits(interval.share * 100)} %, {sure}"

    def _why_none(self, gathered: Gathered, name: str, figure: str) -> str:
        if gathered.quantity(name).percentiles[self.percentage] is None:
            return why_blank(gathered, name, figure)
        rounds = sum(name in one.samples for one in gathered.rounds)
        return f"it needs {MIN_ROUNDS} rounds with samples, and has {rounds}; use a longer run"

    def needed(self, gathered: Gathered) -> float | None:
        """Return an estimate of the sampling time, in s and in total, that would be enough; None without an interval.

        The width falls with the square root of the time. None also where the share is unknown or 0.
        """
        interval = self.interval_in(gathered)
        if interval is None or not interval.share:
            return None
        return gathered.seconds * (interval.share / self.share) ** 2


def parse_limit(text: str) -> Requirement:
    """Return the limit of `hold.p99=5ms`, `errors=3` or `errors=0.5%`.

    Raises:
        LocalError: it is not of that form, or names an unknown figure.
    """
    name, _, value = text.strip().partition("=")
    if name == "errors":
        return _parse_allowance(text.strip(), value)
    quantity, _, figure = name.partition(".")
    if "." not in name or "=" not in text:
        form = "QUANTITY.FIGURE=TIME, errors=N or errors=P%, such as hold.p99=5ms"
        raise LocalError(f"--limit: expected {form}, got {text!r}{near(quantity, [*_QUANTITIES, 'errors'])}")
    _check_names("--limit", quantity, figure, FIGURES)
    seconds = parse_duration(value) if value[-1:].isalpha() else None  # the unit may not be left out
    if seconds is None:
        raise LocalError(f"--limit {name}: expected a time with its unit, such as 5ms, got {value!r}")
    return Limit(_QUANTITIES[quantity], figure, seconds * 1e9, text)


def _check_names(flag: str, quantity: str, figure: str, figures: Collection[str]) -> None:
    """Check the names of a quantity and of its figure.

    Raises:
        LocalError: there is no such quantity or figure; the message suggests the nearest, and lists them.
    """
    for what, name, known in (("quantity", quantity, _QUANTITIES), ("figure", figure, figures)):
        if name not in known:
            raise LocalError(f"{flag}, {what}: {expected_one_of(known, name)}")


def _parse_allowance(text: str, value: str) -> Allowance:
    found = re.fullmatch(r"(\d{1,9})|(\d{1,3}(?:\.\d+)?)%", value)
    if not found or float(found[2] or 0) > 100:
        raise LocalError(
            f"--limit errors: expected a number of streams or a percentage, such as 3 or 0.5%, got {value!r}"
        )
    return Allowance(float(found[1] or found[2]), found[2] is not None, text)


def parse_precision(text: str) -> Precision:
    """Return the precision of `p99=5%` or `late.p99=5%`.

    Raises:
        LocalError: it is not of that form, names an unknown quantity or percentile, or its share is 0 or above 100 %.
    """
    found = re.fullmatch(r"(?:([a-z]+)\.)?([^=]+)=(\d{1,3}(?:\.\d+)?)%", text.strip())
    if not found or not 0 < float(found[3]) <= 100:
        form = "[QUANTITY.]PERCENTILE=SHARE, a share above 0 % and up to 100 %, such as late.p99=5%"
        raise LocalError(f"--until: expected {form}, got {text!r}")
    quantity, figure = found[1], found[2]
    _check_names("--until", quantity or "late", figure, _PERCENTAGES)
    return Precision(_QUANTITIES.get(quantity), _PERCENTAGES[figure], float(found[3]) / 100, text)


def missed_lines(requirements: Iterable[Requirement], gathered: Gathered) -> list[str]:
    """Return a line for each requirement that does not hold; one that cannot be judged does not hold."""
    return [line for requirement in requirements if (line := requirement.missed_line(gathered))]


def streams_line(gathered: Gathered) -> str:
    """Return the number of streams and of failures, by kind, the most frequent first."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in gathered.failures.most_common())
    how = f" ({kinds})" if kinds else ""
    return f"{number(gathered.streams, 'stream')}, {gathered.failed} failed{how}"
