"""Read JSON that a peer or a file gives, to a bounded depth.

The rule here: what has been read can be shown, walked and written again within Python's limit of recursion. What this
module must not know: what the JSON means.
"""

from __future__ import annotations

import json
from typing import Any, Final

MAX_DEPTH: Final = 500  # half of the interpreter's limit, which the callers use up as well


def load_json(text: str | bytes) -> Any:
    """Return the value in a text.

    Raises:
        ValueError: it is no JSON, or nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(_too_deep()) from error
    check_depth(value, text)
    return value


def check_depth(value: object, text: str | bytes) -> None:
    """Refuse a value that is nested deeper than `MAX_DEPTH`.

    Args:
        text: from which the value was read; if it has at most `MAX_DEPTH` brackets, the value is not searched.

    Raises:
        ValueError: it is nested deeper.
    """
    opened = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    level: list[Any] = [value] if opened > MAX_DEPTH else []
    for _ in range(MAX_DEPTH):
        members = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [member for found in members for member in found if isinstance(member, dict | list)]
        if not level:
            return
    raise ValueError(_too_deep())


def _too_deep() -> str:
    return f"nested deeper than {MAX_DEPTH} levels"
