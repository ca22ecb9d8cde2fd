"""Caps on what a request may ask of the origin's resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chunkwire.server.request import IncomingRequest
from chunkwire.server.settings import ServerSettings

Clock: TypeAlias = Literal["real", "fixed"]
FIXED_NS: Final = 946_728_000 * 10**9  # noon, 1 January 2000, UTC: when every stream of a fixed clock begins


@dataclass(frozen=True, slots=True)
class OriginSettings(ServerSettings):
    """A server's settings, and caps for its resources. Seconds and octets.

    Attributes:
        max_chunks: chunks one stream may ask for.
        max_octets: chunk-data one stream may ask for; 1 GiB fills the buffers of all hops, to test backpressure.
        max_chunk_octets: octets of one chunk, which is in memory as a whole (go-httpbin: 1 MiB for a body).
        clock: with `fixed`, the times in `/generate`, `/sse` and `/ndjson` are the planned ones, on a fixed day: each
            run then has the same content.
        max_duration: how long a stream may last: an hour, as people watch (go-httpbin: 10 s).
    """

    max_chunks: int = 1_000_000
    max_octets: int = 1 << 30
    max_chunk_octets: int = 16 << 20
    max_duration: float = 3600.0
    clock: Clock = "real"


DEFAULT_ORIGIN_SETTINGS: Final = OriginSettings()


def caps_of(request: IncomingRequest) -> OriginSettings:
    """Return the caps of a request: its server's, or the defaults if it has none."""
    settings = request.settings
    return settings if isinstance(settings, OriginSettings) else DEFAULT_ORIGIN_SETTINGS
