"""Relay modes that are not exact: the events of a body, written again as other octets.

The rule here: a shaper sees only what the scanner approved, and writes through the encoder. It never ends a
body: the last-chunk goes down because it came.
"""

from __future__ import annotations

from chunkwire.wire.frames import Data, Event


class Dechunk:
    """Chunk-data alone, for a client that speaks HTTP/1.0; extensions and trailers are lost (RFC 9112 §7.1.3)."""

    @property
    def due(self) -> float | None:
        """Nothing is ever kept."""
        return None

    def feed(self, events: list[Event]) -> bytes:
        """Return the content of these events."""
        return b"".join(event.octets for event in events if isinstance(event, Data))

    def flush(self) -> bytes:
        """Return nothing: nothing is kept."""
        return b""
