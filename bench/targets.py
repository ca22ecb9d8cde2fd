"""The targets of relays and origins, and whether a table meets them. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.results import Round, Row, Table, Verdict
from bench.stats import percentile

MIN_ROUNDS = 6
"""Fewer have no interval: the median alone decides."""
DRAWS = 2000
_WORDS = {
    "relay_rss_kb": "RSS",
    "cpu_us_per_frame": "CPU a frame",
    "cpu_s_per_gb": "CPU a GB",
    "mb_per_s": "MB/s",
    "per_second": "exchanges/s",
    "lost": "streams lost",
    "late_p99": "late p99 in µs",
    "wait_max": "longest wait in ms",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A limit on a subject's median, absolute or relative to the best of some peers.

    Attributes:
        table: `relays/rally`.
        factor: of the best peer's median; the limit itself where `against` is empty.
        against: the peers.
        is_upper: at most; False for at least.
    """

    table: str
    subject: str
    key: str
    factor: float
    against: tuple[str, ...] = ()
    is_upper: bool = True

    @property
    def text(self) -> str:
        """The target as a line."""
        what = _WORDS.get(self.key, self.key)
        sign = "≤" if self.is_upper else "≥"
        if not self.against:
            return f"{self.subject} {what} {sign} {self.factor:g}"
        whose = self.against[0] if len(self.against) == 1 else f"the best of {', '.join(self.against)}"
        return f"{self.subject} {what} {sign} {self.factor:g} × {whose}"

    def judge(self, table: Table) -> Verdict:
        """Return whether the table meets it: by the median of the rounds, and with enough rounds by its interval."""
        row = table.row(self.subject)
        peers = {name: peer for name in self.against if (peer := table.row(name)) and peer.median(self.key) is not None}
        ratio = self._ratio(row, peers.values()) if row else None
        if row is None or ratio is None:
            return Verdict(self.text, "no figure", None)
        interval = None if self.key == "lost" else self._interval([row, *peers.values()])
        sides = {self._holds(each) for each in (interval or (ratio,))}
        holds = sides.pop() if len(sides) == 1 else None
        got = f"{ratio:.3g}"
        if interval is not None:
            best = self._ratio(self._best_round(row), map(self._best_round, peers.values()))
            got += f" ({interval[0]:.3g} to {interval[1]:.3g}; best rounds {best or 0:.3g})"
        if missing := [name for name in self.against if name not in peers]:
            # What is missed against some is missed; what holds against some says nothing of the others.
            got, holds = f"{got} without {', '.join(missing)}", None if holds else holds
        return Verdict(self.text, got, holds)

    def _holds(self, ratio: float) -> bool:
        return ratio <= self.factor if self.is_upper else ratio >= self.factor

    def _ratio(self, row: Row, peers: Iterable[Row]) -> float | None:
        """Return the figure as a multiple of the best peer's, or itself where the target names no peer."""
        figure = _figure(row, self.key)
        there = [one for peer in peers if (one := peer.median(self.key)) is not None]
        if figure is None or (self.against and not there):
            return None
        best = 1.0 if not self.against else min(there) if self.is_upper else max(there)
        return figure / best if best else math.inf

    def _interval(self, rows: Sequence[Row]) -> tuple[float, float] | None:
        """Return the 95 % interval of the ratio, None for few rounds: the bootstrap, which draws rounds of all rows."""
        rounds = min(len(row.rounds) for row in rows)
        if rounds < MIN_ROUNDS:
            return None
        draw = random.Random(0)
        ratios = []
        for _ in range(DRAWS):
            chosen = draw.choices(range(rounds), k=rounds)
            mine, *peers = [Row(row.name, tuple(row.rounds[n] for n in chosen)) for row in rows]
            if (ratio := self._ratio(mine, peers)) is not None:
                ratios.append(ratio)
        low, high = (percentile(sorted(ratios), each) for each in (2.5, 97.5))
        return None if low is None or high is None else (low, high)

    def _best_round(self, row: Row) -> Row:
        """Return a row of one round, with the best figure of all."""
        best = (min if self.is_upper else max)(row.values(self.key))
        return Row(row.name, (Round({self.key: best}),))


def _figure(row: Row, key: str) -> float | None:
    """Return the median of the rounds that count; for `lost`, the largest of all rounds."""
    if key != "lost":
        return row.median(key)
    return max((one.figures["lost"] for one in row.rounds if "lost" in one.figures), default=None)


def _at_least(table: str, factor: float, against: str) -> Target:
    return Target(table, "chunkwire", "mb_per_s", factor, (against,), is_upper=False)


_RELAYS = ("nginx", "haproxy", "caddy", "go", "node")
_PYTHON = ("uvicorn", "uvicorn-h11", "hypercorn", "aiohttp")
_SERVERS = ("go", *_PYTHON, "node")

_TLS_PEERS = ("nginx", "haproxy", "caddy", "go")

TARGETS: Sequence[Target] = (
    Target("relays/rally", "chunkwire", "p50", 0.5, ("nginx",)),
    Target("relays/rally", "chunkwire", "p50", 1.1, ("haproxy-busy",)),
    Target("relays/rally", "always", "p50", 1.1, ("haproxy-busy",)),
    Target("relays/one", "chunkwire", "p50", 1.15, _RELAYS),
    Target("relays/one", "always", "p50", 1.3, ("haproxy-busy",)),
    Target("relays/many", "chunkwire", "p50", 1.0, ("nginx",)),
    Target("relays/many", "chunkwire", "p99", 1.0, ("nginx",)),
    Target("relays/many", "nopoll", "cpu_us_per_frame", 1.15, ("nginx",)),
    Target("relays/crowd", "chunkwire", "lost", 0),
    Target("relays/crowd", "chunkwire", "p50", 1.1, ("nginx",)),
    Target("relays/crowd", "chunkwire", "relay_rss_kb", 1.0, ("nginx",)),
    Target("relays/crowd", "nopoll", "cpu_us_per_frame", 1.15, ("nginx",)),
    _at_least("relays/bulk64k", 1.3, "haproxy"),
    _at_least("relays/bulk64k", 1.0, "copy"),
    Target("relays/bulk64k", "nopoll", "cpu_s_per_gb", 0.8, ("copy",)),
    _at_least("relays/bulk1k", 1.2, "haproxy"),
    _at_least("relays/bulk32", 1.0, "haproxy"),
    _at_least("relays/bulkmix", 1.0, "haproxy"),
    _at_least("relays/bulkmix", 1.0, "go"),
    _at_least("relays/bulkext", 1.0, "haproxy"),
    Target("tls/rally", "chunkwire", "p50", 1.1, _TLS_PEERS),
    Target("tls/one", "chunkwire", "p50", 1.1, _TLS_PEERS),
    Target("tls/many", "chunkwire", "p50", 1.0, ("nginx",)),
    Target("tls/many", "chunkwire", "p99", 1.0, ("nginx",)),
    Target("tls/many", "nopoll", "cpu_us_per_frame", 1.4, ("nginx",)),
    *(
        Target(f"tls/{name}", "chunkwire", "mb_per_s", 1.0, _TLS_PEERS, is_upper=False)
        for name in ("bulk64k", "bulk1k", "bulk32")
    ),
    Target("origins/1", "chunkwire", "p50", 1.0, _SERVERS),
    Target("origins/1", "chunkwire", "p99", 1.0, _SERVERS),
    Target("origins/1", "chunkwire", "late_p99", 300),
    Target("origins/1", "chunkwire", "cpu_us_per_frame", 1.0, ("uvicorn",)),
    Target("origins/1000", "chunkwire", "p50", 1.0, _SERVERS),
    Target("origins/1000", "chunkwire", "p99", 2.0, ("go",)),
    Target("origins/1000", "chunkwire", "cpu_us_per_frame", 1.0, ("uvicorn",)),
    *(
        Target(f"admin/{name}", "admin", "mb_per_s", 0.95, ("chunkwire",), is_upper=False)
        for name in ("bulk64k", "bulk1k", "bulk32", "bulkmix")
    ),
    *(
        Target(f"watched/{name}", "watched", figure, 1.05, ("unwatched",))
        for name in ("rally", "one")
        for figure in ("p50", "p99")
    ),
    Target("watched/bulk1k", "watched", "mb_per_s", 0.95, ("unwatched",), is_upper=False),
    *(Target(f"fairness/{name}", "chunkwire", "wait_max", 30) for name in ("upload", "response", "tiny", "server")),
    Target("setup/kept", "chunkwire", "per_second", 4.0, ("uvicorn+httpx",), is_upper=False),
    Target("setup/kept", "chunkwire", "per_second", 4.0, ("hypercorn+httpx",), is_upper=False),
    Target("setup/new", "chunkwire", "per_second", 1.0, ("aiohttp",), is_upper=False),
)


def judged(table: Table) -> Table:
    """Return the table with a verdict for each target on it."""
    verdicts = tuple(target.judge(table) for target in TARGETS if target.table == table.name)
    return Table(table.name, table.shows, table.columns, table.rows, verdicts, table.note)
