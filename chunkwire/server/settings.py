"""The deadlines and limits of a server, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from chunkwire.net.listen import GRACE_SECONDS, MAX_CONNECTIONS
from chunkwire.net.movers import SEND_SECONDS
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, DEFAULT_LIMITS, HeadLimits, Limits


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Deadlines and limits of a server. Seconds and octets.

    Attributes:
        keep_alive_timeout: for the first octet of a request on an idle connection (nginx: 75 s). Long, because people
            who opened nc think before they type.
        head_timeout: for a whole request head, from its first octet. Long, because people type.
        body_timeout: for the next octets of a request body that is being read.
        send_timeout: for the client to take more octets of a write that waits for it.
        unread_octets: of a request body that the resource did not read, drained so that the connection can be reused
            (Go's net/http: 256 KiB). If there are more, the connection is closed.
        unread_timeout: for that drain, in total.
        grace: for exchanges that run when the server begins to drain.
        max_connections: at once; more connections wait in the kernel's backlog.
        journal_entries: exchanges that the journal keeps.
        cors: origins whose pages may read responses, such as "https://app.example"; "*" for all.
        limits: of a chunked request body.
        head_limits: of a request head.
    """

    keep_alive_timeout: float = 300.0
    head_timeout: float = 300.0
    body_timeout: float = 300.0
    send_timeout: float = SEND_SECONDS
    unread_octets: int = 256 << 10
    unread_timeout: float = 2.0
    grace: float = GRACE_SECONDS
    max_connections: int = MAX_CONNECTIONS
    journal_entries: int = 1000
    cors: frozenset[str] = frozenset()
    limits: Limits = field(default=DEFAULT_LIMITS)
    head_limits: HeadLimits = field(default=DEFAULT_HEAD_LIMITS)


DEFAULT_SERVER_SETTINGS: Final = ServerSettings()
