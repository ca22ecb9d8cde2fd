"""hypercorn on trio around a peer: `python -m bench.peers.run_hypercorn PORT [ORIGIN_URL]`.

With an origin's URL it is a proxy, without one an origin. One process: the worker, without its supervisor.
"""

import sys
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from bench.peers.origin_asgi import Application, origin


def main(port: str, origin_url: str = "") -> None:
    """Serve until ended."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    config.backlog = 8192
    app: Application
    if origin_url:
        from bench.peers.proxy_asgi import proxy

        app = proxy(origin_url)
    else:
        app = origin(trio.sleep)
    trio.run(partial(serve, app, config, mode="asgi"))


if __name__ == "__main__":
    main(*sys.argv[1:])
