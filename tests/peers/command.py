"""chunkwire as its users run it: the command line in a process of its own, every warning an error there."""

import io
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from chunkwire.cli.main import main
from tests.patience import PATIENCE
from tests.peers.process import PeerTrouble, Reader, end, run, started

ROOT = Path(__file__).resolve().parent.parent.parent
CHUNKWIRE = (sys.executable, "-W", "error", "-m", "chunkwire")
BRIEF = ("--grace", "1s")  # a stream that a test left open must not hold up its end
_LISTENING = re.compile(r"listening on https?://(\S+):(\d+)")


@dataclass(slots=True)
class Served:
    """A verb that serves, once it accepts connections."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    log: list[str] = field(default_factory=list)
    logged: threading.Condition = field(default_factory=threading.Condition)

    def url(self, target: str = "/") -> str:
        return f"http://{self.host}:{self.port}{target}"

    def wait_log(self, text: str) -> str:
        """Return the first line of the log that holds `text`, as soon as it is written."""
        with self.logged:
            found = self.logged.wait_for(lambda: [line for line in self.log if text in line], PATIENCE)
        if not found:
            raise PeerTrouble(f"expected {text!r} in the log in {PATIENCE} s, got {self.log[-20:]}")
        return found[0]

    def collect(self, held: bytes) -> None:
        """Take what it logs from the pipe, which would stop it if it were full."""
        assert self.process.stderr is not None
        octets = held
        while more := self.process.stderr.read(65536):
            *lines, octets = (octets + more).split(b"\n")
            with self.logged:
                self.log.extend(line.decode("utf-8", "replace") for line in lines)
                self.logged.notify_all()


@contextmanager
def serving(verb: str, *words: str) -> Generator[Served, None, None]:
    """Run `chunkwire serve` or `forward` on a free port; it must end when asked to, and print no traceback."""
    with started([*CHUNKWIRE, verb, *words, "-l", "127.0.0.1:0", *BRIEF]) as process:
        reader = Reader(process.stderr, whose=f"chunkwire {verb}")
        found = None
        lines: list[str] = []
        while found is None:
            lines.append(reader.line())
            found = _LISTENING.search(lines[-1])
        served = Served(found[1], int(found[2]), process, lines)
        collector = threading.Thread(target=served.collect, args=(bytes(reader.held),), name="stderr")
        collector.start()
        try:
            yield served
        finally:
            end(process)
            collector.join(PATIENCE)
    assert not [line for line in served.log if "Traceback" in line or "Warning" in line], "\n".join(served.log)


def called(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a verb that soon ends in this process, which spares the start of another; a traceback is an error too."""
    out, err = io.BytesIO(), io.BytesIO()
    printed, said = (io.TextIOWrapper(octets, "utf-8", newline="", write_through=True) for octets in (out, err))
    with redirect_stdout(printed), redirect_stderr(said):
        code = main(words)
    assert b"Traceback" not in err.getvalue(), err.getvalue().decode()
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def chunkwire(*words: str, octets: bytes = b"", within: float = PATIENCE) -> subprocess.CompletedProcess[bytes]:
    """Run a verb to its end; a traceback is never what a user should see."""
    result = run([*CHUNKWIRE, *words], octets=octets, within=within)
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return result
