"""The list of a server's resources: text for curl, a page with live previews for a browser.

The rule here: the request's Accept chooses one of three forms; its weights (RFC 9110 §12.4.2) are ignored. The page
requests the JSON form and the previews from this server. Only the text lists `/` itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.lab.assets import send_asset
from chunkwire.lab.guard import page_fields
from chunkwire.net.heads import Field
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource, list_text

_JSON: Final[Field] = (b"Content-Type", b"application/json")
_VARY: Final[Field] = (b"Vary", b"Accept")
# An example of curl that a plain GET can replace: one URL, and flags that only change what is printed.
_PLAIN: Final = re.compile(r"(?:--raw |-i |-N )*'?\{origin\}(/[^' ]*)'?(?: -o -)?")


@dataclass(slots=True)
class Listing:
    """The list of resources, as a resource at `/`."""

    resources: Sequence[Resource]
    lab: str | None = None  # URL of the lab's page, where there is one

    @property
    def served(self) -> tuple[Resource, ...]:
        """The resources, and before them their list and the files of its page, unless one of them is at `/`."""
        return tuple(self.resources) if any(each.path == "/" for each in self.resources) else self._with_list

    @property
    def _with_list(self) -> tuple[Resource, ...]:
        return (
            Resource("/", self._respond, "this list", "{origin}/", is_list=True),
            Resource("/static/{file}", _static, "the files of the list's page", "{origin}/static/list.js"),
            *self.resources,
        )

    async def _respond(self, request: IncomingRequest, response: Responder) -> None:
        accept = request.head.get(b"accept") or b""
        if b"text/html" in accept:
            response.always = page_fields(request.head)
            await send_asset("list.html", request, response, _VARY)
        elif b"application/json" in accept:
            about = {"lab": self.lab, "resources": [_about(resource) for resource in self.resources]}
            await response.fixed(200, (_JSON, _VARY), json.dumps(about).encode())
        else:
            host = (request.head.get(b"host") or b"127.0.0.1").decode("latin-1")
            await response.text(200, list_text((self._with_list[0], *self.resources), f"http://{host}"), (_VARY,))


def _about(resource: Resource) -> dict[str, object]:
    plain = _PLAIN.fullmatch(resource.example) if "GET" in resource.methods else None
    return {
        "path": resource.path,
        "methods": resource.methods,
        "summary": resource.summary,
        "parameters": sorted(resource.parameters or ()),
        "example": resource.example,
        "preview": plain[1] if plain else None,
    }


async def _static(request: IncomingRequest, response: Responder) -> None:
    response.always = page_fields(request.head)
    await send_asset(request.captures["file"], request, response)
