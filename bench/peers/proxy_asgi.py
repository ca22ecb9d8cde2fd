"""A streaming reverse proxy as an ASGI application on httpx, for asyncio and trio alike."""

from typing import Any

import httpx

from bench.peers.origin_asgi import Application, Receive, Send, run_lifespan


def proxy(origin: str) -> Application:
    """Return the application; `origin` is a URL without a path."""
    client: httpx.AsyncClient | None = None

    async def relay(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        nonlocal client
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send)
            return
        if client is None:  # made inside the loop that will run it
            client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=1000), timeout=None)
        async with client.stream(scope["method"], origin + scope["path"]) as upstream:
            fields = [(b"content-type", upstream.headers["content-type"].encode("latin-1"))]
            await send({"type": "http.response.start", "status": upstream.status_code, "headers": fields})
            async for octets in upstream.aiter_raw():
                await send({"type": "http.response.body", "body": octets, "more_body": True})
        await send({"type": "http.response.body"})

    return relay
