"""`chunkwire bench URL`: how late do frames arrive?"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode

if TYPE_CHECKING:
    from chunkwire.net.dial import Url
    from chunkwire.record.values import Record
    from chunkwire.tools.bench.metering import Load
    from chunkwire.tools.bench.samples import Gathered

SUMMARY = "how late do frames arrive? many streams at once, percentiles, limits, a baseline"
EPILOG = """\
examples:
  chunkwire bench :8081/probe -c 50 -z 10s             50 streams for 10 s, a frame each 50 ms on each
  chunkwire bench ':8081/probe?interval=10ms' -c 10    another pace
  chunkwire bench :8080/probe --baseline :8081/probe   a gateway against its origin, turn by turn, and the ratio
  chunkwire bench :8080/probe --limit hold.p99=5ms     exit 1 when a frame in a hundred is held longer
  chunkwire bench https://api.example/stream -n 20     20 streams that say nothing of their time: first and gap only

late and added compare the origin's clock with ours: they mean something on one machine. hold needs no common clock.
A percentile is blank where fewer than ten samples lie beyond it. Open loop: the origin's plan says when a frame is
due, and a late one does not delay the next.
exit codes: 0, 1 a limit is missed, 7 no connection, 22 another status than 200, 28 no frame came"""

ROUNDS = 5
"""Turns that a target and its baseline take: what drifts on the machine meets both alike."""
FRAMES_MARGIN_SECONDS = 30.0
"""How much longer than the bench our origin is asked to stream: for the opening and the warm-up of many streams."""


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
    group.add_argument("--json", action="store_true", help="one JSON object, with TTFT, ITL and TPOT and their rules")
    group.add_argument("--html", metavar="FILE", help="write a page: percentile curves, arrival against plan")
    group.add_argument("--save", metavar="FILE", help="write the records of every stream to FILE")
    flags.add_request(parser)


def run(options: argparse.Namespace) -> int:
    """Run the bench and tell what it found."""
    import trio

    from chunkwire.cli.exits import leaves
    from chunkwire.tools.bench.metering import NotOpened

    try:
        return trio.run(bench, options, strict_exception_groups=True)
    except* NotOpened as error:
        print(f"chunkwire: {next(iter(leaves(error)))}", file=sys.stderr)
    return ExitCode.HTTP_ERROR


async def bench(options: argparse.Namespace) -> int:
    """Run the rounds; return the exit code."""
    from chunkwire.cli.probe import progress, saving
    from chunkwire.net.dial import parse_url
    from chunkwire.tools.bench.view import missed, parse_limit

    limits = [parse_limit(text) for text in options.limit]
    url = parse_url(options.url)
    base = parse_url(options.baseline) if options.baseline else None
    with saving(options.save) as record_to, progress(options) as tell:
        gathered, baseline = await rounds(options, url, base, record_to, tell)
    await show(options, gathered, baseline)
    lines = list(missed(limits, gathered))
    for line in lines:
        print(f"chunkwire: {line}", file=sys.stderr)
    return ExitCode.FINDING if lines else ExitCode.OK


async def rounds(
    options: argparse.Namespace,
    url: Url,
    base: Url | None,
    record_to: Callable[[Record], None] | None,
    tell: Callable[[str], None],
) -> tuple[Gathered, Gathered | None]:
    """Return what the target's turns gathered, and what the baseline's did, where there is one."""
    from chunkwire.tools.bench.metering import Meter
    from chunkwire.tools.bench.samples import Gathered

    gathered, baseline = Gathered(), Gathered() if base is not None else None
    turns = ROUNDS if base is not None else 1
    for turn in range(turns):
        for target, total in ((url, gathered), (base, baseline)):
            if target is None or total is None:
                continue
            load = make_load(options, target, record_to, share=1 / turns)
            tell(f"turn {turn + 1} of {turns}: {target}" if base is not None else f"opening {load.streams} streams")
            total.add(await Meter(load, tell=lambda so_far: tell(live_line(so_far))).run())
    return gathered, baseline


def live_line(gathered: Gathered) -> str:
    """Return what the last frames were like, for the line on a terminal."""
    samples = gathered.added or gathered.gap
    recent = sorted(samples[-1000:])
    name = "added" if gathered.added else "gap"
    middle = f"{name} p50 {recent[len(recent) // 2] * 1000:.2f} ms" if recent else "no frames yet"
    return f"{gathered.frames} frames on {gathered.streams} streams; {middle}"


def make_load(
    options: argparse.Namespace, url: Url, record_to: Callable[[Record], None] | None, *, share: float
) -> Load:
    """Return one turn's load; our own origin is asked for streams that outlast it."""
    from chunkwire.cli.asking import read_request
    from chunkwire.server.query import parse_duration
    from chunkwire.tools.bench.metering import Load
    from chunkwire.tools.probe.requests import is_probe, parameters, with_parameters
    from chunkwire.wire.errors import LocalError

    asked = read_request(options)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, since there are many streams")
    is_timed = options.duration is not None or options.total is None
    seconds = (options.duration or 10.0) * share if is_timed else math.inf
    warmup = warmup_of(options)
    spread = 0.0
    if is_probe(url):
        interval = parse_duration(parameters(url).get("interval", "50ms")) or 0.05
        spread = interval
        if is_timed and "n" not in parameters(url):
            frames = math.ceil((seconds + warmup + FRAMES_MARGIN_SECONDS) / interval)
            url = with_parameters(url, {"n": str(frames), "interval": f"{interval * 1000:g}ms"})
    return Load(
        url=url,
        streams=options.streams,
        total=options.total,
        seconds=seconds,
        warmup=warmup,
        spread=spread,
        method=asked.method,
        fields=asked.fields,
        body=asked.body,
        tls=asked.tls,
        record_to=record_to,
    )


def warmup_of(options: argparse.Namespace) -> float:
    """Return how long a turn warms up, s: a number of streams in all has no time to lose."""
    if options.warmup is not None:
        return float(options.warmup)
    return 1.0 if options.duration is not None or options.total is None else 0.0


async def show(options: argparse.Namespace, gathered: Gathered, baseline: Gathered | None) -> None:
    """Print the figures and write the page."""
    import trio

    from chunkwire.tools.bench.page import page
    from chunkwire.tools.bench.view import notes, table, to_json

    told = conditions(options)
    if options.json:
        print(to_json(gathered, url=options.url, conditions=told, baseline=baseline))
    else:
        print(*table(gathered, baseline), *notes(gathered, told), sep="\n")
    if options.html:
        text = page(gathered, url=options.url, conditions=told, baseline=baseline)
        await trio.Path(options.html).write_text(text, encoding="utf-8")


def conditions(options: argparse.Namespace) -> dict[str, object]:
    """Return what the figures were taken under."""
    import os
    import platform

    from chunkwire.cli.main import version

    return {
        "streams": options.streams,
        "seconds": options.duration or ("until all ended" if options.total else 10.0),
        "warm-up": f"{warmup_of(options):g} s",
        "chunkwire": version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "sockets": "TCP_NODELAY, receive buffer as the kernel sets it",
    }
