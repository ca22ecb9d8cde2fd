"""Let real clients read the octets of a body, and return what each reports to its user.

The rule here: each client is a separate program, which requests the octets from this server and has a time limit. For a
client that is not installed, an earlier result for similar octets is returned, marked as recorded. One trial runs at a
time.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

import trio

from chunkwire.lab.hand import MAX_TYPED_OCTETS, TypedBody, Verdict
from chunkwire.lab.seat import MAX_TRIALS, Seat
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder

CLIENT_SECONDS: Final = 10.0  # for one client; the octets are sent at once
BUILD_SECONDS: Final = 90.0  # for Go's compiler, once; a cold cache takes half a minute
_MAX_DETAIL: Final = 200  # characters of a client's message

# Results of earlier runs, for clients that are not installed: by the rule that a strict reader finds broken, or by the
# state of a body that breaks none.
_RECORDED: Final = {
    "curl": {
        "complete": "exit 0 (curl 7.88.1)",
        "valid": "exit 18 (curl 7.88.1)",
        "chunk-size": "exit 56 (curl 7.88.1)",
        "chunk-size-value": "exit 56 (curl 7.88.1)",
        "chunk-data-end": "exit 56 (curl 7.88.1)",
    },
    "Go net/http": {
        "complete": "no error (Go 1.19.8)",
        "valid": "unexpected EOF (Go 1.19.8)",
        "chunk-size": "invalid byte in chunk length (Go 1.19.8)",
        "chunk-size-value": "unexpected EOF (Go 1.19.8)",
        "chunk-data-end": "malformed chunked encoding (Go 1.19.8)",
    },
}

_PYTHON: Final = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=8)
try:
    connection.request("GET", sys.argv[2])
    print("ok", len(connection.getresponse().read()), "octets of content")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one client: `outcome` is "ok", "error" or "absent"; `detail` its message, or why it was not run."""

    client: str
    outcome: str
    detail: str


@dataclass(slots=True)
class Trials:
    """The clients of one lab; Go's is built for its first trial."""

    _one: trio.Lock = field(default_factory=trio.Lock)
    _go: Path | None = None

    async def try_all(self, address: str, target: str, verdict: Verdict) -> list[Trial]:
        """Let each client request a target, one after the other.

        Args:
            address: HOST:PORT of this server.
            verdict: a strict reader's; selects the recorded result of a client that is not installed.
        """
        async with self._one:
            trials = [
                await _curl(address, target),
                await _printing("http.client", (sys.executable, "-c", _PYTHON, address, target)),
                await self._ask_go(address, target),
            ]
        return [_recorded(trial, verdict) if trial.outcome == "absent" else trial for trial in trials]

    async def _ask_go(self, address: str, target: str) -> Trial:
        if shutil.which("go") is None:
            return Trial("Go net/http", "absent", "not installed here")
        if self._go is None:
            try:
                self._go = await trio.to_thread.run_sync(_build_go)
            except (OSError, subprocess.SubprocessError) as error:
                return Trial("Go net/http", "absent", f"could not be built: {type(error).__name__}")
        return await _printing("Go net/http", (str(self._go), address, target))


def _recorded(trial: Trial, verdict: Verdict) -> Trial:
    """Return the recorded result of a client that is not installed."""
    known = _RECORDED.get(trial.client, {}).get(verdict.rule or verdict.state)
    said = f"recorded: {known}" if known else "no recorded result for octets like these"
    return Trial(trial.client, "absent", f"{trial.detail}; {said}")


async def _curl(address: str, target: str) -> Trial:
    if shutil.which("curl") is None:
        return Trial("curl", "absent", "not installed here")
    done = await _run(("curl", "-sS", "-m", "8", "-w", "\n%{size_download}", f"http://{address}{target}"))
    if done is None:
        return Trial("curl", "error", f"no end within {CLIENT_SECONDS:g} s")
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip() or "it printed nothing"
        return Trial("curl", "error", f"exit {done.returncode}: {words[:_MAX_DETAIL]}")
    had = done.stdout.rpartition(b"\n")[2].decode("ascii", "replace")
    return Trial("curl", "ok", f"exit 0, {had} octets of content")


async def _printing(client: str, words: Sequence[str]) -> Trial:
    """Return the trial of a client that prints `ok …` or its error."""
    done = await _run(words)
    if done is None:
        return Trial(client, "error", f"no end within {CLIENT_SECONDS:g} s")
    text = done.stdout.decode("utf-8", "replace").strip() or "it printed nothing"
    return Trial(client, "ok" if text.startswith("ok ") else "error", text.removeprefix("ok ")[:_MAX_DETAIL])


async def _run(words: Sequence[str]) -> subprocess.CompletedProcess[bytes] | None:
    """Run a client to its end; None where it was killed after `CLIENT_SECONDS`."""
    with trio.move_on_after(CLIENT_SECONDS):
        return await trio.run_process(words, capture_stdout=True, capture_stderr=True, check=False)
    return None


def _build_go() -> Path:
    """Build the Go client in a folder that is removed when this process exits; return the program."""
    folder = Path(tempfile.mkdtemp(prefix="chunkwire-lab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source = folder / "client.go"
    source.write_text(resources.files("chunkwire.lab").joinpath("client.go").read_text("utf-8"), "utf-8")
    program = folder / "client"
    subprocess.run(
        ("go", "build", "-o", program, source), check=True, timeout=BUILD_SECONDS, capture_output=True, cwd=folder
    )
    return program


async def keep_octets(seat: Seat, request: IncomingRequest) -> tuple[str, Verdict]:
    """Keep the request's content for clients to request; return its name and the verdict of a strict reader."""
    octets = await request.read_body(MAX_TYPED_OCTETS)
    body = TypedBody(request.settings.limits)
    body.take(octets)
    return seat.keep_trial(octets), body.judge()


async def send_octets(seat: Seat, request: IncomingRequest, response: Responder) -> None:
    """Send the octets of a trial as the body of a chunked response, and a FIN."""
    octets = seat.trials.get(request.captures["trial"])
    if octets is None:
        raise Refusal(404, "trial", f"no such octets; the last {MAX_TRIALS} are kept")
    if not response.is_chunked:
        raise Refusal(400, "trial-version", "expected HTTP/1.1: to HTTP/1.0 no framing is sent")
    response.must_close = True
    async with response.chunked(fields=(TEXT,)) as body:
        if octets:
            await body.send_octets(octets)
        body.cut()
