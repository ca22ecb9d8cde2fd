"""`chunkwire bench URL`: how late do frames arrive?"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.serving import recording

if TYPE_CHECKING:
    import trio

    from chunkwire.net.dial import Url
    from chunkwire.record.values import Record
    from chunkwire.tools.bench.metering import Load
    from chunkwire.tools.bench.rounds import Gathered
    from chunkwire.tools.bench.view import Allowance, Limit

SUMMARY = "how late do frames arrive? many streams at once, percentiles, limits, a baseline"
EPILOG = """\
late and added compare the origin's clock with ours: they mean something on
one machine. hold needs no common clock. A percentile is blank where fewer
than ten samples lie beyond it. Open loop: the origin's plan says when a frame
is due, and a late one does not delay the next. A stream that ends or fails is
followed by another; after a failure the next one waits, up to a second.
Ctrl-C prints what was gathered so far.
exit codes: 0, 1 a limit is missed, or more streams failed than --max-failed
  allows, 7 no connection, 22 another status than 200, 28 no frame came,
  130 Ctrl-C

examples:
  chunkwire bench :8081/probe -c 50 -z 10s           50 streams for 10 s
  chunkwire bench ':8081/probe?interval=10ms'        another pace
  chunkwire bench :8080/probe --baseline :8081/probe   a gateway and its origin
  chunkwire bench :8080/probe --limit hold.p99=5ms   exit 1 where it is longer
  chunkwire bench https://api.example/stream -n 20   any stream: first and gap"""

ROUNDS = 5
"""Turns that a target and its baseline take: what drifts on the machine meets both alike."""
FRAMES_MARGIN_SECONDS = 30.0
"""How much longer than the bench our origin is asked to stream: for the opening and the warm-up of many streams."""
OPENING_SECONDS = 0.1
"""What opening the streams of a turn takes, for the time that is said ahead."""
MIN_PATIENCE_SECONDS = 1.0
"""How long a stream may take to bring its first frame, at least, however short the time of sampling."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the target and the flags."""
    parser.add_argument("url", metavar="URL", help="a stream; one of /probe says when its frames were due")
    group = parser.add_argument_group("load")
    group.add_argument("-c", "--streams", type=flags.count, default=10, metavar="N", help="open at once (default: 10)")
    group.add_argument("-n", "--total", type=flags.count, metavar="N", help="streams in all, instead of a time")
    group.add_argument("-z", "--duration", type=flags.duration, metavar="TIME", help="of sampling (default: 10s)")
    group.add_argument(
        "--warmup",
        type=flags.duration,
        metavar="TIME",
        help="after every stream's first frame, before a sample counts (default: 1s; with -n alone none)",
    )
    group.add_argument("--baseline", metavar="URL", help="run this one as well, turn by turn, and print the ratio")
    group = parser.add_argument_group("results")
    group.add_argument(
        "--limit", action="append", default=[], metavar="FIGURE=TIME", help="such as hold.p99=5ms; exit 1 when missed"
    )
    group.add_argument(
        "--max-failed",
        default="0",
        metavar="N|P%",
        help="streams that may fail, as a number or a share of all; exit 1 when more do (default: 0)",
    )
    group.add_argument("--json", action="store_true", help="one JSON object, with TTFT, ITL and TPOT and their rules")
    group.add_argument("--html", metavar="FILE", help="write a page: percentile curves, arrival against plan")
    group.add_argument("--save", metavar="FILE", help="write the records of every stream to FILE")
    flags.add_request(parser)


@dataclass(slots=True)
class Bench:
    """One run of the verb: what is asked, and what was gathered so far.

    Attributes:
        base: the baseline, None without one; `baseline` is what it gathered.
        is_partial: Ctrl-C ended it.
    """

    options: argparse.Namespace
    url: Url
    base: Url | None
    gathered: Gathered
    baseline: Gathered | None
    is_partial: bool = False
    record_to: Callable[[Record], None] | None = None
    report_progress: Callable[[str], None] = field(default=lambda _: None)

    @property
    def turns(self) -> int:
        """How many turns the target takes, and the baseline as many."""
        return min(ROUNDS, self.options.total or ROUNDS) if self.base is not None else 1


def run(options: argparse.Namespace) -> int:
    """Run the bench and print what it found."""
    import trio

    from chunkwire.cli.exits import leaves
    from chunkwire.tools.bench.metering import NotOpened

    try:
        return trio.run(bench, options)
    except* NotOpened as error:
        print(f"chunkwire: {next(iter(leaves(error)))}", file=sys.stderr)
    return ExitCode.HTTP_ERROR


async def bench(options: argparse.Namespace) -> int:
    """Run the rounds; return the exit code."""
    from chunkwire.cli.probe import progress
    from chunkwire.net.dial import parse_url
    from chunkwire.tools.bench.rounds import Gathered
    from chunkwire.tools.bench.view import parse_allowance, parse_limit

    limits = [parse_limit(text) for text in options.limit]
    allowance = parse_allowance(options.max_failed)
    base = parse_url(options.baseline) if options.baseline else None
    made = Bench(options, parse_url(options.url), base, Gathered(), Gathered() if base is not None else None)
    if base is not None and not options.quiet:
        say(plan_line(made))
    with recording(options.save, is_flushed=False) as made.record_to, progress(options) as made.report_progress:
        await run_until_interrupted(made)
    await show(made)
    code = ExitCode.OK
    for line, its_code in findings(made, limits, allowance):
        say(line)
        code = code or its_code
    return ExitCode.INTERRUPTED if made.is_partial else code


def say(line: str) -> None:
    """Print a message on standard error, on a terminal in lines of whole words."""
    import shutil

    from chunkwire.tools.paint import PLAIN, wrapped

    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    print(*wrapped("chunkwire: ", PLAIN.text(line), width), sep="\n", file=sys.stderr, flush=True)


async def run_until_interrupted(made: Bench) -> None:
    """Run the rounds; the first Ctrl-C ends them early, a second one is as ever."""
    import signal

    import trio

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
            await rounds(made)
        nursery.cancel_scope.cancel()


async def rounds(made: Bench) -> None:
    """Run every turn of the target and of the baseline, in alternating order; stop where no frame comes."""
    from chunkwire.tools.bench.metering import Meter

    for turn in range(made.turns):
        pair = [(made.url, made.gathered), (made.base, made.baseline)]
        for target, total in pair if turn % 2 == 0 else reversed(pair):
            if target is None or total is None:
                continue
            load = make_load(made, target, turn)
            what = f"turn {turn + 1} of {made.turns}: {target}" if made.base else f"opening {load.streams} streams"
            made.report_progress(what)
            meter = Meter(load, report_progress=lambda so_far: made.report_progress(live_line(so_far)))
            try:
                await meter.run()
            finally:
                total.add(meter.gathered if made.base is None else meter.gathered.as_one_round())
            if not total.has("first"):
                return


def findings(made: Bench, limits: Sequence[Limit], allowance: Allowance) -> Iterator[tuple[str, ExitCode]]:
    """Yield a line, and the exit code that it stands for, for each thing that is wrong."""
    from chunkwire.tools.bench.view import missed, streams_line

    for name, gathered in (("", made.gathered), ("the baseline: ", made.baseline)):
        if gathered is None or not gathered.streams:
            continue
        streams = streams_line(gathered)
        if not gathered.has("first"):
            is_silent = any(kind.startswith("no frame") for kind in gathered.failures)
            hint = "; does a hop hold the stream? chunkwire probe shows it" if is_silent else ""
            yield f"{name}nothing was measured, since no frame came: {streams}{hint}", nothing_code(gathered)
        elif not allowance.allows(gathered):
            yield f"{name}more streams failed than --max-failed {allowance.text} allows: {streams}", ExitCode.FINDING
        elif not gathered.frames:
            yield f"{name}nothing was measured: no frame came while it sampled: {streams}", ExitCode.FINDING
    for line in missed(limits, made.gathered):
        yield line, ExitCode.FINDING


def nothing_code(gathered: Gathered) -> ExitCode:
    """Return the exit code of a bench whose streams all brought no frame."""
    for beginning, code in (("no connection", ExitCode.NO_CONNECTION), ("status", ExitCode.HTTP_ERROR)):
        if gathered.failures and all(kind.startswith(beginning) for kind in gathered.failures):
            return code
    return ExitCode.TIMEOUT


def live_line(gathered: Gathered) -> str:
    """Return what the last frames were like, for the line on a terminal."""
    name = "added" if gathered.has("added") else "gap"
    recent = next((one.samples[name] for one in reversed(gathered.rounds) if name in one.samples), None)
    middle = f"{name} p50 {recent.at_rank((recent.n + 1) // 2) / 1e6:.2f} ms" if recent else "no frames yet"
    return f"{gathered.frames} frames on {gathered.streams} streams; {middle}"


def plan_line(made: Bench) -> str:
    """Return how long a bench with a baseline will take, and how it goes about it."""
    options, turns = made.options, made.turns
    each = f"{turns} turns of the target and {turns} of the baseline, in alternating order"
    if sampling_seconds(options) == math.inf:
        return f"{each}, until {options.total} streams of each have ended"
    warmup, seconds = warmup_of(options), sampling_seconds(options) / turns
    total = 2 * turns * (OPENING_SECONDS + warmup + seconds)
    return f"about {total:.0f} s: {each}, each {warmup:g} s of warm-up and {seconds:g} s of sampling"


def sampling_seconds(options: argparse.Namespace) -> float:
    """Return how long a target is sampled, s; inf: until the streams of -n have ended."""
    if options.duration is not None:
        return float(options.duration)
    return 10.0 if options.total is None else math.inf


def make_load(made: Bench, url: Url, turn: int) -> Load:
    """Return one turn's load; our own origin is asked for streams that outlast it."""
    from chunkwire.cli.asking import read_request
    from chunkwire.tools.bench.metering import MAX_PATIENCE_SECONDS, Load
    from chunkwire.tools.probe.requests import is_probe, parameters, with_parameters
    from chunkwire.wire.durations import parse_duration
    from chunkwire.wire.errors import LocalError

    options, turns = made.options, made.turns
    asked = read_request(options)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, since there are many streams")
    warmup, seconds = warmup_of(options), sampling_seconds(options)
    spread = 0.0
    if is_probe(url):
        interval = parse_duration(parameters(url).get("interval", "50ms")) or 0.05
        spread = interval
        if math.isfinite(seconds) and "n" not in parameters(url):
            frames = math.ceil((seconds / turns + warmup + FRAMES_MARGIN_SECONDS) / interval)
            url = with_parameters(url, {"n": str(frames), "interval": f"{interval * 1000:g}ms"})
    return Load(
        url=url,
        streams=options.streams,
        total=options.total and (options.total + turn) // turns,
        seconds=seconds / turns,
        warmup=warmup,
        patience=min(MAX_PATIENCE_SECONDS, max(MIN_PATIENCE_SECONDS, seconds)),
        max_time=options.max_time,
        must_open=turn == 0 and options.max_failed == "0",
        spread=spread,
        method=asked.method,
        fields=asked.fields,
        body=asked.body,
        tls=asked.tls,
        record_to=made.record_to,
    )


def warmup_of(options: argparse.Namespace) -> float:
    """Return how long a turn warms up, s: a number of streams in all has no time to lose."""
    if options.warmup is not None:
        return float(options.warmup)
    return 1.0 if options.duration is not None or options.total is None else 0.0


async def show(made: Bench) -> None:
    """Print the figures and write the page."""
    import trio

    from chunkwire.cli.terminal import width_of
    from chunkwire.tools.bench.page import page
    from chunkwire.tools.bench.result import BenchResult
    from chunkwire.tools.bench.view import lines, to_json

    options = made.options
    result = BenchResult(
        url=options.url,
        gathered=made.gathered,
        conditions=conditions(made),
        baseline=made.baseline,
        baseline_url=options.baseline,
        is_partial=made.is_partial,
    )
    if options.json:
        print(to_json(result))
    else:
        width = width_of(sys.stdout) if sys.stdout.isatty() else None  # what reads a pipe wants whole lines
        print(*lines(result, width=width), sep="\n")
    if options.html:
        await trio.Path(options.html).write_text(page(result), encoding="utf-8")


def conditions(made: Bench) -> dict[str, object]:
    """Return what the figures were taken under."""
    import os
    import platform

    from chunkwire.cli.main import version

    options, seconds = made.options, sampling_seconds(made.options)
    return {
        "streams": options.streams,
        "seconds": "until all ended" if math.isinf(seconds) else seconds,
        "warm-up": f"{warmup_of(options):g} s",
        **({"turns": made.turns} if made.base is not None else {}),
        "chunkwire": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "sockets": "TCP_NODELAY, receive buffer as the kernel sets it",
    }
