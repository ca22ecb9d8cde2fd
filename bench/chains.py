"""Chains of real proxies with random settings, probed hop by hop and from the outermost one alone.

`python -m bench.chains 100 200` takes the chains of these seeds out of the generator that the tests share, makes the
change that is offered first, probes again, and prints how often each was right; `--json FILE` keeps a line a chain.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial

import trio

from chunkwire.net.dial import Url, parse_url
from chunkwire.tools.probe.fixes import advice_for
from chunkwire.tools.probe.judge import Hop, judge_chain, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import HopVerdict, Kind
from tests.peers.command import serving
from tests.real_probe.corpus import SETTINGS, draw, holds_from_outside, standing, truth

AT_ONCE = 3
_UNKNOWN = (Kind.UNSURE, Kind.SUSPECT)


def _url(port: int) -> Url:
    return parse_url(f"http://127.0.0.1:{port}/probe")


async def _probed(origin: int, ports: Sequence[int]) -> list[HopVerdict]:
    prober, hops = Prober(origin=_url(origin)), list[Hop]()
    for port in (origin, *ports):
        is_behind = any(verdict.is_holding for verdict in judge_chain(hops))
        hops.append(await prober.probe(str(port), _url(port), is_behind=is_behind))
    return judge_chain(hops)[1:]


async def chain(origin: int, seed: int) -> dict[str, object]:
    """Return what came of the chain of a seed: its hops, the truth, the verdicts, and what was right."""
    names = draw(seed)
    place, kinds = truth(names)
    stood = standing(origin, names)
    ports = await trio.to_thread.run_sync(stood.__enter__)
    try:
        found = await _probed(origin, ports)
        outer = judge_hop(await Prober().probe("outer", _url(ports[-1])))
    finally:
        await trio.to_thread.run_sync(partial(stood.__exit__, None, None, None))
    got = next((n for n, verdict in enumerate(found) if verdict.is_holding), -1)
    right = {"hop": got == place}
    right["outermost alone"] = outer.is_holding == holds_from_outside(names) or outer.kind in _UNKNOWN
    if place >= 0:
        right["kind"] = got == place and found[got].kind in kinds
    if right["hop"] and place >= 0 and SETTINGS[names[place]].change:
        setting = SETTINGS[names[place]]
        right["change"] = advice_for(found[got])[0].fix.change.startswith(setting.change)
        right["freed by it"] = await _is_freed(origin, (*names[:place], setting.freed))
    lines = [verdict.proved_line for verdict in found]
    return {"seed": seed, "hops": names, "holds": place + 1, "verdicts": lines, "outer": outer.proved_line, **right}


async def _is_freed(origin: int, names: Sequence[str]) -> bool:
    stood = standing(origin, names)
    ports = await trio.to_thread.run_sync(stood.__enter__)
    try:
        return (await _probed(origin, ports))[-1].is_streaming
    finally:
        await trio.to_thread.run_sync(partial(stood.__exit__, None, None, None))


async def chains(first: int, last: int, path: str | None) -> Counter[tuple[str, bool]]:
    """Probe the chains of these seeds; return how often each claim was right."""
    counts: Counter[tuple[str, bool]] = Counter()
    limiter = trio.CapacityLimiter(AT_ONCE)
    with serving("serve") as origin, open(path or "/dev/null", "w", encoding="utf-8") as file:  # noqa: ASYNC230

        async def one(seed: int) -> None:
            async with limiter:
                found = await chain(origin.port, seed)
            counts.update((name, value) for name, value in found.items() if isinstance(value, bool))
            file.write(json.dumps(found) + "\n")

        async with trio.open_nursery() as nursery:
            for seed in range(first, last):
                nursery.start_soon(one, seed, name=f"chain {seed}")
    return counts


def main() -> int:
    """Run it, and print a line a claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    counts = trio.run(chains, options.first, options.last, options.json)
    for name in dict.fromkeys(name for name, _ in counts):
        sys.stdout.write(f"{name:<16} {counts[name, True]:>4} right  {counts[name, False]:>4} wrong\n")
    return int(any(not value and count for (_, value), count in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
