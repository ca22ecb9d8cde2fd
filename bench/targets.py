"""The targets of relays and origins, and whether a table meets them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.results import Row, Table, Verdict

_WORDS = {
    "relay_rss_kb": "RSS",
    "cpu_us_per_frame": "CPU a frame",
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
        """Return whether the table meets it."""
        row = table.row(self.subject)
        figure = None if row is None else _figure(row, self.key)
        against = {name: peer.median(self.key) for name in self.against if (peer := table.row(name))}
        there = [one for one in against.values() if one is not None]
        if figure is None or (self.against and not there):
            return Verdict(self.text, "no figure", None)
        reference = 1.0 if not self.against else min(there) if self.is_upper else max(there)
        ratio = figure / reference if reference else float("inf")
        holds = ratio <= self.factor if self.is_upper else ratio >= self.factor
        missing = [name for name in self.against if against.get(name) is None]
        if not missing:
            return Verdict(self.text, f"{ratio:.3g}", holds)
        # What is missed against some is missed; what holds against some says nothing of the others.
        return Verdict(self.text, f"{ratio:.3g} without {', '.join(missing)}", None if holds else False)


def _figure(row: Row, key: str) -> float | None:
    """Return the median of the rounds that count; for `lost`, the largest of all rounds."""
    if key != "lost":
        return row.median(key)
    return max((one.figures["lost"] for one in row.rounds if "lost" in one.figures), default=None)


def _at_least(table: str, factor: float, against: str) -> Target:
    return Target(table, "chunkwire", "mb_per_s", factor, (against,), is_upper=False)


_PYTHON = ("uvicorn", "uvicorn-h11", "hypercorn", "aiohttp")
_SERVERS = ("go", *_PYTHON, "node")

_TLS_PEERS = ("nginx", "haproxy", "caddy", "go")

TARGETS: Sequence[Target] = (
    Target("relays/rally", "chunkwire", "p50", 0.5, ("nginx",)),
    Target("relays/rally", "chunkwire", "p50", 1.1, ("haproxy-busy",)),
    Target("relays/one", "chunkwire", "p50", 1.15, ("nginx", "haproxy", "go")),
    Target("relays/one", "always", "p50", 1.3, ("haproxy-busy",)),
    Target("relays/many", "chunkwire", "p50", 1.0, ("nginx",)),
    Target("relays/many", "chunkwire", "p99", 1.0, ("nginx",)),
    Target("relays/many", "nopoll", "cpu_us_per_frame", 1.4, ("nginx",)),
    Target("relays/crowd", "chunkwire", "lost", 0),
    Target("relays/crowd", "chunkwire", "p50", 1.1, ("nginx",)),
    Target("relays/crowd", "chunkwire", "relay_rss_kb", 1.0, ("nginx",)),
    _at_least("relays/bulk64k", 1.3, "haproxy"),
    _at_least("relays/bulk64k", 0.85, "copy"),
    _at_least("relays/bulk1k", 1.2, "haproxy"),
    _at_least("relays/bulk32", 1.0, "haproxy"),
    _at_least("relays/bulkmix", 1.0, "haproxy"),
    _at_least("relays/bulkmix", 1.0, "go"),
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
    Target("origins/1000", "chunkwire", "p50", 1.0, _SERVERS),
    Target("origins/1000", "chunkwire", "p99", 2.0, ("go",)),
    Target("origins/1000", "chunkwire", "cpu_us_per_frame", 1.0, ("uvicorn",)),
    *(
        Target(f"admin/{name}", "admin", "mb_per_s", 0.95, ("chunkwire",), is_upper=False)
        for name in ("bulk64k", "bulk1k", "bulk32", "bulkmix")
    ),
    *(Target(f"fairness/{name}", "chunkwire", "wait_max", 30) for name in ("upload", "response", "tiny", "server")),
    Target("setup/kept", "chunkwire", "per_second", 4.0, ("uvicorn+httpx",), is_upper=False),
    Target("setup/kept", "chunkwire", "per_second", 4.0, ("hypercorn+httpx",), is_upper=False),
)


def judged(table: Table) -> Table:
    """Return the table with a verdict for each target on it."""
    verdicts = tuple(target.judge(table) for target in TARGETS if target.table == table.name)
    return Table(table.name, table.shows, table.columns, table.rows, verdicts, table.note)
