"""Tables, conditions and help as plain text, and writing it: to standard output, or between marks in a document."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from bench.results import Column, Row, Table, Verdict

_HOLDS = {True: "pass", False: "MISS", None: "~"}


def conditions_text(conditions: Mapping[str, str]) -> str:
    """Return a line for each condition."""
    width = max(map(len, conditions))
    return "".join(f"{name:<{width}}  {value}\n" for name, value in conditions.items())


def table_text(table: Table) -> str:
    """Return a table: for each figure the median of the rounds and, in brackets, the least and the most."""
    heads = ["", *(f"{column.label} {column.unit}".strip() for column in table.columns)]
    lines = [[row.name, *(cell(row, column) for column in table.columns)] for row in table.rows]
    widths = [max(len(line[at]) for line in (heads, *lines)) for at in range(len(heads))]
    written = [_line(heads, widths), *(_line(line, widths) for line in lines)]
    errors = [f"  {row.name}: {row.failure}" for row in table.rows if row.error]
    verdicts = [verdict_text(verdict) for verdict in table.verdicts]
    note = [f"  {table.note}"] if table.note else []
    return "\n".join([f"{table.name}: {table.shows}", *written, *note, *errors, *verdicts]) + "\n"


def cell(row: Row, column: Column) -> str:
    """Return a row's figure with its spread, as `61.2 (60.1-63.9)`; `-` where there is none."""
    middle, spread = figure(row, column)
    return f"{middle} ({spread})" if spread else middle


def figure(row: Row, column: Column) -> tuple[str, str]:
    """Return a row's median, `-` where there is none, and its spread, "" where there is none."""
    values = [value * column.scale for value in row.values(column.key)]
    if not values:
        return "-", ""
    spread = f"{number(min(values))}-{number(max(values))}" if min(values) < max(values) else ""
    return number(median(values)), spread


def number(value: float) -> str:
    """Return a number with three significant digits, whole from 1000 on, with two below 0.001."""
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def verdict_text(verdict: Verdict) -> str:
    """Return a target, its verdict and its figure as a line."""
    return f"  {_HOLDS[verdict.holds]:<4}  {verdict.target}   got {verdict.got}"


def ratios(table: Table, subject: str) -> Iterator[tuple[str, str, float]]:
    """Yield (column, other row, the subject's median as a multiple of the other's), first column only."""
    row, column = table.row(subject), table.columns[0]
    mine = row.median(column.key) if row else None
    for other in table.rows:
        theirs = other.median(column.key)
        if mine is not None and theirs and other is not row:
            yield column.label, other.name, mine / theirs


def ratios_text(table: Table, subject: str) -> str:
    """Return the ratios of a subject to every other row in a line; "" where it has no figure."""
    found = list(ratios(table, subject))
    if not found:
        return ""
    return f"  {subject} {found[0][0]} as a multiple of: " + ", ".join(
        f"{name} {ratio:.2f}" for _, name, ratio in found
    )


def program_parser(name: str, text: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m bench.NAME`, whose help has `text`, the docstring of its module."""
    form = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m bench.{name}", description=text, formatter_class=form)


def print_line(line: str) -> None:
    """Print a line and flush."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def put_between(path: Path, name: str, text: str) -> None:
    """Replace the text between the marks of this name in a Markdown file.

    Raises:
        SystemExit: the file has no such marks.
    """
    start, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = path.read_text("utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"expected {start} … {end} in {path.name}")
    path.write_text(f"{before}{start}\n{text}{end}{after}", "utf-8")


def _line(cells: list[str], widths: list[int]) -> str:
    first = f"  {cells[0]:<{widths[0]}}"
    return first + "".join(f"  {each:>{width}}" for each, width in zip(cells[1:], widths[1:], strict=True))
