"""`chunkwire ask` as a program, with curl and Chromium's EventSource and fetch in front of it."""

import json
import subprocess
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from chunkwire.cli.main import main
from tests.peers.command import Served, serving
from tests.peers.process import run, started
from tests.peers.programs import program

FAST = ("--time-to-first-token", "0", "--inter-token-latency", "0")
QUESTION = "q=Say+hello+to+%F0%9F%9A%82"
TOKENS = ["Say", " hello", " to", " 🚂"]


@pytest.fixture(scope="module")
def origin() -> Generator[Served, None, None]:
    with serving("serve", *FAST) as served:
        yield served


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def endpoint(origin: Served, audit: Path, refusing_port: int) -> Generator[Served, None, None]:
    providers = [f"down=openai:http://127.0.0.1:{refusing_port}#m", f"up=anthropic:{origin.url('')}#m"]
    with serving("ask", *providers, "--cors", "*", "--audit", str(audit), "--attempts", "1") as served:
        yield served


@pytest.mark.needs("curl")
def test_curl_gets_events_lines_one_body_and_a_400(endpoint: Served, audit: Path) -> None:
    def curl(query: str, *more: str) -> bytes:
        return run([program("curl"), "-sN", *more, endpoint.url(f"/ask?{query}")]).stdout

    assert [
        json.loads(line[6:])["t"] for line in curl(QUESTION).splitlines() if line.startswith(b'data: {"t"')
    ] == TOKENS
    lines = [json.loads(line) for line in curl(f"{QUESTION}&format=jsonl").splitlines()]
    assert [line["t"] for line in lines[:-1]] == TOKENS
    assert lines[-1]["done"]["provider"] == "up"
    assert json.loads(curl(f"{QUESTION}&stream=false"))["text"] == "".join(TOKENS)
    assert curl("", "-o", "/dev/null", "-w", "%{http_code}") == b"400"
    told = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    assert [line["ended"] for line in told[:4]] == ["complete", "complete", "complete", "refused"]
    assert [attempt["provider"] for attempt in told[0]["attempts"]] == ["down", "up"]
    assert "Say" not in audit.read_text("utf-8")


# A page of another origin: EventSource until `done`, which closes it, or until the browser has reconnected once and was
# told 204; then fetch of a POST that needs a preflight. What it saw goes back to whoever served it.
PAGE = """<!DOCTYPE html><meta charset="utf-8"><script>
const url = "%s/ask?q=" + encodeURIComponent("Say hello to 🚂");
const events = (closes) => new Promise((resolve) => {
  const seen = [], source = new EventSource(url);
  source.onmessage = (event) => seen.push(JSON.parse(event.data).t);
  source.addEventListener("done", (event) => {
    seen.push(JSON.parse(event.data).provider);
    if (closes) { source.close(); resolve(seen); }
  });
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve(seen); };
});
(async () => {
  const closed = await events(true);
  const left = await events(false);
  const posted = await fetch("%s/ask", {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({q: "a\\nb", stream: false}),
  });
  await fetch("/seen", {method: "POST", body: JSON.stringify({closed, left, posted: (await posted.json()).text})});
})().catch((error) => fetch("/seen", {method: "POST", body: JSON.stringify({error: String(error)})}));
</script>"""


@pytest.fixture
def page(endpoint: Served) -> Generator[tuple[str, Queue[dict[str, Any]]], None, None]:
    """Serve the page, and give what its script sends back."""
    seen: Queue[dict[str, Any]] = Queue()
    html = (PAGE % (endpoint.url(""), endpoint.url(""))).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(html)))
            self.end_headers()
            self.wfile.write(html)

        def do_POST(self) -> None:
            seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="page")
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", seen
        server.shutdown()
        thread.join()


@pytest.mark.needs("chromium")
def test_a_page_of_another_origin_reads_answers_in_chromium(
    page: tuple[str, Queue[dict[str, Any]]], tmp_path: Path
) -> None:
    """EventSource and fetch; an EventSource that is not closed asks once more, is told 204, and stays away."""
    address, seen = page
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path}"]
    command = [program("chromium"), *flags, "--remote-debugging-port=0", address]
    with started(command, stderr=subprocess.DEVNULL):
        found = seen.get(timeout=60)
    assert found == {"closed": [*TOKENS, "up"], "left": [*TOKENS, "up"], "posted": "a\nb"}


@pytest.mark.parametrize(
    "words, culprit",
    [
        ((), "expected PROVIDER"),
        (("openai:http://x",), "expected NAME=DIALECT:URL#MODEL"),
        (("a=openai:http://x#m", "a=gemini:http://y#m"), "'a' twice"),
        (("a=openai:http://x#m", "--attempts", "0"), "--attempts: expected 1 or more"),
    ],
)
def test_a_command_line_that_is_wrong_is_refused_in_one_line(
    words: tuple[str, ...], culprit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", *words]) == 2
    said = capsys.readouterr().err
    assert (culprit in said, said.count("\n")) == (True, 1)
