"""Stamped chunks from an ASGI application, for any server and for asyncio and trio alike."""

from collections.abc import Awaitable, Callable
from typing import Any

from bench.peers.stamps import planned_moments, seconds_until, stamped

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


async def run_lifespan(receive: Receive, send: Send) -> None:
    """Confirm the server's start and end."""
    while True:
        asked = (await receive())["type"]
        await send({"type": f"{asked}.complete"})
        if asked == "lifespan.shutdown":
            return


def origin(sleep: Callable[[float], Awaitable[None]]) -> Application:
    """Return the application; `sleep` is the loop's own."""

    async def stamp_chunks(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send)
            return
        fields = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        for due_ns in planned_moments(scope["query_string"].decode("ascii")):
            await sleep(seconds_until(due_ns))
            await send({"type": "http.response.body", "body": stamped(due_ns), "more_body": True})
        await send({"type": "http.response.body"})

    return stamp_chunks
