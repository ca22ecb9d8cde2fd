"""The result of a bench: its JSON form, which is read strictly, and the sum of several results.

The rule here: pure. Results of different versions of chunkwire are not added. Conditions that differ are listed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chunkwire.tools.bench.histogram import DurationHistogram, bounds, bucket_of
from chunkwire.tools.bench.rounds import Gathered, Round, Trend
from chunkwire.tools.bench.segments import ARROW
from chunkwire.wire.errors import LocalError
from chunkwire.wire.jsontext import load_json

CLOCKS_COMPARED: Final = ("late", "added")
"""Quantities that compare the server's clock with the client's."""

VERSION: Final = 3
"""Of the JSON form. Results of version 1 have no histograms; those of 2 lack the inexact samples."""

MAX_COUNT: Final = 1 << 48
"""Counts in a result are below: the sums of 65,536 results fit the 64 bits of a histogram's buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """The result of a bench.

    Attributes:
        conditions: of the measurement, by name.
        baseline, baseline_url: None without one.
        is_partial: it was interrupted.
    """

    url: str
    gathered: Gathered
    conditions: Mapping[str, object]
    baseline: Gathered | None = None
    baseline_url: str | None = None
    is_partial: bool = False

    @property
    def parts(self) -> list[Gathered]:
        """The samples of the target, and those of the baseline if there is one."""
        return [self.gathered] if self.baseline is None else [self.gathered, self.baseline]

    def as_json(self) -> dict[str, object]:
        """Return the members of a JSON object that `from_json` reads; `raw` has the histograms."""
        return {
            "v": VERSION,
            "kind": "bench",
            "url": self.url,
            "baseline_url": self.baseline_url,
            "partial": self.is_partial,
            "conditions": dict(self.conditions),
            "raw": {
                "target": _gathered_members(self.gathered),
                "baseline": None if self.baseline is None else _gathered_members(self.baseline),
            },
        }

    @staticmethod
    def from_json(text: str | bytes, *, where: str) -> BenchResult:
        """Return the result that `--json` printed.

        Args:
            where: the file's name, for the message.

        Raises:
            LocalError: it is not a result, or of another version.
        """
        wanted = f"{where}: expected what chunkwire bench --json prints"
        try:
            members = load_json(text)
        except ValueError:
            got = "no JSON, or not one whole object" if text.strip() else "an empty file"
            raise LocalError(f"{wanted}, got {got}") from None
        if not isinstance(members, dict) or members.get("kind") != "bench":
            raise LocalError(f"{wanted}, got other JSON")
        if members.get("v") != VERSION:
            raise LocalError(f"{where}: expected a result of version {VERSION}, got version {members.get('v')!r:.60}")
        try:
            return _result(members)
        except KeyError as error:
            raise LocalError(f"{where}: a broken result of chunkwire bench: no member {error}") from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise LocalError(f"{where}: a broken result of chunkwire bench: {error}") from error


def beginnings(url: str, baseline_url: str | None) -> tuple[str, str]:
    """Return what lines about target and baseline begin with: their URLs if there are two, else nothing."""
    return ("", "") if baseline_url is None else (f"{url}: ", f"the baseline, {baseline_url}: ")


def merged(results: Sequence[BenchResult], *, clocks_agree: bool = False) -> BenchResult:
    """Return the sum of one or more results.

    Conditions that differ are listed; numbers of streams that were open at once are added. Quantities that compare two
    clocks are left out if the results are of several hosts.

    Args:
        clocks_agree: the hosts' clocks are synchronized, so nothing is left out.

    Raises:
        LocalError: their versions of chunkwire differ, or only some have a baseline.
    """
    versions = sorted({str(result.conditions["chunkwire"]) for result in results if "chunkwire" in result.conditions})
    if len(versions) > 1:
        raise LocalError(f"expected results of one version of chunkwire, got {', '.join(versions)}")
    if len({result.baseline is None for result in results}) > 1:
        raise LocalError("expected a baseline in all of the results or in none")
    baselines = [result.baseline for result in results if result.baseline is not None]
    hosts = {result.conditions.get("host") for result in results}
    has_clocks = clocks_agree or len(hosts) == 1
    return BenchResult(
        url=_listed(result.url for result in results),
        gathered=_sum([result.gathered for result in results], has_clocks=has_clocks),
        conditions=_conditions(results),
        baseline=_sum(baselines, has_clocks=has_clocks) if baselines else None,
        baseline_url=_listed(result.baseline_url or "" for result in results) if baselines else None,
        is_partial=any(result.is_partial for result in results),
    )


def _sum(parts: Sequence[Gathered], *, has_clocks: bool) -> Gathered:
    total = Gathered(width=parts[0].width)
    for part in parts:
        total.add(part if has_clocks else replace(part, rounds=[one.only(_needs_one_clock) for one in part.rounds]))
    return total


def _needs_one_clock(name: str) -> bool:
    """Say whether a quantity needs one clock only; a segment that ends with an arrival needs two."""
    return name not in CLOCKS_COMPARED and f"{ARROW}arrived" not in name


def _conditions(results: Sequence[BenchResult]) -> dict[str, object]:
    names = list(dict.fromkeys(name for result in results for name in result.conditions))
    found: dict[str, object] = {}
    for name in names:
        values = [result.conditions[name] for result in results if name in result.conditions]
        numbers = [value for value in values if isinstance(value, int)]
        is_added = name in ("streams", "total") and len(numbers) == len(values)
        found[name] = sum(numbers) if is_added else values[0] if len(set(map(str, values))) == 1 else _listed(values)
    return found


def _listed(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))


def _gathered_members(gathered: Gathered) -> dict[str, object]:
    return {
        "streams": gathered.streams,
        "failures": gathered.failures,
        "warmup": gathered.warmup,
        "began": gathered.began,
        "width": gathered.width,
        "trends": [asdict(trend) for trend in gathered.trends],
        "rounds": [
            {
                "seconds": one.seconds,
                "frames": one.frames,
                "reads": one.reads,
                "unknown": one.unknown,
                "ns": {name: _histogram_members(histogram) for name, histogram in one.samples.items()},
            }
            for one in gathered.rounds
        ],
    }


def _histogram_members(histogram: DurationHistogram) -> dict[str, object]:
    """Return extremes and counts as [the smallest value of a bucket, samples]."""
    counts = [[bounds(bucket)[0], n] for bucket, n in histogram.counts()]
    return {"smallest": histogram.smallest, "largest": histogram.largest, "counts": counts}


def _result(members: Mapping[str, Any]) -> BenchResult:
    raw = members["raw"]
    baseline = raw["baseline"]
    return BenchResult(
        url=_text(members["url"]),
        gathered=_gathered(raw["target"]),
        conditions={_text(name): _condition(value) for name, value in members["conditions"].items()},
        baseline=None if baseline is None else _gathered(baseline),
        baseline_url=None if baseline is None else _text(members["baseline_url"]),
        is_partial=members["partial"] is True,
    )


def _gathered(members: Mapping[str, Any]) -> Gathered:
    return Gathered(
        rounds=[_round(one) for one in members["rounds"]],
        width=_seconds(members["width"]) or 0.5,
        streams=_count(members["streams"]),
        failures=_counts(members["failures"]),
        warmup=_seconds(members["warmup"]),
        began=_seconds(members["began"]),
        trends=[_trend(trend) for trend in members["trends"]],
    )


def _round(members: Mapping[str, Any]) -> Round:
    return Round(
        seconds=_seconds(members["seconds"]),
        frames=_count(members["frames"]),
        reads=_count(members["reads"]),
        unknown=_counts(members["unknown"]),
        samples={_text(name): _histogram(one) for name, one in members["ns"].items()},
    )


def _histogram(members: Mapping[str, Any]) -> DurationHistogram:
    histogram = DurationHistogram()
    for value, n in members["counts"]:
        histogram.count(bucket_of(_whole(value)), _count(n))
    histogram.smallest, histogram.largest = _whole(members["smallest"]), _whole(members["largest"])
    return histogram


def _trend(members: Mapping[str, Any]) -> Trend:
    for name, value in members.items():
        if name != "busy" or value is not None:
            _number(value)
    return Trend(**members)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"expected a text of one line, got {value!r:.60}")
    return value


def _condition(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if value is not None:
        _number(value)
    return value


def _whole(value: object, least: int = -(1 << 63), below: int = 1 << 63) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < below:
        raise ValueError(f"expected a whole number, {least} or more and below {below}, got {value!r:.60}")
    return value


def _count(value: object) -> int:
    return _whole(value, 0, MAX_COUNT)


def _counts(members: Mapping[str, object]) -> Counter[str]:
    return Counter({_text(name): _count(count) for name, count in members.items()})


def _seconds(value: object) -> float:
    if not 0 <= (seconds := _number(value)) < 1e12:
        raise ValueError(f"expected seconds, got {value!r:.60}")
    return seconds


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"expected a number, got {value!r:.60}")
    return float(value)
