"""One connection of a learner: the reads of both ways, and the ends.

The rule here: only what happened, in order, with times. The judges interpret it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

KEPT_OCTETS: Final = 16 << 10
KEPT_READS: Final = 1000
"""Limits of what is kept of each way; lessons need some hundred octets in some ten reads. All of it is judged again at
each read, so a learner who pipes a file may delay others, but by a second at most."""

Ending: TypeAlias = Literal["", "fin", "reset"]


class WatchedRead(NamedTuple):
    """The octets of one receive, and when it returned, in seconds since `Tee.handle` was called."""

    t: float
    octets: bytes


class WatchedLine(NamedTuple):
    """One line of the octets, and when its last octet came."""

    t: float
    octets: bytes  # its end included; a line may be shown before its end has come
    note: str = ""  # for the learner: the place, or that the body ends with this line


def lines_of(reads: Sequence[WatchedRead], start: int, *, with_rest: bool) -> list[WatchedLine]:
    """Return the lines from an offset on, whatever their reads: nc may send a line and its end separately.

    Args:
        with_rest: also the octets after the last line end.
    """
    lines: list[WatchedLine] = []
    held, at = b"", 0
    for t, octets in reads:
        *whole, held = (held + octets[max(0, start - at) :]).split(b"\n")
        lines += [WatchedLine(t, line + b"\n") for line in whole]
        at += len(octets)
    if held and with_rest:
        lines.append(WatchedLine(reads[-1].t, held))
    return lines


@dataclass(slots=True, eq=False, weakref_slot=True)
class WatchedConnection:
    """One connection to a place of a lesson, so far."""

    place: str  # the name of the place, such as "origin"
    path: str = ""  # prefix of each target there, which is not in the lesson's texts; "" for none
    received: list[WatchedRead] = field(default_factory=list)  # reads of what the client sent
    answered: list[WatchedRead] = field(default_factory=list)  # reads of what the server sent
    client_end: Ending = ""  # how the client ended what it sends; "" while it has not
    server_end: Ending = ""  # likewise of the server
    client_ended_at: float | None = None  # when, in seconds; None before
    writes_after_fin: int = 0  # writes to the client after its FIN that the kernel took
    is_refused: bool = False  # nobody listened at the server
    is_over: bool = False  # nothing more will come
    began: float = 0.0  # when `Tee.handle` was called, on trio's clock; the other times are seconds since then

    @property
    def has_said_all(self) -> bool:
        """The client can send no more."""
        return self.is_over or bool(self.client_end)

    @property
    def request_octets(self) -> bytes:
        """All octets from the client, up to `KEPT_OCTETS`."""
        return b"".join(read.octets for read in self.received)

    @property
    def response_octets(self) -> bytes:
        """All octets from the server, up to `KEPT_OCTETS`."""
        return b"".join(read.octets for read in self.answered)
