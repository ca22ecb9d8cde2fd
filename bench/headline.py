"""Writes the eight rows of speed in the project's README from `measured.json`, a stored run.

    python -m bench relays --rounds 3 --json run.json && python -m bench.headline run.json

measures, stores the figures of that run without its curves, and writes the rows. The rule here: all figures of speed in
README are in that file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT
from bench.results import Report, Table
from bench.text import number, program_parser, put_between

MEASURED = ROOT / "bench" / "measured.json"
PEERS = {"nginx": "nginx", "HAProxy": "haproxy", "Go": "go"}


@dataclass(frozen=True, slots=True)
class Headline:
    """A row: its text, and its figure's table and key."""

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
    """Return the table of the medians of our relay and of the peers."""
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
    """Return a subject's median over the rounds; a dash where there is none."""
    found = table.row(name)
    middle = found.median(row.key) if found else None
    return "–" if middle is None else number(middle * row.scale)


def measured(path: Path = MEASURED) -> Report:
    """Return the stored run."""
    return Report.from_json(json.loads(path.read_text("utf-8")))


def keep(path: Path) -> None:
    """Store a run in place of the previous one."""
    tables = measured(path).to_json()
    for one in (one for table in tables["tables"] for row in table["rows"] for one in row["rounds"]):
        one["curve"] = ()
    MEASURED.write_text(json.dumps(tables, indent=1) + "\n", "utf-8")


def main() -> int:
    """Store the run in a file, if one is given; write the rows into README."""
    parser = program_parser("headline", __doc__)
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a file of --json, to store before")
    options = parser.parse_args()
    if options.run:
        keep(options.run)
    put_between(ROOT / "README.md", "speed", rows(measured()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
