"""`chunkwire bench URL`: how late do frames arrive?"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime

from chunkwire.cli import flags

SUMMARY = "how late do frames arrive? many streams, percentiles, limits, a baseline"
EPILOG = """\
late and added compare the origin's clock with ours, so both must be on one
machine; hold needs no common clock. A percentile (nearest rank) is blank
where fewer than ten samples are larger. The kernel's stamp is a frame's
arrival. Of the frames in one receive only the last has one. The others count
as arrived with it: these samples are inexact, and a pause of this meter may
be in them. ≤ marks a figure that rests on them, in hold, gap and itl ≈: it
may be too small there, so a limit on one holds only if 99 % are exact. A
limit is missed only if exact samples miss it. --stamps process times each
frame after its read.
The load is an open loop: the origin's plan says when a frame is due, and a
late frame does not delay the next one.
A stream that ends or fails is followed by another, after a failure with a
pause of up to 1 s. With --rate, streams begin whether earlier ones have ended
or not, and first counts from the planned beginning.
A turn is one measurement of the target or of the baseline. A round is a part
of the sampling: some time of the run, with --baseline a turn or more.
± is half an interval, by resampling rounds, not frames: of 95 % for a
figure, 99.5 % for a difference; ~ is a difference that is not significant,
x is target over base. added compares the two targets themselves (from written
to arrived); late includes how late the origin wrote.
first has a sample of each stream, also of those that began before sampling.
A row of --csv counts from the end of its turn's warm-up on, by sampled_ms.
Where --warmup did not set it, --json has it, of each turn, in raw, trends.
An event beyond the frames of its read has a row, too, without a frame number.
Ctrl-C and SIGTERM print the figures so far. Where a FILE is -, a flag writes
to standard output, and merge reads standard input.
exit codes: 0, 1 a limit is missed or cannot be judged, more streams failed
  than --limit errors= allows (0), --until or --rate was not reached, a figure
  is mostly this meter's own error (--force), or frames arrived, but none while
  it sampled, 2 usage, 7 no connection, 22 another status than 200, 28 no frame
  arrived at all, 130 Ctrl-C, 143 SIGTERM

examples:
  chunkwire bench :8081/probe -c 50 -z 10s           50 streams for 10 s
  chunkwire bench ':8081/probe?interval=10ms'        another pace
  chunkwire bench :8081/probe --until late.p99=10%   as long as it takes
  chunkwire bench :8081/probe --rate 20/s            20 streams begin a second
  chunkwire bench :8080/probe --baseline :8081/probe   gateway against origin
  chunkwire bench :8080/probe --limit hold.p99=5ms   exit 1 where it is longer
  chunkwire bench https://api.example/stream -n 20   any stream: first and gap
  chunkwire bench :8081/probe --json >a.json; chunkwire bench merge a.json"""

DEFAULT_STREAMS = 10
MAX_STREAMS = 65_535  # TCP connections from one address to one port


def stream_count(text: str) -> int:
    """Return a number of streams that may be open at once."""
    number = flags.count(text)
    if number > MAX_STREAMS:
        raise argparse.ArgumentTypeError(f"expected at most {MAX_STREAMS} streams, got {text!r}")
    return number


def rate(text: str) -> float:
    """Return a rate per second: `20/s`, `90/m`, `2/h`, `0.5`; a number alone is per second."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(?:/(s|m|h))?", text.strip(), re.ASCII)
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"expected a rate above 0 such as 20/s or 90/m, got {text!r}")
    return float(found[1]) / {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the target and the flags."""
    what = "a stream; frames of /probe say when they were due. Or the word merge: add the results in FILE…"
    parser.add_argument("url", metavar="URL", help=what)
    parser.add_argument("files", nargs="*", default=[], metavar="FILE", help="of merge: output of --json or --hlog")
    add_load(parser.add_argument_group("load"))
    add_timing(parser.add_argument_group("clocks"))
    add_results(parser.add_argument_group("results"))
    flags.add_request(parser)
    parser.set_defaults(usual_streams=DEFAULT_STREAMS)


def add_load(group: argparse._ArgumentGroup) -> None:
    """Add the flags of the load."""
    add = group.add_argument
    add("-c", "--streams", type=stream_count, metavar="N", help=f"streams kept open (default: {DEFAULT_STREAMS})")
    add("--rate", type=rate, metavar="N/s", help="instead of -c: begin N streams a second, also while others are open")
    add("--arrivals", choices=("poisson", "even"), help="with --rate: at random (default), or at equal distances")
    opening = "with -c: each stream once the one before is answered (default), or all at once"
    add("--open", choices=("staggered", "together"), help=opening)
    total = "number of streams of each target in all; with -z, what comes first ends the run"
    add("-n", "--total", type=flags.count, metavar="N", help=total)
    sampling = "time of sampling; with --until at most (default: 10s; with -n, until its streams have ended)"
    add("-z", "--duration", type=flags.duration, metavar="TIME", help=sampling)
    warmup = "time to leave out at the beginning (default: found in the samples)"
    add("--warmup", type=flags.duration, metavar="TIME", help=warmup)
    until = "sample until half the interval of a figure is P%% of it, such as late.p99=5%% (at most 2m, or -z)"
    add("--until", metavar="FIGURE=P%", help=until)
    add("--baseline", metavar="URL", help="measure this URL too, in turns, and print the differences")
    add("--start-at", type=moment, metavar="MOMENT", help="begin at 2026-11-27T09:30:00Z, or s since the epoch")
    workers = "run on the workers of a Dask scheduler, and add the results (package: distributed)"
    add("--dask", metavar="ADDRESS", help=workers)
    add("--agents", type=flags.count, metavar="N", help="with --dask: number of runs (default: one a worker)")
    add("--clocks-agree", action="store_true", help="the clocks of all hosts are in sync: keep late and added")


def moment(text: str) -> float:
    """Return a moment in s since the epoch, from such a number, or from an ISO 8601 date and time with its zone."""
    try:
        if re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII):
            when = datetime.fromtimestamp(float(text), UTC)
        else:
            when = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):  # no moment, or out of range
        when = None
    if when is None or when.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a moment such as 2026-11-27T09:30:00Z, got {text!r}")
    return when.timestamp()


def add_timing(group: argparse._ArgumentGroup) -> None:
    """Add the flags of the clocks."""
    add = group.add_argument
    stamps = "what times a frame: the kernel's stamp (default: Linux, TCP), or the clock after the read"
    add("--stamps", choices=("kernel", "process"), help=stamps)
    hop = "--admin address of a serve or forward --stamps on the way: print the time in each segment (repeatable)"
    add("--hop", action="append", default=[], metavar="ADMIN", help=hop)
    force = "print figures, and do not fail, where they are mostly this meter's own error or the rate was not reached"
    add("--force", action="store_true", help=force)


def add_results(group: argparse._ArgumentGroup) -> None:
    """Add the flags of the output."""
    add = group.add_argument
    what = "such as hold.p99=5ms, ttft.p50=200ms or errors=1%% (default: errors=0); exit 1 when missed"
    add("--limit", action="append", default=[], metavar="FIGURE=VALUE", help=what)
    add("--json", action="store_true", help="print one JSON object, which merge can add to others")
    add("--format", choices=("go",), help="go: print Go's benchmark lines, for benchstat")
    add("--html", metavar="FILE", help="write a page: percentile curves, percentiles over time, arrival against plan")
    add("--csv", metavar="FILE", help="write a row for each frame, of the baseline, too")
    add("--hlog", metavar="FILE", help="write an HdrHistogram log (package: hdrhistogram)")
    add("--junit", metavar="FILE", help="write the limits as JUnit tests")
    add("--save", metavar="FILE", help="write the records of every stream")
