"""Every example of every `--help` runs: no usage error, no bug, no traceback.

Ports and long times are those of the test; a name such as https://app.example stands for a server of it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from tests.cli.examples import all_examples
from tests.patience import PATIENCE
from tests.peers.command import chunkwire, serving
from tests.peers.process import Reader, free_port, started
from tests.tools.packets import Talk, pcap

SHORT = {
    "-z 10s": "-z 1s",
    "-c 50": "-c 5",
    "interval=1s": "interval=1ms",
    "--interval 1s": "--interval 1ms",
    "npm test": "true",
    "while sleep 1; do date; done": "date",
    "~/": "./",
    "cut,9112/7.1 ": "cut,9112/7.1.2 ",
    "check client --": "check client --only cut --",
    "check client --as": "check client --only cut --as",
    "http://a:8081 http://b:8081": "http://127.0.0.1:8081 http://127.0.0.1:8082",
    "http://app:8000": "http://127.0.0.1:8081",
    "https://api.example/v1/stream": "':8081/generate?n=2&interval=1ms'",
    "https://api.example/stream": "':8081/probe?n=5'",
    "https://app.example/probe": ":8080/probe",
    "https://app.example/x": "http://127.0.0.1:8080",
}
# Beside its name, what stands for URL in the examples of a verb.
URLS = {
    "watch": "':8081/generate?n=2&interval=1ms'",
    "probe": "http://127.0.0.1:8001/probe",
    "check server": ":8081/echo",
}
SERVES = re.compile(
    r"^chunkwire (serve|forward|ask|lab|lesson \d|puzzle \d?( --seed \d+)?$|puzzle$|talk -l|demo --keep)"
)
SAID = re.compile(r"listening|the lab: |Step 1|a hop that|hop 3|Ctrl-C")
FINE = {ExitCode.OK, ExitCode.FINDING, ExitCode.CUT, ExitCode.TIMEOUT, ExitCode.INTERRUPTED, -signal.SIGINT}
EXAMPLES = all_examples()
RESPONSE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
GET = "fetch(process.env.CHUNKWIRE_URL).then(r => r.text()).then(t => process.stdout.write(t))"
ASK = "import os, urllib.request as u; print(u.urlopen(os.environ['CHUNKWIRE_URL']).read().decode(), end='')"


@dataclass(frozen=True, slots=True)
class Stage:
    """Servers that the examples speak to, by the ports that they have in the texts; and a folder with their files."""

    ports: dict[str, int]
    folder: Path

    def placed(self, verb: str, example: str) -> str:
        """Return an example as it runs here."""
        for text, own in SHORT.items():
            example = example.replace(text, own)
        example = re.sub(r"\bURL\b", URLS.get(verb, "URL"), example)
        if "check proxy" in example:
            example = example.replace(":8080", ":8090").replace("--upstream", "--only 9112/7.1.1 --upstream")
        example = re.sub(r"check (server|client)(?!.*--only)", r"check \1 --only 9112/7.1.1", example)
        example = re.sub(r"-l \S+", "-l 127.0.0.1:0", example)
        example = re.sub(r"(\S+/generate)(?!\?)", r"'\1?n=2&interval=1ms'", example)
        return re.sub(r":(8\d{3}|9000)\b|(?<=127.0.0.1 |localhost )(8\d{3})", self._port, example).removesuffix("&")

    def env(self) -> dict[str, str]:
        """Return the environment in which examples run: what lasts long is cut short, and free ports are taken."""
        return {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": str(self.folder),
            "BROWSER": "true",
            "CHUNKWIRE_IDLE": "0",
            "CHUNKWIRE_PROBE_PATIENCE": "1s",
            "CHUNKWIRE_CHECK_PATIENCE": "1s",
            "CHUNKWIRE_CHECK_CLIENT_PATIENCE": f"{PATIENCE}s",
            "CHUNKWIRE_BENCH_DURATION": "1s",
            "CHUNKWIRE_BENCH_WARMUP": "0",
            **{f"CHUNKWIRE_{server}_LISTEN": "127.0.0.1:0" for server in ("SERVE", "FORWARD", "ASK")},
        }

    def _port(self, found: re.Match[str]) -> str:
        return found[0].replace(found[1] or found[2], str(self.ports[found[1] or found[2]]))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage, None, None]:
    folder = tmp_path_factory.mktemp("examples")
    for name in ("bash-completion/completions", ".zfunc"):
        folder.joinpath(".local/share" if "bash" in name else "", name).mkdir(parents=True)
    folder.joinpath("req.json").write_text("{}")
    folder.joinpath("ask.py").write_text(ASK)
    folder.joinpath("get.js").write_text(GET)
    for name in ("tcpdump", "at-app", "at-proxy", "a", "b"):
        talk = Talk().open()
        for moment in (0.1, 0.2)[: 1 if name.startswith("at") else 2]:  # a.pcap#2 is the second exchange
            talk.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", moment).answer(RESPONSE, moment)
        folder.joinpath(f"{name}.pcap").write_bytes(pcap(talk.packets))
    upstream = free_port()
    with serving("serve", "--save", str(folder / "origin.jsonl")) as origin:
        url = origin.url("").rstrip("/")
        mock = f"a=openai:{url}#m"
        with (
            serving("forward", url) as gateway,
            serving("forward", url, "--barrier") as barrier,
            serving("ask", mock) as ask,
        ):
            with serving("forward", f"http://127.0.0.1:{upstream}") as tested:
                ports = {"8081": origin.port, "8080": gateway.port, "8001": barrier.port, "8082": ask.port}
                ports |= {"8000": origin.port, "8090": tested.port, "9000": upstream}
                for name in ("a", "inside", "direct", "through", "ada"):
                    path = str(folder / f"{name}.jsonl")
                    chunkwire("watch", "-q", f"{url}/probe?n=3&interval=1ms", "--save", path)
                if shutil.which("curl"):
                    trace(f"{url}/probe?n=3&interval=1ms", folder / "pod.trace")
                yield Stage(ports, folder)


def trace(url: str, into: Path) -> None:
    """Leave a trace of curl as the help of probe says."""
    words = ["curl", "-sN", "--raw", "--http1.1", "--trace", str(into), "--trace-time", url]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)


@pytest.mark.needs("curl", "nc", "node", "wget")
@pytest.mark.parametrize("verb, example", EXAMPLES, ids=[f"{verb or 'chunkwire'}: {each}" for verb, each in EXAMPLES])
def test_an_example_of_the_help_runs(verb: str, example: str, stage: Stage) -> None:
    command = stage.placed(verb, example)
    words = ["bash", "-c", f"exec 2>&1; {command}"]
    with started(words, env=stage.env(), cwd=stage.folder, stderr=subprocess.STDOUT) as process:
        said = output(process, serves=bool(SERVES.search(command)))
        assert "Traceback" not in said
        assert process.wait() in FINE, said


def output(process: subprocess.Popen[bytes], *, serves: bool) -> str:
    """Return all that a command says; one that serves is ended by Ctrl-C once it does."""
    assert process.stdin is not None
    reader = Reader(process.stdout, whose="the example")
    lines = [""]
    while serves and not SAID.search(lines[-1]):
        lines.append(reader.line())
    if serves:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.stdin.close()
    return "\n".join([*lines, reader.rest().decode("utf-8", "replace")])


def test_the_recordings_that_the_help_of_diff_makes_are_the_same(stage: Stage) -> None:
    """Fails where its example streams the time of day: then every gateway would seem to change the data."""
    watched = [example for verb, example in EXAMPLES if verb == "diff" and "watch" in example]
    command = "; ".join(
        [stage.placed("diff", each) for each in watched] + ["chunkwire diff direct.jsonl through.jsonl"]
    )
    with started(["bash", "-c", f"exec 2>&1; {command}"], env=stage.env(), cwd=stage.folder) as process:
        said = output(process, serves=False)
        assert process.wait() == ExitCode.OK, said
    assert "same" in said.splitlines()[-2]
