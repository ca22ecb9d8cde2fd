"""How a request reached the origin, from the origin's journal or the state of a barrier: its version and its fields.

The rule here: pure. An entry has `version`, and `fields` as pairs of texts; what else it has, or lacks, is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from chunkwire.wire.jsontext import load_json

Entry: TypeAlias = Mapping[str, object]

_SHOWN: Final = ("connection", "via", "accept-encoding")
_RELAYS: Final = ("via", "x-forwarded-for", "forwarded")
"""Lists to which each gateway on the way adds a member (RFC 9110 §7.6.3, RFC 7239), where it does."""


def describe_arrival(entry: Entry) -> str:
    """Return how a request arrived, such as "HTTP/1.0, Connection: close"."""
    shown = [f"{name}: {value}" for name, value in _fields(entry) if name.lower() in _SHOWN]
    return ", ".join((f"HTTP/{entry.get('version')}", *shown))


def relays_in(entry: Entry) -> int:
    """Return how many gateways the request names that it came through."""
    counts = dict.fromkeys(_RELAYS, 0)
    for name, value in _fields(entry):
        if name.lower() in counts:
            counts[name.lower()] += len(value.split(","))
    return max(counts.values())


def _fields(entry: Entry) -> list[tuple[str, str]]:
    fields = entry.get("fields")
    pairs = [pair for pair in fields if isinstance(pair, list) and len(pair) == 2] if isinstance(fields, list) else []
    return [(str(name), str(value)) for name, value in pairs]


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
