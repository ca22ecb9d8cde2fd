"""The server engine: HTTP/1.1 connections in, a responder called for each request, each chunk written by hand.

    async def countdown(request: server.IncomingRequest, response: server.Responder) -> None:
        async with response.chunked(fields=[server.TEXT]) as body:
            for n in (3, 2, 1):
                await body.send_chunk(b"%d\\n" % n)

    await server.serve(":8000", [server.Resource("/countdown", countdown)])

- `serving` listens and runs the engine, `running` what every server has beside it; `engine` is the loop over the
  exchanges of one connection.
- `request` and `responder` are what a handler is given. Framing is decided in `responder` and nowhere else: chunked for
  HTTP/1.1, the raw content until close for HTTP/1.0, a head only for HEAD.
- `routes` holds resources and finds the one for a request; `query` and `refusal` reject bad input in one clear line.
- `journal` keeps what is known of each exchange; access lines and `metrics` read from there, `admin` serves them.
- `workers` runs several processes on one address.

The names are loaded when they are asked for: a gateway uses the metrics without the engine. This room knows no resource
of its own, no gateway, no client and no command line.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chunkwire.net.connection import PeerGone
    from chunkwire.net.heads import Request
    from chunkwire.net.listen import Address, Drain, ListenError
    from chunkwire.net.movers import SendTimeout
    from chunkwire.server.access import log_json, log_text
    from chunkwire.server.admin import JOURNAL
    from chunkwire.server.journal import Ended, JournalEntry
    from chunkwire.server.metrics import Metrics
    from chunkwire.server.query import Query
    from chunkwire.server.refusal import Refusal
    from chunkwire.server.request import IncomingRequest, RequestBody
    from chunkwire.server.responder import EVENT_STREAM, JSON_LINES, OCTET_STREAM, TEXT, ChunkedBody, Responder
    from chunkwire.server.routes import Resource
    from chunkwire.server.serving import serve
    from chunkwire.server.settings import ServerSettings
    from chunkwire.wire.errors import LocalError

__all__ = [
    "serve",
    "Resource",
    "IncomingRequest",
    "RequestBody",
    "Request",
    "Query",
    "Responder",
    "ChunkedBody",
    "TEXT",
    "JSON_LINES",
    "EVENT_STREAM",
    "OCTET_STREAM",
    "Refusal",
    "ServerSettings",
    "Address",
    "Drain",
    "Metrics",
    "JOURNAL",
    "JournalEntry",
    "Ended",
    "log_text",
    "log_json",
    "ListenError",
    "LocalError",
    "PeerGone",
    "SendTimeout",
]

_HOMES = {
    "chunkwire.net.connection": ("PeerGone",),
    "chunkwire.net.heads": ("Request",),
    "chunkwire.net.listen": ("Address", "Drain", "ListenError"),
    "chunkwire.net.movers": ("SendTimeout",),
    "chunkwire.server.access": ("log_json", "log_text"),
    "chunkwire.server.admin": ("JOURNAL",),
    "chunkwire.server.journal": ("Ended", "JournalEntry"),
    "chunkwire.server.metrics": ("Metrics",),
    "chunkwire.server.query": ("Query",),
    "chunkwire.server.refusal": ("Refusal",),
    "chunkwire.server.request": ("IncomingRequest", "RequestBody"),
    "chunkwire.server.responder": ("EVENT_STREAM", "JSON_LINES", "OCTET_STREAM", "TEXT", "ChunkedBody", "Responder"),
    "chunkwire.server.routes": ("Resource",),
    "chunkwire.server.serving": ("serve",),
    "chunkwire.server.settings": ("ServerSettings",),
    "chunkwire.wire.errors": ("LocalError",),
}


def __getattr__(name: str) -> object:
    """Load one of the names of `__all__` (PEP 562)."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value
