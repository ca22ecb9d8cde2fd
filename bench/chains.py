"""Chains of real proxies with random settings, probed hop by hop, and through the outermost hop alone.

`python -m bench.chains 100 200` draws a chain for each seed from 100 to 199: 2 to 4 hops of the programs of
`bench.rows`, old and new, our gateway and node, with random settings. Where it is known which change frees the stream,
it makes that change and probes again. It prints how often each claim was right. Every second chain is probed on busy
cores. `--json FILE` appends a line for each chain.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import trio

from bench.processes import Trouble, busy_cores
from bench.rows import (
    PROGRAMS,
    Start,
    apache_with,
    caddy_with,
    compressor,
    envoy_with,
    haproxy_with,
    nginx_with,
    traefik_with,
)
from bench.text import print_line, program_parser
from bench.workshop import Workshop, open_workshop, version_said
from chunkwire.net.dial import Url, parse_url
from chunkwire.tools.probe.fixes import Basis, advice_for
from chunkwire.tools.probe.judge import Hop, judge_chain, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import HopVerdict, Kind
from tests.peers.command import serving
from tests.real_probe.corpus import (
    CODED,
    GZIP,
    OCTETS,
    OFF,
    SETTINGS,
    TIME,
    Setting,
    draw,
    holds_from_outside,
    mode,
    standing,
    truth,
)
from tests.real_probe.proxies import node_proxy

AT_ONCE: Final = 2
_UNKNOWN: Final = (Kind.UNSURE, Kind.SUSPECT)
_NPM: Final = ("compression@1.8", "express@4")


Starter: TypeAlias = Callable[[Start], Callable[[int], AbstractContextManager[int]]]


def _started(start: Start, workshop: Workshop, path: str) -> Callable[[int], AbstractContextManager[int]]:
    @contextmanager
    def run(port: int) -> Generator[int, None, None]:
        with start(workshop, path, port) as ports:
            yield ports[-1]

    return run


def more_settings(workshop: Workshop, chance: random.Random) -> dict[str, Setting]:
    """Return settings by name, with random values, of each available version of each program, and of our gateway."""
    found: dict[str, Setting] = {}
    for program, versions in PROGRAMS.items():
        for find, word in versions:
            try:
                path = find(workshop)
                version = version_said([path, word])
            except Trouble:
                continue
            numbers = tuple(int(number) for number in version.split(".")[:2])

            def start(with_it: Start, path: str = path) -> Callable[[int], AbstractContextManager[int]]:
                return _started(with_it, workshop, path)

            for name, setting in _OF[program](numbers, start, chance).items():
                found[f"{program} {version} {name}"] = setting
    return {**found, **_gateways(chance), **_node(workshop)}


def _nginx(version: tuple[int, ...], start: Starter, chance: random.Random) -> dict[str, Setting]:
    size = chance.choice([1, 2, 8, 16, 32])
    sizes = f"proxy_buffer_size {size}k; proxy_buffers 8 {size}k; proxy_busy_buffers_size {2 * size}k;"
    level = f"gzip_comp_level {chance.randint(1, 9)}; gzip_min_length {chance.choice([0, 20, 1000])};"
    old, http_1_1 = "proxy_http_version 1.0;", "proxy_http_version 1.1;"
    freed = Setting(start(nginx_with(old + OFF)), asks_1_0=True)
    streams = Setting(start(nginx_with(http_1_1)))
    coder = Setting(
        start(nginx_with(http_1_1 + GZIP + level)),
        CODED,
        codes=True,
        change="gzip off;",
        freed=streams,
        passes_1_0=True,
    )
    default = Setting(start(nginx_with("")))
    if version < (1, 29):
        default = Setting(start(nginx_with("")), OCTETS, change=OFF, freed=freed, asks_1_0=True)
    return {
        "default": default,
        sizes + old: Setting(start(nginx_with(sizes + old)), OCTETS, change=OFF, freed=freed, asks_1_0=True),
        OFF: Setting(start(nginx_with(OFF)), asks_1_0=version < (1, 29)),
        http_1_1 + sizes: Setting(start(nginx_with(http_1_1 + sizes))),
        GZIP + level: coder,
        OFF + GZIP: Setting(start(nginx_with(http_1_1 + OFF + GZIP)), codes=True, passes_1_0=True),
    }


def _haproxy(version: tuple[int, ...], start: Starter, chance: random.Random) -> dict[str, Setting]:
    no_delay = "  option http-no-delay\n"
    coder = f"{no_delay}  compression algo {chance.choice(['gzip', 'deflate'])}\n  compression type text/event-stream"
    holds = version < (3, 4)
    return {
        "default": Setting(start(haproxy_with("")), TIME if holds else frozenset(), passes_1_0=True),
        "http-no-delay": Setting(start(haproxy_with(no_delay))),
        coder: Setting(start(haproxy_with(coder)), CODED if holds else frozenset(), codes=True, passes_1_0=True),
    }


def _apache(version: tuple[int, ...], start: Starter, chance: random.Random) -> dict[str, Setting]:
    level = f"SetOutputFilter DEFLATE\nDeflateCompressionLevel {chance.randint(1, 9)}"
    return {
        "default": Setting(start(apache_with(""))),
        level: Setting(start(apache_with(level, "filter", "deflate")), codes=True),
    }


def _caddy(version: tuple[int, ...], start: Starter, chance: random.Random) -> dict[str, Setting]:
    plain = Setting(start(caddy_with("")))
    coder = f"encode {{\n gzip {chance.randint(1, 9)}\n minimum_length 1\n}}"
    buffers = "response_buffers unlimited" if version >= (2, 7) else "buffer_responses"
    holds = CODED if version < (2, 9) else frozenset[Kind]()
    return {
        "default": plain,
        coder: Setting(start(caddy_with(coder)), holds, codes=True, change="encode {", freed=plain),
        buffers: Setting(
            start(caddy_with("", f"{{\n {buffers}\n}}")), OCTETS, change="reverse_proxy without", freed=plain
        ),
    }


def _envoy(version: tuple[int, ...], start: Starter, chance: random.Random) -> dict[str, Setting]:
    return {
        "default": Setting(start(envoy_with())),
        "compressor": Setting(start(envoy_with(compressor("text/event-stream"))), codes=True),
    }


def _traefik(version: tuple[int, ...], start: Starter, chance: random.Random) -> dict[str, Setting]:
    most = chance.choice([1 << 20, 1 << 24])
    return {
        "default": Setting(start(traefik_with())),
        "compress": Setting(start(traefik_with({"compress": {}})), codes=True),
        "buffering": Setting(start(traefik_with({"buffering": {"maxResponseBodyBytes": most}})), OCTETS),
    }


_OF: Final = {
    "nginx": _nginx,
    "haproxy": _haproxy,
    "apache": _apache,
    "caddy": _caddy,
    "envoy": _envoy,
    "traefik": _traefik,
}


def _gateways(chance: random.Random) -> dict[str, Setting]:
    octets, wait = f"coalesce={chance.randint(500, 60000)}", f"coalesce={chance.randint(60, 900)}ms"
    return {
        "gateway": SETTINGS["gateway"],
        "gateway-reframe": SETTINGS["gateway-reframe"],
        octets: mode(octets, OCTETS),
        wait: mode(wait, TIME),
        "buffer": mode("buffer", OCTETS),
    }


def _node(workshop: Workshop) -> dict[str, Setting]:
    try:
        modules = Path(workshop.npm_modules(_NPM))
    except Trouble:
        return {}

    @contextmanager
    def run(port: int, *, flush: bool) -> Generator[int, None, None]:
        with node_proxy(modules, port, flush=flush) as url:
            yield int(url.rpartition(":")[2])

    return {
        "node compression": Setting(partial(run, flush=False), CODED, codes=True),
        "node compression, flushed": Setting(partial(run, flush=True), codes=True),
    }


def _url(port: int) -> Url:
    return parse_url(f"http://127.0.0.1:{port}/probe")


async def _probed(origin: int, ports: Sequence[int]) -> list[HopVerdict]:
    prober, hops = Prober(origin=_url(origin)), list[Hop]()
    for port in (origin, *ports):
        is_behind = any(verdict.is_holding for verdict in judge_chain(hops))
        hops.append(await prober.probe(str(port), _url(port), is_behind=is_behind))
    return judge_chain(hops)[1:]


async def chain(origin: int, names: Sequence[str], settings: Mapping[str, Setting]) -> dict[str, object]:
    """Return a chain's hops, its first holding hop (from 1; 0 for none), the verdicts, and which claims were right."""
    hops = [settings[name] for name in names]
    place, kinds = truth(hops)
    stood = standing(origin, hops)
    ports = await trio.to_thread.run_sync(stood.__enter__)
    try:
        found = await _probed(origin, ports)
        outer = judge_hop(await Prober().probe("outer", _url(ports[-1])))
    finally:
        await trio.to_thread.run_sync(partial(stood.__exit__, None, None, None))
    lines = [verdict.proved_line for verdict in found]
    about: dict[str, object] = {"hops": names, "holds": place + 1, "verdicts": lines, "outer": outer.proved_line}
    if any(verdict.kind is Kind.UNREACHABLE for verdict in (*found, outer)):
        return about  # a program has ended
    got = next((n for n, verdict in enumerate(found) if verdict.is_holding), -1)
    holds_outside = holds_from_outside(hops)
    right = {"hop": got == place, "no false positive": place >= 0 or got < 0}
    right["outermost alone"] = outer.is_holding == holds_outside or outer.kind in _UNKNOWN
    right["no false positive, outermost alone"] = holds_outside or not outer.is_holding
    if place >= 0:
        right["kind"] = got == place and found[got].kind in kinds
        freed = hops[place].freed
        if right["hop"] and freed is not None:
            right |= _advised(found[got], names[place], hops[place])
            right["freed by it"] = await _is_freed(origin, [*hops[:place], freed])
    return {**about, **right}


def _advised(verdict: HopVerdict, name: str, setting: Setting) -> dict[str, bool]:
    """Say whether the first change is right; of a hop without a name, whether all are marked as guesses."""
    advice = advice_for(verdict)
    program = "chunkwire" if name in SETTINGS or name.startswith(("buffer", "coalesce")) else name.partition(" ")[0]
    if program in verdict.software.lower():
        return {"change": bool(advice) and advice[0].fix.change.startswith(setting.change)}
    return {"hop without a name: only guesses": all(each.basis is Basis.GUESS for each in advice)}


async def _is_freed(origin: int, hops: Sequence[Setting]) -> bool:
    stood = standing(origin, hops)
    ports = await trio.to_thread.run_sync(stood.__enter__)
    try:
        return (await _probed(origin, ports))[-1].is_streaming
    finally:
        await trio.to_thread.run_sync(partial(stood.__exit__, None, None, None))


async def chains(seeds: Sequence[int], workshop: Workshop, path: str | None) -> Counter[tuple[str, bool]]:
    """Probe the chains of these seeds; return how often each claim was right."""
    counts: Counter[tuple[str, bool]] = Counter()
    limiter = trio.CapacityLimiter(AT_ONCE)
    with serving("serve") as origin, open(path or "/dev/null", "a", encoding="utf-8") as file:  # noqa: ASYNC230

        async def one(seed: int) -> None:
            async with limiter:
                settings = await trio.to_thread.run_sync(more_settings, workshop, random.Random(seed))
                found = await chain(origin.port, draw(seed, settings), settings)
            counts.update((name, value) for name, value in found.items() if isinstance(value, bool))
            file.write(json.dumps({"seed": seed, **found}) + "\n")
            file.flush()

        async with trio.open_nursery() as nursery:
            for seed in seeds:
                nursery.start_soon(one, seed, name=f"chain {seed}")
    return counts


def main() -> int:
    """Probe the chains of the command line; print a line for each claim."""
    parser = program_parser("chains", __doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    seeds = range(options.first, options.last)
    with open_workshop() as workshop:
        more_settings(workshop, random.Random(0))  # downloads the programs before any chain
        counts = trio.run(chains, seeds[::2], workshop, options.json)
        with busy_cores(1):
            counts += trio.run(chains, seeds[1::2], workshop, options.json)
    for name in dict.fromkeys(name for name, _ in counts):
        print_line(f"{name:<35} {counts[name, True]:>4} right  {counts[name, False]:>4} wrong")
    return int(any(not value and count for (_, value), count in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
