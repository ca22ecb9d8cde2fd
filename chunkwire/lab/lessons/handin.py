"""What a learner hands in: a line of JSON for each step that was done, and the teacher's table of such files.

The rule here: a line has who, what, when and after how many tries. It has no octets that the learner sent, and it is no
proof: anybody can write such a text file, and the table says so.

    {"v":1,"kind":"lesson","who":"ada","n":4,"step":1,"of":2,"tries":3,"seconds":71.2,"at":"2026-11-26T20:15:03+00:00"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from chunkwire.wire.errors import LocalError
from chunkwire.wire.jsontext import load_json

VERSION: Final = 1
KINDS_OF_WORK: Final = ("lesson", "puzzle")
MAX_LINE: Final = 4096
"""Characters of a line without its end; a valid one has some 150."""
MAX_NAME: Final = 40
"""Characters that are kept of a name."""
HONESTY: Final = "a hand-in is a text file, and can be made by hand: let its author show you one step"

_MAX_NUMBER: Final = 10**9
_WHOLE: Final = ("n", "step", "of", "tries")


@dataclass(frozen=True, slots=True)
class HandInLine:
    """One step that was done."""

    kind: str  # "lesson" or "puzzle"
    who: str
    n: int  # number of the lesson, or of the puzzle's kind; for any kind one more than there are
    step: int  # which step
    of: int  # of how many; a puzzle has one
    tries: int  # attempts that were judged, the right one included
    seconds: float  # from when the step was shown
    at: str  # when it was done, ISO 8601 with its zone

    def to_json(self) -> str:
        """Return the line, without its end."""
        return json.dumps({"v": VERSION, **asdict(self)})


def parse_line(text: str) -> HandInLine:
    """Return a line as a value.

    Raises:
        LocalError: it is no line of a hand-in; the message says why.
    """
    try:
        found = load_json(text) if len(text.removesuffix("\n")) <= MAX_LINE else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LocalError("expected a JSON object")
    if found.get("v") != VERSION or found.get("kind") not in KINDS_OF_WORK:
        raise LocalError('expected "v":1 and a "kind" of lesson or puzzle')
    for name in _WHOLE:
        value = found.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_NUMBER:
            raise LocalError(f'expected a whole number, 1 or more, as "{name}"')
    if found["step"] > found["of"]:
        raise LocalError('expected "step" to be at most "of"')
    seconds = found.get("seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= _MAX_NUMBER:
        raise LocalError('expected a number, 0 or more, as "seconds"')
    if not all(isinstance(found.get(name), str) and found[name] for name in ("who", "at")):
        raise LocalError('expected texts as "who" and "at"')
    n, step, of, tries = (found[name] for name in _WHOLE)
    return HandInLine(
        found["kind"], found["who"][:MAX_NAME], n, step, of, tries, float(seconds), found["at"][:MAX_NAME]
    )


@dataclass(frozen=True, slots=True)
class HandInRow:
    """What one learner did: `cells` are those of the table's columns, `done` how many lessons are whole."""

    who: str
    cells: tuple[str, ...]
    done: int


def rows_of(lines: Iterable[HandInLine], lessons: Sequence[int]) -> list[HandInRow]:
    """Return a row for each learner, by name; a column for each lesson (its number of steps given), one for puzzles.

    A lesson's cell is `✓` and the number of tries if all steps are done, `1/3` if one of three is, or `·`. The cell of
    puzzles is the number of kinds that were solved. Of several lines for one step the first one counts.
    """
    by_who: dict[str, dict[tuple[str, int, int], HandInLine]] = {}
    for line in lines:
        by_who.setdefault(line.who, {}).setdefault((line.kind, line.n, line.step), line)
    return [_row(who, list(done.values()), lessons) for who, done in sorted(by_who.items())]


def _row(who: str, lines: Sequence[HandInLine], lessons: Sequence[int]) -> HandInRow:
    cells: list[str] = []
    whole = 0
    for number, steps in enumerate(lessons, 1):
        done = [line for line in lines if line.kind == "lesson" and line.n == number and line.step <= steps]
        whole += len(done) == steps
        tries = sum(line.tries for line in done)
        cells.append(f"✓{tries}" if len(done) == steps else f"{len(done)}/{steps}" if done else "·")
    puzzles = sum(line.kind == "puzzle" for line in lines)
    return HandInRow(who, (*cells, str(puzzles) if puzzles else "·"), whole)
