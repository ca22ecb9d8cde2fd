"""The eight rows of speed in README, written from `measured.json`, the run that was kept.

    python -m bench relays --rounds 3 --json run.json && python -m bench.headline run.json

measures anew, keeps the figures of that run without its curves, and writes the rows. The rule here: README has no
figure of speed that is not in that file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT
from bench.results import Report, Table
from bench.scorecard_clients import put_between
from bench.text import number

MEASURED = ROOT / "bench" / "measured.json"
PEERS = {"nginx": "nginx", "HAProxy": "haproxy", "Go": "go"}


@dataclass(frozen=True, slots=True)
class Headline:
    """A row: what people choose by, and where its figure is."""

    words: str
    table: str
    key: str
    unit: str
    scale: float = 1.0


HEADLINES = (
    Headline("one chunk in flight, p50", "relays/rally", "p50", "µs"),
    Headline("a chunk every 2 ms, p50", "relays/one", "p50", "µs"),
    Headline("1000 streams, p50", "relays/many", "p50", "µs"),
    Headline("1000 streams, p99", "relays/many", "p99", "µs"),
    Headline("5000 streams, memory", "relays/crowd", "relay_rss_kb", "MB", 1 / 1024),
    Headline("64 KiB chunks", "relays/bulk64k", "mb_per_s", "MB/s"),
    Headline("1 KiB chunks", "relays/bulk1k", "mb_per_s", "MB/s"),
    Headline("32-octet chunks", "relays/bulk32", "mb_per_s", "MB/s"),
)


def rows(report: Report) -> str:
    """Return the table: our median with its spread, and the medians of others."""
    tables = {table.name: table for table in report.tables}
    lines = ["| workload | chunkwire | " + " | ".join(PEERS) + " |", "| --- " * (2 + len(PEERS)) + "|"]
    lines += [line(each, tables) for each in HEADLINES]
    return "\n".join(lines) + "\n"


def line(row: Headline, tables: Mapping[str, Table]) -> str:
    """Return one row."""
    table = tables[row.table]
    cells = [figure(table, name, row) for name in ("chunkwire", *PEERS.values())]
    return f"| {row.words} | {cells[0]} {row.unit} | {' | '.join(cells[1:])} |"


def figure(table: Table, name: str, row: Headline) -> str:
    """Return the median of a subject over the rounds; a dash where there is none."""
    found = table.row(name)
    middle = found.median(row.key) if found else None
    return "–" if middle is None else number(middle * row.scale)


def measured(path: Path = MEASURED) -> Report:
    """Return the run that was kept."""
    return Report.from_json(json.loads(path.read_text("utf-8")))


def keep(path: Path) -> None:
    """Keep a run in place of the last one."""
    tables = measured(path).to_json()
    for one in (one for table in tables["tables"] for row in table["rows"] for one in row["rounds"]):
        one["curve"] = ()
    MEASURED.write_text(json.dumps(tables, indent=1) + "\n", "utf-8")


def main(words: Sequence[str]) -> int:
    """Keep the run that is named, if one is; write the rows into README."""
    if words:
        keep(Path(words[0]))
    put_between(ROOT / "README.md", "speed", rows(measured()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
