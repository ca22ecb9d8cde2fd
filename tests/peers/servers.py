"""nginx, HAProxy and Caddy, each in the foreground, on a free port, with the configuration that a test gives.

nginx and HAProxy are handed a socket that listens already, so a test may connect at once and no other program can
take the port in between. Caddy is given a free port and waited for.
"""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.process import LOOPBACK, free_port, listening_socket, started, wait_listening, workplace
from tests.peers.programs import program


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    def url(self, target: str = "/") -> str:
        return f"http://{LOOPBACK}:{self.port}{target}"


@contextmanager
def nginx(
    server: str, *, http: str = "", files: dict[str, bytes] | None = None, listen: str = "", path: str | None = None
) -> Generator[Server, None, None]:
    """Run nginx with one server block.

    Args:
        server: directives inside `server { }`, without `listen`.
        http: directives inside `http { }`, before the server.
        files: what lies under its `root`.
        listen: parameters of its `listen`, such as `ssl`.
        path: the program, instead of the installed one; so it is for the others.
    """
    path = path or program("nginx")
    with workplace() as folder, listening_socket() as listener:
        for name, octets in (files or {}).items():
            folder.joinpath(name).write_bytes(octets)
        port = listener.getsockname()[1]
        temporary = " ".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        folder.joinpath("nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off; {temporary} root {folder}; {http}\n"
            f"  server {{ listen {LOOPBACK}:{port} {listen}; {server} }}\n}}\n"
        )
        argv: list[str | Path] = [path, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"]
        env = {"NGINX": f"{listener.fileno()};"}
        handed = [listener.fileno()]
        with (folder / "stderr").open("wb") as log, started(argv, env=env, pass_fds=handed, stderr=log) as process:
            yield Server(port, process)


@contextmanager
def haproxy(backend: str, *, defaults: str = "", path: str | None = None) -> Generator[Server, None, None]:
    """Run HAProxy with one frontend and one backend; each argument holds lines for its section."""
    path = path or program("haproxy")
    with workplace() as folder, listening_socket() as listener:
        config = folder / "haproxy.cfg"
        config.write_text(
            "global\n  maxconn 256\n"
            f"defaults\n  mode http\n  timeout connect 30s\n  timeout client 60s\n  timeout server 60s\n{defaults}\n"
            f"frontend in\n  bind fd@{listener.fileno()}\n  default_backend out\n"
            f"backend out\n{backend}\n"
        )
        argv: list[str | Path] = [path, "-db", "-q", "-f", config]
        handed = [listener.fileno()]
        with (folder / "stderr").open("wb") as log, started(argv, pass_fds=handed, stderr=log) as process:
            yield Server(listener.getsockname()[1], process)


@contextmanager
def caddy(site: str, *, path: str | None = None) -> Generator[Server, None, None]:
    """Run Caddy with one plain HTTP site; `site` holds its directives."""
    path = path or program("caddy")
    port = free_port()
    with workplace() as folder:
        config = folder / "Caddyfile"
        config.write_text(f"{{\n  admin off\n  auto_https off\n}}\nhttp://{LOOPBACK}:{port} {{\n{site}\n}}\n")
        env = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        argv: list[str | Path] = [path, "run", "--config", config, "--adapter", "caddyfile"]
        with (folder / "stderr").open("wb") as log, started(argv, env=env, stderr=log) as process:
            wait_listening(port, process)
            yield Server(port, process)


def resident_octets(pid: int, name: str = "VmHWM") -> int:
    """Return a figure of Linux's /proc/PID/status, in octets; VmHWM is the most memory a process ever held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"expected {name} in /proc/{pid}/status of {os.uname().sysname}")
