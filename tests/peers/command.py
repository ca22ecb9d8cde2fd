"""chunkwire as its users run it: the command line in a process of its own, every warning an error there."""

import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.process import WITHIN, Reader, end, run, started

ROOT = Path(__file__).resolve().parent.parent.parent
CHUNKWIRE = (sys.executable, "-W", "error", "-m", "chunkwire")
_LISTENING = re.compile(r"listening on http://(\S+):(\d+)")


@dataclass(slots=True)
class Served:
    """A verb that serves, once it accepts connections."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    log: list[str] = field(default_factory=list)

    def url(self, target: str = "/") -> str:
        return f"http://{self.host}:{self.port}{target}"


@contextmanager
def serving(verb: str, *words: str) -> Generator[Served, None, None]:
    """Run `chunkwire serve` or `forward` on a free port; it must end when asked to, and print no traceback."""
    with started([*CHUNKWIRE, verb, *words, "-l", "127.0.0.1:0"]) as process:
        reader = Reader(process.stderr, whose=f"chunkwire {verb}")
        found = None
        lines: list[str] = []
        while found is None:
            lines.append(reader.line())
            found = _LISTENING.search(lines[-1])
        served = Served(found[1], int(found[2]), process, lines)
        # What it logs must be taken from the pipe, or a full pipe would stop it.
        collector = threading.Thread(target=_collect, args=(process, bytes(reader.held), served.log), name="stderr")
        collector.start()
        try:
            yield served
        finally:
            end(process)
            collector.join(WITHIN)
    assert not [line for line in served.log if "Traceback" in line or "Warning" in line], "\n".join(served.log)


def _collect(process: subprocess.Popen[bytes], held: bytes, log: list[str]) -> None:
    assert process.stderr is not None
    octets = held
    while more := process.stderr.read(65536):
        octets += more
        *lines, octets = octets.split(b"\n")
        log.extend(line.decode("utf-8", "replace") for line in lines)


def chunkwire(*words: str, octets: bytes = b"", within: float = WITHIN) -> subprocess.CompletedProcess[bytes]:
    """Run a verb to its end; a traceback is never what a user should see."""
    result = run([*CHUNKWIRE, *words], octets=octets, within=within)
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return result
