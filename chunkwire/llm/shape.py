"""JSON of unknown shape, read without surprise.

The rule here: a provider may send anything as JSON, and a client of the mock may too. These functions answer for
every value; what is not where it should be is absent, not an exception. What this module must not know: any dialect.
"""

from __future__ import annotations

import json
import re
from typing import Final

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def load_object(octets: bytes | str) -> dict[str, object]:
    """Return the JSON object that the octets hold.

    Raises:
        ValueError: no JSON, or JSON that is no object; one line that says which.
    """
    try:
        value = json.loads(octets.decode("utf-8") if isinstance(octets, bytes) else octets)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON, got {glimpse(octets)} ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {glimpse(octets)}")
    return value


def dump(value: object) -> str:
    """Return compact JSON, characters beyond ASCII as they are: what the providers write."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def at(value: object, *path: str | int) -> object:
    """Return what stands at a path of keys and indexes, None where the path leads nowhere."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def text_at(value: object, *path: str | int) -> str:
    """Return the text at a path, "" where there is none; a lone surrogate becomes U+FFFD, which UTF-8 can write."""
    found = at(value, *path)
    return _LONE_SURROGATE.sub("\ufffd", found) if isinstance(found, str) else ""


def number_at(value: object, *path: str | int) -> int | None:
    """Return the whole number at a path, None where there is none."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def items_at(value: object, *path: str | int) -> list[object]:
    """Return the array at a path, an empty one where there is none."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def glimpse(octets: bytes | str) -> str:
    """Return the beginning of the octets, quoted, for an error message."""
    text = octets.decode("utf-8", "replace") if isinstance(octets, bytes) else octets
    return repr(text) if len(text) <= 60 else repr(text[:60]) + "…"
