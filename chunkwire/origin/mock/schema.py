"""Make a value that fits a JSON Schema out of the prompt: a tool's arguments, or a structured answer.

The rule here: only what the SDKs' schemas contain (2020-12, and Gemini's own, whose types are upper-case); others, such
as prefixItems and multipleOf, are ignored, and of allOf only the first schema counts. A schema may be hostile: deep,
recursive, wrong. Pure: no I/O.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from chunkwire.llm.shape import at, count_at, items_at, number_at, text_at

_MAX_DEPTH: Final = 16
_MAX_VALUES: Final = 10_000  # of one schema; a recursive one may ask for any number
_MAX_ITEMS: Final = 100  # of one array
_MAX_LENGTH: Final = 10_000  # of a text that must have a length
_FORMATS: Final = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1S",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def value_of(schema: object, prompt: str) -> object:
    """Return a value of the schema; a string is the prompt, or an example of its format.

    For the schema `{}` the value is `{"text": PROMPT}`.
    """
    if isinstance(schema, dict) and not schema:
        return {"text": prompt}
    return _Maker(schema, prompt).value(schema, _MAX_DEPTH)


class _Maker:
    """Makes the values of one schema."""

    def __init__(self, root: object, prompt: str) -> None:
        self._root = root
        self._prompt = prompt
        self._left = _MAX_VALUES

    def value(self, schema: object, depth: int) -> object:
        """Return a value of a schema inside the root; every property is set, also one that is not required.

        None where the schema is no object, or has only a null or an unknown type; and beyond `_MAX_DEPTH` or
        `_MAX_VALUES`.
        """
        self._left -= 1
        if not isinstance(schema, dict) or not depth or self._left < 0:
            return None
        if "const" in schema:
            return schema["const"]
        if choices := items_at(schema, "enum"):
            return choices[0]
        if reference := text_at(schema, "$ref"):
            return self.value(_referred(reference, self._root), depth - 1)
        for key in ("anyOf", "oneOf", "allOf"):
            if options := [option for option in items_at(schema, key) if text_at(option, "type").lower() != "null"]:
                return self.value(options[0], depth - 1)
        match _type_of(schema):
            case "object":
                members = at(schema, "properties")
                pairs = members.items() if isinstance(members, dict) else ()
                return {name: self.value(member, depth - 1) for name, member in pairs}
            case "array":
                count = min(count_at(schema, "minItems"), _MAX_ITEMS)
                return [self.value(at(schema, "items"), depth - 1) for _ in range(count)]
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return True
            case "string":
                least = min(count_at(schema, "minLength"), _MAX_LENGTH)
                most = number_at(schema, "maxLength")
                text = self._prompt.ljust(least, ".")[: None if most is None else max(0, most)]
                return _FORMATS.get(text_at(schema, "format")) or text
        return None


def _type_of(schema: dict[str, object]) -> str:
    """Return the type in lower case, the first of several that is not null; "object" if the schema has no `type`."""
    said = at(schema, "type")
    kinds = [kind.lower() for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)]
    return next((kind for kind in kinds if kind not in ("", "null")), "object" if said is None else "")


def _number(schema: dict[str, object]) -> int:
    least, most = number_at(schema, "minimum"), number_at(schema, "maximum")
    if least is None and (above := number_at(schema, "exclusiveMinimum")) is not None:
        least = above + 1
    value = 1 if least is None else max(1, least)
    return value if most is None else min(value, most)


def _referred(reference: str, root: object) -> object:
    """Return the target of `#` or of a JSON pointer (`#/…`, RFC 6901 §6); None for any other reference."""
    if not re.fullmatch(r"#(?:/.*)?", reference, re.DOTALL):
        return None
    found = root
    for step in unquote(reference).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = at(
            found, int(name) if isinstance(found, list) and re.fullmatch(r"0|[1-9]\d{0,9}", name, re.ASCII) else name
        )
    return found
