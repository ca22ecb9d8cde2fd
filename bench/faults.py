"""What real clients make of each fault: the table in README, from real runs.

`python -m bench.faults` prints it; `--write` puts it into README.md between its two marks. Each client asks a
`chunkwire serve` of its own run for `/fault/NAME` and says what it would tell its user: that it takes the content for
whole, or which error. What it says may depend on where the fault strikes, and on whether its last octets came in one
read with those before: each fault is asked for with several parameters, and a cell holds every answer that was given.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chunkwire.origin.scenarios import FAULTS

README: Final = Path(__file__).resolve().parent.parent / "README.md"
# The faults of the table; `check client` tells the others apart.
ROWS: Final = (
    "cut",
    "early-end",
    "bad-size",
    "missing-crlf",
    "stall",
    "stall-in-size",
    "reset",
    "empty",
    "tiny",
    "no-terminator",
    "giant-size",
)
MARKS: Final = ("<!-- faults:begin -->", "<!-- faults:end -->")
# At the start, in the middle and near the end, with and without a pause; a stall holds for half a second, then FIN.
QUERIES: Final = tuple(
    f"?n={n}&at={at}&interval={interval}&duration=500ms"
    for n, at in ((4, 2), (6, 3), (1, 0), (40, 39))
    for interval in ("0ms", "20ms")
)
WITHIN: Final = 30.0  # s; for one client and one fault

PYTHON: Final = """
import http.client, sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=10).read()
    print("ok")
except Exception as error:
    cause = getattr(error, "reason", error)
    print(type(cause).__name__)
"""
NODE: Final = """
fetch(process.argv[1]).then(response => response.arrayBuffer())
  .then(() => console.log("ok"))
  .catch(error => console.log(`${error.message}: ${(error.cause || {}).code || (error.cause || {}).message}`));
"""
GO: Final = """
package main

import ("fmt"; "io"; "net/http"; "os"; "strings")

func main() {
    response, err := http.Get(os.Args[1])
    if err == nil {
        _, err = io.Copy(io.Discard, response.Body)
        if err == nil { fmt.Println("ok"); return }
    }
    text := err.Error()
    if strings.HasPrefix(text, "read tcp") || strings.HasPrefix(text, "Get ") {
        text = text[strings.LastIndex(text, ": ")+2:]
    }
    fmt.Println(text)
}
"""


@dataclass(frozen=True, slots=True)
class Client:
    """One client: the head of its column, and what it makes of a URL."""

    title: str
    ask: Callable[[str], str]


def run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=WITHIN)


def version_of(argv: Sequence[str]) -> str:
    """Return the first version number that a program tells."""
    found = re.search(r"\d+\.\d+(?:\.\d+)?", run(argv).stdout)
    return found[0] if found else "?"


def curl_says(url: str) -> str:
    """Return curl's verdict: its exit code, or that it took the content for whole."""
    result = run(["curl", "-sN", "-o", os.devnull, url])
    return f"exit {result.returncode}" if result.returncode else "ok"


def printed_by(*argv: str) -> Callable[[str], str]:
    """Return a client that prints its verdict when it is given a URL as its last argument."""
    return lambda url: run([*argv, url]).stdout.strip() or "?"


def find_clients(folder: Path) -> Iterator[Client]:
    """Yield the clients that are installed; the Go one is built first."""
    if shutil.which("curl"):
        yield Client(f"curl {version_of(['curl', '--version'])}", curl_says)
    yield Client(f"http.client {sys.version_info[0]}.{sys.version_info[1]}", printed_by(sys.executable, "-c", PYTHON))
    if shutil.which("node"):
        yield Client(f"node {version_of(['node', '--version'])} fetch", printed_by("node", "-e", NODE))
    if shutil.which("go"):
        source, program = folder / "get.go", folder / "get"
        source.write_text(GO)
        subprocess.run(["go", "build", "-o", program, source], check=True, timeout=300)
        yield Client(f"Go {version_of(['go', 'version'])}", printed_by(str(program)))


@contextmanager
def origin() -> Iterator[str]:
    """Run `chunkwire serve` on a free port; give its URL."""
    argv = (sys.executable, "-m", "chunkwire", "serve", "-l", "127.0.0.1:0")
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()
            process.stderr.read()


def all_answers(client: Client, url: str) -> list[str]:
    """Return every answer that a client gives to a fault, whatever its parameters."""
    return sorted({client.ask(url + query) for query in QUERIES})


def table(url: str, clients: Sequence[Client]) -> str:
    """Return the table as Markdown."""
    head = ["`/fault/…`", "on the wire", *(client.title for client in clients)]
    rows = [head, ["---"] * len(head)]
    for name in ROWS:
        answers = [" or ".join(all_answers(client, f"{url}/fault/{name}")) for client in clients]
        rows.append([f"`{name}`", FAULTS[name].summary, *answers])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def write(text: str) -> None:
    """Put the table between the marks of README.md."""
    start, end = MARKS
    before, found, rest = README.read_text("utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"expected {start} … {end} in {README.name}")
    README.write_text(f"{before}{start}\n\n{text}\n{end}{after}", "utf-8")


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write it into README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, origin() as url:
        text = table(url, list(find_clients(Path(folder))))
    if options.write:
        write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
