"""Barriers: a stream writes frame k+1 only after its client has acknowledged frame k, on another connection.

The order of events then shows whether frame k reached the client before k+1 was written, without measuring time. With
`burst`, `/probe` waits only before the first frame of each burst. The protocol, for a stream whose request named a
barrier ID (16 to 64 letters, digits or `._~-`, chosen by the client):

    POST /probe/ack?barrier=ID&n=K    204: frame K and all frames before it are acknowledged; 0 is the head
    GET /probe/state?barrier=ID       {"instance": …, "written": k, "acked": k, "octets": content written so far,
                                      "is_over": whether the stream has ended; from `forward --barrier` also
                                      "arrived": how its request arrived, with version, target and fields;
                                      "undecoded": why `octets` counts nothing, where the coding is not decoded}
    GET /probe/state?barrier=ID&beyond=K    the same, once more than K frames are written, or the stream has ended

Statuses: 404 for an ID that no stream has open, with the `instance` that answers, as several origins may share a name;
410 instead for one of the last `MAX_OPEN` that are over, from `forward --barrier` with the last state;
409 for a frame that is acknowledged already or not written yet, and for an ID that is open already; 503 for more than
`MAX_OPEN`; 400 for a malformed ID or number.
`origin.probe` and `forward.barrier` write the frames.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from chunkwire.net.heads import Field
from chunkwire.server.journal import JournalEntry
from chunkwire.server.query import Query, bad_value
from chunkwire.server.refusal import Refusal
from chunkwire.wire.errors import ChunkwireError

ACK_PATH: Final = "/probe/ack"
STATE_PATH: Final = "/probe/state"

BARRIER_FIELD: Final = b"Chunkwire-Barrier"
"""The field that names a request's barrier, for applications that are not ours (`forward --barrier`)."""
STATE_WORD: Final = "; state"
"""After the ID in that field: the request asks for the state."""

HINTS: Final[dict[str, Field]] = {
    "accel": (b"X-Accel-Buffering", b"no"),
    "no-transform": (b"Cache-Control", b"no-cache, no-transform"),
    "incremental": (b"Incremental", b"?1"),
}
"""Fields that ask hops not to buffer or change the response: of nginx, RFC 9111 §5.2.2.6, and RFC 10036. Their names
are values of `hints` in `/probe`, and stand after the ID in the field."""

MAX_OPEN: Final = 64
"""Barriers open at once in one process. Each is a waiting stream; a probe opens one at a time."""

IDLE_SECONDS: Final = 60.0
"""A stream that waits so long without an acknowledgement is cut, and its ID removed (as long as nginx's timeouts)."""

BEYOND_SECONDS: Final = 20.0
"""The longest wait of a request for the state: less than the timeout of proxies for a response head."""

STATE_FIELDS: Final[tuple[Field, ...]] = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))

_ID: Final = re.compile(r"[0-9A-Za-z._~-]{16,64}", re.ASCII)
_MAX_FRAMES: Final = 10**9


class BarrierIdle(ChunkwireError):
    """The client acknowledged nothing for `IDLE_SECONDS`."""


class Barrier:
    """Counts the frames of one stream that were written and acknowledged.

    Attributes:
        written: frames that have been written to the socket.
        acked: number of the last acknowledged frame; -1 until the head is acknowledged, if the stream waits for it.
        octets: of content in the frames written, without a content coding.
        arrived: how the request of the stream arrived; empty where the journal has it.
        undecoded: why `octets` does not count content: its coding is not decoded; empty where it is, or there is none.
    """

    def __init__(self, acked: int = 0) -> None:
        self.written = 0
        self.acked = acked
        self.octets = 0
        self.is_over = False
        self.arrived: dict[str, object] = {}
        self.undecoded = ""
        self._changed = trio.Event()

    def note_written(self, octets: int) -> None:
        """Count another frame as written."""
        self.written += 1
        self.octets += octets
        self._wake()

    def acknowledge(self, n: int) -> None:
        """Acknowledge frame `n`; 0 is the head.

        Raises:
            Refusal: 409, it was acknowledged already, or is not written yet.
        """
        if not self.acked < n <= self.written:
            first = self.acked + 1
            expected = f"from {first} to {self.written}" if first <= self.written else "later, when more is written"
            raise Refusal(409, "barrier-order", f"n: expected one {expected}, got {n}")
        self.acked = n
        self._wake()

    async def wait_acked(self, n: int) -> None:
        """Wait until frame `n` has been acknowledged.

        Raises:
            BarrierIdle: no frame was acknowledged for `IDLE_SECONDS`.
        """
        while self.acked < n:
            acked = self.acked
            with trio.move_on_after(IDLE_SECONDS):
                while self.acked == acked:
                    await self._changed.wait()
            if self.acked == acked:
                raise BarrierIdle(f"expected frame {n} to be acknowledged within {IDLE_SECONDS:g} s, got nothing")

    async def wait_beyond(self, n: int) -> None:
        """Wait until more than `n` frames are written or the stream has ended, at most `BEYOND_SECONDS`."""
        with trio.move_on_after(BEYOND_SECONDS):
            while self.written <= n and not self.is_over:
                await self._changed.wait()

    def end(self) -> None:
        """Mark the stream as ended."""
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class StreamOver(Refusal):
    """The stream of a barrier is over.

    Attributes:
        barrier: as it was at the end.
    """

    def __init__(self, barrier: Barrier) -> None:
        super().__init__(410, "barrier", "barrier: its stream is over")
        self.barrier = barrier


class Barriers:
    """The barriers that are open in this process, by their IDs.

    Attributes:
        instance: identifies this process, as several may share an address.
    """

    def __init__(self) -> None:
        self.instance = secrets.token_hex(4)
        self._open: dict[str, Barrier] = {}
        self._over: dict[str, Barrier] = {}  # the last `MAX_OPEN`, the oldest first

    @contextmanager
    def opened(self, name: str, *, awaits_head: bool = False) -> Iterator[Barrier]:
        """Yield a new barrier, which is open until the end of the block.

        Args:
            awaits_head: the first frame also waits, for the acknowledgement of the head (n=0).

        Raises:
            Refusal: the ID is malformed or open already, or too many barriers are open.
        """
        _check_id(name)
        if name in self._open:
            raise Refusal(409, "barrier-open", "barrier: expected an ID that no stream has open")
        if len(self._open) >= MAX_OPEN:
            raise Refusal(503, "barriers", f"barrier: expected at most {MAX_OPEN} open at once")
        barrier = self._open[name] = Barrier(-1 if awaits_head else 0)
        try:
            yield barrier
        finally:
            barrier.end()
            del self._open[name]
            self._over.pop(name, None)
            self._over[name] = barrier
            if len(self._over) > MAX_OPEN:
                del self._over[next(iter(self._over))]

    def acknowledge(self, query: Query) -> None:
        """Acknowledge the frame in a query: `barrier` and `n`.

        Raises:
            Refusal: 400, 404 or 409; see the statuses above.
        """
        barrier = self.find(query.text("barrier"))
        if not query.values("n"):
            raise bad_value("n", "the number of a frame", "")
        barrier.acknowledge(query.count("n", 0, at_most=_MAX_FRAMES))

    async def state(self, query: Query) -> bytes:
        """Return the state of the barrier in a query, as JSON.

        Raises:
            Refusal: a parameter is malformed, or no stream has this ID open.
        """
        barrier = self.find(query.text("barrier"))
        if query.values("beyond"):
            await barrier.wait_beyond(query.count("beyond", 0, at_most=_MAX_FRAMES))
        return self.state_of(barrier)

    def state_of(self, barrier: Barrier) -> bytes:
        """Return the state of a barrier as JSON."""
        about = {"instance": self.instance, "written": barrier.written, "acked": barrier.acked}
        about |= {"octets": barrier.octets, "is_over": barrier.is_over}
        about |= {"arrived": barrier.arrived} if barrier.arrived else {}
        about |= {"undecoded": barrier.undecoded} if barrier.undecoded else {}
        return json.dumps(about).encode() + b"\n"

    def find(self, name: str) -> Barrier:
        """Return an open barrier.

        Raises:
            StreamOver: it is over.
            Refusal: 400, the ID is malformed; 404, no stream has it open.
        """
        _check_id(name)
        if name not in self._open:
            if name in self._over:
                raise StreamOver(self._over[name])
            raise Refusal(404, "barrier", f"barrier: no stream has it open at instance {self.instance}")
        return self._open[name]


def is_about_barrier(entry: JournalEntry) -> bool:
    """Say whether an exchange of our origin was an acknowledgement or a request for a state, and had its answer.

    A probe sends many of these, so they are logged at DEBUG, but only by the server that keeps the barriers: no client
    and no upstream can keep an exchange out of the log of a gateway that relays it.
    """
    is_answered = entry.status < 500 and entry.rule in ("", "barrier", "barrier-order")
    return is_answered and entry.request.target.partition(b"?")[0] in (ACK_PATH.encode(), STATE_PATH.encode())


def _check_id(name: str) -> None:
    if not _ID.fullmatch(name):
        raise bad_value("barrier", "16 to 64 letters, digits, or ._~-", name)
