"""The control path, and commands beside an origin: as other languages use them, and how both end."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from chunkwire.cli.main import main
from tests.peers.command import CHUNKWIRE, serving
from tests.testing.test_runs import fetch

DOCUMENT = Path(__file__).resolve().parents[2].joinpath("chunkwire/testing/README.md").read_text("utf-8")
SERVE = [*CHUNKWIRE, "serve", "-q", "-l", ":0"]


@pytest.fixture(scope="module")
def control() -> Generator[str, None, None]:
    """The URL of a control path, its token and all."""
    with serving("serve", "--control", ":0") as served:
        yield served.wait_log("control path on ").split()[-1]


def ask(url: str, message: object = None, method: str | None = None) -> tuple[int, Any]:
    """Return the status and the JSON, or the text, of an answer."""
    data = message if isinstance(message, bytes) or message is None else json.dumps(message).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else text


def begin(control: str, **message: object) -> tuple[str, str]:
    """Begin a run; return its base URL and its own control path."""
    status, run = ask(f"{control}/runs", message)
    assert status == 201, run
    return run["url"], f"{control}/runs/{run['id']}"


def test_a_run_is_begun_looked_at_and_ended(control: str) -> None:
    url, run = begin(control, kind="text", responses=["Grüße", "never"], framing="split-utf8")
    assert fetch(f"{url}/path?x=1").decode() == "Grüße"
    failures = ["never asked for: response 2: 'never', framed as split-utf8"]
    status, state = ask(run)
    assert (status, state["failures"]) == (200, failures)
    assert [(each["method"], each["target"], each["body"]) for each in state["requests"]] == [("GET", "/path?x=1", "")]
    assert ask(run, method="DELETE") == (409, state)
    assert ask(run, method="DELETE")[0] == 404


def test_a_response_is_written_by_hand(control: str) -> None:
    url, run = begin(control, kind="sse", responses=[{"by_hand": True}])
    for message in (
        {"do": "send_event", "data": {"event": "x", "data": [1]}},
        {"do": "send_frame", "data_b64": "OiD/Cgo=", "ext": ";t=1"},
        {"do": "finish"},
    ):
        assert ask(run, message) == (200, {})
    assert fetch(url) == b"event: x\ndata: [1]\n\n: \xff\n\n"
    assert ask(run, {"do": "send_event", "data": "late"})[0] == 400
    assert ask(run, method="DELETE")[0] == 200


def test_a_wait_that_comes_to_nothing_is_408(control: str) -> None:
    _, run = begin(control, kind="sse", responses=[{"by_hand": True}])
    line = "wait_request: no request came within 0.01 s"
    assert ask(run, {"do": "wait_request", "timeout": 0.01}) == (408, {"error": line})


def test_a_message_of_a_websocket_is_waited_for(control: str) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="needs websockets: pip install 'chunkwire[sdk]'")
    url, run = begin(control, kind="websocket", responses=[{"by_hand": True}])
    with client.connect(url.replace("http", "ws", 1)) as connection:
        connection.send("hello")
        connection.send(b"\xff")
        assert ask(run, {"do": "wait_message"}) == (200, {"message": "hello"})
        assert ask(run, {"do": "wait_message", "n": 2}) == (200, {"message": {"octets_b64": "/w=="}})
        connection.close()
        status, answer = ask(run, {"do": "wait_message", "n": 3})
    assert (status, answer["error"][:36]) == (408, "wait_message: expected message 3, th")


def test_requests_to_it_have_their_octets(control: str) -> None:
    url, run = begin(control, kind="text", responses=["a"])
    urllib.request.urlopen(url, b"\xff\x00", timeout=30).close()
    assert ask(run, method="DELETE")[1]["requests"][0]["body_b64"] == "/wA="


@pytest.mark.parametrize(
    "message, line",
    [
        ({"kind": "ssee"}, "kind: expected one of openai, .*, websocket, got 'ssee'"),
        ({"kind": "sse", "responses": ["a", {"fault": "cutt"}]}, r"response 2: no scenario 'cutt'; did you mean cut\?"),
        ({"kind": "sse", "plan": []}, "expected one of kind, responses, framing, repeats, got 'plan'"),
        ({"kind": "text", "responses": ["\ud800"]}, "response 1: .*surrogates not allowed"),
        ({"kind": "sse", "responses": [[{"data": "x", "id": 7}]]}, "response 1: id: expected a text, got 7"),
        (b"no json", "expected JSON, got 'no json'"),
        (b"[" * 100_000, "expected JSON, got "),
        (b"7", "expected a JSON object, got '7'"),
        ({"kind": "sse", "responses": ["a"] * 1001}, "responses: expected at most 1000, got 1001"),
    ],
)
def test_a_message_that_is_wrong_is_one_line(control: str, message: object, line: str) -> None:
    status, answer = ask(f"{control}/runs", message)
    assert status == 400
    assert re.match(line, answer["error"])
    assert "\n" not in answer["error"]


def test_an_action_that_is_wrong_is_one_line(control: str) -> None:
    _, run = begin(control, kind="sse", responses=[{"by_hand": True}])
    for message, line in (
        ({"do": "send"}, "do: expected one of send_event, .*, wait_acked, got 'send'; did you mean send_event\\?"),
        ({"do": "send_event", "data": "\ud800"}, "send_event: expected text that UTF-8 can write, got .*"),
        ({"do": "send_frame"}, "send_frame: expected data or data_b64 as a text, got None"),
        ({"do": "send_octets", "data_b64": "?"}, "send_octets: data_b64: expected base64"),
        ({"do": "wait_acked", "timeout": 61}, "timeout: expected seconds, above 0 and at most 60, got 61"),
    ):
        assert re.fullmatch(line, ask(run, message)[1]["error"])


def test_the_control_path_is_bounded_and_needs_its_token(control: str) -> None:
    assert ask(f"{control}/runs", b" " * ((1 << 20) + 1))[0] == 413
    assert ask(f"{control}x/runs", {"kind": "sse"})[0] == 404
    assert ask(control.rpartition("/")[0] + "/", None)[0] == 404
    assert ask(f"{control}/runs", method="GET")[0] == 405
    assert ask(control) == (404, "expected /runs, or /runs/ID, below CHUNKWIRE_CONTROL_URL\n")


def test_a_command_finds_a_control_path_without_a_flag_for_it() -> None:
    command = [*SERVE, "--exec", 'echo "$CHUNKWIRE_URL" "$CHUNKWIRE_CONTROL_URL"']
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ http://127\.0\.0\.1:\d+/\S+\n", done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize("command, code", [("exit 7", 7), ("kill -9 $$", 137), ("no-such-command-here 2>&1", 127)])
def test_the_exit_code_is_the_commands(command: str, code: int) -> None:
    done = subprocess.run([*SERVE, "--exec", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.count("\n") == (code == 127)  # the shell says that it is not found


@pytest.mark.parametrize(
    "arguments, code, line",
    [
        (["--workers", "2", "--exec", "true"], 2, "--exec goes with one process, not with --workers"),
        (["--control", "unix:/tmp/x", "--exec", "true"], 2, "--control: expected HOST:PORT, :PORT or PORT, got unix:"),
        (["--control", "nowhere", "--exec", "true"], 2, "--control: expected HOST:PORT, :PORT"),
        (["-l", "192.0.2.1:1", "--exec", "echo started"], 71, "cannot listen on 192.0.2.1:1"),
        (["--control", "192.0.2.1:1", "--exec", "echo started"], 71, "cannot listen on 192.0.2.1:1"),
    ],
)
def test_what_cannot_begin_is_one_line(
    arguments: list[str], code: int, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "-q", "-l", ":0", *arguments]) == code
    shown, said = capfd.readouterr()
    assert (shown, said.count("\n"), said.startswith(f"chunkwire: {line}")) == ("", 1, True), said


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "command, number, code",
    [
        ("sleep 1000 & echo $!; wait", signal.SIGINT, 130),
        ("sleep 1000 & echo $!; wait", signal.SIGTERM, 143),
        ("trap '' INT; sleep 1000 & echo $!; wait", signal.SIGINT, 130),
        ("sleep 1000 & echo $!", None, 0),
    ],
    ids=["interrupted", "terminated", "deaf", "left-behind"],
)
def test_nothing_is_left_running(command: str, number: signal.Signals | None, code: int) -> None:
    """A command that is deaf to a signal is ended by its second one."""
    with subprocess.Popen([*SERVE, "--exec", command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if number is not None:
            process.send_signal(number)
        while command.startswith("trap") and process.poll() is None and is_alive(pid):
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == code
    assert not is_alive(pid)


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    return str(found)


def run_example(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "on"}
    served = [sys.executable, "-m", "chunkwire", "serve", "-q", "-l", ":0", "--exec", command]
    return subprocess.run(served, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.needs("curl")
def test_the_example_with_curl_runs(tmp_path: Path) -> None:
    tmp_path.joinpath("example.sh").write_text(block("sh"))
    done = run_example(tmp_path, "sh example.sh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("data: one\n\n{}\n{}\n{}\n")
    assert tmp_path.joinpath("second").read_text() == "data: two\n\n: a comment\n\n"
    assert done.stdout.count('"failures": []') == 2


@pytest.mark.needs("node")
def test_the_example_in_node_runs(tmp_path: Path) -> None:
    tmp_path.joinpath("stream.test.mjs").write_text(block("js"))
    done = run_example(tmp_path, "node --test")
    assert done.returncode == 0, done.stdout
    assert "pass 2" in done.stdout


@pytest.mark.needs("go")
def test_the_example_in_go_runs(tmp_path: Path) -> None:
    tmp_path.joinpath("stream_test.go").write_text(block("go"))
    tmp_path.joinpath("go.mod").write_text("module stream\n")
    done = run_example(tmp_path, "go test -vet=off ./...")
    assert done.returncode == 0, done.stdout + done.stderr
