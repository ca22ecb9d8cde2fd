"""The known name that was probably meant by a wrong one, for error messages.

The rule here: one measure of likeness for all messages, on the command line, in tests and over HTTP. What this module
must not know: what the names mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeVar

from chunkwire.wire.errors import LocalError

T = TypeVar("T")

MIN_LIKENESS: Final = 0.7
"""The least similarity (difflib) of a suggestion: one letter of four may differ (`--jsno`), not two of four."""
MIN_STEM: Final = 3
"""The least letters of an abbreviation for which the whole name is suggested."""
_MAX_LISTED: Final = 50  # names in a message; of more, it says where they are


def near(word: str, known: Collection[str]) -> str:
    """Return `; did you mean …?` if a word is probably a known one, misspelt or abbreviated; else "".

    The first letter may be wrong only if the rest is right.
    """
    stem = word.strip("-").lower()
    names = {name.lstrip("-"): name for name in known if len(name.lstrip("-")) > 1}
    longer = sorted((name for name in names if len(stem) >= MIN_STEM and name.startswith(stem)), key=len)
    alike = [name for name in names if name[0] == stem[:1] or _is_first_letter_wrong(stem, name)]
    close = longer or difflib.get_close_matches(stem, alike, n=1, cutoff=MIN_LIKENESS)
    return f"; did you mean {names[close[0]]}?" if close else ""


def _is_first_letter_wrong(word: str, name: str) -> bool:
    """Say whether a word is a name whose first letter is missing, wrong, behind another, or swapped with the second."""
    return name[1:] in (word, word[1:]) or name == word[1:] or name == word[1:2] + word[:1] + word[2:]


def near_or_all(word: str, known: Collection[str]) -> str:
    """Return the suggestion of `near`; without one, all known names, or "" if they are too many for a message."""
    return near(word, known) or (f"; there are {', '.join(known)}" if len(known) <= _MAX_LISTED else "")


def expected_one_of(known: Collection[str], got: object) -> str:
    """Return a message: all known names, what came instead, and the name that was probably meant."""
    return f"expected {'one of ' if len(known) > 1 else ''}{', '.join(known)}, got {got!r:.80}{near(str(got), known)}"


def refuse_unknown(given: Iterable[str], known: Collection[str], *, by: str = "") -> None:
    """Raise a LocalError if a name is not known; `by` is what refuses it, such as `run()`."""
    for name in given:
        if name not in known:
            raise LocalError(f"{by}{': ' * bool(by)}{expected_one_of(known, name)}")


def look_up(what: str, name: str, among: Mapping[str, T], *, listed_by: str) -> T:
    """Return the value of a name.

    Args:
        what: it names, such as "scenario".
        listed_by: where all names are, if they are too many for the message.

    Raises:
        LocalError: there is none; the message has the one that was probably meant, else all names or where they are.
    """
    if name in among:
        return among[name]
    raise LocalError(f"no {what} {name!r:.80}{near_or_all(name, among) or f'; all {len(among)} are in {listed_by}'}")
