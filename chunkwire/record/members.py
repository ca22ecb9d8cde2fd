"""Members of a record in JSON, checked.

The rule here: a member is what the schema says, or an error of one line names it. What this module must not know:
which members a kind of record has (`values`).
"""

from __future__ import annotations

import base64
from typing import Any, Final

from chunkwire.wire.errors import LocalError

_TIMES: Final = frozenset({"t", "gap", "kernel", "wall"})
OCTETS: Final = frozenset({"line", "method", "target", "status_line"})
"""Members that are octets of the wire, as Latin-1."""
_MAX_NUMBER: Final = 1 << 63
"""Numbers in a record are below: counts fit a signed integer of 64 bits, and each can be made a float."""


def check_number(name: str, value: int | float) -> None:
    """Refuse a number that is out of its range, with a `LocalError`."""
    if not (-_MAX_NUMBER if name in _TIMES else 0) <= value < _MAX_NUMBER:  # NaN is in no range
        raise LocalError(f'expected a number of 64 bits as "{name}" in a record, got {value!r:.64}')


def check_octets(name: str, text: str) -> None:
    """Refuse a text that is not of Latin-1, with a `LocalError`."""
    if not text.isascii() and max(text) > "\xff":
        raise LocalError(f'expected octets as Latin-1 in "{name}" of a record, got {text!r:.64}')


def data_of(given: dict[str, Any]) -> bytes | None:
    """Return the octets in `data`, or else in `data_b64`, of a line; None if it has neither."""
    name = "data_b64" if given.get("data") is None else "data"
    text = given.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise LocalError(f'expected a text as "{name}" in a record, got {text!r:.64}')
    if name == "data":
        return text.encode(errors="surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise LocalError(f'expected base64 in "data_b64" of a record, got {text[:64]!r}') from error


def fields_of(given: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the field lines in `fields` of a line."""
    lines = given.get("fields")
    if not isinstance(lines, list):
        raise LocalError('expected "fields" in a record')
    for pair in lines:
        if not isinstance(pair, list) or [type(text) for text in pair] != [str, str]:
            raise LocalError(f'expected [name, value] in "fields" of a record, got {pair!r:.64}')
        for text in pair:
            check_octets("fields", text)
    return tuple((name, value) for name, value in lines)
