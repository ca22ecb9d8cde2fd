"""Ask for a stream behind a barrier: each frame is acknowledged before the next one is written (`origin.barrier`).

The rule here: ask, acknowledge, and record what had come by then; `holding` says what that means. While a frame is
missing, other requests go through the same hop. If the hop answers them, it was scheduled after the frame was written,
so that a slow machine is not taken for a hold. Times only bound the waits.
"""

from __future__ import annotations

import itertools
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from chunkwire import client
from chunkwire.client.views import content
from chunkwire.net.dial import DialError, Url
from chunkwire.origin.barrier import ACK_PATH, BARRIER_FIELD, STATE_PATH, STATE_WORD
from chunkwire.record.values import AckRecord, EndRecord, HeadRecord, Record
from chunkwire.tools.paint import number
from chunkwire.tools.probe.arrival import joined
from chunkwire.tools.probe.holding import HELD_SHARE, MIN_HELD, ORDER_REQUESTS, SOME_REQUESTS
from chunkwire.tools.probe.requests import PROBE_PATH, Ask, parameters, with_parameters
from chunkwire.tools.probe.side_requests import BarrierRequests, SideRequests, count_in, is_of_another
from chunkwire.tools.probe.unproved import Undecided, not_at, unanswered, undecoded
from chunkwire.tools.stamps import ContentReader
from chunkwire.wire.abnf import number_of
from chunkwire.wire.errors import ChunkwireError

PATIENCE_SECONDS: Final = 15.0
"""How long nothing may come, and nothing be answered, before a run is undecided."""

SETTLE_SECONDS: Final = 1.0
"""How much longer to wait for a frame that is missing after enough answers: a hop that holds for a time, or a thread
that waited for a core, still sends it. Once one did not come, there is no such wait. Five times a corked socket."""

PROMPT_SECONDS: Final = 10.0
"""After so long an application's stream is left, if no frame was held: one that never ends says no more later."""

_AT_ONCE_SECONDS: Final = 0.01  # a frame that comes within this needs no request through the hop
_RETRY_SECONDS: Final = 0.02  # between two requests where the first brought no state, or the frame is not written yet
_TURNS: Final = 3  # iterations of trio's loop, in which the reader takes what had come before an answer did
_LATER_REQUESTS: Final = 3  # for each frame, once `MIN_HELD` frames were proved to be held and one did not come
_ENOUGH_LATE: Final = 4  # frames that came late by themselves: the others would take as long
_ENOUGH_RELEASES: Final = 3  # of frames that were held until more was written: they show how much the hop gathers


@dataclass(slots=True)
class BarrierProbe:
    """One stream behind a barrier."""

    ask: Ask  # the stream; with `gateway` as it is, else with parameters for our origin's `/probe`
    origin: Url | None = None  # of a probe at the origin itself, to acknowledge there first; None: through the hop
    gateway: Url | None = None  # where a `forward --barrier` stands in front of an application; None for our origin
    tls: ssl.SSLContext | None = None
    patience: float = PATIENCE_SECONDS  # s, see `PATIENCE_SECONDS`
    settle: float = SETTLE_SECONDS  # s, see `SETTLE_SECONDS`
    most: float = math.inf  # s after which an application's stream is left, between two frames, if it has not ended
    most_prompt: float = math.inf  # the same where no frame was held
    records: list[Record] = field(default_factory=list)  # of the stream, with its acknowledgements
    report_progress: Callable[[str], None] = lambda _: None  # called with what is waited for, and until when
    undecided: str = ""  # why the order shows nothing; empty where it does, or where nothing knows the barrier
    side: BarrierRequests = field(init=False)  # the requests about the barrier, and what they found out
    is_barrier: bool = False  # something behind the hop has answered as one that knows the barrier
    _reader: ContentReader = field(default_factory=ContentReader)
    _began: float = 0.0
    _octets: int = 0
    _own: int = 0  # octets of content that the hop itself sent, before its request came to `gateway`
    _reads: int = 0  # with content
    _stamps: int = 0
    _ends: list[int] = field(default_factory=list)
    _proofs: int = 0
    _late: int = 0
    _held: int = 0
    _releases: int = 0
    _overtaking: int = 0
    _status: int = 0  # of the final response; 0 before it
    _is_left: bool = False
    _last: AckRecord | None = None
    _changed: trio.Event = field(default_factory=trio.Event)
    _ack_ways: list[Url] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.gateway is not None:
            self.gateway = replace(self.gateway, target=PROBE_PATH)
        self.side = BarrierRequests(self.gateway, SideRequests(self.tls, self.patience))
        ways = (self.gateway,) if self.gateway is not None else (self.origin, self.ask.url)
        self._ack_ways = [way for way in dict.fromkeys(ways) if way is not None]

    async def run(self) -> None:
        """Ask for the stream and bring it to its end, frame by frame.

        Raises:
            DialError: there was no connection to ask on.
        """
        self._began = time.monotonic()
        failed, is_cancelled = None, True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._acknowledge_all, nursery.cancel_scope, name="acknowledge")
                failed = await self._receive()
            is_cancelled = False
        finally:
            if is_cancelled and self._last is not None and self._last.n >= MIN_HELD:
                end = self.records[-1]
                self._is_left = not isinstance(end, EndRecord) or end.framing == "client-gone"
            self.side.requests.close()
            if self._is_left:
                self._note_leaving(time.monotonic() - self._began)
        if failed is not None:
            raise failed

    async def _receive(self) -> DialError | None:
        """Receive the stream; return why there was no connection. It is not raised here: a nursery would group it."""
        ask = self.ask
        if self.gateway is not None:
            named = f"{self.side.name}; {ask.hint}" if ask.hint else self.side.name
            ask = replace(ask, fields=(*ask.fields, (BARRIER_FIELD, named.encode())))
        else:
            ask = replace(ask, url=with_parameters(ask.url, {"barrier": self.side.name, "ack_head": "1"}))
        try:
            async with client.open(
                ask.method,
                ask.url,
                fields=ask.fields,
                body=ask.body,
                tls=self.tls,
                record_to=self._record,
                version=ask.version,
            ) as stream:
                async for read in stream.reads(whole_frames=False):
                    octets = content(read)
                    self._octets += len(octets)
                    self._reads += bool(octets)
                    self._stamps += len(self._reader.feed(octets)[0])
                    self._wake()
        except DialError as error:
            return error
        except ChunkwireError:
            pass  # the records say how it ended
        finally:
            self.side.is_over = True
            self._wake()
        return None

    def _check_decoded(self, error: object) -> None:
        """Raise `Undecided` where content is not decoded, here or at the gateway: no end of a frame is known."""
        if error:
            raise Undecided(undecoded(str(error), self.ask))

    def _record(self, record: Record) -> None:
        self.records.append(record)
        if isinstance(record, HeadRecord) and record.status >= 200:
            self._status = record.status
            self._reader = ContentReader(joined(record.fields, "content-encoding"))
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _note_leaving(self, t: float) -> None:
        """Record that we stopped, in place of the end that our leaving made; without a head there is none."""
        if isinstance(self.records[-1], EndRecord):
            self.records.pop()
        end = EndRecord(1, "client.received", t, "stopped", "unknown", 0, None, self._reads, self._octets, 0, "")
        self.records.append(end)

    @property
    def _whole(self) -> int:
        """How many frames have come whole, content decoded."""
        if self.gateway is None:
            return self._stamps
        return sum(self._own + end <= self._reader.octets for end in self._ends)

    def _has(self, n: int) -> bool:
        return bool(self._status) if not n else self._whole >= n

    async def _wait_for(self, n: int, seconds: float) -> bool:
        """Wait so long for frame `n`, or for the end of the stream; say whether it has come."""
        with trio.move_on_after(seconds):
            while not self._has(n) and not self.side.is_over:
                await self._changed.wait()
        return self._has(n)

    async def _acknowledge_all(self, scope: trio.CancelScope) -> None:
        try:
            if self.gateway is None:
                await self._acknowledge_probe()
            else:
                await self._acknowledge_application()
            self._check_decoded(self._reader.error)
            if not self._is_enough:
                with trio.move_on_after(self.patience):
                    while not self.side.is_over:
                        await self._changed.wait()
                    return
                raise Undecided(f"the stream did not end within {self.patience:g} s after its last frame")
        except Undecided as error:
            self.undecided = str(error)
        scope.cancel()

    @property
    def _is_enough(self) -> bool:
        """The stream was left, or enough frames came late by themselves: the others would take as long."""
        return self._is_left or (self._late >= _ENOUGH_LATE and self._overtaking >= ORDER_REQUESTS)

    @property
    def _is_shown(self) -> bool:
        """A hold is proved, and what has come says how much is gathered: a stream without an end shows no more."""
        is_held = self._proofs >= MIN_HELD and self._held >= HELD_SHARE * len(self._ends)
        return is_held and self._releases >= _ENOUGH_RELEASES

    async def _acknowledge_probe(self) -> None:
        asked = parameters(self.ask.url)
        total, burst = (number_of(asked.get(name, "1")) for name in ("n", "burst"))
        for n in itertools.chain((0,), range(burst or 1, total or 0, burst or 1), (total or 0,)):
            if self.side.is_over or self._is_enough:
                return
            await self._await_and_acknowledge(n)

    async def _acknowledge_application(self) -> None:
        assert self.gateway is not None
        while not self.side.is_over and not self._is_enough:
            with trio.move_on_after(self._seconds_left) as limit:
                state = await self._next_written(len(self._ends))
            if limit.cancelled_caught:
                self._is_left = not self.side.is_over
                return
            if state is None:
                break
            self._check_decoded(state.get("undecoded"))
            self._ends += [count_in(state, "octets")]
            self._report_frames()
            await self._await_and_acknowledge(len(self._ends))
            if self._is_shown:
                self._is_left = not self.side.is_over
        if not self.is_barrier:
            await self.side.state(Ask(url=self.side.url(self.gateway, STATE_PATH), fields=()))

    @property
    def _seconds_left(self) -> float:
        """How long the next frame may take until an application's stream is left, s; it needs `MIN_HELD` frames."""
        most = self.most if self._proofs else self.most_prompt
        return max(0.0, self._began + most - time.monotonic()) if len(self._ends) >= MIN_HELD else math.inf

    async def _next_written(self, n: int) -> dict[str, object] | None:
        """Return the state at the gateway once it has written more than `n` frames; None where no more will come.

        Raises:
            Undecided: within `patience` the gateway does not get the stream, or the application writes nothing more.
        """
        assert self.gateway is not None
        url = self.side.url(self.gateway, STATE_PATH, f"&beyond={n}")
        since, is_found, misses = trio.current_time(), False, 0
        where = self.gateway.authority.decode("ascii")
        while not self.side.is_over:
            octets = self._reader.octets
            state = await self.side.state(Ask(url=url, fields=()))
            is_found = is_found or state is not None
            if state is not None and count_in(state, "written") > n:
                self.is_barrier = True
                return state
            if state.get("is_over") if state is not None else n:
                return None  # without a state: it is over, and forgotten
            misses += 1
            if self.side.is_missing:
                self._own = octets
            if not is_found and misses % ORDER_REQUESTS == 0:
                self.report_progress(f"its request is not at {where} yet: waits for it for {self.patience:g} s")
                if self._status and await self._leads_elsewhere():
                    raise Undecided(not_at(self.gateway))
            if trio.current_time() - since > self.patience:  # a hop may send a head, and content of its own, before
                if is_found:
                    raise Undecided(f"the application wrote nothing more within {self.patience:g} s")
                if misses >= ORDER_REQUESTS:
                    raise Undecided(not_at(self.gateway, self.patience))
                raise Undecided(f"the barrier gave too few answers within {self.patience:g} s")
            await trio.sleep(_RETRY_SECONDS if state is None else 0)
        return None

    async def _leads_elsewhere(self) -> bool:
        """Say whether the hop answers requests for the state as it answers the stream: by something else's answers.

        Those that reach the gateway are answered by itself, whatever their target is.
        """
        with trio.move_on_after(SETTLE_SECONDS):
            for _ in range(SOME_REQUESTS):
                await self.side.state(self._state_ask())
                if not self._status or self.side.foreign != self._status:
                    return False
            return True
        return False

    def _report_frames(self) -> None:
        """Say how much has come, and how long more is awaited."""
        most = self.most if self._proofs else self.most_prompt
        until = f"; to its end, {most:g} s, or Ctrl-C" if math.isfinite(most) else ""
        so_far = "held" if self._held >= MIN_HELD else "not held"
        self.report_progress(f"{self._whole} of {number(len(self._ends), 'frame')} came: {so_far} so far{until}")

    async def _await_and_acknowledge(self, n: int) -> None:
        """Wait until frame `n` has come, or so many requests were answered that it is held; acknowledge it.

        Where the stream has ended without it, nothing is acknowledged.
        """
        answered = await self._count_answers(n)
        self._check_decoded(self._reader.error)
        came = self._has(n)
        if n:
            self._proofs += answered >= ORDER_REQUESTS
            self._late += came and answered >= SOME_REQUESTS
            self._overtaking += answered
            self._held += not came or answered >= ORDER_REQUESTS
            last = self._last
            self._releases += last is not None and not last.came and self._whole > last.whole
            if not came:
                self.settle = 0.0  # the next ones need no proof that they do not come by themselves
        if self.side.is_over and not came:
            return
        t = time.monotonic() - self._began
        self._last = AckRecord(1, "client.received", t, n, answered, self._octets, self._whole, came)
        self.records.append(self._last)
        await self._acknowledge(n)

    async def _count_answers(self, n: int) -> int:
        """Wait for frame `n`; return how many requests the hop answered while it was written and missing.

        Raises:
            Undecided: none was answered by the barrier within `patience`.
        """
        answered, since = 0, trio.current_time()
        enough = ORDER_REQUESTS if self._proofs < MIN_HELD or self.settle else _LATER_REQUESTS
        if await self._wait_for(n, _AT_ONCE_SECONDS):
            return 0
        while answered < enough and not self.side.is_over:
            state = await self.side.state(self._state_ask())
            for _ in range(_TURNS):
                await trio.lowlevel.checkpoint()
            if self._has(n):
                return answered
            if state is not None and count_in(state, "written") >= n:
                answered, since, self.is_barrier = answered + 1, trio.current_time(), True
            elif trio.current_time() - since > self.patience:
                status, is_missing = self.side.foreign, self.side.is_missing
                why = unanswered(self.patience, status=status, is_missing=is_missing, is_unwritten=state is not None)
                raise Undecided(why)
            else:
                await self._wait_for(n, _RETRY_SECONDS)
        await self._wait_for(n, self.settle if n else min(self.settle, SETTLE_SECONDS / 4))
        return answered

    def _state_ask(self) -> Ask:
        """Return the request for the state on the way that the stream takes."""
        ask = self.ask
        if self.gateway is not None:
            named = (*ask.fields, (BARRIER_FIELD, (self.side.name + STATE_WORD).encode()))
            return replace(ask, fields=named, body=None)
        return replace(ask, url=self.side.url(ask.url, STATE_PATH), method="GET", body=None)

    async def _acknowledge(self, n: int) -> None:
        """Acknowledge a frame: at the origin or the gateway itself where that is known, else through the hop.

        A way on which one is refused is not tried again.

        Raises:
            Undecided: the acknowledgement is refused everywhere.
        """
        while self._ack_ways:
            url = self.side.url(self._ack_ways[0], ACK_PATH, f"&n={n}")
            if await self._is_taken(replace(self.ask, url=url, method="POST", body=None)):
                return
            del self._ack_ways[0]
        raise Undecided(f"the acknowledgement of frame {n} was not taken")

    async def _is_taken(self, ask: Ask) -> bool:
        """Say whether an acknowledgement was taken, or the stream is over; ask again while another instance answers."""
        with trio.move_on_after(self.patience):
            while not self.side.is_over:
                status, content = await self.side.ask(ask)
                if status in (204, 409, 410):  # 409: it was taken before, and the answer got lost; 410: it is over
                    self.is_barrier = True
                    return True
                if not is_of_another(status, content):
                    break
        return self.side.is_over
