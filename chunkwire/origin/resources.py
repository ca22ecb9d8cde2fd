"""The built-in resources, in one table, and the list of them at `/`.

A module of resources ends in a tuple of `Resource`; it is served when that tuple stands here.
"""

from __future__ import annotations

from typing import Final

from chunkwire.origin.echo import ECHO
from chunkwire.origin.events import EVENTS
from chunkwire.origin.journal import Journal
from chunkwire.origin.misbehave import FAULTY
from chunkwire.origin.mock.responder import MOCKED
from chunkwire.origin.plan import PLANNED
from chunkwire.origin.probe import PROBE, journal_resource
from chunkwire.origin.request import IncomingRequest
from chunkwire.origin.response import Responder
from chunkwire.origin.routes import Resource
from chunkwire.origin.streams import STREAMS
from chunkwire.origin.websocket import WEBSOCKET

RESOURCES: Final[tuple[Resource, ...]] = (
    *STREAMS,
    *EVENTS,
    *PLANNED,
    *ECHO,
    *PROBE,
    *WEBSOCKET,
    *FAULTY,
    *MOCKED,
)


def origin_resources(journal: Journal) -> tuple[Resource, ...]:
    """Return what an origin serves: the table, its own journal, and the list of both at `/`."""
    served = (*RESOURCES, journal_resource(journal))
    return (list_resource(served), *served)


def list_resource(resources: tuple[Resource, ...]) -> Resource:
    """Return the resource `/` that lists the others."""

    async def index(request: IncomingRequest, response: Responder) -> None:
        host = (request.head.get(b"host") or b"127.0.0.1:8081").decode("latin-1")
        await response.text(200, _list_text(resources, f"http://{host}"))

    return Resource("/", index, "this list", "{origin}/")


def _list_text(resources: tuple[Resource, ...], origin: str) -> str:
    """Return each resource with what it is and a command that shows it."""
    lines = ["chunkwire: each chunk is written by hand, at the moment it is told to. What there is:", ""]
    for resource in resources:
        lines += [f"{' '.join(resource.methods)} {resource.path}", f"    {resource.summary}"]
        lines += [f"    curl -sN {resource.example.replace('{origin}', origin)}", ""]
    return "\n".join(lines)
