"""Chains of real proxies with random settings, and what is true of each: which hop holds first, how, and what frees it.

A chain is written as the names of its hops from the inside out; `SETTINGS` says what each name stands for. What a hop
does depends on the hops further in only in that content which is coded already is not coded again.
`bench.chains` has more settings, on more versions.
"""

import random
from collections.abc import Callable, Generator, Mapping, Sequence
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
        freed: the same hop with that change made.
        asks_1_0: it asks the hop further in in HTTP/1.0.
        passes_1_0: it sends content as it comes, and without a coding, to who asks in HTTP/1.0.
    """

    start: Start
    kinds: frozenset[Kind] = NONE
    codes: bool = False
    change: str = ""
    freed: "Setting | None" = None
    asks_1_0: bool = False
    passes_1_0: bool = False


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
NGINX_OFF = Setting(_nginx(OFF), asks_1_0=True)
NGINX_1_1 = Setting(_nginx("proxy_http_version 1.1;"))
NGINX_GZIP = Setting(
    _nginx("proxy_http_version 1.1;" + GZIP), CODED, codes=True, change="gzip off;", freed=NGINX_1_1, passes_1_0=True
)
GATEWAY = Setting(_gateway("exact"))


def mode(name: str, kinds: frozenset[Kind]) -> Setting:
    """Return our gateway in a mode that holds."""
    return Setting(_gateway(name), kinds, change="--mode exact", freed=GATEWAY, passes_1_0=True)


SETTINGS = {
    "nginx": Setting(_nginx(""), OCTETS, change=OFF, freed=NGINX_OFF, asks_1_0=True),
    "nginx-off": NGINX_OFF,
    "nginx-1.1": NGINX_1_1,
    "nginx-1.1-gzip": NGINX_GZIP,
    "nginx-off-gzip": Setting(_nginx(OFF + GZIP), codes=True, asks_1_0=True),
    "haproxy": Setting(_haproxy(""), TIME, passes_1_0=True),
    "haproxy-no-delay": Setting(_haproxy("  option http-no-delay")),
    "caddy": Setting(_caddy),
    "apache": Setting(_apache("")),
    "apache-deflate": Setting(_apache("SetOutputFilter DEFLATE", "filter", "deflate"), codes=True),
    "gateway": GATEWAY,
    "gateway-reframe": Setting(_gateway("reframe")),
    "gateway-buffer": mode("buffer", OCTETS),
    "gateway-4096": mode("coalesce=4096", OCTETS),
    "gateway-300ms": mode("coalesce=300ms", TIME),
}


def truth(hops: Sequence[Setting]) -> tuple[int, frozenset[Kind]]:
    """Return the first hop that holds, from 0 at the inside, and in which ways it may; -1 for none."""
    is_coded = False
    for place, setting in enumerate(hops):
        if setting.kinds and not (setting.kinds == CODED and is_coded):
            return place, setting.kinds
        is_coded = is_coded or setting.codes
    return -1, NONE


def holds_from_outside(hops: Sequence[Setting]) -> bool:
    """Say whether a client of the outermost hop sees a stream that is held."""
    is_coded = False
    for setting, outer in zip(hops, [*hops[1:], None], strict=True):
        is_passed = outer is not None and outer.asks_1_0 and setting.passes_1_0
        if setting.kinds and not is_passed and not (setting.kinds == CODED and is_coded):
            return True
        is_coded = is_coded or (setting.codes and not is_passed)
    return False


def draw(seed: int, settings: Mapping[str, Setting] = SETTINGS) -> list[str]:
    """Return the chain of a seed: 2 to 4 hops; a third of the chains holds nowhere."""
    chance = random.Random(seed)
    healthy = [name for name, setting in settings.items() if not setting.kinds]
    names = healthy if chance.random() < 1 / 3 else list(settings)
    return [chance.choice(names) for _ in range(chance.randint(2, 4))]


@contextmanager
def standing(port: int, hops: Sequence[Setting]) -> Generator[list[int], None, None]:
    """Run a chain before a port; give the ports of its hops, from the inside out."""
    with ExitStack() as stack:
        ports = [port]
        for setting in hops:
            ports.append(stack.enter_context(setting.start(ports[-1])))
        yield ports[1:]
