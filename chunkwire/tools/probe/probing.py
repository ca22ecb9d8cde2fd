"""Probe one hop: send the requests that a verdict on it needs, and record the answers.

The rule here: this file only asks; `judge` says what the answers mean. A hop that streams our `/probe` is asked three
or four times, in a few seconds. One that seems to hold it is asked again unless an order of events shows that, so that
a stall of this machine is no finding; then with events of other sizes, without a content coding and with a POST, to
find out what it waits for. Of any other stream there is one run, and more where it seems to be held.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from chunkwire import client
from chunkwire.net.dial import DialError, Url
from chunkwire.record.values import DataRecord, FrameRecord, Record
from chunkwire.tools.probe.arrival import Run, read_run
from chunkwire.tools.probe.barrier import PATIENCE_SECONDS, PROMPT_SECONDS, SETTLE_SECONDS, BarrierProbe
from chunkwire.tools.probe.defects import defect_of, is_left
from chunkwire.tools.probe.holding import BUSY_SECONDS, Shape, observe
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.probe.reaching import connecting_time, offers_h2, undecoded_for_browsers
from chunkwire.tools.probe.requests import (
    ACCEPT_ENCODING,
    BURSTS,
    DELAYED,
    MARKED,
    ORDERED_PACE,
    PACE,
    PROBE_PATH,
    Ask,
    Entry,
    Fields,
    describe_arrival,
    is_probe,
    journal_url,
    last_entry,
    lost_parameters,
    overridden,
    parameters,
)
from chunkwire.tools.probe.side_requests import content_of
from chunkwire.tools.probe.unproved import ENDED_AT_ONCE, not_at
from chunkwire.tools.probe.verdict import ELSEWHERE
from chunkwire.wire.errors import ChunkwireError, describe_error

REPEATS: Final = 2
"""More runs of a request that seems held by time: three in all, of which two must agree."""

MAX_BUSY_RUNS: Final = 5
"""Most runs of one request; those in which our own timer was late do not count."""

GRACE_SECONDS: Final = 15.0
"""How long a response may take beyond what the origin plans: a hop may hold for long."""

UNPLANNED_SECONDS: Final = 10.0
"""How long a stream is watched whose length is not known from its URL."""

ORDERED_SECONDS: Final = 20.0
"""How long a stream is watched behind the barrier of an application once a frame was held. That it is held is then
known; the time is for finding out how much the hop gathers: 4 KiB come in it at 200 octets a second."""

STOP_SHARE: Final = 0.9
"""Share of the time for a run after which one behind a barrier stops between two frames, so that it can be judged."""

MAX_RECORDS: Final = 50_000
MAX_OCTETS: Final = 64 << 20
"""How much of a stream is watched at most, or twice what it was asked for if that is more."""

MAX_KEPT_OCTETS: Final = 4 << 20
"""How much content is kept, or what was asked for if that is more; of the rest only sizes and times are kept. Our
largest run has 0.3 MB."""

TICK_SECONDS: Final = 0.005
"""How often the lateness of our own timer is measured: a quarter of a hold."""

_H2: Final = "asked over HTTP/1.1, where browsers get HTTP/2"
_CODING: Final = "asked without {}, which is not decoded here and which browsers get"

CLOCK: Final = "this machine's"


@dataclass(slots=True)
class Lateness:
    """Measures the most that our own timer was late, s. If it was late, so were our reads."""

    worst: float = 0.0

    async def measure(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + TICK_SECONDS
            await trio.sleep(TICK_SECONDS)
            self.worst = max(self.worst, time.monotonic() - due)


class RunRecords(list[Record]):
    """The records of one run, with a bounded amount of content.

    Attributes:
        scope: in which the run is to take place; it is cancelled when too much comes.
        excess: what came that was too much; empty where it was not.
    """

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        planned = ask.planned_octets
        self.scope = trio.CancelScope()
        self.excess = ""
        self._most, self._most_kept = max(MAX_OCTETS, 2 * planned), max(MAX_KEPT_OCTETS, planned)
        self._octets = 0

    def append(self, record: Record) -> None:
        """Keep a record; without its content once there is enough of that."""
        if isinstance(record, FrameRecord | DataRecord):
            self._octets += record.size
            if self._octets > self._most_kept:
                record = record._replace(data=None)
        super().append(record)
        if len(self) > MAX_RECORDS or self._octets > self._most:
            self.excess = f"more than {self._most >> 20} MB or {MAX_RECORDS} frames came"
            self.scope.cancel()


@dataclass(slots=True, kw_only=True)
class Prober:
    """Asks hops, and hands on the records of their answers."""

    # Of every request, as the user gave them: method, fields, body.
    method: str = "GET"
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None
    defaults: Fields = (ACCEPT_ENCODING,)  # fields that are sent unless `fields` has the same name
    tls: ssl.SSLContext | None = None  # for https URLs; None takes the system's roots
    max_time: float = math.inf  # s for one run; inf: as `limit_of` says; behind a barrier `PROMPT_SECONDS`
    # takes every record, with the name of its hop; each run is a stream with its own number
    record_to: Callable[[Record], None] | None = None
    report_progress: Callable[[str], None] = lambda _: None  # called with a line about what is being done
    # a URL of a probe at the origin itself, where acknowledgements are sent first; None: only through each hop
    origin: Url | None = None
    # where a `forward --barrier` stands in front of the application that every URL leads to
    barrier_at: Url | None = None
    patience: float = PATIENCE_SECONDS  # s without a frame and without an answer, after which a run is undecided
    connects: dict[str, float] = field(default_factory=dict)  # by hop, s that a TCP connection took to open
    unproved: dict[str, str] = field(default_factory=dict)  # by hop, why the order of events showed nothing
    arrivals: dict[str, Entry] = field(default_factory=dict)  # by hop, how its request reached the origin
    streams: int = 0  # runs so far
    asking: tuple[str, list[Run]] | None = None  # the hop that is being asked, or was when `probe` was cancelled

    async def probe(self, name: str, url: Url, *, is_behind: bool = False) -> Hop:
        """Return what a hop answered, in as many runs as it takes; a hop without a run says why.

        Args:
            is_behind: a hop further in holds the stream, so that one run shows all that can be seen.
        """
        self.report_progress(f"{name}: asking")
        runs: list[Run] = []
        self.asking = (name, runs)
        try:
            self.connects[name] = await connecting_time(url, at_most=self.max_time)
            if self.barrier_at is not None or is_probe(url):
                await self._ask(name, self.plain_ask(url, ORDERED_PACE), runs, is_behind=is_behind)
            unproved = self.unproved.get(name, "")
            if not runs or (unproved and not unproved.startswith(ELSEWHERE)):
                runs.clear()
                await self._ask(name, self.plain_ask(url), runs, is_behind=is_behind)
        except DialError as error:
            if not runs:
                return Hop(name, error=describe_error(error))
        self.asking = None
        arrival = self.arrivals.get(name)
        return Hop(
            name,
            tuple(runs),
            arrived=describe_arrival(arrival) if arrival else "",
            unproved=self.unproved.get(name, ""),
            notes=tuple([note async for note in self._notes(name, url, runs)]),
        )

    async def _notes(self, name: str, url: Url, runs: Sequence[Run]) -> AsyncIterator[str]:
        """Yield half lines of what else is known of a hop."""
        if self.barrier_at is not None and (lost := lost_parameters(url, self.arrivals.get(name, {}))):
            yield f"its request reached your application without {', '.join(lost)} of the query"
        if url.scheme == "https" and await offers_h2(url):
            yield _H2
        is_asked = url.scheme == "https" and runs and runs[0].status == 200
        if is_asked and (coding := await undecoded_for_browsers(self.plain_ask(url), self.tls)):
            yield _CODING.format(coding)
        is_list = url.target == b"/" and self.barrier_at is None and bool(runs) and runs[0].status == 200
        if is_list and observe(runs[0]).shape is Shape.TOO_SHORT:  # it may be our origin's list
            there = replace(url, target=PROBE_PATH)
            if await self._is_probe_of_ours(there):
                yield f"did you mean {there}?"

    async def _is_probe_of_ours(self, url: Url) -> bool:
        """Say whether an event with a stamp comes from a URL."""
        ask = Ask(url=url).varied({"n": "1", "interval": "0"})
        records = RunRecords(ask)
        try:
            await self._run_paced(ask, self.limit_of(ask), records)
        except DialError:
            return False
        return read_run(records, "").is_stamped

    def plain_ask(self, url: Url, pace: Mapping[str, str] = PACE) -> Ask:
        """Return the request that every verdict begins with."""
        ask = Ask(url=url, method=self.method, fields=overridden(self.defaults, self.fields), body=self.body)
        return ask.varied({name: value for name, value in pace.items() if name not in parameters(url)})

    async def _ask(self, name: str, ask: Ask, runs: list[Run], *, is_behind: bool) -> None:
        """Add the runs of a hop; those behind a barrier are incomplete where `unproved` then names the hop."""
        was_unproved = name in self.unproved
        runs.append(await self.run(name, ask, settle=0.0 if is_behind else SETTLE_SECONDS, stopped=runs))
        is_the_stream, is_tried = defect_of(runs[0], None) is None, name not in self.unproved
        if runs[0].is_ordered and is_the_stream and is_tried and observe(runs[0]).shape is Shape.UNDECIDED:
            runs[0] = await self.run(name, ask.varied())
            if observe(runs[0]).shape is Shape.UNDECIDED:
                late = "frames came late, and neither with others nor after enough answers"
                self.unproved.setdefault(name, late if runs[0].units else "no frame came")
        if name in self.unproved and not was_unproved:
            return
        if is_probe(ask.url) and not is_behind and runs[0].head is not None:
            entry = await self.journal(ask.url, runs[0].asked.get("nonce", ""))
            self.arrivals[name] = entry or self.arrivals.get(name, {})
        if is_behind or defect_of(runs[0], None) is not None:
            return
        if runs[0].is_stamped or runs[0].is_ordered:
            await self._follow_up(name, ask, runs)
        elif observe(runs[0]).shape in (Shape.ONE_BURST, Shape.BURSTY):
            await self._repeat(name, ask, runs)

    async def _follow_up(self, name: str, ask: Ask, runs: list[Run]) -> None:
        observed = observe(runs[0])
        if not observed.run.is_ordered and (observed.is_held or not observed.is_timer_on_time):
            await self._repeat(name, ask, runs)
        if 2 * sum(observe(run).is_held for run in runs) > len(runs):
            await self._ask_what_it_waits_for(name, ask, runs)
        elif is_probe(ask.url):
            await self._ask_more_of_a_streaming_hop(name, ask, runs)

    async def _repeat(self, name: str, ask: Ask, runs: list[Run]) -> None:
        """Ask the same again until enough runs count, or there are `MAX_BUSY_RUNS`."""
        self.report_progress(f"{name}: asking again, to be sure")
        for _ in range(MAX_BUSY_RUNS - 1):
            quiet = sum(run.our_delay < BUSY_SECONDS for run in runs)
            if quiet > REPEATS:
                return
            runs.append(await self.run(name, ask.varied()))

    async def _ask_what_it_waits_for(self, name: str, ask: Ask, runs: list[Run]) -> None:
        """Find out what a hop that holds waits for: octets, time, the end of a coding, another method."""
        is_ours, is_to_end = is_probe(ask.url), observe(runs[0]).shape is Shape.TO_END
        sizes = ask.larger_sizes if is_to_end else [ask.other_size]
        for size in sizes if is_ours else ():
            self.report_progress(f"{name}: holds {'to the end' if is_to_end else 'in bursts'}; trying {size} octets")
            runs.append(await self.run(name, ask.varied({"size": str(size)})))
            if observe(runs[-1]).shape is not Shape.TO_END:
                break
        if runs[0].coding:
            runs.append(await self.run(name, ask.without(b"Accept-Encoding")))
        if self.method == "GET" and is_ours:
            runs.append(await self.run(name, ask.varied(method="POST")))

    async def _ask_more_of_a_streaming_hop(self, name: str, ask: Ask, runs: list[Run]) -> None:
        """Ask a hop that streams for frames back to back, for extensions and a trailer, and for a late first event.

        The last one not behind a barrier, which waits for the head in every run.
        """
        self.report_progress(f"{name}: streams; looking closer")
        pace = {"interval": "0"} if runs[0].is_ordered else {}
        for changed in (BURSTS, MARKED) if runs[0].is_ordered else (BURSTS, DELAYED, MARKED):
            for _ in range(1 + REPEATS):  # again while it is held: only if all are is it said to be
                runs.append(await self.run(name, ask.varied({**changed, **pace})))
                if not observe(runs[-1]).is_held:
                    break

    async def run(
        self,
        name: str,
        ask: Ask,
        *,
        settle: float = SETTLE_SECONDS / 4,
        paced_for: float | None = None,
        stopped: list[Run] | None = None,
    ) -> Run:
        """Return one run, however it ended, behind a barrier if that may show an order; hand its records on.

        Args:
            settle: see `BarrierProbe.settle`; 0 behind a hop that holds.
            stopped: gets the run if it is cancelled after frames enough for an order.
            paced_for: s at most, and not behind a barrier, since the pace is what is tried; None for other runs.

        Raises:
            DialError: there was no connection to ask on.
        """
        can_order = name not in self.unproved and (self.barrier_at is not None or is_probe(ask.url))
        records, lateness = RunRecords(ask), Lateness()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lateness.measure, name="our timer")
            failed, is_cancelled = None, True
            try:
                if can_order and paced_for is None:
                    await self._run_ordered(name, ask, settle, records)
                else:
                    await self._run_paced(ask, paced_for or self.limit_of(ask), records)
                    if records.excess:
                        self.unproved.setdefault(name, records.excess)
                is_cancelled = False
            except DialError as error:
                failed = error  # raised below: the nursery would group it
            finally:
                if is_cancelled and stopped is not None and is_left(run := read_run(records, name)):
                    stopped.append(run)
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed
        self.streams += 1
        if self.record_to is not None:
            for record in records:
                self.record_to(record._replace(hop=name, stream=self.streams))
        run = read_run(records, name)
        return replace(run, connect=self.connects.get(name), our_delay=lateness.worst, clock=CLOCK)

    async def _run_ordered(self, name: str, ask: Ask, settle: float, records: RunRecords) -> None:
        share = STOP_SHARE * self.max_time
        most, prompt = (ORDERED_SECONDS, PROMPT_SECONDS) if math.isinf(share) else (share, share)
        most = most if settle else prompt  # behind a hop that holds, no size is asked for
        probe = BarrierProbe(ask, self.origin, self.barrier_at, self.tls, self.patience, settle, most, prompt, records)
        probe.report_progress = lambda text: self.report_progress(f"{name}: {text}")
        records.scope.deadline = trio.current_time() + self.max_time
        with records.scope as limit:
            await probe.run()
        if probe.side.arrived:
            self.arrivals.setdefault(name, probe.side.arrived)
        if limit.cancelled_caught:
            probe.undecided = records.excess or f"the run took longer than {self.max_time:g} s"
        if probe.undecided or not probe.is_barrier:
            nobody = "nothing behind it knows a barrier"
            if self.barrier_at is not None:  # a body of one frame is over before its state can be asked for
                nobody = ENDED_AT_ONCE if probe.side.was_there else not_at(self.barrier_at)
            self.unproved[name] = probe.undecided or nobody

    def limit_of(self, ask: Ask) -> float:
        """Return how long a run that is not behind a barrier may take, s."""
        if math.isfinite(self.max_time):
            return self.max_time
        return UNPLANNED_SECONDS if ask.duration is None else ask.duration + GRACE_SECONDS

    async def _run_paced(self, ask: Ask, limit: float, records: RunRecords) -> None:
        with records.scope:
            try:
                async with client.open(
                    ask.method,
                    ask.url,
                    fields=ask.fields,
                    body=ask.body,
                    tls=self.tls,
                    total_timeout=limit,
                    record_to=records.append,
                    version=ask.version,
                ) as stream:
                    await stream.drain()
            except DialError:
                raise
            except ChunkwireError:
                pass  # the records say how it ended

    async def journal(self, url: Url, nonce: str) -> Entry | None:
        """Return the last entry about a run in the origin's journal, asked through the hop; None where it has none."""
        limit = min(GRACE_SECONDS, self.max_time)
        try:
            async with client.open("GET", journal_url(url, nonce), tls=self.tls, total_timeout=limit) as stream:
                if stream.head.status != 200:
                    return None
                lines = (await content_of(stream)).decode("utf-8", "replace").splitlines()
        except ChunkwireError:
            return None
        return last_entry(lines, nonce)
