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
        rule: which of our rules a peer broke, if one did.
        head_s: seconds from the request to its response head; None if none came.
        first_s: seconds from the request until the first octets of the response body were sent to the client.
        scanner: counts of the response body.
        mode: the relay mode that the response body went through.
        fault: what broke the response body; None where nothing did.
        keep_alive: another request may follow on the client's connection.
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
    started: float = field(default_factory=trio.current_time)

    @property
    def chunks(self) -> int:
        """Chunks of the response body so far."""
        return self.scanner.chunks if self.scanner is not None else 0

    @property
    def octets(self) -> int:
        """Octets of its content so far."""
        return self.scanner.octets if self.scanner is not None else 0
