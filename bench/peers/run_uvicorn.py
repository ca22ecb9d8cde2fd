"""uvicorn around a peer: `python -m bench.peers.run_uvicorn PORT LOOP HTTP [ORIGIN_URL]`.

LOOP and HTTP are uvicorn's options: `uvicorn[standard]` uses `uvloop httptools`, plain `uvicorn` uses `asyncio h11`.
With an origin's URL it is a proxy, without one an origin.
"""

import asyncio
import sys

import uvicorn

from bench.peers.origin_asgi import Application, origin


def main(port: str, loop: str, http: str, origin_url: str = "") -> None:
    """Serve until ended."""
    app: Application
    if origin_url:
        from bench.peers.proxy_asgi import proxy

        app = proxy(origin_url)
    else:
        app = origin(asyncio.sleep)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop=loop,
        http=http,
        lifespan="off",
        log_level="error",
        access_log=False,
        backlog=8192,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
