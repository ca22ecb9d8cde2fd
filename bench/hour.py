"""The memory of `chunkwire bench` over a simulated hour: `python -m bench.hour`.

The samplers are fed with 1000 streams of 20 frames a second for 3600 s: 72 million samples, with stamps, and delays
from a heavy-tailed distribution, as fast as possible (about an hour of CPU). Prints the peak resident memory of the
process after each simulated minute.
"""

from __future__ import annotations

import itertools
import random
import resource
import sys
import time
from collections.abc import Sequence

from bench.text import print_line, program_parser
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import StreamSampler, Window
from chunkwire.tools.bench.segments import Segments
from chunkwire.wire.encoder import encode_chunk

BEGAN_NS = 10**18
INTERVAL_NS = 50_000_000
WRITTEN_NS, READ_NS = 20_000, 30_000  # after the planned moment, and after the arrival


def feed(streams: int, seconds: int, report: bool) -> tuple[Gathered, float]:
    """Feed the samplers; return their samples and this process's peak resident memory, MB."""
    gathered, window, segments = Gathered(), Window(BEGAN_NS, BEGAN_NS, BEGAN_NS + seconds * 10**9), Segments()
    framing = Framing(BodyKind.CHUNKED)
    samplers = [
        StreamSampler(
            gathered, window, framing=framing, coding="", sent_ns=BEGAN_NS, stream=n, is_kernel=True, segments=segments
        )
        for n in range(1, streams + 1)
    ]
    chance = random.Random(1)
    delays = itertools.cycle([int(chance.lognormvariate(12.5, 1.5)) for _ in range(100_003)])
    began = time.monotonic()
    for tick in range(seconds * 10**9 // INTERVAL_NS):
        planned = BEGAN_NS + tick * INTERVAL_NS
        frame = encode_chunk(b"T%019dP%019d\n" % (planned + WRITTEN_NS, planned))
        for sampler in samplers:
            arrived = planned + WRITTEN_NS + next(delays)
            sampler.take(arrived + READ_NS, frame, arrived)
        if report and (tick + 1) % (60 * 10**9 // INTERVAL_NS) == 0:
            minute, took = (tick + 1) * INTERVAL_NS // (60 * 10**9), time.monotonic() - began
            print_line(f"{minute:>4} min  {(tick + 1) * streams:>9} samples  {peak():6.1f} MB  after {took:.0f} s")
    for sampler in samplers:
        sampler.finish()
    return gathered, peak()


def peak() -> float:
    """Return this process's peak resident memory, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(words: Sequence[str] | None = None) -> int:
    """Feed and print; return 0 where the peak is within the limit, else 1."""
    parser = program_parser("hour", __doc__)
    parser.add_argument("--streams", type=int, default=1000, metavar="N", help="default: 1000")
    parser.add_argument("--seconds", type=int, default=3600, metavar="N", help="simulated (default: 3600)")
    parser.add_argument("--limit", type=float, default=200.0, metavar="MB", help="exit 1 above it (default: 200)")
    options = parser.parse_args(words)
    gathered, resident = feed(options.streams, options.seconds, report=True)
    samples = gathered.samples("late")
    print_line(f"{samples.n} samples of late in {len(gathered.rounds)} rounds; peak {resident:.1f} MB resident")
    return 0 if resident <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
