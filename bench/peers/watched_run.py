"""A gateway and a lab in one run of trio: `python -m bench.peers.watched_run PORT ORIGIN_URL LAB_PORT`.

The gateway relays from ORIGIN_URL; that stream is not watched. `python -m bench.peers.watched_run LAB_PORT [feed]`
reads a stream of 1000 frames a second from the lab's origin through its gateway; with `feed` it watches it, as the
lab's page does.
"""

import socket
import sys
import threading

import trio

from chunkwire.forward.gateway import serve_gateway
from chunkwire.forward.upstreams import Upstream
from chunkwire.lab.laboratory import Lab
from chunkwire.net.dial import parse_url
from chunkwire.net.triosleep import SleeperClock
from chunkwire.origin.resources import RESOURCES
from chunkwire.server import Address, serve

REQUEST = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n"


def read(port: int, target: bytes, has_begun: threading.Event) -> None:
    """Read one response to its end."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(REQUEST % (target, port))
        while sock.recv(65536):
            has_begun.set()


def read_lab(port: int, *, is_watched: bool) -> None:
    """Read the stream, and the feed if it is watched, until the lab ends."""
    has_begun = threading.Event()
    if is_watched:
        threading.Thread(target=read, args=(port, b"/lab/feed", has_begun), daemon=True).start()
        has_begun.wait()
    while True:
        read(port, b"/via/exact/generate?n=10000&interval=1ms", has_begun)


async def main(port: int, origin_url: str, lab_port: int) -> None:
    """Serve until ended."""
    lab = Lab(RESOURCES)

    async def serve_lab(*, task_status: trio.TaskStatus[object]) -> None:
        page = Address("127.0.0.1", lab_port)
        await serve(page, lab.resources, record_for=lab.record_for, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(lab.relays.run, name="lab")
        await nursery.start(serve_lab, name="page")
        await serve_gateway(Address("127.0.0.1", port), (Upstream(parse_url(origin_url)),))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        trio.run(main, int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), clock=SleeperClock())
    else:
        read_lab(int(sys.argv[1]), is_watched=sys.argv[2:] == ["feed"])
