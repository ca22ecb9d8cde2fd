"""Limits of figures, limits of failures, and the precision that `--until` asks for.

The rule here: pure. Texts of the command line are parsed before the measurement. Limits are judged after it, the
precision also during it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from chunkwire.tools.bench.histogram import bounds, bucket_of
from chunkwire.tools.bench.intervals import CONFIDENCE, Interval, intervals_of
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.statistics import ALIASES, DEFINITIONS, MAX, MIN_KNOWN, NAMES, Quantity
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError

_QUANTITIES: Final = {**{name: name for name in DEFINITIONS}, **{alias: name for alias, (name, _) in ALIASES.items()}}
_PERCENTAGES: Final = {name: percentage for percentage, name in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest value that a figure may have.

    Attributes:
        figure: "p50", "p90", "p99", "p99.9" or "max".
        ns: the value; a percentile in the same bucket of the histogram passes, too.
    """

    quantity: str
    figure: str
    ns: float
    text: str

    def missed(self, gathered: Gathered) -> str:
        """Return how it was missed, or why it cannot be judged; empty where it holds."""
        quantity = gathered.quantity(self.quantity)
        value = quantity.figures[self.figure]
        if value is None:
            return f"{self.text}: not judged, {_why_blank(quantity)}"
        least = value if self.figure == MAX else bounds(bucket_of(value))[0]
        if least <= self.ns:
            return ""
        return f"{self.text}: missed, {self.quantity}.{self.figure} is {value / 1e6:.2f} ms"


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many streams may fail: a number, or a percentage of all."""

    number: float
    is_percentage: bool
    text: str

    def missed(self, gathered: Gathered) -> str:
        """Return how it was missed; empty where it holds."""
        allowed = self.number * gathered.streams / 100 if self.is_percentage else self.number
        if gathered.failed <= allowed:
            return ""
        return f"{self.text}: missed, more streams failed: {streams_line(gathered)}"


Requirement: TypeAlias = Limit | Allowance


def _why_blank(quantity: Quantity) -> str:
    if not quantity.known:
        return "no value of it is known"
    if not quantity.is_known:
        return f"fewer than {MIN_KNOWN * 100:g} % of its samples are known"
    return "fewer than ten samples are larger; use a longer run or more streams"


@dataclass(frozen=True, slots=True)
class Precision:
    """How narrow the confidence interval of a figure must be.

    Attributes:
        quantity: None: `late` where the stream has it, else `added`, else `gap`.
        share: half the interval's width over the figure, at most.
    """

    quantity: str | None
    percentage: float
    share: float
    text: str

    def name_in(self, gathered: Gathered) -> str:
        """Return the name of the quantity."""
        return self.quantity or next((name for name in ("late", "added") if gathered.has(name)), "gap")

    def interval_in(self, gathered: Gathered) -> Interval | None:
        """Return the figure with its interval; None where rounds or known samples are too few."""
        return intervals_of(gathered, self.name_in(gathered), [self.percentage])[self.percentage]

    def is_reached(self, gathered: Gathered) -> bool:
        """Say whether the interval is narrow enough."""
        interval = self.interval_in(gathered)
        return interval is not None and interval.share is not None and interval.share <= self.share

    def line(self, gathered: Gathered) -> str:
        """Return the figure and its interval, from how many rounds, and the time of sampling; or why it has none."""
        what, interval = f"{self.name_in(gathered)}.{NAMES[self.percentage]}", self.interval_in(gathered)
        if interval is None:
            return f"{what} has no interval: too few samples are larger or known, or too few rounds have samples"
        seconds = sum(one.seconds for one in gathered.rounds)
        sure = f"the {CONFIDENCE * 100:g} % interval from {interval.rounds} rounds in {seconds:.3g} s"
        if interval.share is None:
            return f"{what} is {interval.value / 1e6:.3g} ms, not above zero, so a share of it cannot be reached"
        return f"{what} is {interval.value / 1e6:.3g} ms ± {interval.share * 100:.2g} %, {sure}"

    def needed(self, gathered: Gathered) -> float | None:
        """Return an estimate of the s of sampling that would be enough; None without an interval or a share."""
        interval = self.interval_in(gathered)
        if interval is None or not interval.share:
            return None
        return sum(one.seconds for one in gathered.rounds) * (interval.share / self.share) ** 2


def parse_limit(text: str) -> Requirement:
    """Return the limit of `hold.p99=5ms`, `errors=3` or `errors=0.5%`.

    Raises:
        LocalError: it is not of that form, or names an unknown figure.
    """
    name, _, value = text.strip().partition("=")
    if name == "errors":
        return _parse_allowance(text.strip(), value)
    quantity, _, figure = name.partition(".")
    seconds = parse_duration(value) if re.fullmatch(r"[\d.]+[a-zµ]+", value) else None
    if seconds is None or quantity not in _QUANTITIES or figure not in (*NAMES.values(), MAX):
        raise LocalError(
            f"--limit: expected QUANTITY.FIGURE=TIME, such as hold.p99=5ms, of {', '.join(_QUANTITIES)} and "
            f"{', '.join(NAMES.values())}, {MAX}; or errors=N, errors=P%; got {text!r}"
        )
    return Limit(_QUANTITIES[quantity], figure, seconds * 1e9, text)


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
    found = re.fullmatch(r"(?:([a-z]+)\.)?(p[\d.]+)=(\d{1,3}(?:\.\d+)?)%", text.strip())
    if not found or found[2] not in _PERCENTAGES or (found[1] or "gap") not in _QUANTITIES:
        raise LocalError(
            f"--until: expected [QUANTITY.]PERCENTILE=SHARE, such as late.p99=5%, of {', '.join(_QUANTITIES)} and "
            f"{', '.join(NAMES.values())}; got {text!r}"
        )
    if not 0 < float(found[3]) <= 100:
        raise LocalError(f"--until: expected a share above 0 % and up to 100 %, got {text!r}")
    return Precision(_QUANTITIES[found[1]] if found[1] else None, _PERCENTAGES[found[2]], float(found[3]) / 100, text)


def missed(requirements: Iterable[Requirement], gathered: Gathered) -> list[str]:
    """Return a line for each requirement that does not hold; one that cannot be judged does not hold."""
    return [line for requirement in requirements if (line := requirement.missed(gathered))]


def streams_line(gathered: Gathered) -> str:
    """Return the number of streams and of failures, by kind, the most frequent first."""
    kinds = sorted(gathered.failures.items(), key=lambda failure: -failure[1])
    how = f" ({', '.join(f'{count} {kind}' for kind, count in kinds)})" if kinds else ""
    return f"{gathered.streams} streams, {gathered.failed} failed{how}"
