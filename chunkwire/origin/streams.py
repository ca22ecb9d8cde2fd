"""Paced streams: `/generate`, `/stream/{n}`, `/stream-bytes/{n}`, `/drip`.

The rule here: each moment is planned from the start of the stream, so that delays do not add up. Paths and parameter
names are go-httpbin's where it has them.
"""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs

from chunkwire.origin.settings import FIXED_NS, caps_of
from chunkwire.server.query import Query, bad_value, whole_number
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import BODYLESS, JSON_LINES, OCTET_STREAM, TEXT, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.durations import format_duration

_WORD: Final = 4  # octets; what the generator draws
_RANDOM_BLOCK: Final = 1 << 16  # octets drawn at once, at most
_NO_STORE: Final = (b"Cache-Control", b"no-store")


async def generate(request: IncomingRequest, response: Responder) -> None:
    """Send `n` chunks, one each `interval`."""
    n, interval = paced(request, n=100, interval=0.1)
    is_fixed = caps_of(request).clock == "fixed"
    async with response.chunked(fields=(TEXT, _NO_STORE)) as body:
        for number in range(1, n + 1):
            moment = (number - 1) * interval
            await body.wait_until(moment)
            now = datetime.datetime.now().astimezone()
            if is_fixed:
                now = datetime.datetime.fromtimestamp(FIXED_NS / 1e9 + moment, datetime.UTC)
            stamp = f"{now:%H:%M:%S}.{now.microsecond // 1000:03d}"
            await body.send_chunk(f"Chunk {number} [{stamp}]\n".encode())


async def stream(request: IncomingRequest, response: Responder) -> None:
    """Send `n` lines of JSON about the request, a chunk each, as fast as the client takes them."""
    n = whole_number("n", request.captures["n"], at_least=1, at_most=caps_of(request).max_chunks)
    headers: dict[str, list[str]] = {}
    for name, value in request.head.fields:
        headers.setdefault(name.decode("latin-1").title(), []).append(value.decode("latin-1"))
    host = (request.head.get(b"host") or b"localhost").decode("latin-1")
    target = request.head.target.decode("latin-1")
    about = {
        "args": parse_qs(target.partition("?")[2], keep_blank_values=True),
        "headers": headers,
        "origin": request.peer.rpartition(":")[0],
        "url": f"{request.scheme}://{host}{target}",
    }
    async with response.chunked(fields=(JSON_LINES,)) as body:
        for number in range(n):
            await body.send_chunk(json.dumps({"id": number, **about}).encode() + b"\n")


async def stream_bytes(request: IncomingRequest, response: Responder) -> None:
    """Send `n` random octets in chunks of `chunk_size`; the same `seed` gives the same octets."""
    settings, query = caps_of(request), request.query
    n = whole_number("n", request.captures["n"], at_least=0, at_most=settings.max_octets)
    size = query.count("chunk_size", 10 * 1024, at_least=1, at_most=settings.max_chunk_octets)
    seed = query.count("seed", random.getrandbits(32), at_most=10**18)
    check_chunks(request, -(-n // size), "chunk_size")
    async with response.chunked(fields=(OCTET_STREAM,)) as body:
        for data in _random_slices(random.Random(seed), n, size):
            await body.send_chunk(data)


async def drip(request: IncomingRequest, response: Responder) -> None:
    """Send `numbytes` octets, a chunk each, spread over `duration`; the head, too, is sent after `delay`."""
    settings, query = caps_of(request), request.query
    duration = query.duration("duration", 2.0, at_most=settings.max_duration)
    delay = query.duration("delay", 2.0, at_most=settings.max_duration)
    octets = query.count("numbytes", 10, at_least=1, at_most=settings.max_chunks)
    status = status_with_body(query, "code")
    check_duration(request, duration + delay, "duration", "duration + delay")
    pause = duration / max(1, octets - 1)
    await response.pacer.wait_until(response.pacer.now() + delay)
    async with response.chunked(status, fields=(TEXT,)) as body:
        for number in range(octets):
            await body.wait_until(number * pause)
            await body.send_chunk(b"*")


def paced(request: IncomingRequest, *, n: int, interval: float) -> tuple[int, float]:
    """Return the parameters `n` and `interval`, checked against the caps; the arguments are the defaults."""
    settings, query = caps_of(request), request.query
    n = query.count("n", n, at_most=settings.max_chunks)
    interval = query.duration("interval", interval, at_most=settings.max_duration)
    check_duration(request, n * interval, "interval", "n x interval")
    return n, interval


def status_with_body(query: Query, name: str) -> int:
    """Return the status in a parameter, 200 by default; refuse one whose response has no body."""
    status = query.count(name, 200, at_least=200, at_most=599)
    if status in BODYLESS:
        raise bad_value(name, "a status whose response has a body", str(status))
    return status


def check_chunks(request: IncomingRequest, chunks: int, name: str) -> None:
    """Refuse more chunks than the cap; `name` is the parameter that requests them."""
    most = caps_of(request).max_chunks
    if chunks > most:
        raise Refusal(400, "parameter", f"{name}: expected at most {most} chunks in all, got {chunks}")


def check_duration(request: IncomingRequest, seconds: float, name: str, what: str) -> None:
    """Refuse a stream that is longer than the cap; `what` is the formula of its duration, for the message."""
    most = caps_of(request).max_duration
    if seconds > most:
        raise bad_value(name, f"{what} of at most {format_duration(most)}", format_duration(seconds))


def _random_slices(source: random.Random, octets: int, size: int) -> Iterator[bytes]:
    """Yield random octets in slices; they are drawn in whole words, so that they do not depend on `size`."""
    held, start = b"", 0
    while octets:
        wanted = min(size, octets)
        if len(held) - start < wanted:
            drawn = [held[start:]]
            while (missing := octets - sum(map(len, drawn))) > octets - wanted:
                drawn.append(source.randbytes(min(_RANDOM_BLOCK, -(-missing // _WORD) * _WORD)))
            held, start = b"".join(drawn), 0
        yield held[start : start + wanted]
        start += wanted
        octets -= wanted


STREAMS: Final = (
    Resource(
        "/generate",
        generate,
        "n chunks, one each interval",
        "'{origin}/generate?n=5&interval=500ms'",
        parameters=frozenset({"n", "interval"}),
    ),
    Resource("/stream/{n}", stream, "n lines of JSON about the request, at once", "{origin}/stream/3", parameters=None),
    Resource(
        "/stream-bytes/{n}",
        stream_bytes,
        "n random octets in chunks of chunk_size; the same seed gives the same",
        "--raw '{origin}/stream-bytes/100?chunk_size=40&seed=7' -o -",
        parameters=frozenset({"seed", "chunk_size"}),
    ),
    Resource(
        "/drip",
        drip,
        "numbytes octets, a chunk each, over duration after delay, with status code",
        "'{origin}/drip?numbytes=5&duration=2s&delay=0&code=200'",
        parameters=frozenset({"duration", "numbytes", "delay", "code"}),
    ),
)
