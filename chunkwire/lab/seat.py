"""One learner's part of the lab: watchers, typed streams, runs, and the token of the learner's page.

The rule here: everything that one learner can see or change is kept in a seat, and reached only through it.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final, TypeVar

import trio

from chunkwire.lab.control import RunControl
from chunkwire.lab.hand import Hands
from chunkwire.lab.watching import Watchers

T = TypeVar("T")

MAX_RUNS: Final = 64  # whose control is remembered; a page has one or two at a time
MAX_SEATS: Final = 500  # of a class; an idle seat takes some kilobytes
MAX_TRIALS: Final = 32  # bodies that clients can still request


class Seat:
    """One learner."""

    def __init__(self, path: str = "") -> None:
        self.path = path  # prefix of all paths of this learner: "" where there is one learner, else "/c/TOKEN"
        self.token = secrets.token_urlsafe(24)  # what the page sends with each request that changes something
        self.watchers = Watchers()
        self.hands = Hands()
        self.trials: OrderedDict[str, bytes] = OrderedDict()  # octets that clients may request, by name
        self._runs: OrderedDict[str, RunControl] = OrderedDict()

    def keep_trial(self, octets: bytes) -> str:
        """Keep octets that clients can request; return their name. The last `MAX_TRIALS` are kept."""
        name = secrets.token_urlsafe(6)
        self.trials[name] = octets
        if len(self.trials) > MAX_TRIALS:
            self.trials.popitem(last=False)
        return name

    def run(self, name: str) -> RunControl:
        """Return the control of a run, by the name its page gave it; those of the last `MAX_RUNS` are kept."""
        if name not in self._runs:
            self._runs[name] = RunControl()
            if len(self._runs) > MAX_RUNS:
                self._runs.popitem(last=False)
        return self._runs[name]


@contextmanager
def replacing(held: MutableMapping[Seat, tuple[T, trio.CancelScope]], seat: Seat, value: T) -> Iterator[None]:
    """Hold a value for a seat in the with block; cancel the block of the value that the seat had before."""
    if seat in held:
        held[seat][1].cancel()
    with trio.CancelScope() as scope:
        mine = held[seat] = (value, scope)
        try:
            yield
        finally:
            if held.get(seat) is mine:
                del held[seat]


class Seats:
    """The seats of a lab: one for all, or in a class one for each learner, whose path nobody can guess.

    Args:
        is_class: has no seat until a learner takes one.
    """

    def __init__(self, *, is_class: bool = False) -> None:
        self.is_class = is_class
        self.pattern = "/c/{seat}" if is_class else ""
        self.only = Seat()
        self._taken: OrderedDict[str, Seat] = OrderedDict()

    def take(self) -> Seat:
        """Return a new seat; if there are more than `MAX_SEATS`, the least recently used one is dropped."""
        seat = Seat(f"/c/{secrets.token_urlsafe(16)}")
        self._taken[seat.path] = seat
        if len(self._taken) > MAX_SEATS:
            self._taken.popitem(last=False)
        return seat

    def find(self, target: bytes) -> tuple[Seat | None, str]:
        """Return the seat that a target belongs to, and the path in it; None where that seat is not taken."""
        path = target.partition(b"?")[0].decode("latin-1")
        if not self.is_class:
            return self.only, path
        parts = path.split("/", 3)
        name = "/".join(parts[:3])
        seat = self._taken.get(name)
        if seat is not None:
            self._taken.move_to_end(name)
        return seat, "/" + parts[3] if len(parts) > 3 else "/"
