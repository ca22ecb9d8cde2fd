"""`/probe`: frames that say when they were due and when they left; `/journal`: how requests arrived, and ended.

Whoever reads a probe stream knows each event's planned and actual moment without asking the origin's clock again,
and finds in the journal, by the run's nonce, what the hops on the way made of the request.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Final

from chunkwire.origin.journal import JOURNAL_PATH, Journal
from chunkwire.origin.query import bad_value
from chunkwire.origin.request import IncomingRequest
from chunkwire.origin.response import EVENT_STREAM, JSON_LINES, Responder
from chunkwire.origin.routes import Resource
from chunkwire.origin.streams import paced

_NO_CACHE: Final = (b"Cache-Control", b"no-cache")  # as every event stream; nothing here asks a proxy not to buffer
_NONCE: Final = re.compile(r"[0-9A-Za-z._~-]{1,64}", re.ASCII)


async def probe(request: IncomingRequest, response: Responder) -> None:
    """Send `n` events, one each `interval`, each a chunk of `size` octets where that is enough to hold it."""
    n, interval = paced(request, n=20, interval=0.05)
    size = request.query.count("size", 0, at_most=min(request.settings.max_chunk_octets, 1 << 20))
    if n * size > request.settings.max_octets:
        raise bad_value("size", f"n x size of at most {request.settings.max_octets} octets", str(size))
    nonce = request.query.text("nonce") or secrets.token_hex(8)
    if not _NONCE.fullmatch(nonce):
        raise bad_value("nonce", "1 to 64 letters, digits, or ._~-", nonce)
    exchange = response.exchange
    exchange.nonce = nonce
    async with response.chunked(fields=(EVENT_STREAM, _NO_CACHE)) as body:
        for number in range(1, n + 1):
            planned = (number - 1) * interval
            await body.wait_until(planned)
            about = {
                "n": number,
                "of": n,
                "nonce": nonce,
                "planned_ns": exchange.at_ns(body.start + planned),
                "actual_ns": exchange.at_ns(response.pacer.now()),
            }
            await body.send_chunk(_event(about, size))


def _event(about: dict[str, object], size: int) -> bytes:
    """Return one SSE event whose data is JSON, padded inside the JSON to `size` octets if it is shorter."""
    data = json.dumps(about, separators=(",", ":")).encode()
    missing = size - len(b"data: \n\n") - len(data) - len(b',"pad":""')
    if missing >= 0:
        data = b'%b,"pad":"%b"}' % (data[:-1], b"." * missing)
    return b"data: %b\n\n" % data


def journal_resource(journal: Journal) -> Resource:
    """Return the resource that reads a journal."""

    async def read(request: IncomingRequest, response: Responder) -> None:
        await response.fixed(200, (JSON_LINES, _NO_CACHE), journal.lines(request.query.text("nonce")).encode())

    return Resource(
        JOURNAL_PATH.decode(),
        read,
        "the last exchanges as JSON Lines: how each request arrived, what was sent, how it ended; nonce picks a run",
        "'{origin}/journal?nonce=run1'",
    )


PROBE: Final = (
    Resource(
        "/probe",
        probe,
        "n events, one each interval, each with its planned and actual time in ns, size octets long",
        "'{origin}/probe?n=5&interval=100ms&size=200&nonce=run1'",
        parameters=frozenset({"n", "interval", "size"}),
    ),
)
