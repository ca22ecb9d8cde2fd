"""The files of the page, as they are served.

The rule here: a fixed table of the files in `static/`, read once; no path of a request ever reaches the file system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from chunkwire.net.heads import Field
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder

_TYPES: Final = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its octets, their media type and their ETag (RFC 9110 §8.8.3)."""

    octets: bytes
    media_type: bytes
    etag: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return the files that have a media type here, by name."""
    found = {}
    for path in resources.files("chunkwire.lab").joinpath("static").iterdir():
        media_type = _TYPES.get(path.name.rpartition(".")[2])
        if media_type is not None:
            octets = path.read_bytes()
            etag = f'"{hashlib.sha256(octets).hexdigest()[:16]}"'.encode()
            found[path.name] = Asset(octets, media_type, etag)
    return found


async def send_asset(name: str, request: IncomingRequest, response: Responder, *fields: Field) -> None:
    """Answer with a file, or with 304 if the client has it; `fields` are more field lines.

    Raises:
        Refusal: 404.
    """
    asset = assets().get(name)
    if asset is None:
        raise Refusal(404, "not-found", f"no file {name!r:.60} of the page")
    if request.head.get(b"if-none-match") == asset.etag:
        await response.fixed(304, ((b"ETag", asset.etag), *fields))
        return
    await response.fixed(200, ((b"Content-Type", asset.media_type), (b"ETag", asset.etag), *fields), asset.octets)
