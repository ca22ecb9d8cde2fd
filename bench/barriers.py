"""Counts wrong verdicts by barrier on busy cores: `python -m bench.barriers 10000` probes 10,000 times.

Our gateway (`exact` and `buffer`) and nginx (with and without `proxy_buffering`) are probed in turn. It is known which
of them hold. Exits 1 where a verdict was wrong, or used time in place of the barrier.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

import trio

from bench.processes import HOST, busy_cores, free_port, need_program, running
from bench.rows import nginx_with
from bench.text import print_line, program_parser
from bench.workshop import Workshop, open_workshop
from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.judge import Hop, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.requests import ORDERED_PACE
from chunkwire.tools.probe.verdict import Proof

AT_ONCE = 20
HOLDS: Mapping[str, bool] = {"exact": False, "nginx off": False, "nginx on": True, "buffer": True}


@contextmanager
def hops(workshop: Workshop) -> Generator[Mapping[str, int], None, None]:
    """Run the origin and the hops; give their ports."""
    with ExitStack() as stack:

        def started(verb: str, *words: str) -> int:
            port = free_port()
            argv = (sys.executable, "-m", "chunkwire", verb, *words, "-q", "-l", f"{HOST}:{port}")
            return stack.enter_context(running(verb, argv, port, core=None)).port

        origin = started("serve")
        ports = {"origin": origin}
        ports |= {mode: started("forward", f"http://{HOST}:{origin}", "--mode", mode) for mode in ("exact", "buffer")}
        for name, more in (("nginx off", "proxy_http_version 1.1; proxy_buffering off;"), ("nginx on", "")):
            start = nginx_with(f"{more} proxy_read_timeout 1h; proxy_send_timeout 1h;")
            ports[name] = stack.enter_context(start(workshop, need_program("nginx"), origin))[-1]
        yield ports


async def judged(ports: Mapping[str, int], name: str) -> str:
    """Probe one hop once; return "right", "wrong", "by time" (without the barrier), or "undecided" and why."""
    prober = Prober(origin=parse_url(f"http://{HOST}:{ports['origin']}/probe"))
    url = parse_url(f"http://{HOST}:{ports[name]}/probe")
    run = await prober.run(name, prober.plain_ask(url, ORDERED_PACE), settle=1.0)
    unproved = prober.unproved.get(name, "")
    verdict = judge_hop(Hop(name, (run,), unproved=unproved))
    if verdict.proof is Proof.BY_TIME and not unproved:
        return "by time"
    if unproved or not (verdict.is_holding or verdict.is_streaming):
        return f"undecided: {unproved or verdict.line}"
    return "right" if verdict.is_holding == HOLDS[name] else "wrong"


async def many(ports: Mapping[str, int], count: int) -> Counter[tuple[str, str]]:
    """Probe the hops in turn; return the number of each result by hop."""
    found: Counter[tuple[str, str]] = Counter()
    names = list(HOLDS)
    turns = iter(range(count))

    async def probe_on() -> None:
        for turn in turns:
            name = names[turn % len(names)]
            found[name, await judged(ports, name)] += 1
            if not found.total() % 500:
                sys.stderr.write(f"{found.total()} of {count}\n")

    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            nursery.start_soon(probe_on, name=f"prober {number}")
    return found


def main() -> int:
    """Probe the hops; print a line for each hop and result."""
    parser = program_parser("barriers", __doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    options = parser.parse_args()
    with open_workshop() as workshop, hops(workshop) as ports, busy_cores(1):
        found = trio.run(many, ports, options.count)
    for (name, end), times in sorted(found.items()):
        print_line(f"{name:<10} {times:>6}  {end}")
    return int(any(end in ("wrong", "by time") for _, end in found))


if __name__ == "__main__":
    sys.exit(main())
