"""The relays that are compared: the command of each, between an origin's port and a port of its own.

The rule here: a peer runs with the streaming settings of its own documentation, one thread and no logs, and otherwise
its defaults. `path` is a program to run in place of the installed one (`bench.newest`).
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from bench.processes import Trouble, find_program, need_program
from bench.workshop import PEERS, Workshop


@dataclass(frozen=True, slots=True)
class Route:
    """The ports of a relay and of its origin, both on 127.0.0.1.

    Attributes:
        is_tls: the origin is HTTPS, with the workshop's certificate for `localhost`.
    """

    listen: int
    origin: int
    is_tls: bool = False

    @property
    def origin_url(self) -> str:
        """The origin as a URL."""
        return f"https://localhost:{self.origin}" if self.is_tls else f"http://127.0.0.1:{self.origin}"


Command: TypeAlias = Callable[[Workshop, Route], list[str]]
"""Returns a relay's command; raises Trouble where its program is missing."""

NGINX = """worker_processes 1; daemon off; pid {tmp}/nginx.pid; error_log {tmp}/nginx.err;
events {{ worker_connections 30000; }}
http {{ access_log off; client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f;
 uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s;
 upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
 server {{ listen 127.0.0.1:{listen} backlog=8192; location / {{ proxy_pass {scheme}://origin; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 1h; {tls} }} }} }}
"""
NGINX_TLS = (
    "proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_name localhost; proxy_ssl_server_name on;"
)
HAPROXY = """global
  nbthread 1
  maxconn 9000
{extra}
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option http-no-delay
frontend f
  bind 127.0.0.1:{listen} backlog 8192
  default_backend b
backend b
  server s 127.0.0.1:{origin} {tls}
"""
HAPROXY_TLS = "ssl verify required ca-file {ca} verifyhost localhost sni str(localhost)"
CADDY = """{{
 admin off
 auto_https off
}}
http://127.0.0.1:{listen} {{
 reverse_proxy {url} {{
  flush_interval -1
  {tls}
 }}
}}
"""
CADDY_TLS = "transport http {{\n   tls_trusted_ca_certs {ca}\n  }}"
APACHE = """ServerRoot {tmp}
PidFile {tmp}/apache-{listen}.pid
ErrorLog {tmp}/apache-{listen}.err
Listen 127.0.0.1:{listen}
ServerName localhost
User nobody
Group nogroup
{loads}
{tls}
ProxyPass / {url}/ retry=0 {settings}
"""
APACHE_TLS = "SSLProxyEngine on\nSSLProxyVerify require\nSSLProxyCACertificateFile {ca}"
TRAEFIK_STATIC = """entryPoints: {{web: {{address: "127.0.0.1:{listen}"}}}}
providers: {{file: {{filename: "{dynamic}"}}}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
"""
ENVOY = "type.googleapis.com/envoy.extensions"


def _ca(workshop: Workshop, route: Route) -> str:
    return str(workshop.certificate().file) if route.is_tls else ""


def copy(workshop: Workshop, route: Route) -> list[str]:
    """Return the command of the copying relay in C, the lower bound, which knows no HTTP."""
    if route.is_tls:
        raise Trouble("the copy relay speaks no TLS")
    return [workshop.c_program("copyrelay"), str(route.origin), str(route.listen)]


def nginx(workshop: Workshop, route: Route, *, path: str | None = None) -> list[str]:
    """Return nginx's command."""
    path = path or need_program("nginx")
    tls = NGINX_TLS.format(ca=_ca(workshop, route)) if route.is_tls else ""
    scheme = "https" if route.is_tls else "http"
    text = NGINX.format(tmp=workshop.folder, origin=route.origin, listen=route.listen, scheme=scheme, tls=tls)
    folder = str(workshop.folder)
    return [path, "-p", folder, "-e", f"{folder}/nginx.err", "-c", workshop.write("nginx.conf", text)]


def haproxy(workshop: Workshop, route: Route, *, path: str | None = None, extra: str = "") -> list[str]:
    """Return HAProxy's command; `extra` are lines of its global section."""
    path = path or need_program("haproxy")
    tls = HAPROXY_TLS.format(ca=_ca(workshop, route)) if route.is_tls else ""
    text = HAPROXY.format(extra=extra, origin=route.origin, listen=route.listen, tls=tls)
    return [path, "-f", workshop.write(f"haproxy-{route.listen}.cfg", text)]


def haproxy_busy(workshop: Workshop, route: Route, *, path: str | None = None) -> list[str]:
    """Return the command of a HAProxy that polls without blocking."""
    return haproxy(workshop, route, path=path, extra="  busy-polling")


def caddy(workshop: Workshop, route: Route, *, path: str | None = None) -> list[str]:
    """Return Caddy's command."""
    path = path or need_program("caddy")
    tls = CADDY_TLS.format(ca=_ca(workshop, route)) if route.is_tls else ""
    text = CADDY.format(listen=route.listen, url=route.origin_url, tls=tls)
    home = [f"XDG_DATA_HOME={workshop.folder}", f"XDG_CONFIG_HOME={workshop.folder}"]
    return [
        need_program("env"),
        *home,
        path,
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        workshop.write("Caddyfile", text),
    ]


def apache(
    workshop: Workshop, route: Route, *, path: str | None = None, settings: str = "flushpackets=on"
) -> list[str]:
    """Return Apache's command; `settings` are parameters of ProxyPass."""
    path = path or need_program("apache2")
    beside = Path(path).parent.parent / "usr/lib/apache2/modules"
    folder = beside if beside.exists() else Path("/usr/lib/apache2/modules")
    modules = ("mpm_event", "authz_core", "proxy", "proxy_http", *(("ssl", "socache_shmcb") if route.is_tls else ()))
    loads = "\n".join(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in modules)
    tls = APACHE_TLS.format(ca=_ca(workshop, route)) if route.is_tls else ""
    text = APACHE.format(
        tmp=workshop.folder, listen=route.listen, url=route.origin_url, loads=loads, tls=tls, settings=settings
    )
    return [path, "-X", "-f", workshop.write(f"apache-{route.listen}.conf", text)]


def envoy(
    workshop: Workshop,
    route: Route,
    *,
    path: str | None = None,
    filters: Sequence[Mapping[str, object]] = (),
    limits: Mapping[str, object] = MappingProxyType({"timeout": "0s"}),
) -> list[str]:
    """Return Envoy's command, without a stream timeout, as its documentation advises for streaming routes.

    Args:
        filters: before the router.
        limits: members of the route.
    """
    manager = {
        "@type": f"{ENVOY}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", **limits}}],
                }
            ]
        },
        "http_filters": [
            *filters,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{ENVOY}.filters.http.router.v3.Router"},
            },
        ],
    }
    network = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {"address": _socket(route.listen), "filter_chains": [{"filters": network}]}
    config = {"static_resources": {"listeners": [listener], "clusters": [_envoy_cluster(workshop, route)]}}
    file = workshop.write(f"envoy-{route.listen}.json", json.dumps(config))
    words = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"]
    return [path or need_program("envoy"), "-c", file, *words]


def _envoy_cluster(workshop: Workshop, route: Route) -> dict[str, object]:
    upstream = {"endpoint": {"address": _socket(route.origin)}}
    cluster: dict[str, object] = {
        "name": "upstream",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [upstream]}]},
        # The default limit of 1024 connections is fewer than the streams of `crowd`.
        "circuit_breakers": {
            "thresholds": [{"max_connections": 9000, "max_pending_requests": 9000, "max_requests": 9000}]
        },
    }
    if route.is_tls:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{ENVOY}.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "localhost",
                "common_tls_context": {"validation_context": {"trusted_ca": {"filename": _ca(workshop, route)}}},
            },
        }
    return cluster


def _socket(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def traefik(
    workshop: Workshop, route: Route, *, path: str | None = None, middleware: Mapping[str, object] | None = None
) -> list[str]:
    """Return Traefik's command; `middleware` is one of its router."""
    service: dict[str, object] = {"servers": [{"url": route.origin_url}]}
    router: dict[str, object] = {"rule": "PathPrefix(`/`)", "service": "upstream", "entryPoints": ["web"]}
    dynamic: dict[str, object] = {
        "routers": {"all": router},
        "services": {"upstream": {"loadBalancer": service}},
    }
    if middleware is not None:
        router["middlewares"], dynamic["middlewares"] = ["one"], {"one": middleware}
    if route.is_tls:
        service["serversTransport"] = "trusting"
        dynamic["serversTransports"] = {"trusting": {"rootCAs": [_ca(workshop, route)]}}
    file = workshop.write(f"traefik-{route.listen}-dynamic.yml", json.dumps({"http": dynamic}))  # YAML holds JSON
    static = workshop.write(f"traefik-{route.listen}.yml", TRAEFIK_STATIC.format(listen=route.listen, dynamic=file))
    return [path or need_program("traefik"), f"--configFile={static}"]


def go(workshop: Workshop, route: Route, *, path: str | None = None) -> list[str]:
    """Return the command of httputil.ReverseProxy; `path` is the Go that compiles it."""
    command = [workshop.go_program("relay", go=path), route.origin_url, str(route.listen)]
    return [*command, _ca(workshop, route)] if route.is_tls else command


def node(workshop: Workshop, route: Route, *, path: str | None = None) -> list[str]:
    """Return the command of node's http module, piped; Bun has it too."""
    command = [path or need_program("node"), str(PEERS / "relay.js"), route.origin_url, str(route.listen)]
    return [*command, _ca(workshop, route)] if route.is_tls else command


def python_proxy(module: str, *words: str) -> Command:
    """Return the command of a Python proxy of `bench.peers`; `words` are its arguments between port and origin."""

    def command(workshop: Workshop, route: Route) -> list[str]:
        if route.is_tls:
            raise Trouble("not compared over TLS")
        python = workshop.peer_python()
        return [python, "-m", f"bench.peers.{module}", str(route.listen), *words, route.origin_url]

    return command


PEERS_OF_DEBIAN: Mapping[str, Command] = {
    "copy": copy,
    "nginx": nginx,
    "haproxy": haproxy,
    "haproxy-busy": haproxy_busy,
    "caddy": caddy,
    "go": go,
    "node": node,
}
WITHOUT_POLLING = {name: command for name, command in PEERS_OF_DEBIAN.items() if name != "haproxy-busy"}
PEERS_OF_PYTHON: Mapping[str, Command] = {
    "uvicorn+httpx": python_proxy("run_uvicorn", "uvloop", "httptools"),
    "hypercorn+httpx": python_proxy("run_hypercorn"),
    "aiohttp": python_proxy("run_aiohttp"),
}

CHUNKWIRE = "{python} -m chunkwire forward {origin_url} --listen 127.0.0.1:{listen} -q {tls}"
SUBJECTS: Mapping[str, str] = {
    "chunkwire": CHUNKWIRE,
    "nopoll": CHUNKWIRE + " --poll 0",
    "always": CHUNKWIRE + " --poll always",
}


PLACEHOLDERS = ("python", "listen", "origin", "origin_url", "tls")


def check_subject(template: str) -> None:
    """Check a command line for `subject`.

    Raises:
        ValueError: it has an unknown placeholder, or an unpaired brace or quote.
    """
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        words = shlex.split(template.format(**dict.fromkeys(PLACEHOLDERS, "0")))
    except (KeyError, IndexError, AttributeError, TypeError):
        raise ValueError(f"expected placeholders out of {known}, got {template!r}") from None
    except ValueError as error:
        raise ValueError(f"expected a command line, its placeholders out of {known}: {error}") from None
    if not words:
        raise ValueError(f"expected a command line, got {template!r}")


def subject(template: str) -> Command:
    """Return the command of a relay from a command line with placeholders.

    `{listen}` and `{origin}` are ports, `{origin_url}` is the origin, `{tls}` the flags that trust the run's
    certificate (empty without TLS), `{python}` the running interpreter.
    """

    def command(workshop: Workshop, route: Route) -> list[str]:
        words = {
            "python": shlex.quote(sys.executable),
            "listen": route.listen,
            "origin": route.origin,
            "origin_url": route.origin_url,
            "tls": f"--cafile {_ca(workshop, route)}" if route.is_tls else "",
        }
        return shlex.split(template.format(**words))

    return command


def is_installed(name: str) -> bool:
    """Say whether the program of a Debian peer is installed."""
    programs = {"copy": "gcc", "haproxy-busy": "haproxy"}
    return find_program(programs.get(name, name)) is not None
