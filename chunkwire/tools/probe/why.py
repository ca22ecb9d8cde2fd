"""`probe --why`: which change of the request or the response makes a hop pass the stream on at once; after how much
silence it cuts a stream; how soon the origin learns that a client left.

The rule here: each run changes one thing; a `Finding` describes it with the words that verdicts use.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import trio

from chunkwire import client
from chunkwire.client.views import content
from chunkwire.net.dial import Url
from chunkwire.tools.paint import number
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.bursts import measure_buffer
from chunkwire.tools.probe.defects import defect_of
from chunkwire.tools.probe.fixes import AS_BEFORE
from chunkwire.tools.probe.holding import Observation, Shape, observe
from chunkwire.tools.probe.probing import GRACE_SECONDS, Prober
from chunkwire.tools.probe.requests import BURSTS, NOTHING, Ask, Fields, is_probe, parameters
from chunkwire.tools.probe.verdict import (
    ACCEL,
    HTTP_1_0,
    IDENTITY,
    INCREMENTAL,
    NO_TRANSFORM,
    POST,
    Finding,
    HopVerdict,
    Kind,
    milliseconds,
)
from chunkwire.tools.stamps import ContentReader
from chunkwire.wire.durations import exact_duration
from chunkwire.wire.errors import ChunkwireError

JOURNAL_SECONDS: Final = 5.0
"""How long we wait for the origin to learn that its client left."""

POLL_SECONDS: Final = 0.1
"""How often its journal is read meanwhile. The result is the origin's own time, so that this adds nothing to it."""

SEEN_EVENTS: Final = 3
LEAVE_SECONDS: Final = 1.0
"""How long we wait for so many events before we leave."""

LEAVING: Final = "a client that leaves"
_PLAIN_RUNS: Final = 2  # beside `_VARIED`: without a content coding, and in HTTP/1.0


_Change: TypeAlias = tuple[str, Mapping[str, str], str, Fields]
"""The name of a change; its parameters, method and fields."""

# What is varied with our own origin behind the hop.
_VARIED: Final[tuple[_Change, ...]] = (
    (AS_BEFORE, NOTHING, "", ()),
    (POST, NOTHING, "POST", ()),
    (ACCEL, {"hints": "accel"}, "", ()),
    (NO_TRANSFORM, {"hints": "no-transform"}, "", ()),
    (INCREMENTAL, {"hints": "incremental"}, "", ((b"Incremental", b"?1"),)),
    ("Content-Type: application/x-ndjson", {"type": "ndjson"}, "", ()),
    ("Content-Type: text/plain", {"type": "text"}, "", ()),
    ("Content-Type: application/octet-stream", {"type": "octets"}, "", ()),
    ("events of 1024 octets", {"size": "1024"}, "", ()),
    ("events of 8192 octets", {"size": "8192"}, "", ()),
    ("frames back to back", BURSTS, "", ()),
)


INSTEAD: Final = {
    Kind.NOT_THE_STREAM: "its answer is not the stream; give the stream's URL, and the -X, -H and -d that it needs",
    Kind.UNREACHABLE: "it gives no answer; check the address, that it listens there, and that the application writes",
}
"""Verdicts on hops where no change can help: why, and what to do instead."""


def plan_why(prober: Prober, url: Url, *, idle: float) -> str:
    """Return about how long `find_why` takes, in one line.

    Not counted: the wait of at most `JOURNAL_SECONDS` where the origin does not learn that its client left.
    """
    ask = prober.plain_ask(url)
    if not is_probe(url):
        times = len(_changes_for(prober, url)) + _PLAIN_RUNS
        return f"--why asks {times} times more, each time for as long as the stream takes"
    asks = [*(ask.varied(changed) for _, changed, _, _ in _VARIED), *[ask] * _PLAIN_RUNS]
    seconds = sum(min(prober.limit_of(each), each.duration or 0.0) for each in asks) + LEAVE_SECONDS + idle
    share = f", of which --idle takes {idle:g}: --idle 0 leaves that out" if idle else ""
    return f"--why asks on for about {seconds:.0f} s{share}"


def _changes_for(prober: Prober, url: Url) -> Sequence[_Change]:
    """Return what to vary: all for a probe of ours; for another stream fields that its barrier, if any, can add."""
    if is_probe(url):
        return _VARIED
    return [each for each in _VARIED if each[0] is AS_BEFORE or (prober.barrier_at and "hints" in each[1])]


async def find_why(
    prober: Prober, name: str, url: Url, *, idle: float, blamed: HopVerdict | None = None
) -> AsyncIterator[Finding]:
    """Yield what each change does to a hop, as it is found; for a stream that is no probe of ours, only some of them.

    Args:
        idle: s of silence to try for an idle limit; 0 leaves that out.
        blamed: the verdict on the hop, if it is to blame.
    """
    ask = prober.plain_ask(url)
    for change, changed, method, fields in _changes_for(prober, url):
        prober.report_progress(f"{name}: {change}")
        run = await prober.run(name, ask.varied(changed, method=method, fields=fields))
        finding = finding_of(change, run, blamed)
        yield replace(finding, is_of_pace=changed is BURSTS)
    prober.report_progress(f"{name}: without content codings")
    yield finding_of(IDENTITY, await prober.run(name, ask.without(b"Accept-Encoding")), blamed)
    prober.report_progress(f"{name}: in HTTP/1.0")
    # Not recorded: no record has the version of a request, so that the run would count as another one "as before".
    old = await replace(prober, record_to=None).run(name, replace(ask.varied(), version="1.0"))
    yield finding_of(HTTP_1_0, old, blamed)
    if not is_probe(url):
        yield Finding(f"{LEAVING}{', silence' if idle else ''}", "not tried: that needs /probe of chunkwire serve")
        return
    prober.report_progress(f"{name}: leaving early")
    yield await find_departure(prober, ask)
    if idle:
        prober.report_progress(f"{name}: silent for {idle:g} s")
        yield await find_idle_limit(prober, name, ask, idle)


def finding_of(change: str, run: Run, blamed: HopVerdict | None = None) -> Finding:
    """Return what came of a change, with the words that verdicts use; one run is too few for a verdict.

    Args:
        blamed: the verdict on the hop, if it is to blame.
    """
    defect = defect_of(run, None)  # None: no run of a hop further in
    if defect is not None:
        return Finding(change, defect.line, False)
    observed = observe(run)
    coding = f", {run.coding}" if run.coding else ""
    if observed.is_held:
        how = f"held{_how(observed, blamed.octets if blamed is not None else None)}{coding}"
        if blamed is None or blamed.remaining is None or run.coding or observed.shape is Shape.TO_END:
            return Finding(change, how, False)
        return Finding(change, f"not compressed, but still {how}")
    if observed.shape in (Shape.ON_TIME, Shape.SPREAD):
        return Finding(change, f"streams{coding}", True)
    return Finding(change, f"{observed.shape.value}{coding}", None)


def _how(observed: Observation, buffer: int | None) -> str:
    octets = observed.run.octets
    if observed.shape is Shape.TO_END and buffer is not None and octets < buffer:
        return f" to the end, all {octets} octets (it waits for {buffer})"
    if observed.shape is Shape.TO_END:
        return f" to the end, all {number(octets, 'octet')}"
    measured = measure_buffer([observed])
    bursts = f", in bursts of {measured.octets} octets" if measured is not None and measured.octets is not None else ""
    longest = observed.longest or max((release.waited for release in observed.releases), default=0.0)
    return f" for up to {milliseconds(longest)}{bursts}"


async def find_departure(prober: Prober, ask: Ask) -> Finding:
    """Return how long the origin takes to learn that its client left, by the origin's own clock.

    The stamp of the last event that came gives the origin's clock at our request, so that the two clocks may differ.
    Where none came, the request is taken to have reached the origin when it was sent.
    """
    leaving = ask.without(b"Accept-Encoding").varied({"n": "200", "interval": "50ms"})  # stamps are read as they come
    left_t, zero_ns = await _leave_early(prober, leaving)
    give_up = trio.current_time() + JOURNAL_SECONDS
    while trio.current_time() < give_up:
        entry = await prober.journal(ask.url, parameters(leaving.url)["nonce"]) or {}
        ended, began = entry.get("ended_ns"), entry.get("began_ns")
        if isinstance(ended, int) and isinstance(began, int):
            took = (ended - (began if zero_ns is None else zero_ns)) / 1e9 - left_t
            return Finding(LEAVING, f"reaches the origin after {max(0.0, took) * 1000:.0f} ms")
        await trio.sleep(POLL_SECONDS)
    return Finding(LEAVING, f"does not reach the origin within {JOURNAL_SECONDS:g} s")


async def _leave_early(prober: Prober, ask: Ask) -> tuple[float, int | None]:
    """Open a stream, receive `SEEN_EVENTS` events or wait `LEAVE_SECONDS`, and leave with a reset.

    Returns:
        When we left, s since the request; and the origin's clock at the request, ns, by the last stamp, None without.
    """
    reader, seen, zero_ns = ContentReader(), 0, None
    began = time.monotonic()
    try:
        async with client.open(ask.method, ask.url, fields=ask.fields, tls=prober.tls) as stream:
            with trio.move_on_after(LEAVE_SECONDS):
                async for read in stream.reads(whole_frames=False):
                    for stamp in reader.feed(content(read))[0]:
                        zero_ns, seen = stamp.actual_ns - round((time.monotonic() - began) * 1e9), seen + 1
                    if seen >= SEEN_EVENTS:
                        break
            return time.monotonic() - began, zero_ns
    except ChunkwireError:
        return time.monotonic() - began, zero_ns


async def find_idle_limit(prober: Prober, name: str, ask: Ask, idle: float) -> Finding:
    """Return after how much silence a hop cuts a stream, or that it did not cut it within `idle` seconds."""
    silent = ask.varied({"n": "2", "interval": exact_duration(idle), "size": "0"})
    run = await prober.run(name, silent, paced_for=idle + GRACE_SECONDS)
    came = len(run.stamps)
    if came >= 2:
        return Finding("silence", f"no limit within {idle:g} s")
    if run.end is None:
        return Finding("silence", "its end is not known" if came else "no answer")
    if run.end.framing == "timeout":
        return Finding("silence", f"not cut, but only {came} of 2 events within {idle + GRACE_SECONDS:g} s")
    if not came:
        return Finding("silence", f"cut after {run.end.t:.1f} s, before anything came")
    return Finding("silence", f"cut after {run.end.t - run.units[0].t:.1f} s")
