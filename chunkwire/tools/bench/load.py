"""The load that a bench puts on a target, and how a request that failed is named. Pure."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError, Url
from chunkwire.net.ends import IncompleteHead
from chunkwire.record.values import Record
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import FrameSample, loss_of
from chunkwire.tools.paint import page_text
from chunkwire.wire.errors import ChunkwireError, quoted

STALLED: Final = "stalled"

MAX_PATIENCE_SECONDS: Final = 30.0
"""The longest wait for a stream's first frame.

Without a limit on the time of sampling, an open stream is checked whenever this time has passed: it is stalled if no
read came since the last check.
"""

MAX_ROUND_SECONDS: Final = 0.5
MIN_ROUNDS: Final = 20
"""A run begins with rounds of `MAX_ROUND_SECONDS`, shorter ones where it would have fewer than `MIN_ROUNDS`. A long run
has longer ones (`rounds.MAX_ROUNDS`)."""


class NotOpened(ChunkwireError):
    """The target answered with another status than 200.

    Attributes:
        wait: s that the answer asks to wait (Retry-After), at most `MAX_PATIENCE_SECONDS`; 0 where it asks nothing.
    """

    def __init__(self, url: Url, status: int, reason: str, content: bytes = b"", wait: float = 0.0) -> None:
        said = f": {quoted(page_text(content).encode(), 200)}" if content else ""
        super().__init__(f"expected 200 from {url}, got {status} {reason}{said}")
        self.status = status
        self.wait = min(wait, MAX_PATIENCE_SECONDS)


class Opening(StrEnum):
    """How the first streams of `-c` are opened."""

    STAGGERED = "staggered"
    """Each begins `spread / streams` s after the one before got a response head or failed, so that their frames are due
    at different moments. Those that are left after `patience` begin all at once."""
    TOGETHER = "together"
    """All at once, so that their frames are due at about the same moment."""


class Spacing(StrEnum):
    """The distances between the beginnings of streams at a rate."""

    POISSON = "poisson"
    """Random and independent, as with many users (a Poisson process)."""
    EVEN = "even"
    """All equal."""


class Timing(StrEnum):
    """Which moment is taken for a frame's arrival."""

    KERNEL = "kernel"
    """The kernel's stamp of the receive that has the frame's last octet.

    It is exact for the last frame of the receive, which the last-chunk may follow. For the other frames it is inexact:
    later than the arrival by at most the delay of the read. So is the clock after a receive without a stamp."""
    PROCESS = "process"
    """This process's clock, after its receive returned."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Streams that begin at a rate, per second."""

    rate: float
    spacing: Spacing = Spacing.POISSON

    def gap(self, chance: Random) -> float:
        """Return the s until the next stream begins."""
        return chance.expovariate(self.rate) if self.spacing is Spacing.POISSON else 1 / self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a bench puts on a target.

    Attributes:
        streams: kept open: one that ends is replaced; not read where `arrivals` is set.
        arrivals: begin streams at a rate, whether others have ended or not; None: keep `streams` open.
        total: streams in all; None: as many as the time allows.
        seconds: of sampling; inf: until `total` streams have ended.
        warmup: s before the first sample, once each stream had a frame or has failed; at a rate, from the start. None:
            found in the samples.
        patience: s that a stream may take until its first frame.
        max_time: s that a stream may take in all.
        opening: how the first streams are opened.
        spread: s over which staggered streams are opened, at least.
        must_open: raise if the first stream gets no connection, or a status that will not change.
        timing: which moment is taken for a frame's arrival.
        has_stamps: receives are stamped by the kernel, so that the delay of this process's own reads is known.
        first_number: of its first stream; greater than 1 where other loads of the same bench had streams before.
        hops: `--admin` addresses of our servers on the way, which stamp.
        is_enough: called now and then while it samples, where `seconds` is finite; True ends the run. No frame counts
            during the call.
        record_to, report_frame: take each record and each frame; called in trio's thread and in the loop's.
    """

    url: Url
    streams: int = 1
    arrivals: Arrivals | None = None
    total: int | None = None
    seconds: float = 10.0
    warmup: float | None = None
    patience: float = MAX_PATIENCE_SECONDS
    max_time: float = math.inf
    must_open: bool = True
    is_enough: Callable[[Gathered], bool] | None = None
    opening: Opening = Opening.STAGGERED
    spread: float = 0.0
    method: str = "GET"
    fields: tuple[tuple[str | bytes, str | bytes], ...] = ()
    body: bytes | None = None
    tls: ssl.SSLContext | None = None
    record_to: Callable[[Record], None] | None = None
    report_frame: Callable[[FrameSample], None] | None = None
    timing: Timing = Timing.PROCESS
    has_stamps: bool = False
    first_number: int = 1
    hops: tuple[Url, ...] = ()

    @property
    def round_seconds(self) -> float:
        """How long the first rounds of the run are, s."""
        return min(MAX_ROUND_SECONDS, self.seconds / MIN_ROUNDS)


def may_pass(error: ChunkwireError) -> bool:
    """Say whether a request that failed may succeed later: not one without a connection, or with a 404."""
    if isinstance(error, NotOpened):
        return error.status in (408, 425, 429) or error.status >= 500
    return not isinstance(error, DialError) or error.kind == "files"  # other streams free descriptors


def kind_of(error: ChunkwireError) -> str:
    """Return the name of the failure of a stream that has no head."""
    if isinstance(error, DialError):
        return f"no connection ({'no descriptor left: ulimit -n' if error.kind == 'files' else error.kind})"
    if isinstance(error, NotOpened):
        return f"status {error.status}"
    if isinstance(error, IncompleteHead):
        return "closed within the head" if error.octets else "closed before the head"
    return loss_of(error.__cause__) if isinstance(error, PeerGone) else "malformed head"
