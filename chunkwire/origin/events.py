"""Streams of events: `/sse` (WHATWG HTML §9.2) and `/ndjson`, one event or comment in each frame.

The rule here: no state is kept between requests. An event's id is its number in the stream, so that `Last-Event-ID`
determines where a resumed stream begins.
"""

from __future__ import annotations

import json
import re
from typing import Final

from chunkwire.origin.settings import FIXED_NS, caps_of
from chunkwire.origin.streams import check_chunks, check_duration, paced
from chunkwire.server.body import ChunkedBody
from chunkwire.server.query import shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, JSON_LINES, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.sse import encode_comment, encode_event

_NO_CACHE: Final = (b"Cache-Control", b"no-cache")
_ID: Final = re.compile(rb"\d{1,9}")


async def sse(request: IncomingRequest, response: Responder) -> None:
    """Send `count` events over `duration` after `delay`.

    A client that resumes gets the events after the last one that it received, at the same intervals; 204 if there are
    none. A comment is sent after each `heartbeat` without an event. `retry` is sent with the first event of a response.
    After `cut` events of a response it is cut; one with fewer events ends properly.
    """
    query, caps = request.query, caps_of(request)
    count = query.count("count", 10, at_least=1, at_most=caps.max_chunks)
    duration = query.duration("duration", 5.0, at_most=caps.max_duration)
    delay, heartbeat, retry = (
        query.duration(name, 0.0, at_most=caps.max_duration) for name in ("delay", "heartbeat", "retry")
    )
    check_duration(request, duration + delay, "duration", "duration + delay")
    if heartbeat:
        check_chunks(request, count + int((duration + delay) / heartbeat), "heartbeat")
    cut = query.count("cut", 0, at_most=count) if query.values("cut") else None
    first = _last_event_id(request) + 1
    if first > count:
        await response.fixed(204)
        return
    async with response.chunked(fields=(EVENT_STREAM, _NO_CACHE)) as body:
        quiet, numbers = 0.0, range(first, count + 1)
        for sent, number in enumerate(numbers[:cut]):
            moment = delay + sent * duration / max(1, count - 1)
            while heartbeat and quiet + heartbeat < moment:
                quiet += heartbeat
                await body.wait_until(quiet)
                await body.send_chunk(encode_comment("heartbeat"))
            await body.wait_until(moment)
            quiet = moment
            about = {"n": number, "of": count, "timestamp": _timestamp(request, response, body, moment)}
            retry_ms = round(retry * 1000) if sent == 0 and query.values("retry") else None
            await body.send_chunk(encode_event(json.dumps(about), id=str(number), retry=retry_ms))
        if cut is not None and cut <= len(numbers):
            body.cut()


def _last_event_id(request: IncomingRequest) -> int:
    """Return the number of the last event that the client received; 0 for none."""
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
    """Return a planned time in Unix milliseconds, as in go-httpbin's events."""
    if caps_of(request).clock == "fixed":
        return round(FIXED_NS / 1e6 + moment * 1e3)
    return response.exchange.at_ns(body.start + moment) // 1_000_000


EVENTS: Final = (
    Resource(
        "/sse",
        sse,
        "count events over duration, with ids; heartbeat adds comments, cut ends it early, Last-Event-ID resumes",
        "'{origin}/sse?count=5&duration=2s&heartbeat=200ms'",
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
