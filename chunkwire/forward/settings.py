"""What an operator may set, each with its unit and the reason for its default."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chunkwire.forward.shape import EXACT_MODE, FaultPlan, Mode, shaper
from chunkwire.net.heads import Field
from chunkwire.net.listen import GRACE_SECONDS, MAX_CONNECTIONS
from chunkwire.net.movers import SEND_SECONDS
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, DEFAULT_LIMITS, HeadLimits, Limits

OnClientFin: TypeAlias = Literal["keep", "cancel"]
OnClientGone: TypeAlias = Literal["cancel", "drain"]


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The gateway's settings; every timeout in seconds.

    Attributes:
        name: how the gateway calls itself in Via and Proxy-Status (a token).
        preserve_host: send the client's Host upstream; the default sends the upstream's own.
        forwarded: add Forwarded (RFC 7239) and X-Forwarded-For, -Proto, -Host.
        on_client_fin: a FIN alone may be a half-close (RFC 9112 §9.6: nc) or a departure; `keep` streams on.
        on_client_gone: a client that is gone ends the upstream request; `drain` reads it to its end instead.
        connect_timeout: name, TCP and TLS together.
        head_timeout: for a whole request head; long, because people type (Slowloris is held by it all the same).
        keep_alive_timeout: between two requests of one connection (nginx: 75 s).
        response_timeout: from the sent request to the response head; models think for a while.
        send_timeout: without an octet taken by a peer.
        idle_timeout: without an octet from upstream inside a body; off, since streams may be silent.
        max_streams_per_client: exchanges at once from one address; over it the answer is 429. 0 is no limit: on
            loopback, and behind another proxy, every client has the same address. Not for clients of a Unix socket,
            which have none.
        mode: how frames are relayed; `exact` is the gateway's purpose, the others teach and test.
        fault: what to break in chunked responses, to test clients; None breaks nothing.
        poll: seconds the fast mover looks on before it sleeps (`net.fastmover`); 0 never, infinite always.
        fields: more field lines of each response.
        has_barriers: hold each frame of a response whose request names a barrier until the one before is acknowledged.
        max_informational: 1xx responses passed on before one final response (Go's client: 5).
    """

    name: str = "chunkwire"
    preserve_host: bool = False
    forwarded: bool = False
    on_client_fin: OnClientFin = "keep"
    on_client_gone: OnClientGone = "cancel"
    connect_timeout: float = 10.0
    head_timeout: float = 300.0
    keep_alive_timeout: float = 75.0
    response_timeout: float = 120.0
    send_timeout: float = SEND_SECONDS
    idle_timeout: float = math.inf
    grace: float = GRACE_SECONDS
    max_connections: int = MAX_CONNECTIONS
    max_streams_per_client: int = 0
    mode: Mode = EXACT_MODE
    fault: FaultPlan | None = None
    poll: float = 50e-6
    fields: tuple[Field, ...] = ()
    has_barriers: bool = False
    max_informational: int = 5
    limits: Limits = DEFAULT_LIMITS
    head_limits: HeadLimits = DEFAULT_HEAD_LIMITS

    def marks(self, *, is_chunked: bool) -> tuple[Field, ...]:
        """Return what is added to a response: a field that names the mode or the fault it goes through, and `fields`.

        Args:
            is_chunked: its body goes down in chunks, which a fault and some modes need.
        """
        if is_chunked and self.fault is not None:
            return ((b"Chunkwire-Fault", str(self.fault).encode("ascii")), *self.fields)
        if shaper(self.mode, is_chunked=is_chunked) is not None:
            return ((b"Chunkwire-Mode", str(self.mode).encode("ascii")), *self.fields)
        return self.fields


DEFAULT_GATEWAY_SETTINGS = GatewaySettings()
