"""The turns of a bench: what is asked of a target and of its baseline, in which order, and until when.

The rule here: target and baseline meet the same machine: each round is a turn of both, in random order.
"""

from __future__ import annotations

import argparse
import math
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from chunkwire.cli.asking import read_request
from chunkwire.cli.bench_timing import Clocks
from chunkwire.net.dial import Url
from chunkwire.record.values import Record
from chunkwire.tools.bench.limits import Target
from chunkwire.tools.bench.load import MAX_PATIENCE_SECONDS, Arrivals, Load, Opening
from chunkwire.tools.bench.metering import Meter
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import FrameSample
from chunkwire.tools.bench.statistics import nearest_rank
from chunkwire.tools.probe.requests import is_probe, parameters, with_parameters
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.errors import LocalError

ROUNDS = 10
"""Turns that a target and its baseline take, unless --until asks for more: the difference is resampled from them."""
MAX_UNTIL_SECONDS = 120.0
"""How long --until samples a target at most, where -z does not say."""
SILENT_TURNS = 3
"""Turns without a frame after which a bench of several ends, where streams may fail; else after the first."""
FRAMES_MARGIN_SECONDS = 30.0
"""How much longer than the bench our origin is asked to stream: for the opening and the warm-up of many streams."""
OPENING_SECONDS = 0.1
"""What opening the streams of a turn takes, for the time that is said ahead."""
MIN_PATIENCE_SECONDS = 1.0
"""How long a stream may take to bring its first frame, at least, however short the time of sampling."""


@dataclass(slots=True)
class Bench:
    """One run of the verb: what is asked, and what was gathered so far.

    Attributes:
        base: the baseline, None without one; `baseline` is what it gathered.
        must_open: the very first stream must be answered with 200, or the bench ends.
        is_partial: Ctrl-C ended it.
    """

    options: argparse.Namespace
    url: Url
    base: Url | None
    arrivals: Arrivals | None = None
    until: Target | None = None
    must_open: bool = True
    gathered: Gathered = field(default_factory=Gathered)
    baseline: Gathered | None = None
    is_partial: bool = False
    record_to: Callable[[Record], None] | None = None
    report_frame: Callable[[FrameSample], None] | None = None
    clocks: Clocks = field(default_factory=Clocks)
    report_progress: Callable[[str], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        self.baseline = None if self.base is None else Gathered()

    @property
    def turns(self) -> int:
        """How many turns the target takes at most, and the baseline as many."""
        if self.base is None:
            return 1
        if self.until is not None:
            return max(ROUNDS, round(self.seconds / self.turn_seconds))
        return min(ROUNDS, self.options.total or ROUNDS)

    @property
    def seconds(self) -> float:
        """How long a target is sampled, s, at most with --until; inf: until the streams of -n have ended."""
        if self.options.duration is not None:
            return float(self.options.duration)
        if self.until is not None:
            return MAX_UNTIL_SECONDS
        return 10.0 if self.options.total is None else math.inf

    @property
    def turn_seconds(self) -> float:
        """How long a turn samples, s."""
        if self.base is None:
            return self.seconds
        return min(1.0, self.seconds / ROUNDS) if self.until is not None else self.seconds / self.turns

    @property
    def is_sure(self) -> bool:
        """Say whether --until is reached, by the baseline, too."""
        parts = [self.gathered] if self.baseline is None else [self.gathered, self.baseline]
        return self.until is not None and all(self.until.is_reached(part) for part in parts)


async def run_until_interrupted(made: Bench) -> None:
    """Run the turns; the first Ctrl-C ends them early, a second one is as ever."""

    async def wait_interrupt(
        scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                made.is_partial = True
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            await nursery.start(wait_interrupt, scope, name="Ctrl-C")
            await _turns(made)
        nursery.cancel_scope.cancel()


async def _turns(made: Bench) -> None:
    """Run every turn of the target and of the baseline; stop where no frame comes, or where --until is reached."""
    for turn in range(made.turns):
        pair = [(made.url, made.gathered), (made.base, made.baseline)]
        random.shuffle(pair)
        for target, total in pair:
            if target is None or total is None:
                continue
            await _turn(made, target, total, turn)
            if not total.has_seen("first") and (made.must_open or turn + 1 >= SILENT_TURNS):
                return
        if turn + 1 >= ROUNDS and made.base is not None and made.is_sure:
            return


async def _turn(made: Bench, target: Url, total: Gathered, turn: int) -> None:
    load = made.clocks.applied(make_load(made, target, turn), is_baseline=total is made.baseline)
    what = f"turn {turn + 1} of {made.turns}: {target}" if made.base else f"opening streams of {target}"
    made.report_progress(what)
    meter = Meter(load, report_progress=lambda so_far: made.report_progress(live_line(so_far)))
    try:
        await meter.run()
    finally:
        made.clocks.note_offsets(*meter.offsets_ns)
        total.add(meter.gathered if made.base is None else meter.gathered.as_one_round())


def live_line(gathered: Gathered) -> str:
    """Return what the last frames were like, for the line on a terminal."""
    name = "added" if gathered.has("added") else "gap"
    recent = next((one.samples[name] for one in reversed(gathered.rounds) if name in one.samples), None)
    middle = "no frames yet"
    if recent is not None:
        middle = f"{name} p50 {recent.at_rank(nearest_rank(recent.n, 50.0)) / 1e6:.2f} ms"
    failed = f", {gathered.failed} failed" if gathered.failed else ""
    return f"{gathered.frames} frames on {gathered.streams} streams{failed}; {middle}"


def plan_line(made: Bench) -> str:
    """Return how long a bench with a baseline or without a fixed time will take; nothing for any other."""
    total, turns = made.options.total, made.turns
    each = f"{turns} turns of the target and {turns} of the baseline, each pair in random order"
    if made.until is not None:
        ways = ", in turns with the baseline" if made.base is not None else ""
        return f"until {made.until.text}, or {made.seconds:g} s of sampling at most{ways}"
    if made.base is None:
        return ""
    if made.seconds == math.inf:
        return f"{each}, until {total} streams of each have ended"
    warmup = made.options.warmup or 0.0
    total_seconds = 2 * turns * (OPENING_SECONDS + warmup + made.turn_seconds)
    return f"about {total_seconds:.0f} s: {each}, each {made.turn_seconds:g} s of sampling"


def make_load(made: Bench, url: Url, turn: int) -> Load:
    """Return one turn's load; our own origin is asked for streams that outlast it, unless they begin at a rate."""
    options = made.options
    asked = read_request(options)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, since there are many streams")
    spread = 0.0
    if is_probe(url):
        interval = spread = parse_duration(parameters(url).get("interval", "50ms")) or 0.0
        if interval and math.isfinite(made.seconds) and "n" not in parameters(url) and made.arrivals is None:
            frames = math.ceil((made.turn_seconds + (options.warmup or 0.0) + FRAMES_MARGIN_SECONDS) / interval)
            url = with_parameters(url, {"n": str(frames), "interval": f"{interval * 1000:g}ms"})
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
        is_enough=made.until.is_reached if is_looked_at and made.until is not None else None,
        opening=Opening(options.open or "staggered"),
        spread=spread,
        method=asked.method,
        fields=asked.fields,
        body=asked.body,
        tls=asked.tls,
        record_to=made.record_to,
        report_frame=made.report_frame,
    )
