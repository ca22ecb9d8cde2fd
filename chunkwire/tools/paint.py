"""Colours by role, text that is safe to print on a terminal, line wrapping, plurals, short numbers, words of a page.

The rule here: whatever came from a peer passes `Paint.text` or `Paint.octets` before it is printed. A character that is
not printable (a control character, also the ESC of an escape sequence; a direction override) is shown as a dot.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass
from typing import Final

_CODES: Final = {
    "sent": "36",  # cyan
    "received": "34",  # blue
    "good": "32",  # green
    "bad": "31",  # red
    "mark": "33",  # yellow
    "quiet": "2",  # dim
    "strong": "1",  # bold
}
_DOTS = re.compile("\0+")
_ELLIPSIS = "…"

MIN_TEXT_COLUMNS: Final = 16
"""Narrower text would be a word a line."""
INDENT_COLUMNS: Final = 4
_TITLE: Final = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)
_PAGE_OCTETS: Final = 4096  # of a page that are looked at
_PAGE_COLUMNS: Final = 80


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text by role, or leaves it plain."""

    is_coloured: bool = False

    def __call__(self, role: str, text: str) -> str:
        """Return the text in the colour of a role: sent, received, good, bad, mark, quiet, strong."""
        return f"\x1b[{_CODES[role]}m{text}\x1b[0m" if self.is_coloured and text else text

    def octets(self, octets: bytes, width: int | None = None) -> str:
        """Return octets as one line of UTF-8 text, what cannot be shown as dots; cut to `width` columns."""
        # No character has more than 4 octets: the rest cannot be visible.
        some = octets if width is None else octets[: 4 * width + 4]
        return self.text(some.decode("utf-8", "replace").replace("\ufffd", "\0"), width)

    def text(self, text: str, width: int | None = None) -> str:
        """Return text as one line, what cannot be shown as dots; cut to `width` columns."""
        safe = "".join([char if char.isprintable() else "\0" for char in text])
        if width is not None:
            safe = fitted(safe, width)
        return _DOTS.sub(lambda dots: self("quiet", "." * len(dots[0])), safe)


PLAIN: Final = Paint()


def fitted(text: str, width: int) -> str:
    """Return text cut to a number of columns, its last one an ellipsis where something is left out."""
    if len(text) * 2 <= width or columns(text) <= width:
        return text
    used = 0
    for place, char in enumerate(text):
        used += columns(char)
        if used > width - 1:
            return text[:place] + _ELLIPSIS
    return text


def wrapped(lead: str, text: str, width: int | None) -> list[str]:
    """Return text behind its lead, in lines of whole words that fit a number of columns; None: one line.

    Further lines are indented to the start of the text; if that leaves less than `MIN_TEXT_COLUMNS`, the text begins on
    the next line.
    """
    if width is None or columns(lead) + columns(text) <= width:
        return [(lead + text).rstrip()]
    room = width - columns(lead)
    indent, first = (columns(lead), []) if room >= MIN_TEXT_COLUMNS else (INDENT_COLUMNS, [lead.rstrip()])
    lines = textwrap.wrap(text, max(1, width - indent), break_long_words=False, break_on_hyphens=False)
    if first:
        return [*first, *(" " * indent + line for line in lines)]
    return [lead + line if not number else " " * indent + line for number, line in enumerate(lines)]


def number(count: int, one: str, several: str = "") -> str:
    """Return `1 chunk`, `2 chunks`; `several` is a plural without an s."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def three_digits(value: float) -> str:
    """Return a number with three significant digits and no exponent: `0.5`, `12.3`, `1230`; below 1e-6 it is `0`."""
    return f"{float(f'{value:.3g}'):.6f}".rstrip("0").rstrip(".")


def page_text(content: bytes) -> str:
    """Return the title of an HTML page, such as that of an error, or else the beginning of its text."""
    text = content[:_PAGE_OCTETS].decode("utf-8", "replace")
    titled = _TITLE.search(text)
    words = " ".join(re.sub(r"<[^>]*>", " ", titled[1] if titled else text).split())
    return words if len(words) <= _PAGE_COLUMNS else words[: _PAGE_COLUMNS - 1] + "…"


def columns(text: str) -> int:
    """Return how many columns of a terminal printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(char) for char in text)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
