"""Start a program, read what it writes, end exactly that program.

The rule of this folder: a peer is started with its own process group and ended by its own id; a wait is always for an
event (an octet, a line, a listening socket, an exit) and always bounded, by `PATIENCE` seconds, so that a peer that
hangs fails one test instead of the run. Synchronous: an async test calls these in a thread.
"""

import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.processes import free_port as free_port
from tests.patience import PATIENCE

LOOPBACK = "127.0.0.1"


class PeerTrouble(AssertionError):
    """A peer ended, stayed silent or said too little."""


@contextmanager
def started(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> Generator[subprocess.Popen[bytes], None, None]:
    """Run a program with unbuffered pipes; end it, and whatever it started itself, on leaving."""
    process = subprocess.Popen(
        [os.fspath(word) for word in argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        pass_fds=pass_fds,
        bufsize=0,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, wait, and then end what is left of its process group."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE / 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its workers, if it was killed before it could end them
    except ProcessLookupError:
        pass  # the usual case: nothing is left


class Reader:
    """Reads a pipe or a socket by need, and keeps what was not asked for yet."""

    def __init__(self, source: IO[bytes] | socket.socket | None, *, whose: str) -> None:
        assert source is not None
        self._source = source
        self._whose = whose
        self.held = bytearray()

    def exactly(self, count: int) -> bytes:
        """Return the next `count` octets, as soon as they are there."""
        while len(self.held) < count:
            self._more(f"{count} octets")
        return self._take(count)

    def until(self, mark: bytes) -> bytes:
        """Return what comes up to and including `mark`."""
        while (found := self.held.find(mark)) < 0:
            self._more(repr(mark))
        return self._take(found + len(mark))

    def line(self) -> str:
        """Return the next line, without its end."""
        return self.until(b"\n").decode("utf-8", "replace").rstrip("\r\n")

    def rest(self) -> bytes:
        """Return what is left up to the end."""
        while octets := self._read("the end"):
            self.held += octets
        return self._take(len(self.held))

    def _take(self, count: int) -> bytes:
        octets = bytes(self.held[:count])
        del self.held[:count]
        return octets

    def _more(self, wanted: str) -> None:
        octets = self._read(wanted)
        if not octets:
            raise PeerTrouble(f"expected {wanted} from {self._whose}, got its end after {bytes(self.held[-400:])!r}")
        self.held += octets

    def _read(self, wanted: str) -> bytes:
        if not select.select([self._source], [], [], PATIENCE)[0]:
            raise PeerTrouble(f"expected {wanted} from {self._whose} in {PATIENCE} s, got {bytes(self.held[-400:])!r}")
        return os.read(self._source.fileno(), 65536)


def run(
    argv: Sequence[str | Path], *, octets: bytes = b"", env: Mapping[str, str] | None = None, within: float = PATIENCE
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, `octets` on its standard input; its exit code is the caller's to judge."""
    return subprocess.run(
        [os.fspath(word) for word in argv],
        input=octets,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=within,
        check=False,
    )


def listening_socket() -> socket.socket:
    """Return a socket that already listens on a free port: to hand to a peer that can inherit it, without a race."""
    return socket.create_server((LOOPBACK, 0), backlog=128)


def wait_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a program accepts on a port; a program that ends instead is an error at once."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((LOOPBACK, port), PATIENCE).close()
            return
        except ConnectionRefusedError:
            pass  # it has not bound its port yet
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        raise PeerTrouble(f"expected {process.args!r} to listen on {port}, got exit code {process.poll()}")


@contextmanager
def workplace() -> Generator[Path, None, None]:
    """Give a folder that a daemon running as another user may read, and remove it."""
    with tempfile.TemporaryDirectory(prefix="chunkwire-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
