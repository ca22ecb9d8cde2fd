"""No client calls a body complete that the gateway refused, or that was cut: curl, http.client, node and Go.

Without a gateway some of them do: 15 of the cut vectors are a success to http.client, which stops reading at `0` CRLF.
"""

import http.client
import subprocess
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.conformance.vectors import load
from tests.peers.command import serving
from tests.peers.plain import CHUNKED_HEAD, Upstream, upstream
from tests.peers.process import Reader, run, started
from tests.peers.programs import program
from tests.peers.writers import build_go

BROKEN = [n for n, vector in enumerate(load()) if vector.verdict != "accept"]
WHOLE = next(n for n, vector in enumerate(load()) if vector.id == "valid-one-chunk")

NODE = """
const lines = require('readline').createInterface({input: process.stdin});
lines.on('line', async url => {
  try { await (await fetch(url)).arrayBuffer(); console.log('complete'); } catch { console.log('failed'); }
});
"""

GO = """
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		response, err := http.Get(scanner.Text())
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		if err == nil {
			fmt.Println("complete")
		} else {
			fmt.Println("failed")
		}
	}
}
"""

Client = Callable[[str], bool]


def serve_vectors(server: Upstream) -> None:
    """Answer each `GET /N` with vector N and close, until a request for `/end`."""
    while True:
        connection = server.accept()
        target = connection.read_head().split(b" ")[1]
        if target != b"/end":
            connection.send(CHUNKED_HEAD + load()[int(target[1:])].octets)
        connection.close()
        if target == b"/end":
            return


@pytest.fixture(scope="module")
def relayed() -> Generator[str, None, None]:
    """Return the URL of a gateway before an upstream that has the vectors."""
    with upstream() as server, serving("forward", server.url()) as gateway:
        thread = threading.Thread(target=serve_vectors, args=(server,), name="vectors")
        thread.start()
        yield gateway.url()
        python(gateway.url("/end"))
        thread.join(30)


def python(url: str) -> bool:
    """Say whether http.client takes a body as complete."""
    host, _, target = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        connection.request("GET", "/" + target)
        connection.getresponse().read()
    except (http.client.HTTPException, OSError, ValueError):
        return False
    finally:
        connection.close()
    return True


def curl(url: str) -> bool:
    """Say whether curl exits 0."""
    return run([program("curl"), "-sf", "--max-time", "20", url]).returncode == 0


def line_client(process: subprocess.Popen[bytes]) -> Client:
    """Return a client that is told a URL a line and answers with a word a line."""
    reader = Reader(process.stdout, whose="the client")

    def fetch(url: str) -> bool:
        assert process.stdin is not None
        process.stdin.write(url.encode() + b"\n")
        return reader.line() == "complete"

    return fetch


def misled(fetch: Client, gateway: str) -> list[str]:
    """Return the vectors that a client takes as complete and should not; a whole body must be complete to it."""
    assert fetch(f"{gateway}{WHOLE}")
    return [load()[n].id for n in BROKEN if fetch(f"{gateway}{n}")]


def test_http_client_is_not_misled(relayed: str) -> None:
    assert misled(python, relayed) == []


@pytest.mark.needs("curl")
def test_curl_is_not_misled(relayed: str) -> None:
    assert misled(curl, relayed) == []


@pytest.mark.needs("node")
def test_node_is_not_misled(relayed: str) -> None:
    with started([program("node"), "-e", NODE]) as process:
        assert misled(line_client(process), relayed) == []


@pytest.mark.needs("go")
def test_go_is_not_misled(relayed: str, tmp_path: Path) -> None:
    with started([build_go(tmp_path, GO)]) as process:
        assert misled(line_client(process), relayed) == []
