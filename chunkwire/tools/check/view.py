"""A scorecard as lines for a terminal.

The rule here: returns lines, prints nothing; text from a peer passes through `Paint.text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.tools.check.rows import CheckRow, Level, RowOutcome, RowResult
from chunkwire.tools.check.scorecard import Scorecard, as_text, clause_of
from chunkwire.tools.paint import PLAIN, Paint, number, wrapped

_WORDS: Final = {
    RowOutcome.PASS: "pass",
    RowOutcome.FAIL: "FAIL",
    RowOutcome.NOT_APPLICABLE: "n/a",
    RowOutcome.UNDECIDED: "open",
}
# Failed rows whose octets are shown, and lines of each message, at its beginning and at its end. With -v, on the page
# and in the JSON are all that were kept.
_MOST_ROWS: Final = 8
_FIRST_LINES, _LAST_LINES = 6, 4


def word_of(result: RowResult) -> str:
    """Return the outcome as the table shows it; a failed `seen` row is `no`, not FAIL."""
    if result.row.level is Level.SEEN and result.outcome in (RowOutcome.PASS, RowOutcome.FAIL):
        return "yes" if result.outcome is RowOutcome.PASS else "no"
    return _WORDS[result.outcome]


def role_of(result: RowResult) -> str:
    """Return the role of an outcome, which selects its colour."""
    if result.outcome is RowOutcome.FAIL:
        return {Level.MUST: "bad", Level.SHOULD: "mark", Level.SEEN: "quiet"}[result.row.level]
    return "good" if result.outcome is RowOutcome.PASS and result.row.level is not Level.SEEN else "quiet"


def list_lines(rows: Sequence[CheckRow], *, width: int | None = None) -> Iterator[str]:
    """Yield the rows that would be judged: id, level, title."""
    column = _id_column(rows)
    for row in rows:
        yield from wrapped(f"{row.id:<{column}}  {row.level.value:<6}  ", row.title, width)


def result_lines(
    results: Sequence[RowResult], paint: Paint = PLAIN, *, width: int | None = None, is_verbose: bool = False
) -> Iterator[str]:
    """Yield a line for each row, and below it what the peer did, except if a `must` or `should` passed.

    Args:
        is_verbose: without that exception.
    """
    column = _id_column([result.row for result in results])
    for result in results:
        word = word_of(result)
        lead = f"  {result.row.id:<{column}}  {result.row.level.value:<6}  "
        first, *others = wrapped(f"{lead}{word:<4}  ", result.row.title, width)
        yield first.replace(f"{lead}{word}", lead + paint(role_of(result), word), 1)
        yield from others
        is_explained = is_verbose or result.outcome is not RowOutcome.PASS or result.row.level is Level.SEEN
        if is_explained and result.why:
            yield from (paint.text(line) for line in wrapped(" " * (len(lead) + 6), result.why, width))


def octet_lines(
    results: Sequence[RowResult], paint: Paint = PLAIN, *, width: int | None = None, is_verbose: bool = False
) -> Iterator[str]:
    """Yield the clause and octets of the first failed `must` and `should` rows, as far as they were exchanged.

    Args:
        is_verbose: all octets of every row, and what a command printed.
    """
    failed = [each for each in results if each.outcome is RowOutcome.FAIL and each.row.level is not Level.SEEN]
    for result in results if is_verbose else failed[:_MOST_ROWS]:
        yield ""
        yield f"{paint(role_of(result), f'{result.row.id} {word_of(result)}')}  {clause_of(result.row)}"
        for shown in result.octets:
            if is_verbose or shown.is_exchanged:
                lines = as_text(shown).splitlines()
                kept = lines if is_verbose else _shortened(lines)
                yield from ("  " + paint.text(line, None if width is None else max(20, width - 2)) for line in kept)
    if not is_verbose and len(failed) > _MOST_ROWS:
        yield ""
        yield f"… and {number(len(failed) - _MOST_ROWS, 'more failed row')} (-v shows the octets of all rows)"
    yield ""


def _shortened(lines: list[str]) -> list[str]:
    """Return the first and the last lines of a message, below its label."""
    left_out = len(lines) - 1 - _FIRST_LINES - _LAST_LINES
    if left_out < 2:
        return lines
    return [*lines[: 1 + _FIRST_LINES], f"  … {left_out} lines (-v shows them) …", *lines[-_LAST_LINES:]]


def conclusion_lines(card: Scorecard, paint: Paint = PLAIN, *, is_strict: bool = False) -> Iterator[str]:
    """Yield the counts, and how a failed `should` can fail the run."""
    role = "bad" if card.has_failed(is_strict=is_strict) else "good" if card.is_decided else "mark"
    yield f"{paint(role, '*')} {card.summary}{'' if card.is_whole else '; stopped before the last row'}"
    should = card.count(RowOutcome.FAIL, Level.SHOULD)
    if should and not is_strict:
        yield "* a failed should counts with --strict"


def _id_column(rows: Sequence[CheckRow]) -> int:
    return max((len(row.id) for row in rows), default=0)
