"""Idle connections at the gateway: the memory of each, and the time to a new stream beside them.

`python -m bench.idle --connections 10000` runs `chunkwire forward`, and opens 10,000 connections without a request,
then as many that are kept after one answer. It requests one more stream beside each set.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bench.processes import HOST, Running, choose_cores, free_port, running
from bench.text import print_line, program_parser
from chunkwire.net.listen import raise_file_limit

GET: Final = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"
WITHIN: Final = 30.0  # s; for each answer


def serve(listener: socket.socket) -> None:
    """Serve as the upstream, one connection at a time, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(ConnectionError):  # reset when the gateway ends
            connection.settimeout(WITHIN)
            while request := connection.recv(65536):
                connection.sendall(STREAM if request.startswith(b"GET /stream ") else OK)


def ask(client: socket.socket, request: bytes, end: bytes) -> None:
    """Send a request and read the answer to its end."""
    client.sendall(request)
    got = b""
    while not got.endswith(end):
        octets = client.recv(65536)
        assert octets, f"expected an answer, got the end after {got!r}"
        got += octets


def hold(server: Running, count: int, *, has_asked: bool) -> str:
    """Open connections, request a stream beside them, close them; return a line of figures."""
    before, began = server.resident_kib(), time.monotonic()
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            clients.append(socket.create_connection((HOST, server.port), WITHIN))
            if has_asked:
                ask(clients[-1], GET, b"\r\n\r\nok")
        opened = time.monotonic() - began
        asked = time.monotonic()
        with socket.create_connection((HOST, server.port), WITHIN) as client:
            ask(client, GET.replace(b"GET /", b"GET /stream"), b"0\r\n\r\n")
        served = time.monotonic() - asked
        time.sleep(1)
        full = server.resident_kib()
    finally:
        for client in clients:
            client.close()
    what = "kept after an answer" if has_asked else "without a request   "
    return (
        f"{count} connections {what}: {(full - before) / count:.1f} KiB each ({before / 1024:.0f} to "
        f"{full / 1024:.0f} MB), opened in {opened:.1f} s; a new stream served in {served * 1e3:.1f} ms"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = program_parser("idle", __doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    options = parser.parse_args(words)
    raise_file_limit()
    core, port = choose_cores().server, free_port()
    for has_asked in (False, True):
        with socket.create_server((HOST, 0), backlog=1024) as listener:
            threading.Thread(target=serve, args=(listener,), name="upstream", daemon=True).start()
            url = f"http://{HOST}:{listener.getsockname()[1]}"
            argv = [sys.executable, "-m", "chunkwire", "-q", "forward", url, "-l", f"{HOST}:{port}"]
            with running("chunkwire", [*argv, "--keep-alive-timeout", "1h"], port, core=core) as server:
                print_line(hold(server, options.connections, has_asked=has_asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
