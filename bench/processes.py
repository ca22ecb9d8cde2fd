"""Starts programs, waits until they listen, reads their CPU and memory, and ends them.

The meter runs on the first core, the program under test on the second: on one core they would delay each other.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# Below the kernel's range for outgoing connections (ip_local_port_range, from 32768), which 5000 streams occupy.
_PORTS = range(12000, 32000)
_WITHIN = 60.0  # s; until a program listens, also on a busy machine
_TO_END = 2.0  # s; from a signal to the end of a program; there are no streams to drain


class Trouble(Exception):
    """A program is missing, has ended, or has failed; the message is one line for the table."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of each side; None on a machine with one core."""

    meter: int | None
    server: int | None


def choose_cores() -> Cores:
    """Return the first usable core for the meter, and the second for the servers."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


def find_program(name: str) -> str | None:
    """Return the path of a program, also in the folders of daemons, which some users' PATH lacks."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")


def need_program(name: str) -> str:
    """Return the path of a program, or raise Trouble."""
    path = find_program(name)
    if path is None:
        raise Trouble(f"{name} is not installed")
    return path


def free_port() -> int:
    """Return a port that is free at this moment."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise Trouble("expected a free port, got none in 100 tries")


def pinned(argv: Sequence[str], core: int | None) -> list[str]:
    """Return the command that runs another one on one core; unchanged for None."""
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
        """The process that does the work: an only child (nginx's worker), or the program itself."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if len(children) == 1 else pid

    def cpu_seconds(self) -> float:
        """Return the CPU time of its present threads, with a resolution of 1 ns."""
        threads = Path(f"/proc/{self.busy_pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def resident_kib(self) -> int:
        """Return its resident memory."""
        return resident_kib_of(self.busy_pid)

    def last_output(self) -> str:
        """Return the end of its stderr, as one line."""
        self.log.seek(0)
        return " ".join(self.log.read().decode(errors="replace").split())[-300:]


def resident_kib_of(pid: int) -> int:
    """Return a process's resident memory.

    Raises:
        Trouble: it has ended.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise Trouble(f"process {pid} has ended")


def start(
    argv: Sequence[str],
    core: int | None,
    *,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a program, on one core unless it is None, in a process group of its own, which `end` ends."""
    return subprocess.Popen(
        pinned(argv, core),
        env={**os.environ, "GOMAXPROCS": "1", **(env or {})},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


@contextmanager
def busy_cores(processes: int) -> Iterator[None]:
    """Run `processes` busy processes for each core."""
    count = processes * (os.cpu_count() or 1)
    busy = [start([sys.executable, "-c", "while True: pass"], None) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            end(process)


@contextmanager
def running(
    name: str, argv: Sequence[str], port: int, *, core: int | None, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a program in the with block, which is entered once the program accepts on `port`.

    Raises:
        Trouble: it ended, or did not listen in time.
    """
    with tempfile.TemporaryFile() as log:
        try:
            process = start(argv, core, env=env, stderr=log)
        except OSError as error:
            raise Trouble(f"{name}: {error}") from error
        server = Running(name, port, process, log)
        try:
            _wait_listening(server)
            yield server
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children: SIGTERM, and after `_TO_END` SIGKILL."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, request)
        except ProcessLookupError:
            pass  # it has ended
        try:
            process.wait(_TO_END)
            return
        except subprocess.TimeoutExpired:
            continue


def is_listening(port: int) -> bool:
    """Say whether a connection to the port is accepted."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def _wait_listening(server: Running) -> None:
    deadline = time.monotonic() + _WITHIN
    while not is_listening(server.port):
        if server.process.poll() is not None:
            raise Trouble(f"{server.name} ended at its start: {server.last_output()}")
        if time.monotonic() > deadline:
            raise Trouble(f"{server.name} did not listen within {_WITHIN:.0f} s")
        time.sleep(0.02)
    time.sleep(0.2)  # its start may go on after the first accept
