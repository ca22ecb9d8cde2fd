"""The proxies that `bench.scorecards` checks: the command of each, before an upstream's port.

The rule here: a proxy runs as its own documentation shows a reverse proxy, or as that says how to stream (`setting`).
No subject is tuned to a row.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.gateways import CHUNKWIRE, Command, Route, apache, caddy, envoy, go, haproxy, subject, traefik
from bench.newest import installed, packaged
from bench.processes import need_program
from bench.workshop import PEERS, Workshop

NPM: Final = ("http-proxy@1.18", "http-proxy-3@2")

_NGINX: Final = """worker_processes 1; daemon off; pid {tmp}/{name}.pid; error_log {tmp}/{name}.err;
events {{ worker_connections 512; }}
http {{ access_log off; client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f;
 uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s;
 server {{ listen 127.0.0.1:{listen}; location / {{ proxy_pass http://127.0.0.1:{origin}; {settings} }} }} }}
"""
_NGINX_STREAMS: Final = (
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off;'
)


@dataclass(frozen=True, slots=True)
class ProxySubject:
    """A proxy.

    Attributes:
        version: the command that prints its version.
        setting: its difference from another subject of the same program; may be empty.
        is_short: it is in the short table.
    """

    name: str
    command: Command
    version: Callable[[Workshop], Sequence[str]]
    setting: str = ""
    is_short: bool = False

    @property
    def label(self) -> str:
        """Its name and setting."""
        return f"{self.name} ({self.setting})" if self.setting else self.name


def _nginx(program: Callable[[Workshop], str], settings: str) -> Command:
    def command(workshop: Workshop, route: Route) -> list[str]:
        name = f"nginx-{route.listen}"
        text = _NGINX.format(
            tmp=workshop.folder, name=name, listen=route.listen, origin=route.origin, settings=settings
        )
        folder = str(workshop.folder)
        return [program(workshop), "-p", folder, "-e", f"{folder}/{name}.err", "-c", workshop.write(name, text)]

    return command


def _newer(command: Callable[..., list[str]], name: str) -> Command:
    """Return the command of a peer, with the program from a Python package."""
    return lambda workshop, route: command(workshop, route, path=packaged(name)(workshop))


def _mitmproxy(*options: str) -> Command:
    def command(workshop: Workshop, route: Route) -> list[str]:
        words = [packaged("mitmdump")(workshop), "-q", "--mode", f"reverse:{route.origin_url}"]
        words += ["--listen-host", "127.0.0.1", "-p", str(route.listen), "--set", f"confdir={workshop.folder}"]
        return [*words, *(word for option in options for word in ("--set", option))]

    return command


def _npm(package: str) -> Command:
    def command(workshop: Workshop, route: Route) -> list[str]:
        modules = workshop.npm_modules(NPM)
        script = str(PEERS / "proxy-http-proxy.js")
        words = [need_program("env"), f"NODE_PATH={modules}", need_program("node"), "--no-deprecation", script]
        return [*words, package, route.origin_url, str(route.listen)]

    return command


def _npm_version(package: str) -> Callable[[Workshop], Sequence[str]]:
    def ask(workshop: Workshop) -> Sequence[str]:
        found = json.loads((Path(workshop.npm_modules(NPM)) / package / "package.json").read_text())
        return ["echo", str(found["version"])]

    return ask


def _asks(program: Callable[[Workshop], str], *words: str) -> Callable[[Workshop], Sequence[str]]:
    return lambda workshop: [program(workshop), *words]


_NGINX_1, _NGINX_2 = installed("nginx"), packaged("nginx")
_HTTP_1_1: Final = 'proxy_http_version 1.1; proxy_set_header Connection "";'
PROXIES: Final = (
    ProxySubject("chunkwire", subject(CHUNKWIRE), _asks(lambda _: sys.executable, "-m", "chunkwire", "--version"),
                 is_short=True),
    ProxySubject("nginx", _nginx(_NGINX_1, ""), _asks(_NGINX_1, "-v"), "as it comes"),
    ProxySubject("nginx", _nginx(_NGINX_1, _HTTP_1_1), _asks(_NGINX_1, "-v"), "HTTP/1.1 upstream"),
    ProxySubject("nginx", _nginx(_NGINX_1, _NGINX_STREAMS), _asks(_NGINX_1, "-v"), "buffering off"),
    ProxySubject("nginx", _nginx(_NGINX_2, ""), _asks(_NGINX_2, "-v"), "as it comes", is_short=True),
    ProxySubject("nginx", _nginx(_NGINX_2, _NGINX_STREAMS), _asks(_NGINX_2, "-v"), "buffering off", is_short=True),
    ProxySubject("HAProxy", haproxy, _asks(installed("haproxy"), "-v"), "http-no-delay", is_short=True),
    ProxySubject("Caddy", caddy, _asks(installed("caddy"), "version"), "flush_interval -1"),
    ProxySubject("Caddy", _newer(caddy, "caddy"), _asks(packaged("caddy"), "version"),
                 "flush_interval -1", is_short=True),
    ProxySubject("Apache", partial(apache, settings=""), _asks(installed("apache2"), "-v"), "as it comes"),
    ProxySubject("Apache", apache, _asks(installed("apache2"), "-v"), "flushpackets=on",
                 is_short=True),
    ProxySubject("Envoy", _newer(envoy, "envoy"), _asks(packaged("envoy"), "--version"), is_short=True),
    ProxySubject("Traefik", _newer(traefik, "traefik"), _asks(packaged("traefik"), "version"), is_short=True),
    ProxySubject("Go ReverseProxy", go, _asks(installed("go"), "version"), "FlushInterval -1"),
    ProxySubject("Go ReverseProxy", _newer(go, "go"), _asks(packaged("go"), "version"),
                 "FlushInterval -1", is_short=True),
    ProxySubject("http-proxy", _npm("http-proxy"), _npm_version("http-proxy"), is_short=True),
    ProxySubject("http-proxy-3", _npm("http-proxy-3"), _npm_version("http-proxy-3")),
    ProxySubject("mitmproxy", _mitmproxy(), _asks(packaged("mitmdump"), "--version"), "as it comes"),
    ProxySubject("mitmproxy", _mitmproxy("stream_large_bodies=1"), _asks(packaged("mitmdump"), "--version"),
                 "stream_large_bodies=1", is_short=True),
)  # fmt: skip
