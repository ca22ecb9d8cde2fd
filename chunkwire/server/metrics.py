"""Counters of a server, as Prometheus text.

The rule here: all servers (origin, gateway, a user's own) have the same metric names, and the label `server` says
which. Counting a frame takes a few additions; the text is made on request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

# Seconds. From a loopback write (tens of µs) to a proxy's time-out (a minute), about two steps a decade.
_BOUNDS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0)


class Histogram:
    """Counts of values up to fixed bounds; by default of durations in seconds."""

    def __init__(self, bounds: Sequence[float] = _BOUNDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value `times` times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def observe_read(self, seconds: float, others: int) -> None:
        """Count the gap before a read that completed frames, and `others` gaps of 0, between the frames in it."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._counts[0] += others
        self._sum += seconds

    def lines(self, name: str, label: str) -> Iterator[str]:
        """Yield the sample lines: cumulative buckets, sum, count."""
        total = 0
        for bound, count in zip(self._bounds, self._counts, strict=False):
            total += count
            yield f'{name}_bucket{{{label},le="{bound:g}"}} {total}'
        total += self._counts[-1]
        yield f'{name}_bucket{{{label},le="+Inf"}} {total}'
        yield f"{name}_sum{{{label}}} {self._sum:.6f}"
        yield f"{name}_count{{{label}}} {total}"


class Counted(Protocol):
    """One exchange so far."""

    @property
    def chunks(self) -> int:
        """Chunks sent downstream, the last-chunk not counted."""

    @property
    def octets(self) -> int:
        """Octets of response content."""


class Metrics:
    """The counters of one server since it started.

    Attributes:
        first_frame: from the request's head to the first frame.
        gap: from one frame to the next of the same stream.
        ends: exchanges by how they ended.
        refusals: by rule.
        sleeper_form: the form of the process's sleeper (`net.sleeper.Form`), "" if it is not known.
    """

    def __init__(self, server: str) -> None:
        self._label = f'server="{server}"'
        self._running: set[Counted] = set()
        self._chunks = 0
        self._octets = 0
        self.first_frame = Histogram()
        self.gap = Histogram()
        self.ends: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.sleeper_form = ""

    @property
    def streams_open(self) -> int:
        """Exchanges that run."""
        return len(self._running)

    @property
    def chunks(self) -> int:
        """Chunks sent downstream, last-chunks not counted; read from the counters of what runs."""
        return self._chunks + sum(exchange.chunks for exchange in self._running)

    @property
    def octets(self) -> int:
        """Octets of response content."""
        return self._octets + sum(exchange.octets for exchange in self._running)

    def begin(self, exchange: Counted) -> None:
        """Count an exchange as one that runs; it must be hashable by identity."""
        self._running.add(exchange)

    def end(self, exchange: Counted, verdict: str) -> None:
        """Count an exchange by how it ended, whether or not `begin` was called."""
        self._running.discard(exchange)
        self._chunks += exchange.chunks
        self._octets += exchange.octets
        self.ends[verdict] += 1

    async def read(self) -> str:
        """Return `to_text`; awaitable, as a supervisor's is."""
        return self.to_text()

    def to_text(self) -> str:
        """Return everything in the Prometheus text format, 0.0.4."""
        return "".join(line + "\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        label = self._label
        for name, kind, text, value in (
            ("streams_open", "gauge", "Exchanges that run.", self.streams_open),
            ("chunks_total", "counter", "Chunks sent downstream, last-chunks not counted.", self.chunks),
            ("octets_total", "counter", "Octets of response content.", self.octets),
        ):
            yield from family(name, kind, text, [(f"{{{label}}}", value)])
        for name, text, histogram in (
            ("first_frame_seconds", "From the request's head to the first frame.", self.first_frame),
            ("gap_seconds", "Between two frames of one stream.", self.gap),
        ):
            yield from family(name, "histogram", text)
            yield from histogram.lines(f"chunkwire_{name}", label)
        for name, text, key, counts in (
            ("ends_total", "Exchanges, by how they ended.", "verdict", self.ends),
            ("refusals_total", "Requests refused, by rule.", "rule", self.refusals),
        ):
            samples = [(f'{{{label},{key}="{value}"}}', count) for value, count in sorted(counts.items())]
            yield from family(name, "counter", text, samples)
        if self.sleeper_form:
            text = "Processes, by the form of their sleeper: clock, instrument or plain."
            yield from family("sleeper_info", "gauge", text, [(f'{{{label},form="{self.sleeper_form}"}}', 1)])


def family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]] = ()) -> Iterator[str]:
    """Yield the HELP and TYPE lines of a metric, and its sample lines.

    Args:
        name: without the prefix `chunkwire_`.
        samples: labels, such as `{server="origin"}`, or "" for none; and the value.
    """
    yield f"# HELP chunkwire_{name} {text}"
    yield f"# TYPE chunkwire_{name} {kind}"
    for labels, value in samples:
        yield f"chunkwire_{name}{labels} {value}"


def add_up(texts: Sequence[str]) -> str:
    """Return the sum of several servers' texts: samples with the same name and labels are added."""
    families: dict[str, list[str]] = {}
    samples: dict[str, dict[str, float]] = {}
    for text in texts:
        family = ""
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split(" ", 3)[2]
                families.setdefault(family, [])
            if line.startswith("#"):
                if line not in families[family]:
                    families[family].append(line)
                continue
            name, _, value = line.rpartition(" ")
            counted = samples.setdefault(family, {})
            counted[name] = counted.get(name, 0.0) + float(value)
    return "".join(
        "".join(line + "\n" for line in head)
        + "".join(f"{name} {_number(value)}\n" for name, value in samples.get(family, {}).items())
        for family, head in families.items()
    )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
