"""Chains of real proxies with random settings, and what is true of each: which hop holds first, how, and what frees it.

A chain is written as the names of its hops from the inside out; `SETTINGS` says what each name stands for. What a hop
does depends on the hops further in only in that content which is coded already is not coded again.
"""

import random
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from chunkwire.tools.probe.verdict import Kind
from tests.peers.command import serving
from tests.peers.servers import caddy, haproxy, nginx
from tests.real_probe.proxies import apache

OCTETS = frozenset({Kind.TO_OCTETS, Kind.TO_END})
TIME = frozenset({Kind.FOR_TIME})
CODED = frozenset({Kind.COMPRESSED})
NONE: frozenset[Kind] = frozenset()

Start = Callable[[int], AbstractContextManager[int]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One hop with one setting.

    Attributes:
        start: runs it before a port, and gives its own.
        kinds: in which way it holds; none where it streams.
        codes: it adds a content coding.
        change: the first thing that must be offered where the hop says its name; empty where it does not.
        freed: the name of the same hop with that change made.
        asks_1_0: it asks the hop further in in HTTP/1.0, to which our gateway in any mode, and HAProxy, send content as
            it comes.
    """

    start: Start
    kinds: frozenset[Kind] = NONE
    codes: bool = False
    change: str = ""
    freed: str = ""
    asks_1_0: bool = False


def _nginx(directives: str) -> Start:
    @contextmanager
    def start(port: int) -> Generator[int, None, None]:
        with nginx(f"location / {{ proxy_pass http://127.0.0.1:{port}; {directives} }}") as server:
            yield server.port

    return start


def _haproxy(defaults: str) -> Start:
    @contextmanager
    def start(port: int) -> Generator[int, None, None]:
        with haproxy(f"  server s 127.0.0.1:{port}", defaults=defaults) as server:
            yield server.port

    return start


@contextmanager
def _caddy(port: int) -> Generator[int, None, None]:
    with caddy(f"reverse_proxy 127.0.0.1:{port}") as server:
        yield server.port


def _gateway(mode: str) -> Start:
    @contextmanager
    def start(port: int) -> Generator[int, None, None]:
        with serving("forward", f"http://127.0.0.1:{port}", "--mode", mode) as server:
            yield server.port

    return start


def _apache(more: str, *modules: str) -> Start:
    @contextmanager
    def start(port: int) -> Generator[int, None, None]:
        with apache(f"ProxyPass / http://127.0.0.1:{port}/\n{more}", *modules) as url:
            yield int(url.rpartition(":")[2])

    return start


GZIP = "gzip on; gzip_proxied any; gzip_types text/event-stream;"
OFF = "proxy_buffering off;"
SETTINGS = {
    "nginx": Setting(_nginx(""), OCTETS, change=OFF, freed="nginx-off", asks_1_0=True),
    "nginx-off": Setting(_nginx(OFF), asks_1_0=True),
    "nginx-1.1": Setting(_nginx("proxy_http_version 1.1;")),
    "nginx-1.1-gzip": Setting(_nginx("proxy_http_version 1.1;" + GZIP), CODED, True, "gzip off;", "nginx-1.1"),
    "nginx-off-gzip": Setting(_nginx(OFF + GZIP), codes=True, asks_1_0=True),
    "haproxy": Setting(_haproxy(""), TIME),
    "haproxy-no-delay": Setting(_haproxy("  option http-no-delay")),
    "caddy": Setting(_caddy),
    "apache": Setting(_apache("")),
    "apache-deflate": Setting(_apache("SetOutputFilter DEFLATE", "filter", "deflate"), codes=True),
    "gateway": Setting(_gateway("exact")),
    "gateway-reframe": Setting(_gateway("reframe")),
    "gateway-buffer": Setting(_gateway("buffer"), OCTETS, change="--mode exact", freed="gateway"),
    "gateway-4096": Setting(_gateway("coalesce=4096"), OCTETS, change="--mode exact", freed="gateway"),
    "gateway-300ms": Setting(_gateway("coalesce=300ms"), TIME, change="--mode exact", freed="gateway"),
}


def truth(names: Sequence[str]) -> tuple[int, frozenset[Kind]]:
    """Return the first hop that holds, from 0 at the inside, and in which ways it may; -1 for none."""
    is_coded = False
    for place, name in enumerate(names):
        setting = SETTINGS[name]
        if setting.kinds and not (setting.kinds == CODED and is_coded):
            return place, setting.kinds
        is_coded = is_coded or setting.codes
    return -1, NONE


def holds_from_outside(names: Sequence[str]) -> bool:
    """Say whether a client of the outermost hop sees a stream that is held."""
    is_coded = False
    for name, outer in zip(names, [*names[1:], ""], strict=True):
        setting = SETTINGS[name]
        is_passed = bool(outer) and SETTINGS[outer].asks_1_0 and name.startswith(("gateway-", "haproxy"))
        if setting.kinds and not is_passed and not (setting.kinds == CODED and is_coded):
            return True
        is_coded = is_coded or setting.codes
    return False


def draw(seed: int) -> list[str]:
    """Return the chain of a seed: 2 to 4 hops; a third of the chains holds nowhere."""
    chance = random.Random(seed)
    healthy = [name for name, setting in SETTINGS.items() if not setting.kinds]
    names = healthy if chance.random() < 1 / 3 else list(SETTINGS)
    return [chance.choice(names) for _ in range(chance.randint(2, 4))]


@contextmanager
def standing(port: int, names: Sequence[str]) -> Generator[list[int], None, None]:
    """Run a chain before a port; give the ports of its hops, from the inside out."""
    with ExitStack() as stack:
        ports = [port]
        for name in names:
            ports.append(stack.enter_context(SETTINGS[name].start(ports[-1])))
        yield ports[1:]
