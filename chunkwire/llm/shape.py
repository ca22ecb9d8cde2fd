"""Read JSON whose shape is not known.

The rule here: providers, and clients of the mock, may send any JSON. The functions `…_at` take every value; what is not
where it is looked for is absent, not an exception. NaN and Infinity, which are no JSON but come from some servers, are
read as numbers, and written as null. What this module must not know: any dialect.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final

from chunkwire.wire.abnf import number_of
from chunkwire.wire.jsontext import check_depth

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BLANK: Final = re.compile(r"\s*")  # of a str; has the record separator, too
_SHOWN_CHARACTERS: Final = 60
_MAX_NUMBER: Final = 1 << 63
# Control characters in a string are taken (RFC 8259 §7 wants them escaped): some servers send them as they are.
_DECODER: Final = json.JSONDecoder(strict=False)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def load_values(octets: bytes | str) -> list[object]:
    """Return the JSON values in the octets, at least one; between them, there may be blanks and record separators.

    Raises:
        ValueError: there is none, something else is between or after them, or one is nested too deep (`check_depth`).
    """
    values: list[object] = []
    try:
        text = octets.decode("utf-8-sig") if isinstance(octets, bytes) else octets
        place = 0 if text.startswith("{") else _end_of_blanks(text, 0)
        while place < len(text) or not values:
            value, place = _DECODER.raw_decode(text, place)
            check_depth(value, text)
            values.append(value)
            if place < len(text):
                place = _end_of_blanks(text, place)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON, got {glimpse(octets)} ({error})") from error
    return values


def load_object(octets: bytes | str) -> dict[str, object]:
    """Return the JSON object in the octets.

    Raises:
        ValueError: they are not exactly one object.
    """
    values = load_values(octets)
    if len(values) != 1 or not isinstance(values[0], dict):
        raise ValueError(f"expected a JSON object, got {glimpse(octets)}")
    return values[0]


def dump(value: object) -> str:
    """Return compact JSON, without escapes for characters beyond ASCII: as the providers write it.

    Only lone surrogates are escaped, which UTF-8 cannot write. A number that is not finite becomes null.

    Raises:
        ValueError: the value is nested too deep.
    """
    try:
        try:
            text = _ENCODER.encode(value)
        except ValueError:
            text = _ENCODER.encode(_finite(value))
    except RecursionError as error:
        raise ValueError("expected JSON that is less deep") from error
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: object) -> object:
    """Return the value with None for each number that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def at(value: object, *path: str | int) -> object:
    """Return the value at a path of keys and indexes, None where there is none."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def text_at(value: object, *path: str | int) -> str:
    """Return the text at a path, "" where there is none; a lone surrogate becomes U+FFFD, which UTF-8 can write."""
    found = at(value, *path)
    return _LONE_SURROGATE.sub("\ufffd", found) if isinstance(found, str) and found else ""


def delta_at(value: object, *path: str | int) -> str:
    """Return the text at a path, "" where there is none; lone surrogates are kept.

    The other half of a surrogate pair may be in the next delta.
    """
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number_at(value: object, *path: str | int) -> int | None:
    """Return the whole number at a path, None where there is none between ±2**63; 12.0 is 12."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < _MAX_NUMBER:
        return None
    return int(found) if found == int(found) else None


def count_at(value: object, *path: str | int) -> int:
    """Return the count at a path, 0 where there is none; it may be a text of at most 18 digits."""
    number = number_of(text_at(value, *path))
    return max(0, (number_at(value, *path) if number is None else number) or 0)


def items_at(value: object, *path: str | int) -> list[object]:
    """Return the array at a path, an empty one where there is none."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def glimpse(octets: bytes | str, characters: int = _SHOWN_CHARACTERS) -> str:
    """Return the beginning of the octets, quoted, for an error message."""
    text = octets.decode("utf-8", "replace") if isinstance(octets, bytes) else octets
    return repr(text) if len(text) <= characters else repr(text[:characters]) + "…"


def _end_of_blanks(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return place if found is None else found.end()
