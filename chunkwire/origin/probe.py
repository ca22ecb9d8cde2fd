"""`/probe`: frames that say when they were due and when they left; `/journal`: how requests arrived, and ended.

A reader of a probe stream knows each event's planned and actual moment without asking the origin's clock again,
and finds in the journal, by the run's nonce, what the hops on the way made of the request.
"""

from __future__ import annotations

import base64
import json
import random
import re
import secrets
from typing import Final

from chunkwire.net.heads import Field
from chunkwire.origin.settings import caps_of
from chunkwire.origin.streams import check_duration, paced
from chunkwire.server.query import bad_value
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, JSON_LINES, OCTET_STREAM, TEXT, Responder
from chunkwire.server.routes import Resource

_NO_CACHE: Final = (b"Cache-Control", b"no-cache")  # as every event stream; nothing here asks a proxy not to buffer
_NONCE: Final = re.compile(r"[0-9A-Za-z._~-]{1,64}", re.ASCII)

# What a response may say to those who would hold or change it: nginx's field, RFC 9111 §5.2.2.6, RFC 10036.
_HINTS: Final[dict[str, Field]] = {
    "accel": (b"X-Accel-Buffering", b"no"),
    "no-transform": (b"Cache-Control", b"no-cache, no-transform"),
    "incremental": (b"Incremental", b"?1"),
}
_TYPES: Final[dict[str, Field]] = {
    "event-stream": EVENT_STREAM,
    "ndjson": JSON_LINES,
    "text": TEXT,
    "octets": OCTET_STREAM,
}


async def probe(request: IncomingRequest, response: Responder) -> None:
    """Send `n` events, `burst` of them each `interval`, each a chunk of `size` octets where that can hold it.

    The first ones leave `delay` after the head. `hints` and `type` choose fields of the head; `mark=1` gives each
    chunk an extension and the body a trailer, for hops that lose them to be seen.
    """
    n, interval = paced(request, n=20, interval=0.05)
    query = request.query
    delay = query.duration("delay", 0.0, at_most=caps_of(request).max_duration)
    check_duration(request, n * interval + delay, "delay", "n x interval + delay")
    burst = query.count("burst", 1, at_least=1, at_most=1000)
    size = _size(request, n)
    fields = _fields(request)
    is_marked = bool(query.count("mark", 0, at_most=1))
    nonce = query.text("nonce") or secrets.token_hex(8)
    if not _NONCE.fullmatch(nonce):
        raise bad_value("nonce", "1 to 64 letters, digits, or ._~-", nonce)
    exchange = response.exchange
    exchange.nonce = nonce
    noise = random.Random(nonce)
    trailers = ((b"Chunkwire-Events", b"%d" % n),) if is_marked else ()
    async with response.chunked(fields=fields, trailers=trailers) as body:
        for number in range(1, n + 1):
            planned = delay + (number - 1) // burst * interval
            await body.wait_until(planned)
            about = {
                "n": number,
                "of": n,
                "nonce": nonce,
                "planned_ns": exchange.at_ns(body.start + planned),
                "actual_ns": exchange.at_ns(response.pacer.now()),
            }
            await body.send_chunk(_event(about, size, noise), b";n=%d" % number if is_marked else b"")


def _size(request: IncomingRequest, n: int) -> int:
    settings = caps_of(request)
    size = request.query.count("size", 0, at_most=min(settings.max_chunk_octets, 1 << 20))
    if n * size > settings.max_octets:
        raise bad_value("size", f"n x size of at most {settings.max_octets} octets", str(size))
    return size


def _fields(request: IncomingRequest) -> tuple[Field, ...]:
    """Return the fields of the head that `type` and `hints` ask for; without hints nothing asks not to be held."""
    kind = request.query.text("type", "event-stream")
    if kind not in _TYPES:
        raise bad_value("type", f"one of {', '.join(_TYPES)}", kind)
    hints = [hint for hint in request.query.text("hints").split(",") if hint]
    unknown = [hint for hint in hints if hint not in _HINTS]
    if unknown:
        raise bad_value("hints", f"a list of {', '.join(_HINTS)}", unknown[0])
    cache = () if "no-transform" in hints else (_NO_CACHE,)
    return (_TYPES[kind], *cache, *(_HINTS[hint] for hint in dict.fromkeys(hints)))


def _event(about: dict[str, object], size: int, noise: random.Random) -> bytes:
    """Return one SSE event whose data is JSON, padded inside the JSON to `size` octets if it is shorter.

    The padding is noise: what compresses on the way cannot shrink it to nothing, and so cannot hide a buffer's size.
    """
    data = json.dumps(about, separators=(",", ":")).encode()
    missing = size - len(b"data: \n\n") - len(data) - len(b',"pad":""')
    if missing >= 0:
        data = b'%b,"pad":"%b"}' % (data[:-1], base64.b64encode(noise.randbytes(missing))[:missing])
    return b"data: %b\n\n" % data


PROBE: Final = (
    Resource(
        "/probe",
        probe,
        "n events, burst each interval, each with its planned and actual time in ns, size octets long",
        "'{origin}/probe?n=5&interval=100ms&size=200&nonce=run1'",
        methods=("GET", "POST"),
        parameters=frozenset({"n", "interval", "size", "burst", "delay", "hints", "type", "mark"}),
    ),
)
