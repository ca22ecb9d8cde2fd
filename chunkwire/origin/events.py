"""Streams of events: `/sse` (WHATWG HTML §9.2) and `/ndjson`, a frame an event.

The rule here: nothing is kept between requests. `Last-Event-ID` decides where a stream begins: an event's id is its
number in the whole stream.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from chunkwire.origin.settings import FIXED_NS, caps_of
from chunkwire.origin.streams import check_chunks, check_duration, paced
from chunkwire.server.query import shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, JSON_LINES, ChunkedBody, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.sse import encode_comment, encode_event

_NO_CACHE: Final = (b"Cache-Control", b"no-cache")
_ID: Final = re.compile(rb"\d{1,9}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An event stream as asked for; times in seconds.

    Attributes:
        first: number of the first event, behind the one that the client has.
        pause: between two events.
        heartbeat: a comment after so long a silence; 0 for none.
        retry: how long `retry:` asks the client to wait, in ms; None writes none.
        cut: events after which the connection is cut; None cuts nothing.
    """

    count: int
    first: int
    pause: float
    delay: float
    heartbeat: float
    retry: int | None
    cut: int | None


async def sse(request: IncomingRequest, response: Responder) -> None:
    """Send `count` events over `duration` after `delay`; a client that has had them all gets a 204 and stays away."""
    wanted = _wanted(request)
    if wanted.first > wanted.count:
        await response.fixed(204)
        return
    async with response.chunked(fields=(EVENT_STREAM, _NO_CACHE)) as body:
        quiet = 0.0
        for sent, number in enumerate(range(wanted.first, wanted.count + 1)):
            if sent == wanted.cut:
                body.cut()
                return
            moment = wanted.delay + sent * wanted.pause
            while wanted.heartbeat and quiet + wanted.heartbeat < moment:
                quiet += wanted.heartbeat
                await body.wait_until(quiet)
                await body.send_chunk(encode_comment("heartbeat"))
            await body.wait_until(moment)
            quiet = moment
            about = {"n": number, "of": wanted.count, "timestamp": _timestamp(request, response, body, moment)}
            retry = wanted.retry if sent == 0 else None
            await body.send_chunk(encode_event(json.dumps(about), id=str(number), retry=retry))


def _wanted(request: IncomingRequest) -> _Wanted:
    query, settings = request.query, caps_of(request)
    most = settings.max_duration
    count = query.count("count", 10, at_least=1, at_most=settings.max_chunks)
    duration = query.duration("duration", 5.0, at_most=most)
    delay = query.duration("delay", 0.0, at_most=most)
    check_duration(request, duration + delay, "duration", "duration + delay")
    heartbeat = query.duration("heartbeat", 0.0, at_most=most)
    if heartbeat:
        check_chunks(request, count + int((duration + delay) / heartbeat), "heartbeat")
    return _Wanted(
        count,
        _last_event_id(request) + 1,
        duration / max(1, count - 1),
        delay,
        heartbeat,
        round(query.duration("retry", 0.0, at_most=most) * 1000) if query.values("retry") else None,
        query.count("cut", 0, at_most=count) if query.values("cut") else None,
    )


def _last_event_id(request: IncomingRequest) -> int:
    """Return the number of the last event that the client has, 0 for none."""
    value = request.head.get(b"last-event-id")
    if not value:
        return 0
    if not _ID.fullmatch(value):
        got = shown(value.decode("utf-8", "replace"))
        raise Refusal(400, "last-event-id", f"Last-Event-ID: expected a number that /sse gave as an id, got {got!r}")
    return int(value)


async def ndjson(request: IncomingRequest, response: Responder) -> None:
    """Send `n` lines of JSON, one each `interval`."""
    n, interval = paced(request, n=10, interval=0.1)
    async with response.chunked(fields=(JSON_LINES, _NO_CACHE)) as body:
        for number in range(1, n + 1):
            moment = (number - 1) * interval
            await body.wait_until(moment)
            about = {"n": number, "of": n, "timestamp": _timestamp(request, response, body, moment)}
            await body.send_chunk(json.dumps(about).encode() + b"\n")


def _timestamp(request: IncomingRequest, response: Responder, body: ChunkedBody, moment: float) -> int:
    """Return a planned moment as Unix milliseconds, as go-httpbin's events have it."""
    if caps_of(request).clock == "fixed":
        return round(FIXED_NS / 1e6 + moment * 1e3)
    return response.exchange.at_ns(body.start + moment) // 1_000_000


EVENTS: Final = (
    Resource(
        "/sse",
        sse,
        "count events over duration, with ids; heartbeat adds comments, cut breaks off, Last-Event-ID takes up",
        "'{origin}/sse?count=5&duration=2s&delay=0&retry=500ms&heartbeat=200ms'",
        parameters=frozenset({"count", "duration", "delay", "retry", "heartbeat", "cut"}),
    ),
    Resource(
        "/ndjson",
        ndjson,
        "n lines of JSON, one each interval",
        "'{origin}/ndjson?n=5&interval=200ms'",
        parameters=frozenset({"n", "interval"}),
    ),
)
