"""Clients that are not ours and read chunked themselves: curl, node's fetch, Go's net/http, Python's http.client.

Each runs once for any number of URLs, one after another, and says of each whether it took the response for whole.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.patience import PATIENCE
from tests.peers.process import run
from tests.peers.programs import find_program, program
from tests.peers.writers import build_go

PYTHON: Final = """
import http.client, sys, urllib.parse
for url in map(urllib.parse.urlsplit, sys.stdin.read().split()):
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    try:
        connection.request("GET", url.path)
        print("ok", len(connection.getresponse().read()))
    except Exception as error:
        print("failed", type(error).__name__)
    connection.close()
"""
NODE: Final = """
(async () => {
  for (const url of require('fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean)) {
    try {
      console.log('ok', (await (await fetch(url)).arrayBuffer()).byteLength);
    } catch (error) {
      console.log('failed', String(error.cause || error).replaceAll('\\n', ' '));
    }
  }
})();
"""
GO: Final = """
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
		var body []byte
		if err == nil {
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		if err == nil {
			fmt.Println("ok", len(body))
		} else {
			fmt.Printf("failed %q\\n", err.Error())
		}
	}
}
"""
READERS: Final = ("curl", "node", "go", "http.client")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a client made of one response: the content's length in octets, or None and why it failed."""

    octets: int | None
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        return self.octets is not None


def curl(*words: str | Path, octets: bytes = b"") -> tuple[int, bytes]:
    """Return curl's exit code and what it prints, as it comes."""
    result = run([program("curl"), "-sN", "--max-time", f"{PATIENCE:g}", *words], octets=octets)
    return result.returncode, result.stdout


def read_all(reader: str, urls: Sequence[str], folder: Path) -> list[Reading]:
    """Return what one of READERS makes of each URL; Go's is built in the folder."""
    lines = "".join(f"{url}\n" for url in urls)
    if reader == "curl":
        lines = 'write-out = "%{exitcode} %{size_download}\\n"\nsilent\nmax-time = 20\n' + "".join(
            f'url = "{url}"\noutput = "/dev/null"\n' for url in urls
        )
    result = run(_argv(reader, folder), octets=lines.encode())
    told = result.stdout.decode().splitlines()
    assert len(told) == len(urls), result.stderr.decode()
    return [_curl_reading(line) if reader == "curl" else _reading(line) for line in told]


def _argv(reader: str, folder: Path) -> Sequence[str | Path]:
    found: Mapping[str, str | None] = {name: find_program(name) for name in ("curl", "node", "go")}
    if reader == "go":
        return [build_go(folder, GO, "reader")]
    return {
        "curl": [found["curl"] or "", "-q", "-K", "-"],
        "node": [found["node"] or "", "-e", NODE],
        "http.client": [sys.executable, "-c", PYTHON],
    }[reader]


def _reading(line: str) -> Reading:
    word, _, rest = line.partition(" ")
    return Reading(int(rest)) if word == "ok" else Reading(None, rest)


def _curl_reading(line: str) -> Reading:
    code, _, octets = line.partition(" ")
    return Reading(int(octets)) if code == "0" else Reading(None, f"exit {code}")
