"""Stamped chunks from a chunkwire responder: `python -m bench.peers.origin_chunkwire PORT`."""

import sys
import time
from urllib.parse import urlsplit

import trio

from bench.peers.stamps import planned_moments, stamped
from chunkwire.net.listen import Address, Drain, open_listeners, raise_file_limit, serve_connections
from chunkwire.net.sleeper import current_sleeper
from chunkwire.net.triosleep import SleeperClock
from chunkwire.server.engine import Server
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource


async def stamp_chunks(request: IncomingRequest, response: Responder) -> None:
    """Send the chunks that the query plans, each at its moment."""
    query = urlsplit(request.head.target).query.decode("ascii")
    async with response.chunked(fields=((b"Content-Type", b"text/event-stream"),)) as body:
        start_ns = time.time_ns() - round((response.pacer.now() - body.start) * 1e9)  # or each chunk would be early
        for due_ns in planned_moments(query):
            await body.wait_until((due_ns - start_ns) / 1e9)
            await body.send_chunk(stamped(due_ns))


async def main(port: int) -> None:
    """Serve until ended."""
    raise_file_limit()
    listeners = await open_listeners(Address("127.0.0.1", port))
    resource = Resource("/", stamp_chunks, "stamped chunks", parameters=None)
    origin = Server((resource,), pacer=await current_sleeper())
    await serve_connections(listeners, origin.handle, drain=Drain())


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), clock=SleeperClock())
