"""The gateway's settings, each with its unit and the reason for its default."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chunkwire.forward.shape import EXACT_MODE, FaultPlan, Mode, ModeName, shaper
from chunkwire.net.heads import Field
from chunkwire.net.listen import GRACE_SECONDS, MAX_CONNECTIONS
from chunkwire.net.movers import SEND_SECONDS
from chunkwire.wire.errors import LocalError
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, DEFAULT_LIMITS, HeadLimits, Limits

OnClientFin: TypeAlias = Literal["keep", "cancel"]
OnClientGone: TypeAlias = Literal["cancel", "drain"]


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The gateway's settings; every timeout in seconds.

    Attributes:
        name: of the gateway in Via and Proxy-Status (a token).
        preserve_host: send the client's Host upstream; the default sends the upstream's own.
        forwarded: add Forwarded (RFC 7239) and X-Forwarded-For, -Proto, -Host.
        on_client_fin: a FIN may be a half-close (RFC 9112 §9.6, as nc sends) or the end: `keep` continues the stream,
            `cancel` ends the upstream request.
        on_client_gone: when the client has reset the connection, `cancel` ends the upstream request; `drain` reads the
            response to its end.
        connect_timeout: name, TCP and TLS together.
        head_timeout: for a whole request head; long, because people type. It bounds a head that comes slowly on
            purpose (Slowloris).
        keep_alive_timeout: between two requests of one connection (nginx: 75 s).
        response_timeout: from the sent request to the response head; long, because language models are slow.
        send_timeout: without an octet taken by a peer.
        idle_timeout: without an octet from the sender of a body; off, because streams may pause.
        grace: for exchanges that run when a drain begins (SIGTERM); those that are left are cancelled.
        max_connections: at once; the next ones wait in the kernel's backlog.
        max_streams_per_client: exchanges at once from one address; more are answered 429. 0 is no limit: on loopback
            and behind a proxy all clients have the same address. Clients of a Unix socket have none, and no limit.
        mode: how frames are relayed: `exact` unchanged; the other modes are for teaching and tests.
        fault: breaks chunked responses, to test clients; None breaks nothing.
        poll: seconds the fast mover polls before it blocks (`net.sleeper`); 0 never, infinite always.
        fields: field lines that are added to each relayed final response.
        has_barriers: serve requests that name a barrier (`forward.barrier`).
        max_informational: 1xx responses relayed before one final response (Go's client: 5).

    Raises:
        LocalError: barriers, and a mode that keeps frames: their client could acknowledge none of them.
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

    def __post_init__(self) -> None:
        if self.has_barriers and self.mode.name in (ModeName.COALESCE, ModeName.BUFFER):
            raise LocalError(
                f"--barrier goes with --mode exact, reframe or slice, got {self.mode}: it keeps frames, which their "
                "client cannot acknowledge"
            )

    def marks(self, *, is_chunked: bool) -> tuple[Field, ...]:
        """Return the fields added to a response: `fields`, after one that names the mode or fault that applies to it.

        Args:
            is_chunked: the body is sent to the client in chunks, which a fault and some modes need.
        """
        if is_chunked and self.fault is not None:
            return ((b"Chunkwire-Fault", str(self.fault).encode("ascii")), *self.fields)
        if shaper(self.mode, is_chunked=is_chunked) is not None:
            return ((b"Chunkwire-Mode", str(self.mode).encode("ascii")), *self.fields)
        return self.fields


DEFAULT_GATEWAY_SETTINGS = GatewaySettings()
