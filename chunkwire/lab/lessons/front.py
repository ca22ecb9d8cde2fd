"""The one address of a class: watch a lesson's connections and relay them to its servers; relay others to the lab.

The rule here: the path in the first line, which only its learner knows, selects the server for the whole connection. No
octet is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import trio

from chunkwire.lab.lessons.lesson import ORIGIN, LessonAddress
from chunkwire.lab.lessons.tee import OnChange, Tee
from chunkwire.lab.seat import Seat
from chunkwire.net.listen import Address, Drain, bound_addresses, open_listeners, serve_connections

FIRST_LINE_SECONDS: Final = 300.0
"""To receive the first line; as long as a server waits for a head, because people type."""
FIRST_LINE_OCTETS: Final = 4096
"""The part of a first line that is searched for the path of a lesson."""

LESSON_PATH: Final = "/lesson"
"""What follows the path of a learner's seat, so that no path of a lesson is also one of the lab."""


class ClassFront:
    """The listener of a class."""

    def __init__(self) -> None:
        self._lab: Tee | None = None
        self._port = 0
        self._tees: dict[bytes, Tee] = {}  # by path, without the leading slash

    async def serve(
        self,
        listen: Address | str,
        lab: Address,
        *,
        task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen until cancelled; `lab` is where the lab's own server listens, on loopback.

        Raises:
            ListenError: the address cannot be bound.
        """
        listeners = await open_listeners(listen)
        self._lab = Tee("lab", lab, None)
        bound = bound_addresses(listeners)
        self._port = bound[0].port
        task_status.started(bound)
        await serve_connections(listeners, self.handle, drain=Drain())

    def of(self, seat: Seat, name: str) -> Front:
        """Return one learner's part; `serve` must have begun.

        Args:
            name: by which this learner reaches the class.
        """
        return Front(self._tees, Address(name.strip("[]"), self._port), seat.path)  # str(Address) adds the brackets

    async def handle(self, client: trio.SocketStream) -> None:
        """Pass a connection to the tee of the path in its first line, else to the lab's tee; the caller closes it."""
        first = b""
        with trio.move_on_after(FIRST_LINE_SECONDS) as waiting:
            try:
                while b"\n" not in first and len(first) < FIRST_LINE_OCTETS:
                    more = await client.receive_some()
                    first += more
                    if not more:
                        break
            except trio.BrokenResourceError:
                return
        if waiting.cancelled_caught or not first:
            return
        line = first.partition(b"\n")[0]
        # The longest match: a hop's path begins with the origin's path.
        path = max((path for path in self._tees if path in line), key=len, default=None)
        tee = self._lab if path is None else self._tees[path]
        if tee is not None:  # for the type checker: `serve` sets the lab's before it accepts
            await tee.handle(client, first)


class Front:
    """The part of a class's front that is one learner's.

    Args:
        tees: of the whole class.
        public: how learners reach the class.
        seat_path: what the learner's addresses begin with.
    """

    def __init__(self, tees: dict[bytes, Tee], public: Address, seat_path: str) -> None:
        self._tees = tees
        self._public = public
        self._path = seat_path + LESSON_PATH
        self._opened: dict[bytes, Tee] = {}

    def paths(self, hops: Iterable[str]) -> tuple[str, ...]:
        """Return the prefixes of targets at the origin: of direct requests, and of those through each hop."""
        return (self._path, *(f"{self._path}/{hop}" for hop in hops))

    def open(self, name: str, server: Address, on_change: OnChange) -> LessonAddress:
        """Open the address of a server to this learner, and return it."""
        path = self._path if name == ORIGIN else f"{self._path}/{name}"
        key = path.strip("/").encode()  # the first line may be typed with a leading slash or without
        self._tees[key] = self._opened[key] = Tee(name, server, on_change, path=path)
        return LessonAddress(self._public, path)

    def close(self) -> None:
        """Close all addresses, except those that a later session has opened again. New connections go to the lab."""
        for key, tee in self._opened.items():
            if self._tees.get(key) is tee:
                del self._tees[key]
        self._opened.clear()
