"""Builds what experiments need: compiled programs, configuration files, a certificate, the Python peers' packages.

The rule here: what is slow to build is cached in the user's cache folder, under a hash of its sources if it has some.
The files of one run are in a temporary folder, which is removed. Nothing is written into the clone.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import ROOT, Cores, Trouble, choose_cores, need_program

METER = ROOT / "bench" / "meter"
PEERS = ROOT / "bench" / "peers"


@dataclass(frozen=True, slots=True)
class Workshop:
    """This run's temporary folder, the cache folder, and the cores."""

    folder: Path
    cache: Path
    cores: Cores
    troubles: dict[str, str] = field(default_factory=dict)
    """Errors of what could not be built, by name, so that it is not tried again in each round."""
    pythons: set[str] = field(default_factory=set)
    """Interpreters of the Python peers' environments that this run uses."""

    def c_program(self, name: str, *sources: str) -> str:
        """Return the path of a program compiled from C files in `meter/`; by default from the file of its name."""
        files = [METER / source for source in sources or (f"{name}.c",)]
        made_from = [*files, *sorted(METER.glob("*.h"))]

        def build(target: Path) -> None:
            run_to_end([need_program("gcc"), "-O2", "-Wall", "-o", str(target), *map(str, files), "-lpthread"])

        return self.kept(name, build, made_from)

    def go_program(self, name: str, *, go: str | None = None) -> str:
        """Return the path of a program compiled from a Go file in `peers/`; `go` replaces the installed compiler."""
        source = PEERS / f"{name}.go"
        go_cache = self.cache / "go-cache"

        def build(target: Path) -> None:
            env = {"GO111MODULE": "off", "GOFLAGS": "", "GOCACHE": str(go_cache), "GOPATH": str(self.folder / "go")}
            run_to_end([go or need_program("go"), "build", "-o", str(target), str(source)], env=env)

        return self.kept(f"go-{name}" if go is None else f"newer-go-{name}", build, [source])

    def npm_modules(self, packages: Sequence[str]) -> str:
        """Return the folder of some npm packages, such as `http-proxy@1.18`, installed on first use.

        Raises:
            Trouble: they cannot be installed here.
        """
        name = "npm-" + hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]

        def install(target: Path) -> None:
            run_to_end([need_program("npm"), "install", "--prefix", str(target), "--no-audit", "--no-fund", *packages])

        return str(Path(self.kept(name, install)) / "node_modules")

    def write(self, name: str, text: str) -> str:
        """Write a file of this run; return its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def certificate(self) -> Certificate:
        """Return this run's certificate for localhost, made on first use."""
        made = Certificate(self.folder / "certificate.pem", self.folder / "key.pem")
        if not made.file.exists():
            names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
            subject = ["-subj", "/CN=localhost", "-addext", names, "-days", "2"]
            key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(made.key)]
            run_to_end([need_program("openssl"), "req", "-x509", *key, *subject, "-out", str(made.file)])
            # HAProxy wants both in one file.
            (self.folder / "both.pem").write_text(made.file.read_text() + made.key.read_text())
        return made

    def peer_python(self, requirements_name: str = "requirements.txt") -> str:
        """Return the interpreter of the environment with these packages, which is made on first use.

        Raises:
            Trouble: the environment cannot be made here.
        """
        requirements = PEERS / requirements_name
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        home = self.cache / f"python{version}-{_digest([requirements])}"
        python, complete = home / "bin" / "python", home / "complete"
        if requirements_name in self.troubles:
            raise Trouble(self.troubles[requirements_name])
        if not complete.exists():
            sys.stderr.write(f"bench: installing the Python peers into {home}\n")
            try:
                run_to_end([sys.executable, "-m", "venv", "--clear", str(home)])
                run_to_end([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], within=600)
            except Trouble as trouble:
                self.troubles[requirements_name] = f"Python peers not installable: {trouble}"
                raise Trouble(self.troubles[requirements_name]) from trouble
            complete.touch()
        self.pythons.add(str(python))
        return str(python)

    def kept(self, name: str, build: Callable[[Path], None], made_from: Sequence[Path] = ()) -> str:
        """Return the path of a file or folder in the cache, built on first use and when `made_from` has changed."""
        target = self.cache / (f"{name}-{_digest(made_from)}" if made_from else name)
        if not target.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_suffix(f".{os.getpid()}")
            build(unfinished)
            unfinished.replace(target)  # atomic: two runs may build it at the same time
        return str(target)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate and its key, both PEM."""

    file: Path
    key: Path

    @property
    def both(self) -> Path:
        """The file with both certificate and key."""
        return self.file.with_name("both.pem")


@contextmanager
def open_workshop() -> Iterator[Workshop]:
    """Give a workshop; its temporary folder is readable for daemons that run as another user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    with tempfile.TemporaryDirectory(prefix="chunkwire-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield Workshop(folder, Path(base) / "chunkwire-bench", choose_cores())


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]


def run_to_end(argv: Sequence[str], *, env: Mapping[str, str] | None = None, within: float = 300) -> None:
    """Run a command to its end.

    Raises:
        Trouble: it failed; the message has the last line of its output.
    """
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"{Path(argv[0]).name}: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Trouble(f"{Path(argv[0]).name}: {last[0]}")


def version_said(argv: Sequence[str]) -> str:
    """Return the version that a program prints, such as 1.22.1.

    Raises:
        Trouble: the program is missing, or prints no version.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"{Path(argv[0]).name}: {error}") from error
    # Envoy also prints its path, which has the version of a Python in it.
    found = re.search(r"(?<!python)(?<![\d.])\d+\.\d+(?:\.\d+)*", done.stdout + done.stderr)
    if not found:
        raise Trouble(f"{Path(argv[0]).name} prints no version")
    return found[0]
