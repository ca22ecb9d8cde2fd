"""CORS of the mocks: what the providers allow to pages of another origin.

The rule here: the providers allow any page, since a key is needed anyway; Anthropic only with an opt-in field in the
request. With `--cors`, only the origins that it names are allowed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from chunkwire.server.cors import ANY, cors_fields, preflight_fields
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder

_OPT_IN: Final = b"anthropic-dangerous-direct-browser-access"
_METHODS: Final = b"GET, POST, OPTIONS"
Answering: TypeAlias = Callable[[IncomingRequest, Responder], Awaitable[None]]


async def answer_pages(answering: Answering, request: IncomingRequest, response: Responder) -> None:
    """Answer an OPTIONS, or call `answering` with the provider's CORS fields added to its response."""
    is_preflight = request.head.method == b"OPTIONS"
    allowed = request.settings.cors
    if not allowed and _is_open(request):
        response.always = (*response.always, *cors_fields(request.head, frozenset({ANY})))
        allowed = frozenset({ANY})
    if not is_preflight:
        await answering(request, response)
        return
    fields = preflight_fields(request.head, _METHODS) if allowed else ()
    await response.fixed(204, ((b"Allow", _METHODS), *fields))


def _is_open(request: IncomingRequest) -> bool:
    head = request.head
    is_anthropic = "/v1/messages" in request.path or head.get(b"anthropic-version") is not None
    names = (head.get(b"access-control-request-headers") or b"").lower()
    return not is_anthropic or head.get(_OPT_IN) is not None or _OPT_IN in names
