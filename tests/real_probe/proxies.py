"""Proxies that the other peers have no helper for: Apache, Go, node with compression, mitmproxy, and Nagle."""

import shutil
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.peers.plain import accepting
from tests.peers.process import (
    LOOPBACK,
    Reader,
    free_port,
    run,
    started,
    wait_listening,
    workplace,
)
from tests.peers.programs import program
from tests.peers.writers import locked

_APACHE_MODULES = Path("/usr/lib/apache2/modules")
_ALWAYS = ("mpm_event", "authz_core", "proxy", "proxy_http")

GO = """
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	upstream, err := url.Parse(os.Args[1])
	if err != nil {
		panic(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.FlushInterval, err = time.ParseDuration(os.Args[2])
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, proxy))
}
"""

NODE = """
const http = require('http');
const compression = require('compression')({threshold: 0});
const [port, flushes] = process.argv.slice(1);
http.createServer((request, response) => compression(request, response, () => {
  const {method, headers, url: path} = request;
  const upstream = http.request({port, path, method, headers}, its => {
    response.writeHead(its.statusCode, its.headers);
    its.on('data', data => { response.write(data); if (flushes === 'flush') response.flush(); });
    its.on('end', () => response.end());
  });
  request.pipe(upstream);
})).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
"""


@contextmanager
def apache(site: str, *modules: str, path: str | None = None) -> Generator[str, None, None]:
    """Run Apache with these modules and directives; give its URL without a path.

    Args:
        path: the program, in a tree that has the modules of its own.
    """
    place = Path(path).parent.parent / "usr/lib/apache2/modules" if path else _APACHE_MODULES
    path, port = path or program("apache2"), free_port()
    with workplace() as folder:
        loads = [f"LoadModule {name}_module {place}/mod_{name}.so" for name in (*_ALWAYS, *modules)]
        own = [f"ServerRoot {folder}", f"PidFile {folder}/pid", f"ErrorLog {folder}/log", f"Listen {LOOPBACK}:{port}"]
        config = folder / "apache.conf"
        config.write_text("\n".join([*loads, *own, "ServerName localhost", "User nobody", "Group nogroup", site, ""]))
        with started([path, "-X", "-f", config]) as process:
            wait_listening(port, process)
            yield f"http://{LOOPBACK}:{port}"


@contextmanager
def go_proxy(binary: Path, upstream: str, *, flush: str = "0s") -> Generator[str, None, None]:
    """Run the Go proxy before an upstream; give its URL without a path."""
    with started([binary, upstream, flush]) as process:
        yield f"http://{LOOPBACK}:{Reader(process.stdout, whose='the Go proxy').line()}"


@contextmanager
def _installing(folder: Path) -> Generator[Path, None, None]:
    """Give a file that exists once the folder is complete; other workers of the same run wait meanwhile."""
    with locked(folder):
        yield folder / "complete"


def install_compression(folder: Path) -> Path:
    """Install node's compression middleware and Express in a folder, once; skip where that cannot be done."""
    with _installing(folder) as complete:
        if not complete.exists():
            npm = shutil.which("npm")
            words = ["install", "--prefix", str(folder), "--no-audit", "--no-fund", "compression@1.8", "express@4"]
            if npm is None or run([npm, *words], within=110).returncode:
                pytest.skip("needs npm")
            complete.touch()
    return folder / "node_modules"


@contextmanager
def node_proxy(modules: Path, port: int, *, flush: bool = False) -> Generator[str, None, None]:
    """Run a node proxy with the compression middleware; `flush` calls res.flush() after each write."""
    words = [program("node"), "-e", NODE, str(port), "flush" if flush else "lazy"]
    with started(words, env={"NODE_PATH": str(modules)}) as process:
        yield f"http://{LOOPBACK}:{Reader(process.stdout, whose='the node proxy').line()}"


def install_mitmproxy(folder: Path) -> Path:
    """Install mitmproxy in an environment of its own, once: it pins another h11. Skip where that cannot be done."""
    found = shutil.which("mitmdump")
    if found is not None:
        return Path(found)
    with _installing(folder) as complete:
        if not complete.exists():
            # This environment's pip: a Python of Debian's own may have no pip to give.
            run([sys.executable, "-m", "venv", "--without-pip", folder])
            pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
            if run([*pip, "install", "-q", "mitmproxy>=11,<13"], within=600).returncode:
                pytest.skip("needs mitmproxy")
            complete.touch()
    return folder / "bin" / "mitmdump"


@contextmanager
def mitmproxy(mitmdump: Path, upstream: str, *options: str) -> Generator[str, None, None]:
    """Run mitmproxy as a reverse proxy; give its URL without a path."""
    port = free_port()
    with workplace() as folder:
        words: list[str | Path] = [mitmdump, "-q", "--mode", f"reverse:{upstream}", "--listen-host", LOOPBACK]
        words += ["-p", str(port), "--set", f"confdir={folder}"]
        for option in options:
            words += ["--set", option]
        with started(words) as process:
            wait_listening(port, process)
            yield f"http://{LOOPBACK}:{port}"


@contextmanager
def three_writes(port: int, *, nodelay: bool) -> Generator[str, None, None]:
    """Relay raw octets, each read as three small writes, to a reader that delays its ACKs as long as it may.

    What a server does that writes a frame piece by piece, and what a peer's kernel does in a conversation.
    """
    with _relaying(port, split=True, nodelay=nodelay) as writer, _relaying(writer, split=False, nodelay=True) as reader:
        yield f"http://{LOOPBACK}:{reader}"


@contextmanager
def holding_http_1_1(port: int) -> Generator[str, None, None]:
    """Relay responses to HTTP/1.0 at once, and any other as a whole when its last-chunk has come."""

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection((LOOPBACK, port), PATIENCE) as server, suppress(OSError):
            request = client.recv(65536)
            server.sendall(request)
            held = b""
            while octets := server.recv(65536):
                held += octets
                if b" HTTP/1.0\r\n" in request or held.endswith(b"0\r\n\r\n"):
                    client.sendall(held)
                    held = b""

    with accepting(relay) as own:
        yield f"http://{LOOPBACK}:{own}"


@contextmanager
def _relaying(port: int, *, split: bool, nodelay: bool) -> Generator[int, None, None]:
    with accepting(lambda client: _relay(client, port, split), nodelay=nodelay) as own:
        yield own


def _relay(client: socket.socket, port: int, split: bool) -> None:
    with client, socket.create_connection((LOOPBACK, port), PATIENCE) as server:
        try:
            server.sendall(client.recv(65536))
            while True:
                if not split:
                    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)  # the kernel forgets it again
                octets = server.recv(65536)
                if not octets:
                    return
                third = len(octets) // 3 if split else 0
                for piece in (octets[:third], octets[third : 2 * third], octets[2 * third :]):
                    client.sendall(piece)
        except OSError:
            return  # the client left, as it may
