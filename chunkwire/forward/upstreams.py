"""The upstreams in failover order, each with a pool of idle connections (`net.pool`)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from chunkwire.net.dial import CONNECT_SECONDS, Url, dial
from chunkwire.net.ends import ClientConnection
from chunkwire.net.pool import Pool, server_of
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, HeadLimits

MAX_IDLE: Final = 64  # kept per upstream (nginx `keepalive` examples: 16 to 64)
IDLE_SECONDS: Final = 20.0  # most servers keep one longer (nginx: 75 s; node: 5 s, whose close `take_idle` notices)
SWEEP_SECONDS: Final = 1.0  # how long a closed idle connection may stay unnoticed and hold its descriptor


@dataclass(slots=True)
class Upstream:
    """One upstream URL and its idle connections; with `has_stamps`, kernel timestamps are read from its connections."""

    url: Url
    tls: ssl.SSLContext | None = None
    connect_timeout: float = CONNECT_SECONDS
    limits: HeadLimits = DEFAULT_HEAD_LIMITS
    has_stamps: bool = False
    idle: Pool = field(default_factory=lambda: Pool(per_server=MAX_IDLE, idle=IDLE_SECONDS))

    def __str__(self) -> str:
        return f"unix:{self.url.host}" if self.url.is_unix else self.url.authority.decode("ascii")

    def take_idle(self) -> ClientConnection | None:
        """Return the idle connection that was used last and can be used again; None if there is none."""
        return self.idle.take(server_of(self.url, self.tls))

    def keep(self, connection: ClientConnection) -> None:
        """Keep a connection whose exchange was complete; close the oldest one if there are too many."""
        self.idle.give(server_of(self.url, self.tls), connection)

    async def connect(self) -> ClientConnection:
        """Open a fresh connection.

        Raises:
            DialError: it could not be opened.
        """
        connection = await dial(
            self.url.host, self.url.port, tls=self.tls, timeout=self.connect_timeout, limits=self.limits
        )
        if self.has_stamps:
            connection.carry_stamps()
        return connection


class Upstreams:
    """A fixed set of upstreams in failover order."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._upstreams = tuple(upstreams)

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._upstreams)

    async def run(self) -> None:
        """Close idle connections that are too old, or on which something has happened, until cancelled; then all."""
        try:
            while True:
                await trio.sleep(SWEEP_SECONDS)
                for upstream in self._upstreams:
                    upstream.idle.sweep()
        finally:
            for upstream in self._upstreams:
                upstream.idle.close()
