"""The limits of `--limit`, on figures and on the number of failed streams, and the precision that `--until` asks for.

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
from chunkwire.tools.bench.statistics import ALIASES, DEFINITIONS, MAX, MIN_BEYOND, MIN_KNOWN, NAMES, Quantity
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError

_QUANTITIES: Final = {**{name: name for name in DEFINITIONS}, **{alias: name for alias, (name, _) in ALIASES.items()}}
_PERCENTAGES: Final = {name: percentage for percentage, name in NAMES.items()}


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
        quantity = gathered.quantity(self.quantity)
        value = quantity.figures[self.figure]
        if value is None:
            return f"{self.text}: not judged, {_why_blank(quantity, self.figure)}"
        smallest = value if self.figure == MAX else bounds(bucket_of(value))[0]
        if smallest <= self.ns:
            return ""
        return f"{self.text}: missed, {self.quantity}.{self.figure} is {value / 1e6:.2f} ms"


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


Requirement: TypeAlias = Limit | Allowance


def _why_blank(quantity: Quantity, figure: str) -> str:
    if not quantity.known:
        return "no value of it is known"
    if not quantity.has_enough_known:
        return (
            f"fewer than {MIN_KNOWN * 100:g} % of its samples are known; --stamps process knows those of frames that "
            "share a receive"
        )
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

    def line(self, gathered: Gathered) -> str:
        """Return the figure with its interval, number of rounds and time of sampling; or why it has no interval."""
        what, interval = f"{self.name_in(gathered)}.{NAMES[self.percentage]}", self.interval_in(gathered)
        if interval is None:
            return f"{what} has no interval: it needs more rounds, more known samples, or more samples above it"
        seconds = sum(one.seconds for one in gathered.rounds)
        sure = f"the {CONFIDENCE * 100:g} % interval from {interval.rounds} rounds in {seconds:.3g} s"
        if interval.share is None:
            return f"{what} is {interval.value / 1e6:.3g} ms, and only a figure above zero has a relative precision"
        return f"{what} is {interval.value / 1e6:.3g} ms ± {interval.share * 100:.2g} %, {sure}"

    def needed(self, gathered: Gathered) -> float | None:
        """Return an estimate of the sampling time, in s and in total, that would be enough; None without an interval.

        The width falls with the square root of the time. None also where the share is unknown or 0.
        """
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
    seconds = parse_duration(value) if value[-1:].isalpha() else None  # the unit may not be left out
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
    if not found or found[2] not in _PERCENTAGES or not (found[1] is None or found[1] in _QUANTITIES):
        raise LocalError(
            f"--until: expected [QUANTITY.]PERCENTILE=SHARE, such as late.p99=5%, of {', '.join(_QUANTITIES)} and "
            f"{', '.join(NAMES.values())}; got {text!r}"
        )
    if not 0 < float(found[3]) <= 100:
        raise LocalError(f"--until: expected a share above 0 % and up to 100 %, got {text!r}")
    return Precision(_QUANTITIES[found[1]] if found[1] else None, _PERCENTAGES[found[2]], float(found[3]) / 100, text)


def missed_lines(requirements: Iterable[Requirement], gathered: Gathered) -> list[str]:
    """Return a line for each requirement that does not hold; one that cannot be judged does not hold."""
    return [line for requirement in requirements if (line := requirement.missed_line(gathered))]


def streams_line(gathered: Gathered) -> str:
    """Return the number of streams and of failures, by kind, the most frequent first."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in gathered.failures.most_common())
    how = f" ({kinds})" if kinds else ""
    return f"{gathered.streams} streams, {gathered.failed} failed{how}"
