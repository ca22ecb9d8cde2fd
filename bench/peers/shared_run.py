"""A gateway and an origin in one run of trio: `python -m bench.peers.shared_run PORT ORIGIN_URL STREAMS`.

The gateway relays from ORIGIN_URL. A client reads STREAMS streams of the other origin, each with a chunk a second, so
that its tasks wait for planned moments.
"""

import sys

import trio

from chunkwire.forward.gateway import serve_gateway
from chunkwire.forward.upstreams import Upstream
from chunkwire.net.dial import parse_url
from chunkwire.net.triosleep import SleeperClock
from chunkwire.origin.resources import RESOURCES
from chunkwire.server import Address, serve


async def read_paced(port: int) -> None:
    """Read one stream to its end."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(b"GET /generate?n=100&interval=1s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async for _ in stream:
        pass


async def main(port: int, origin_url: str, streams: int) -> None:
    """Serve until ended."""
    async with trio.open_nursery() as nursery:
        (paced, *_) = await nursery.start(serve, Address("127.0.0.1", 0), RESOURCES)
        for _ in range(streams):
            nursery.start_soon(read_paced, paced.port, name="paced stream")
        await serve_gateway(Address("127.0.0.1", port), (Upstream(parse_url(origin_url)),))


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), clock=SleeperClock())
