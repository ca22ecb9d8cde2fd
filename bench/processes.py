"""Start a program on the servers' core, wait until it listens, read what it uses, end exactly it.

The meter has the first core, whatever is measured the second: on one core they would measure each other.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# Below the ports that the kernel gives to outgoing connections (ip_local_port_range, 32768): at 5000 streams those
# would soon stand on any port chosen among them.
_PORTS = range(12000, 32000)
_WITHIN = 60.0  # s; what a program may take until it listens, on a busy machine too
_TO_END = 2.0  # s; no stream is left to drain, and nobody waits for what it would still say


class Trouble(Exception):
    """A program that is missing, ended, or did not do its part; the message is one line for the table."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core each side runs on; None on a machine that has only one."""

    meter: int | None
    server: int | None


def choose_cores() -> Cores:
    """Give the meter the first core that we may use, and the servers the second."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


def find_program(name: str) -> str | None:
    """Return the path of a program; Debian keeps daemons where not every user's PATH looks."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")


def need_program(name: str) -> str:
    """Return the path of a program, or raise Trouble."""
    path = find_program(name)
    if path is None:
        raise Trouble(f"{name} is not installed")
    return path


def free_port() -> int:
    """Return a port that nobody has bound a moment ago."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise Trouble("expected a free port, got none in 100 tries")


def pinned(argv: Sequence[str], core: int | None) -> list[str]:
    """Return the command that runs another one on a core alone."""
    taskset = find_program("taskset")
    return [*argv] if core is None or taskset is None else [taskset, "-c", str(core), *argv]


@dataclass(frozen=True, slots=True)
class Running:
    """A program that listens."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    @property
    def busy_pid(self) -> int:
        """The process that does the work: the only child (nginx's worker), or the program itself."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if len(children) == 1 else pid

    def cpu_seconds(self) -> float:
        """Return the CPU time that all its threads have used, to the nanosecond."""
        threads = Path(f"/proc/{self.busy_pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def resident_kib(self) -> float:
        """Return its resident memory."""
        for line in Path(f"/proc/{self.busy_pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return float(line.split()[1])
        raise Trouble(f"{self.name} has ended")

    def last_words(self) -> str:
        """Return the end of what it wrote to stderr, on one line."""
        self.log.seek(0)
        return " ".join(self.log.read().decode(errors="replace").split())[-300:]


@contextmanager
def running(
    name: str, argv: Sequence[str], port: int, *, core: int | None, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a program until the block is left; entered once it accepts on `port`.

    Raises:
        Trouble: it ended, or did not listen in time.
    """
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                pinned(argv, core),
                env={**os.environ, "GOMAXPROCS": "1", **(env or {})},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise Trouble(f"{name}: {error}") from error
        server = Running(name, port, process, log)
        try:
            _wait_listening(server)
            yield server
        finally:
            end(process)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a program and what it started; it is asked first."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, request)
        except ProcessLookupError:
            pass  # it has ended by itself
        try:
            process.wait(_TO_END)
            return
        except subprocess.TimeoutExpired:
            continue


def is_listening(port: int) -> bool:
    """Say whether a connection to the port is accepted at this moment."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def _wait_listening(server: Running) -> None:
    deadline = time.monotonic() + _WITHIN
    while not is_listening(server.port):
        if server.process.poll() is not None:
            raise Trouble(f"{server.name} ended at its start: {server.last_words()}")
        if time.monotonic() > deadline:
            raise Trouble(f"{server.name} did not listen within {_WITHIN:.0f} s")
        time.sleep(0.02)
    time.sleep(0.2)  # what it still does after its first accept is not what is measured
