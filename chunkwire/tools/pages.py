"""What the page of an error says, in a few words, for a message about it. Pure."""

from __future__ import annotations

import re
from typing import Final

_TITLE: Final = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)
_OCTETS: Final = 4096  # of a page that are looked at
_COLUMNS: Final = 80


def page_text(content: bytes) -> str:
    """Return the title of a page of HTML, or else the beginning of its text."""
    text = content[:_OCTETS].decode("utf-8", "replace")
    titled = _TITLE.search(text)
    words = " ".join(re.sub(r"<[^>]*>", " ", titled[1] if titled else text).split())
    return words if len(words) <= _COLUMNS else words[: _COLUMNS - 1] + "…"
