"""Ask for a stream behind a barrier: each frame is acknowledged before the next one is written (`origin.barrier`).

The rule here: this file asks and acknowledges, and records what had come when; what that means is `holding`'s. While a
frame has not come, requests go through the same hop and are answered, so that a slow machine is no false positive: the
hop had the octets, was scheduled, and did other work meanwhile. Times are used for timeouts alone.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from chunkwire import client
from chunkwire.net.dial import DialError, Url
from chunkwire.origin.barrier import ACK_PATH, BARRIER_FIELD, STATE_PATH, STATE_WORD
from chunkwire.record.values import AckRecord, HeadRecord, Record
from chunkwire.tools.probe.arrival import joined
from chunkwire.tools.probe.beside import Beside
from chunkwire.tools.probe.holding import MIN_HELD, ORDER_REQUESTS, SOME_REQUESTS
from chunkwire.tools.probe.requests import PROBE_PATH, Ask, parameters, with_parameters
from chunkwire.tools.stamps import ContentReader
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.frames import Data

PATIENCE_SECONDS: Final = 15.0
"""How long nothing may come, and nothing be answered, before a run is undecided."""

SETTLE_SECONDS: Final = 1.0
"""How much longer to wait for the first frame that did not come while requests were answered: a hop that holds for a
time then sends it, and so does one whose thread waits for a core. Five times a corked socket (200 ms)."""

_AT_ONCE_SECONDS: Final = 0.01  # a frame that comes within this needs no request through the hop
_RETRY_SECONDS: Final = 0.02  # between two requests of which the first was not answered
_TURNS: Final = 3  # of trio's loop, in which the reader takes what had come before an answer did
_LATER_REQUESTS: Final = 3  # for each frame after those that prove that frames are held
_ENOUGH_LATE: Final = 4  # frames that came late by themselves: the others would take as long
_MAX_OTHERS: Final = 200  # answers by instances that do not have the barrier, before we give up on this one
_OTHERS_AT_ONCE: Final = 40  # of these without a pause: of eight workers, one in 200 such series misses the right one


class Undecided(ChunkwireError):
    """The order of events shows nothing: requests beside the stream are not answered, or it is no stream of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierRun:
    """What came of one run.

    Attributes:
        records: of the stream, and its acknowledgements.
        undecided: why the order shows nothing; empty where it does.
        is_barrier: something behind the hop knows the barrier.
    """

    records: list[Record]
    undecided: str
    is_barrier: bool


@dataclass(slots=True)
class BarrierProbe:
    """One stream behind a barrier.

    Attributes:
        ask: the stream; with `gateway` as it is, else with parameters for our origin's `/probe`.
        origin: a URL of a probe at the origin itself, to acknowledge there; None: through the hop.
        gateway: where a `forward --barrier` stands in front of an application; None for our origin.
        settle: s, see `SETTLE_SECONDS`.
    """

    ask: Ask
    origin: Url | None = None
    gateway: Url | None = None
    tls: ssl.SSLContext | None = None
    patience: float = PATIENCE_SECONDS
    settle: float = SETTLE_SECONDS
    records: list[Record] = field(default_factory=list)
    undecided: str = ""
    is_barrier: bool = False
    _name: str = field(default_factory=lambda: secrets.token_hex(8))
    _reader: ContentReader = field(default_factory=ContentReader)
    _began: float = 0.0
    _octets: int = 0
    _stamps: int = 0
    _others: Beside = field(init=False)
    _ends: list[int] = field(default_factory=list)
    _proofs: int = 0
    _late: int = 0
    _overtaking: int = 0
    _has_head: bool = False
    _is_over: bool = False
    _changed: trio.Event = field(default_factory=trio.Event)
    _ack_ways: list[Url] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._others = Beside(self.tls, self.patience)

    async def run(self) -> BarrierRun:
        """Ask for the stream and bring it to its end, frame by frame.

        Raises:
            DialError: there was no connection to ask on.
        """
        self._began = time.monotonic()
        failed: DialError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._conduct, nursery.cancel_scope, name="acknowledge")
            try:
                await self._receive()
            except DialError as error:
                failed = error  # raised below: out of here it would come in a group
            except ChunkwireError:
                pass  # the records say how it ended
            finally:
                self._is_over = True
                self._wake()
        self._others.close()
        if failed is not None:
            raise failed
        return BarrierRun(records=self.records, undecided=self.undecided, is_barrier=self.is_barrier)

    # ---- the stream ----------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        ask, named = self.ask, self._stream_ask()
        async with client.open(
            ask.method, named.url, fields=named.fields, body=ask.body, tls=self.tls, record_to=self._record
        ) as stream:
            async for read in stream.reads(whole_frames=False):
                for event in read.events:
                    if isinstance(event, Data):
                        self._octets += len(event.octets)
                        self._stamps += len(self._reader.feed(event.octets)[0])
                self._wake()

    def _stream_ask(self) -> Ask:
        if self.gateway is not None:
            return replace(self.ask, fields=(*self.ask.fields, (BARRIER_FIELD, self._name.encode())))
        return replace(self.ask, url=with_parameters(self.ask.url, {"barrier": self._name, "ack_head": "1"}))

    def _record(self, record: Record) -> None:
        self.records.append(record)
        if isinstance(record, HeadRecord) and not record.status_line.split(" ", 2)[1].startswith("1"):
            self._has_head = True
            self._reader = ContentReader(joined(record.fields, "content-encoding"))
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    @property
    def _whole(self) -> int:
        """The frames that have come whole, content decoded."""
        if self.gateway is None:
            return self._stamps
        return sum(end <= self._reader.octets for end in self._ends)

    def _has(self, n: int) -> bool:
        return self._has_head if not n else self._whole >= n

    async def _wait_for(self, n: int, seconds: float) -> bool:
        """Wait so long for frame `n`; say whether it has come."""
        with trio.move_on_after(seconds):
            while not self._has(n) and not self._is_over:
                await self._changed.wait()
        return self._has(n)

    # ---- the acknowledgements ------------------------------------------------------------------------------

    async def _conduct(self, scope: trio.CancelScope) -> None:
        try:
            if self.gateway is None:
                await self._conduct_probe()
            else:
                await self._conduct_application()
            if not self._is_enough:
                await self._wait_over()
                return
        except Undecided as error:
            self.undecided = str(error)
        scope.cancel()

    @property
    def _is_enough(self) -> bool:
        """Say whether frames come late by themselves, so that the others would take as long and show no more."""
        return self._late >= _ENOUGH_LATE and self._overtaking >= ORDER_REQUESTS

    async def _conduct_probe(self) -> None:
        asked = parameters(self.ask.url)
        total, burst = (int(asked[name]) if asked.get(name, "").isdigit() else 1 for name in ("n", "burst"))
        for n in (0, *range(burst, total, burst), total):
            if not self._is_over and not self._is_enough:
                await self._pass(n)

    async def _conduct_application(self) -> None:
        n = 0
        while not self._is_over and not self._is_enough:
            state = await self._next_written(n)
            if state is None:
                return
            self._ends += [_number(state, "octets")]
            n += 1
            await self._pass(n)

    async def _next_written(self, n: int) -> dict[str, object] | None:
        """Return the state at the gateway once it has written more than `n` frames; None where no more will come."""
        assert self.gateway is not None
        others, since = 0, trio.current_time()
        while not self._is_over:
            query = b"?barrier=%b&beyond=%d" % (self._name.encode(), n)
            state = await self._state(Ask(url=replace(self.gateway, target=STATE_PATH.encode() + query), fields=()))
            if state is not None and _number(state, "written") > n:
                return state
            if state is not None and state.get("is_over"):
                return None
            if state is None and n:
                return None  # it is over, and forgotten
            if trio.current_time() - since > self.patience:
                raise Undecided(f"the application wrote nothing more within {self.patience:g} s")
            others += state is None
            if others > _MAX_OTHERS or others * _RETRY_SECONDS > self.patience:
                raise Undecided("the request does not come to the gateway that --barrier-at names")
            await trio.sleep(_RETRY_SECONDS if state is None else 0)
        return None

    async def _pass(self, n: int) -> None:
        """Wait until frame `n` has come, or so many requests were answered that it is held; acknowledge it."""
        answered = await self._outwait(n)
        came = self._has(n)
        if n:
            self._proofs += answered >= ORDER_REQUESTS
            self._late += came and answered >= SOME_REQUESTS
            self._overtaking += answered
        if n and not came:
            self.settle = 0.0  # the next ones need no proof that they do not come by themselves
        if self._is_over and not came:
            return
        t = time.monotonic() - self._began
        whole = self._whole
        self.records.append(AckRecord(1, "client.received", t, n, answered, self._octets, whole, came))
        if n or self.gateway is None:
            await self._acknowledge(n)

    async def _outwait(self, n: int) -> int:
        """Return how many requests were answered through the hop while frame `n` had been written and not come."""
        answered, since = 0, trio.current_time()
        enough = ORDER_REQUESTS if self._proofs < MIN_HELD or self.settle else _LATER_REQUESTS
        if await self._wait_for(n, _AT_ONCE_SECONDS):
            return 0
        while answered < enough and not self._is_over:
            state = await self._state(self._state_ask())
            for _ in range(_TURNS):
                await trio.lowlevel.checkpoint()
            if self._has(n):
                return answered
            if state is not None and _number(state, "written") >= n:
                answered, since, self.is_barrier = answered + 1, trio.current_time(), True
            elif trio.current_time() - since > self.patience:
                raise Undecided(f"no request beside the stream was answered within {self.patience:g} s")
            else:
                await self._wait_for(n, _RETRY_SECONDS)
        await self._wait_for(n, self.settle if n else min(self.settle, SETTLE_SECONDS / 4))
        return answered

    async def _wait_over(self) -> None:
        with trio.move_on_after(self.patience):
            while not self._is_over:
                await self._changed.wait()
        if not self._is_over:
            raise Undecided(f"the stream did not end within {self.patience:g} s after its last frame")

    # ---- requests beside the stream --------------------------------------------------------------------------

    def _state_ask(self) -> Ask:
        """Return the request for the state on the way that the stream takes."""
        ask = self.ask
        if self.gateway is not None:
            named = (*ask.fields, (BARRIER_FIELD, (self._name + STATE_WORD).encode()))
            return replace(ask, fields=named, body=None)
        return replace(ask, url=self._beside(ask.url, STATE_PATH), method="GET", body=None)

    def _beside(self, url: Url, path: str, more: str = "") -> Url:
        prefix = url.target.partition(b"?")[0].removesuffix(PROBE_PATH)
        return replace(url, target=prefix + f"{path}?barrier={self._name}{more}".encode())

    async def _state(self, ask: Ask) -> dict[str, object] | None:
        """Return the state that a request is answered with; None where it is not, or not by an origin of ours."""
        status, content = await self._ask_beside(ask)
        try:
            state = json.loads(content) if status == 200 else None
        except (ValueError, RecursionError):
            return None
        return state if isinstance(state, dict) and "written" in state else None

    async def _ask_beside(self, ask: Ask) -> tuple[int, bytes]:
        """Return status and content of an answer; 0 where there is none.

        Several workers or origins may be behind one name: an answer of another one is asked for again, on a new
        connection. A `forward --barrier` is one process, and its 404 says that the stream is not there yet.
        """
        plain = tuple(each for each in ask.fields if each[0].lower() != b"accept-encoding")
        status, content = 0, b""
        for _ in range(_OTHERS_AT_ONCE if self.gateway is None else 1):
            status, content = await self._others.ask(ask.method, ask.url, plain)
            if not _is_of_another(status, content) or self._is_over:
                break
        return status, content

    async def _acknowledge(self, n: int) -> None:
        """Acknowledge a frame: at the origin or the gateway itself where that is known, else through the hop.

        Raises:
            Undecided: the acknowledgement is refused everywhere.
        """
        more = f"&n={n}"
        if not self._ack_ways:
            ways = [self.gateway] if self.gateway is not None else [self.origin, self.ask.url]
            self._ack_ways = [way for way in dict.fromkeys(ways) if way is not None]
        while self._ack_ways:
            way = self._ack_ways[0]
            url = self._beside(replace(way, target=b"") if self.gateway is not None else way, ACK_PATH, more)
            if await self._is_taken(replace(self.ask, url=url, method="POST", body=None)):
                self.is_barrier = True
                return
            del self._ack_ways[0]
        raise Undecided(f"the acknowledgement of frame {n} was not taken")

    async def _is_taken(self, ask: Ask) -> bool:
        """Say whether an acknowledgement was taken; where others answer for the same name, ask until it was."""
        with trio.move_on_after(self.patience):
            while True:
                status, content = await self._ask_beside(ask)
                if status in (204, 409) or self._is_over:  # 409: it was taken before, and the answer got lost
                    return True
                if not _is_of_another(status, content):
                    return False
        return False


def _is_of_another(status: int, content: bytes) -> bool:
    """Say whether an answer is that of an instance which does not have the barrier (`origin.barrier`)."""
    return status == 404 and b"instance" in content


def _number(state: dict[str, object], name: str) -> int:
    value = state.get(name)
    return value if isinstance(value, int) else 0
