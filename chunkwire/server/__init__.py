"""The server engine: HTTP/1.1 connections in, a responder called for each request, each chunk written by hand.

    async def countdown(request: server.IncomingRequest, response: server.Responder) -> None:
        async with response.chunked(fields=[server.TEXT]) as body:
            for n in (3, 2, 1):
                await body.send_chunk(b"%d\\n" % n)

    server.run(":8000", [server.Resource("/countdown", countdown)])  # in a trio program: await server.serve(…)

- `serving` listens and runs the engine; `running` has what origin and gateway share; `engine` is the loop over the
  exchanges of one connection; `settings` has the deadlines and limits.
- `request` and `responder` are the arguments of a handler. Only `responder` decides the framing: chunked for HTTP/1.1,
  the content until close for HTTP/1.0, only a head for HEAD; `body` writes the chunks.
- `routes` finds the resource for a request; `query` and `refusal` reject bad input in one clear line; `cors` has the
  fields that let pages of other origins read responses.
- `journal` holds the facts of each exchange; `access` lines and `metrics` are made from them. `tap` makes records of
  the octets sent, `stampdesk` keeps kernel timestamps of them. `admin` has the resources about the server itself, and
  `site` what else is served on their address.
- `workers` runs several processes on one address.

A name is loaded at its first use: a gateway uses the metrics without the engine. This room knows no gateway and no
client.
"""

from typing import TYPE_CHECKING

from chunkwire.late import load_name

if TYPE_CHECKING:
    from chunkwire.net.connection import PeerGone as PeerGone
    from chunkwire.net.heads import Request as Request
    from chunkwire.net.listen import Address as Address
    from chunkwire.net.listen import Drain as Drain
    from chunkwire.net.listen import ListenError as ListenError
    from chunkwire.net.movers import SendTimeout as SendTimeout
    from chunkwire.server.access import log_json as log_json
    from chunkwire.server.access import log_text as log_text
    from chunkwire.server.admin import JOURNAL as JOURNAL
    from chunkwire.server.body import ChunkedBody as ChunkedBody
    from chunkwire.server.journal import Ended as Ended
    from chunkwire.server.journal import JournalEntry as JournalEntry
    from chunkwire.server.metrics import Metrics as Metrics
    from chunkwire.server.query import Query as Query
    from chunkwire.server.refusal import Refusal as Refusal
    from chunkwire.server.request import IncomingRequest as IncomingRequest
    from chunkwire.server.request import RequestBody as RequestBody
    from chunkwire.server.responder import EVENT_STREAM as EVENT_STREAM
    from chunkwire.server.responder import JSON_LINES as JSON_LINES
    from chunkwire.server.responder import OCTET_STREAM as OCTET_STREAM
    from chunkwire.server.responder import TEXT as TEXT
    from chunkwire.server.responder import Responder as Responder
    from chunkwire.server.routes import Resource as Resource
    from chunkwire.server.serving import run as run
    from chunkwire.server.serving import serve as serve
    from chunkwire.server.settings import ServerSettings as ServerSettings
    from chunkwire.wire.errors import LocalError as LocalError

_MODULES = {
    "chunkwire.net.connection": ("PeerGone",),
    "chunkwire.net.heads": ("Request",),
    "chunkwire.net.listen": ("Address", "Drain", "ListenError"),
    "chunkwire.net.movers": ("SendTimeout",),
    "chunkwire.server.access": ("log_json", "log_text"),
    "chunkwire.server.admin": ("JOURNAL",),
    "chunkwire.server.body": ("ChunkedBody",),
    "chunkwire.server.journal": ("Ended", "JournalEntry"),
    "chunkwire.server.metrics": ("Metrics",),
    "chunkwire.server.query": ("Query",),
    "chunkwire.server.refusal": ("Refusal",),
    "chunkwire.server.request": ("IncomingRequest", "RequestBody"),
    "chunkwire.server.responder": ("EVENT_STREAM", "JSON_LINES", "OCTET_STREAM", "TEXT", "Responder"),
    "chunkwire.server.routes": ("Resource",),
    "chunkwire.server.serving": ("run", "serve"),
    "chunkwire.server.settings": ("ServerSettings",),
    "chunkwire.wire.errors": ("LocalError",),
}
__all__ = [name for names in _MODULES.values() for name in names]


def __getattr__(name: str) -> object:
    """Load one of the names of `__all__`."""
    return load_name(__name__, _MODULES, name)
