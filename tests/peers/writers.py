"""Servers that are not ours and write chunked themselves: node's http module and Go's net/http.

Both are told what to write on their standard input, a line at a time: a line is the next chunk's data, `.` ends the
stream with the trailer `X-Sum: 7`, `!` ends the process. So a test lets chunk k+1 be written only once it has seen
chunk k arrive: a barrier, which needs no clock.
"""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.process import Reader, run, started
from tests.peers.programs import program
from tests.peers.servers import Server

NODE = """
const lines = [];
let response = null;
function write() {
  while (response && lines.length) {
    const line = lines.shift();
    if (line !== '.') { response.write(line); continue; }
    response.addTrailers({'X-Sum': '7'});
    response.end();
    response = null;
  }
}
require('readline').createInterface({input: process.stdin}).on('line', line => {
  if (line === '!') process.exit(0);
  lines.push(line);
  write();
});
const server = require('http').createServer((request, its) => {
  its.writeHead(200, {'Content-Type': 'text/plain', 'Trailer': 'X-Sum', 'X-Writer': 'node'});
  its.flushHeaders();
  response = its;
  write();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""

GO = """
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	lines := make(chan string)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Writer", "go")
		w.(http.Flusher).Flush()
		for line := range lines {
			if line == "." {
				break
			}
			fmt.Fprint(w, line)
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Sum", "7")
	}))
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		if scanner.Text() == "!" {
			return
		}
		lines <- scanner.Text()
	}
}
"""


class Writer(Server):
    """A running server that writes what it is told."""

    def tell(self, line: str) -> None:
        """Have the next chunk written (or `.`, or `!`)."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")


@contextmanager
def node_writer() -> Generator[Writer, None, None]:
    """Run the writer on node."""
    with started([program("node"), "-e", NODE]) as process:
        yield Writer(int(Reader(process.stdout, whose="node").line()), process)


@contextmanager
def go_writer(binary: Path) -> Generator[Writer, None, None]:
    """Run the writer that was compiled from `GO`."""
    with started([binary]) as process:
        yield Writer(int(Reader(process.stdout, whose="the Go program").line()), process)


def build_go(folder: Path, text: str, name: str) -> Path:
    """Compile a Go program of one file in a folder, unless it stands there; nothing outside it is written."""
    source, binary = folder / f"{name}.go", folder / name
    with locked(folder):  # one worker compiles the standard library
        if not binary.exists() or source.read_text() != text:
            source.write_text(text)
            env = {
                "GO111MODULE": "off",
                "GOFLAGS": "",
                "GOCACHE": str(folder / "cache"),
                "GOPATH": str(folder / "path"),
            }
            build = run([program("go"), "build", "-o", binary, source], env={**env, "CGO_ENABLED": "0"}, within=300)
            assert build.returncode == 0, build.stderr.decode()
    return binary


@contextmanager
def locked(folder: Path) -> Generator[None, None, None]:
    """Keep the other workers of a run out of a folder that they share."""
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
