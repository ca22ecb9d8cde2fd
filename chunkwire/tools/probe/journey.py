"""How a request reached the origin, from the origin's journal or the state of a barrier: its version and its fields.

The rule here: pure. An entry has `version`, and `fields` as pairs of texts; what else it has, or lacks, is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from chunkwire.wire.jsontext import load_json

Entry: TypeAlias = Mapping[str, object]

_SHOWN: Final = ("connection", "via", "accept-encoding")


def describe_arrival(entry: Entry) -> str:
    """Return how a request arrived, such as "HTTP/1.0, Connection: close"."""
    fields = entry.get("fields")
    pairs = [pair for pair in fields if isinstance(pair, list) and len(pair) == 2] if isinstance(fields, list) else []
    shown = [f"{name}: {value}" for name, value in pairs if str(name).lower() in _SHOWN]
    return ", ".join((f"HTTP/{entry.get('version')}", *shown))


def last_entry(lines: Sequence[str], nonce: str) -> Entry | None:
    """Return the last entry about a run in lines of the journal; None for none, or a page of some hop's own."""
    for line in reversed(lines):
        try:
            entry = load_json(line)
        except ValueError:
            return None
        if isinstance(entry, dict) and entry.get("nonce") == nonce:
            return entry
    return None
