"""What one connection of a learner did: the reads of both ways, and the ends.

The rule here: only what happened, in its order, with times. What it means is for the judges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

KEPT_OCTETS: Final = 16 << 10
KEPT_READS: Final = 1000
"""What is kept of each way: lessons need some hundred octets in some ten reads. All of it is judged again at each read,
so that a learner who pipes a file costs others a second, and no more."""

Ending: TypeAlias = Literal["", "fin", "reset"]


class WatchedRead(NamedTuple):
    """What one receive brought, and when: seconds since the connection was accepted."""

    t: float
    octets: bytes


@dataclass(slots=True, eq=False, weakref_slot=True)
class WatchedConnection:
    """One connection to a place of a lesson, so far.

    Attributes:
        place: the name of the place that was connected to, such as "origin".
        path: prefix of each target there, which the lesson's texts leave out; "" for none.
        received: reads of what the client sent.
        answered: reads of what the server sent, each passed on to the client.
        client_end, server_end: how each side ended what it sends; "" while it has not.
        client_ended_at: when, in seconds; None before.
        writes_after_fin: writes to the client after its FIN that the kernel took.
        is_refused: nobody listened at the server.
        is_over: nothing more will be seen.
    """

    place: str
    path: str = ""
    received: list[WatchedRead] = field(default_factory=list)
    answered: list[WatchedRead] = field(default_factory=list)
    client_end: Ending = ""
    server_end: Ending = ""
    client_ended_at: float | None = None
    writes_after_fin: int = 0
    is_refused: bool = False
    is_over: bool = False

    @property
    def has_said_all(self) -> bool:
        """The client can send no more."""
        return self.is_over or bool(self.client_end)

    @property
    def request_octets(self) -> bytes:
        """All octets from the client, up to `KEPT_OCTETS`."""
        return joined(self.received)

    @property
    def response_octets(self) -> bytes:
        """All octets from the server, up to `KEPT_OCTETS`."""
        return joined(self.answered)


def joined(reads: list[WatchedRead]) -> bytes:
    """Return the octets of reads in one piece."""
    return b"".join(read.octets for read in reads)
