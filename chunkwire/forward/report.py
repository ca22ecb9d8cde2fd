"""How an exchange ended: filled in by `exchange`, read by the log, the metrics and the connection's loop."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from chunkwire.forward.failure import Outcome
from chunkwire.forward.shape import EXACT_MODE, FaultPlan, Mode
from chunkwire.wire.scanner import BodyScanner


@dataclass(slots=True, eq=False)
class Report:
    """How an exchange ended.

    Attributes:
        status: the final status sent to the client; 0 if none was.
        upstream: the one that was asked last; "-" for none.
        details: why the exchange failed, in one line; "" if it did not.
        rule: which of our rules a peer broke; "" for none.
        head_s: seconds from the request to its response head; None if none came.
        first_s: seconds from the request until the first octets of the response body were sent to the client; None if
            none were.
        scanner: counts the response body; None if none was relayed.
        mode: the relay mode that the response body went through.
        fault: the fault that the operator asked for, if it applied to this response; None if not.
        keep_alive: another request may follow on the client's connection.
        is_about_barrier: it was an acknowledgement or a state request, to this gateway, or for a stream that it relays.
        barrier_requests: how many acknowledgements and state requests for this stream were relayed.
    """

    verdict: Outcome = Outcome.COMPLETE
    status: int = 0
    upstream: str = "-"
    details: str = ""
    rule: str = ""
    head_s: float | None = None
    first_s: float | None = None
    scanner: BodyScanner | None = None
    mode: Mode = EXACT_MODE
    fault: FaultPlan | None = None
    keep_alive: bool = False
    is_about_barrier: bool = False
    barrier_requests: int = 0
    started: float = field(default_factory=trio.current_time)

    @property
    def chunks(self) -> int:
        """Chunks of the response body so far."""
        return self.scanner.chunks if self.scanner is not None else 0

    @property
    def octets(self) -> int:
        """Octets of the response's content so far."""
        return self.scanner.octets if self.scanner is not None else 0
