"""`fairness`: how long a stream waits while another stream has frames that are slow to scan.

The neighbour's stream has a chunk every 2 ms. At the same time a load is sent as fast as it is received: a body of
chunks that are slow to scan, such as chunks with a chunk-ext each. The figure is the neighbour's wait for a chunk, less
2 ms. Both ends are threads of this process: the row `direct` shows their own delay.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from bench import stats
from bench.gateways import WITHOUT_POLLING, Command
from bench.processes import HOST, Trouble, free_port, running
from bench.relays import relay, relay_commands
from bench.results import Column, Round, Table
from bench.rounds import DIRECT, Plan, interleave
from bench.servers import OWN
from bench.targets import judged
from bench.workshop import Workshop
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

COLUMNS = (
    Column("wait_p50", "wait p50", "ms"),
    Column("wait_p99", "wait p99", "ms"),
    Column("wait_max", "max", "ms"),
    Column("load_s", "load took", "s"),
    Column("samples", "n"),
)
INTERVAL = 0.002  # s between two chunks of the neighbour
WARM_UP = 0.3  # s of the neighbour alone
_WITHIN = 60.0  # s; of a load
_HEAD = b"%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + _CHUNKED + b"\r\n"


@dataclass(frozen=True, slots=True)
class SlowBody:
    """The load beside the neighbour's stream.

    Attributes:
        count: number of its chunks; a tenth of it with `--quick`.
    """

    shows: str
    request: bytes
    chunk: bytes
    count: int

    @property
    def is_upload(self) -> bool:
        """The body is the request's."""
        return self.request.startswith(b"POST")

    def body(self, *, is_quick: bool) -> bytes:
        """Return the body as on the wire."""
        return self.chunk * (self.count // 10 if is_quick else self.count) + encode_last_chunk()


_EXT = encode_chunk(b"0123456789", b";t=1")
LOADS: Mapping[str, SlowBody] = {
    "upload": SlowBody("an upload of 600,000 chunks of 10 octets with a chunk-ext", b"POST /load", _EXT, 600_000),
    "response": SlowBody("a response of 600,000 chunks of 10 octets with a chunk-ext", b"GET /load", _EXT, 600_000),
    "tiny": SlowBody("an upload of 600,000 chunks of 1 octet", b"POST /load", encode_chunk(b"x"), 600_000),
    "server": SlowBody(
        "an upload of 60,000 chunks of 10 octets with a chunk-ext to /echo", b"POST /echo", _EXT, 60_000
    ),
}


def fairness(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each load through relays, and one of an upload to our own server."""
    commands = relay_commands(plan, WITHOUT_POLLING, own=["chunkwire"])
    for name in plan.choose(LOADS):
        load = LOADS[name]
        body = load.body(is_quick=plan.is_quick)
        measures: dict[str, Callable[[], Round]] = {OWN: partial(_server, workshop, load, body)}
        if name != "server":
            through = {each: partial(_through, workshop, each, one, load, body) for each, one in commands.items()}
            measures = {DIRECT: partial(_direct, load, body), **through}
        rows = interleave(measures, plan.rounds, what=f"fairness/{name}")
        yield judged(Table(f"fairness/{name}", f"a chunk every 2 ms beside {load.shows}", COLUMNS, rows))


def _direct(load: SlowBody, body: bytes) -> Round:
    with Origin(free_port(), body) as origin:
        return _measure(origin.port, b"/neighbour", load, body)


def _through(workshop: Workshop, name: str, command: Command, load: SlowBody, body: bytes) -> Round:
    with Origin(free_port(), body) as origin, relay(workshop, name, command, upstream=origin.port) as server:
        return _measure(server.port, b"/neighbour", load, body)


def _server(workshop: Workshop, load: SlowBody, body: bytes) -> Round:
    port = free_port()
    argv = [sys.executable, "-m", "chunkwire", "serve", "--listen", f"{HOST}:{port}", "-q"]
    with running("chunkwire", argv, port, core=workshop.cores.server):
        return _measure(port, b"/generate?n=10000&interval=2ms", load, body)


def _measure(port: int, neighbour: bytes, load: SlowBody, body: bytes) -> Round:
    """Return the neighbour's waits while the load was carried."""
    arrivals: list[float] = []
    with closing(_ask(port, b"GET " + neighbour)) as stream:
        reader = threading.Thread(target=_note_arrivals, args=(stream, arrivals), daemon=True)
        reader.start()
        time.sleep(WARM_UP)
        began = time.monotonic()
        _carry(port, load, body)
        ended = time.monotonic()
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)
        reader.join()
    moments = [began, *(at for at in arrivals if began <= at <= ended), ended]
    waits = [1000 * max(0.0, after - before - INTERVAL) for before, after in pairwise(moments)]
    figures = {f"wait_{name}": figure for name, figure in stats.summary(waits).items()}
    return Round({**figures, "wait_max": max(waits), "load_s": ended - began, "samples": float(len(waits))})


def _ask(port: int, line: bytes, *fields: bytes) -> socket.socket:
    try:
        sock = socket.create_connection((HOST, port), _WITHIN)
        sock.sendall(_HEAD % (line, b"".join(fields)))
    except OSError as error:
        raise Trouble(f"the request could not be sent: {error}") from error
    return sock


def _note_arrivals(stream: socket.socket, arrivals: list[float]) -> None:
    with suppress(OSError):
        while stream.recv(65536):
            arrivals.append(time.monotonic())


def _carry(port: int, load: SlowBody, body: bytes) -> None:
    """Send the load, or request it, and read to the end.

    Raises:
        Trouble: too few octets were received.
    """
    with closing(_ask(port, load.request, _CHUNKED if load.is_upload else b"")) as sock:
        sender = threading.Thread(target=_send, args=(sock, body if load.is_upload else b""), daemon=True)
        sender.start()
        came = 0
        with suppress(OSError):
            while octets := sock.recv(1 << 20):
                came += len(octets)
        sender.join(_WITHIN)
    least = 1 if load.request == b"POST /load" else len(body)
    if came < least:
        raise Trouble(f"expected {least} octets or more for the load, got {came}")


def _send(sock: socket.socket, octets: bytes) -> None:
    with suppress(OSError):
        sock.sendall(octets)


class Origin:
    """Serves the neighbour's stream and the load, a thread a connection. A context manager."""

    def __init__(self, port: int, body: bytes) -> None:
        self.port = port
        self._body = body
        self._listener = socket.create_server((HOST, port))

    def __enter__(self) -> Origin:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        with closing(sock), suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            octets = b""
            while b"\r\n\r\n" not in octets:
                if not (got := sock.recv(65536)):
                    return
                octets += got
            if octets.startswith(b"GET /neighbour"):
                self._pace(sock)
            elif octets.startswith(b"GET"):
                sock.sendall(_ANSWER + self._body)
            else:
                while not octets.endswith(encode_last_chunk()):
                    octets = octets[-8:] + sock.recv(1 << 20)
                sock.sendall(_ANSWER + encode_last_chunk())

    def _pace(self, sock: socket.socket) -> None:
        """Send a chunk every 2 ms until the client leaves."""
        sock.sendall(_ANSWER)
        at = time.monotonic()
        while True:
            at += INTERVAL
            time.sleep(max(0.0, at - time.monotonic()))
            sock.sendall(encode_chunk(b"x" * 16))
