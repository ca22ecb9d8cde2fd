"""CORS: let pages of other origins read responses (WHATWG Fetch §3.3).

The rule here: pure; request head and allowed origins in, field lines out. No origin is allowed by default. The response
to a request with cookies can never be read, as none here depends on them.
"""

from __future__ import annotations

import re
from typing import Final

from chunkwire.net.heads import Field, Request
from chunkwire.wire import abnf

ANY: Final = "*"
_NAMES: Final = re.compile(rb"[ \t]*%b(?>(?:[ \t]*,[ \t]*%b)*)[ \t]*" % (abnf.TOKEN, abnf.TOKEN))
_VARY: Final[Field] = (b"Vary", b"Origin")


def cors_fields(head: Request, allowed: frozenset[str]) -> tuple[Field, ...]:
    """Return the fields that let a page of an allowed origin read the response and its fields.

    Args:
        allowed: serialized origins, such as "https://app.example", or "*" for any; if empty, no field is returned.
    """
    if not allowed:
        return ()
    exposed = (b"Access-Control-Expose-Headers", b"*")
    if ANY in allowed:
        return ((b"Access-Control-Allow-Origin", b"*"), exposed)
    origin = head.get(b"origin") or b""
    if origin.decode("latin-1") not in allowed:
        return (_VARY,)
    return ((b"Access-Control-Allow-Origin", origin), exposed, _VARY)


def preflight_fields(head: Request, methods: bytes) -> tuple[Field, ...]:
    """Return the fields that answer a CORS preflight: `methods`, and the field names that it asks for (§3.3.3).

    Return none if the request is no preflight.
    """
    if head.get(b"access-control-request-method") is None:
        return ()
    fields: tuple[Field, ...] = ((b"Access-Control-Allow-Methods", methods), (b"Access-Control-Max-Age", b"600"))
    names = head.get(b"access-control-request-headers")
    if names and _NAMES.fullmatch(names):
        fields += ((b"Access-Control-Allow-Headers", names),)
    return fields
