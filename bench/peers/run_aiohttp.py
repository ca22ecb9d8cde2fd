"""aiohttp's server as a peer: `python -m bench.peers.run_aiohttp PORT [ORIGIN_URL]`.

With an origin's URL it is a proxy (aiohttp's client behind it), without one an origin.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from bench.peers.stamps import planned_moments, seconds_until, stamped

ORIGIN_URL = web.AppKey("origin_url", str)
SESSION = web.AppKey("session", ClientSession)


async def stamp_chunks(request: web.Request) -> web.StreamResponse:
    """Send the chunks that the query plans, each at its moment."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for due_ns in planned_moments(request.query_string):
        await asyncio.sleep(seconds_until(due_ns))
        await response.write(stamped(due_ns))
    await response.write_eof()
    return response


async def relay(request: web.Request) -> web.StreamResponse:
    """Relay the origin's response as it arrives."""
    async with request.app[SESSION].get(request.app[ORIGIN_URL] + request.path) as upstream:
        response = web.StreamResponse(
            status=upstream.status, headers={"Content-Type": upstream.headers["Content-Type"]}
        )
        await response.prepare(request)
        async for octets in upstream.content.iter_any():
            await response.write(octets)
        await response.write_eof()
        return response


async def open_session(app: web.Application) -> AsyncIterator[None]:
    """Keep one client session while the server runs."""
    async with ClientSession(
        connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None), auto_decompress=False
    ) as session:
        app[SESSION] = session
        yield


def main(port: str, origin_url: str = "") -> None:
    """Serve until ended."""
    app = web.Application()
    if origin_url:
        app[ORIGIN_URL] = origin_url
        app.cleanup_ctx.append(open_session)
    app.router.add_get("/{path:.*}", relay if origin_url else stamp_chunks)
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None, backlog=8192)


if __name__ == "__main__":
    main(*sys.argv[1:])
