"""What a bench puts on a target, and in which words a stream fails. Values only."""

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
from chunkwire.tools.bench.samples import FrameSample
from chunkwire.wire.errors import ChunkwireError

STALLED: Final = "stalled"

MAX_PATIENCE_SECONDS: Final = 30.0
"""How long a stream may take to bring its first frame, at most; and without a time of sampling, any next one."""


MAX_ROUND_SECONDS: Final = 0.5
MIN_ROUNDS: Final = 20
"""A run is cut into at least so many rounds, each of so many s at most."""


class NotOpened(ChunkwireError):
    """The target does not answer with the stream; `status` is what it answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"expected 200 from the target, got {status} {reason}")
        self.status = status


class Opening(StrEnum):
    """How the streams that are open at once begin."""

    STAGGERED = "staggered"
    """One after another, each once the one before has its head, over one interval of the stream: not due together."""
    TOGETHER = "together"
    """All at one moment: their frames are due at one moment, too."""


class Spacing(StrEnum):
    """How far the beginnings of streams at a rate are apart."""

    POISSON = "poisson"
    """At random, independent of each other, as those of many users are."""
    EVEN = "even"


class Timing(StrEnum):
    """Who says when a frame came."""

    KERNEL = "kernel"
    """The kernel, for the packet that had its last octet; where it does not say, that is unknown."""
    PROCESS = "process"
    """This process, once it was awake and had received it."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Streams that begin at a rate: so many a second."""

    rate: float
    spacing: Spacing = Spacing.POISSON

    def gap(self, chance: Random) -> float:
        """Return the s until the next stream begins."""
        return chance.expovariate(self.rate) if self.spacing is Spacing.POISSON else 1 / self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a bench puts on a target.

    Attributes:
        streams: open at once, each followed by another when it ends; not read where there is a rate.
        arrivals: how streams begin at a rate, whether others have ended or not; None: `streams` are kept open.
        total: streams in all; None: as many as the time takes.
        seconds: of sampling; inf with a total: until all have ended.
        warmup: s after every stream's first frame, before a sample counts; None: it is found in the samples.
        patience: s that a stream may take to bring its first frame.
        max_time: s that a stream may take in all.
        opening: how the first streams are opened.
        spread: s over which staggered streams are opened, so that they are not due at one moment.
        must_open: raise if the very first stream gets no connection, or a status that another try will not change.
        timing: who says when a frame came.
        has_stamps: the kernel stamps what comes, so that this process knows how late it reads.
        hops: `--admin` addresses of servers of ours that stamp, from the origin on.
        is_enough: asked between stretches of sampling whether to end before the time; sampling rests meanwhile.
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
    hops: tuple[Url, ...] = ()

    @property
    def round_seconds(self) -> float:
        """How long a round of the run is, s."""
        return min(MAX_ROUND_SECONDS, self.seconds / MIN_ROUNDS)


def may_pass(error: ChunkwireError) -> bool:
    """Say whether a first request that failed may do better later: where nobody listens, or nothing is, it does not."""
    if isinstance(error, NotOpened):
        return error.status in (408, 425, 429) or error.status >= 500
    return not isinstance(error, DialError)


def kind_of(error: ChunkwireError) -> str:
    """Return in few words how a stream failed that brought no head."""
    if isinstance(error, DialError):
        return f"no connection ({error.kind})"
    if isinstance(error, NotOpened):
        return f"status {error.status}"
    if isinstance(error, IncompleteHead):
        return "closed within the head" if error.octets else "closed before the head"
    return "reset" if isinstance(error, PeerGone) else "malformed head"
