"""`chunkwire diff A.jsonl B.jsonl`: two recordings of one stream, frame by frame."""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.wire.abnf import number_of

if TYPE_CHECKING:
    from chunkwire.tools.diff.compare import Recording

SUMMARY = "two recordings of one stream, frame by frame"
EPILOG = """\
frames are the same when their size lines (digits and chunk-ext) and their data are; times differ from run to run and
  count only with --gaps. Of more than 16 frames, a run of equal ones takes one line; with -v every frame is shown.
exit codes: 0 the same, 1 different

examples:
  chunkwire watch :8081/drip --save direct.jsonl   the same octets each time
  chunkwire watch :8080/drip --save through.jsonl
  chunkwire diff direct.jsonl through.jsonl
  chunkwire diff a.pcap#2 b.pcap                   exchanges of packet captures (watch FILE --list)
  chunkwire diff direct.jsonl pod.trace            what curl --raw --trace left (chunkwire help probe)
  chunkwire diff origin.jsonl#3 direct.jsonl       the third stream of what `serve --save origin.jsonl` wrote"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two recordings."""
    parser.add_argument("a", metavar="A.jsonl", help="a recording, or - for standard input")
    parser.add_argument("b", metavar="B.jsonl", help="another, or -")
    what = "gaps further apart than this are a difference, too: 5ms"
    parser.add_argument("--gaps", type=flags.duration, default=math.inf, metavar="TIME", help=what)


def run(options: argparse.Namespace) -> int:
    """Compare, print, and say by the exit code whether the streams are the same."""
    from chunkwire.cli.terminal import paint_of, result_printed, width_of
    from chunkwire.tools.diff.compare import compare, render

    found = compare(load_file(options.a), load_file(options.b), gap_tolerance=options.gaps)
    lines = render(found, width=width_of(sys.stdout), paint=paint_of(options), is_whole=bool(options.verbose))
    with result_printed():
        for line in lines if not options.quiet else ():
            print(line)
    return ExitCode.OK if found.is_same else ExitCode.FINDING


def load_file(path: str) -> Recording:
    """Return the recording in a file.

    Raises:
        LocalError: a line that is no record, or no stream at the place that #N names.
        OSError: the file cannot be read.
    """
    from chunkwire.cli.captures import looks_captured
    from chunkwire.record.values import lines_of, read_records
    from chunkwire.tools.capture.load import choose, load_exchanges
    from chunkwire.tools.diff.compare import load
    from chunkwire.tools.probe.curl_trace import is_trace, read_trace

    path, place = chosen(path)
    with open(sys.stdin.fileno() if path == "-" else path, "rb", closefd=path != "-") as file:
        first = file.peek(80)[:80]
        if is_trace(first.partition(b"\n")[0].decode("latin-1")):
            return load(path, read_trace(file.read().decode("utf-8", "surrogateescape")).records, place=place)
        if not looks_captured(first[:4], path):
            return load(path, read_records(lines_of(file), path), place=place)
        [exchange] = choose(load_exchanges(file.read(), path), place, path)
        return load(path, exchange.records)


def chosen(path: str) -> tuple[str, int]:
    """Return file and place of FILE#N, the N-th stream or exchange in a file; without #N it is the first.

    A file whose name ends in #N is taken as it is.
    """
    name, mark, place = path.rpartition("#")
    number = number_of(place)
    return (name, number) if mark and number is not None and not os.path.exists(path) else (path, 1)
