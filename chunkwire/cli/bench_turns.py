"""The turns of a bench: the loads of target and baseline, their order, and the end of the run.

The rule here: target and baseline take turns in random order, so that both run under the same conditions.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from chunkwire.cli.asking import read_request
from chunkwire.cli.bench_timing import Clocks
from chunkwire.net.dial import Url
from chunkwire.record.values import Record
from chunkwire.tools.bench.limits import Precision
from chunkwire.tools.bench.load import MAX_PATIENCE_SECONDS, Arrivals, Load, Opening
from chunkwire.tools.bench.metering import LOOK_GROWTH, Meter
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import FrameSample
from chunkwire.tools.bench.statistics import nearest_rank
from chunkwire.tools.paint import number
from chunkwire.tools.probe.requests import is_probe, parameters, with_parameters
from chunkwire.wire.durations import exact_duration, parse_duration
from chunkwire.wire.errors import LocalError

ROUNDS = 10
"""With a baseline, turns of each of the two: at most, but with --until at least. Each is a round of samples."""
MAX_UNTIL_SECONDS = 120.0
"""The longest sampling of --until without -z."""
SILENT_TURNS = 3
"""A bench ends after so many turns if target or baseline had no frame in any; after one, where no stream may fail."""
FRAMES_MARGIN_SECONDS = 30.0
"""Our origin is asked to stream so much longer than warm-up and sampling: many streams take a while to open."""
OPENING_SECONDS = 0.1
"""Estimate of what a turn takes beside sampling, warm-up and `Load.spread`, for the announced time."""
_LONGER = ", longer where streams open slowly"
MIN_PATIENCE_SECONDS = 1.0
"""The shortest limit on the time to a stream's first frame, however short the sampling is."""


@dataclass(slots=True)
class Bench:
    """One run of the verb: the request, and the samples so far.

    Attributes:
        base: URL of the baseline, None without one; `baseline` has its samples.
        must_open: no stream may fail: the bench ends if the first stream of target or baseline gets no connection or a
            status that will not change, or if its first turn has no frame.
        is_partial: a signal interrupted it.
        report_frame: takes each frame, with "target" or "base" and the number of its turn: that of its trend, from 1.
        known_hops: of each target, the hops that had stamps of its streams, in the order of the way.
    """

    options: argparse.Namespace
    url: Url
    base: Url | None
    arrivals: Arrivals | None = None
    until: Precision | None = None
    must_open: bool = True
    gathered: Gathered = field(default_factory=Gathered)
    baseline: Gathered | None = None
    is_partial: bool = False
    known_hops: dict[Url, list[tuple[str, Url]]] = field(default_factory=dict)
    record_to: Callable[[Record], None] | None = None
    report_frame: Callable[[tuple[str, int, FrameSample]], None] | None = None
    clocks: Clocks = field(default_factory=Clocks)
    report_progress: Callable[[str], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        self.baseline = None if self.base is None else Gathered()

    @property
    def turns(self) -> int:
        """Turns of the target at most, and as many of the baseline."""
        if self.base is None:
            return 1
        if self.until is not None:
            return max(ROUNDS, round(self.seconds / self.turn_seconds))
        return min(ROUNDS, self.options.total or ROUNDS)

    @property
    def seconds(self) -> float:
        """Sampling of a target, s, with --until the longest; inf: until the streams of -n have ended."""
        if self.options.duration is not None:
            return float(self.options.duration)
        if self.until is not None:
            return MAX_UNTIL_SECONDS
        return 10.0 if self.options.total is None else math.inf

    @property
    def turn_seconds(self) -> float:
        """Sampling of a turn, s."""
        if self.base is None:
            return self.seconds
        return min(1.0, self.seconds / ROUNDS) if self.until is not None else self.seconds / self.turns

    def reporter(self, *, is_base: bool) -> Callable[[FrameSample], None] | None:
        """Return what takes the frames of one of the two; None where no frame is to be reported."""
        if (report := self.report_frame) is None:
            return None
        name, total = ("base", self.baseline) if is_base else ("target", self.gathered)
        turn = 1 + len(total.trends) if total is not None else 1
        return lambda frame: report((name, turn, frame))

    @property
    def is_decided(self) -> bool:
        """Say whether --until is reached, or never will be, for target and baseline."""
        parts = [self.gathered] if self.baseline is None else [self.gathered, self.baseline]
        return self.until is not None and all(self.until.is_decided(part) for part in parts)


async def run_turns(made: Bench) -> None:
    """Run the turns of target and baseline; end early if no frame arrives (`SILENT_TURNS`) or --until is reached."""
    pair = [(made.url, made.gathered)]
    if made.base is not None and made.baseline is not None:
        pair.append((made.base, made.baseline))
    began, look = trio.current_time(), float(ROUNDS)
    for turn in range(made.turns):
        random.shuffle(pair)
        left = "" if not turn else f", about {(trio.current_time() - began) * (made.turns / turn - 1):.0f} s left"
        what = f"turn {turn + 1} of {made.turns}{left}: " if made.base else ""
        for target, total in pair:
            await _turn(made, target, total, turn, what)
        is_silent = not all(total.has("first") for _, total in pair)
        if is_silent and (made.must_open or turn + 1 >= SILENT_TURNS):
            return
        if turn + 1 >= look and made.base is not None:
            if made.is_decided:
                return
            look = (turn + 1) * LOOK_GROWTH


async def _turn(made: Bench, target: Url, total: Gathered, turn: int, what: str) -> None:
    made.report_progress(f"{what}opening streams of {target}")
    load = make_load(made, target, turn, is_base=total is made.baseline)
    meter = Meter(load, report_progress=lambda so_far: made.report_progress(what + live_line(so_far)))
    try:
        await meter.run()
    finally:
        made.clocks.note_offsets(*meter.offsets_ns)
        if meter.known_hops:
            made.known_hops[target] = meter.known_hops
        total.add(meter.gathered if made.base is None else meter.gathered.as_one_round())


def unknown_hops(made: Bench) -> list[str]:
    """Return a message for each hop without stamps of the streams, unless the bench was interrupted or had no frame."""
    if made.is_partial or not made.gathered.frames:
        return []
    known = {hop for hops in made.known_hops.values() for _, hop in hops}
    unknown = (hop for hop in made.clocks.hops if hop not in known)
    return [f"--hop {hop}: it has no stamps of these streams; is it on their way?" for hop in unknown]


def live_line(gathered: Gathered) -> str:
    """Return the progress line: numbers of frames and streams, and the median of the latest round with samples."""
    name = "added" if gathered.has("added") else "gap"
    recent = next((one.samples[name] for one in reversed(gathered.rounds) if name in one.samples), None)
    middle = "no frames yet"
    if recent is not None:
        middle = f"{name} p50 {recent.at_rank(nearest_rank(recent.n, 50.0)) / 1e6:.2f} ms"
    failed = f", {gathered.failed} failed" if gathered.failed else ""
    return f"{number(gathered.frames, 'frame')} on {number(gathered.streams, 'stream')}{failed}; {middle}"


def plan_line(made: Bench) -> str:
    """Return how long the bench will take, where it has a baseline or --until; else nothing."""
    total, turns = made.options.total, made.turns
    each = f"{number(turns, 'turn')} of the target and {turns} of the baseline, each pair in random order"
    spread = sum(spread_of(made, url) for url in (made.url, made.base) if url is not None)
    total_seconds = turns * (spread + 2 * (OPENING_SECONDS + (made.options.warmup or 0.0) + made.turn_seconds))
    if made.until is not None:
        ways = f" of each, in turns: about {total_seconds:.0f} s in all{_LONGER}" if made.base is not None else ""
        return f"until {made.until.text}, or {made.seconds:g} s of sampling at most{ways}"
    if made.base is None:
        return ""
    if made.seconds == math.inf:
        return f"{each}, until {number(total or 0, 'stream')} of each {'has' if total == 1 else 'have'} ended"
    return f"about {total_seconds:.0f} s{_LONGER}: {each}, each {made.turn_seconds:g} s of sampling"


def spread_of(made: Bench, url: Url) -> float:
    """Return the s over which the streams of `-c` are opened."""
    return 0.0 if made.arrivals is not None or made.options.open == "together" else interval_of(url)


def interval_of(url: Url) -> float:
    """Return the interval of the frames of a /probe, s; 0 for another stream."""
    return parse_duration(parameters(url).get("interval", "50ms")) or 0.0 if is_probe(url) else 0.0


def make_load(made: Bench, url: Url, turn: int, *, is_base: bool = False) -> Load:
    """Return a turn's load on a target; its streams are numbered on from those of earlier turns.

    A /probe whose interval is not 0 is asked for more frames than fit in the turn, unless its URL has `n`, there is a
    rate, or there is -n without -z.

    Raises:
        LocalError: a flag of the request is wrong, or its body cannot be sent again.
    """
    options = made.options
    asked = read_request(options)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, with each stream")
    interval = interval_of(url)
    if interval and math.isfinite(made.seconds) and "n" not in parameters(url) and made.arrivals is None:
        frames = math.ceil((made.turn_seconds + (options.warmup or 0.0) + FRAMES_MARGIN_SECONDS) / interval)
        url = with_parameters(url, {"n": str(frames), "interval": exact_duration(interval)})
    is_looked_at = made.until is not None and made.base is None
    return Load(
        url=url,
        streams=options.streams,
        arrivals=made.arrivals,
        total=options.total and (options.total + turn) // made.turns,
        seconds=made.turn_seconds,
        warmup=options.warmup,
        patience=min(MAX_PATIENCE_SECONDS, max(MIN_PATIENCE_SECONDS, made.seconds)),
        max_time=options.max_time,
        must_open=turn == 0 and made.must_open,
        is_enough=made.until.is_decided if is_looked_at and made.until is not None else None,
        opening=Opening(options.open or "staggered"),
        spread=spread_of(made, url),
        method=asked.method,
        fields=asked.fields,
        body=asked.body,
        tls=asked.tls,
        record_to=made.record_to,
        report_frame=made.reporter(is_base=is_base),
        timing=made.clocks.timing,
        has_stamps=made.clocks.has_stamps,
        first_number=1 + made.gathered.streams + (made.baseline.streams if made.baseline is not None else 0),
        hops=made.clocks.hops,
    )
