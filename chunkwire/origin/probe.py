"""`/probe`: events that contain their planned and their actual sending times.

The journal (`server.admin`) has the request as it arrived through all hops, under the run's nonce. With `barrier` no
clock is needed: each burst of events waits until the previous one has been acknowledged (`origin.barrier`).
"""

from __future__ import annotations

import base64
import json
import random
import re
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import Field
from chunkwire.origin.barrier import ACK_PATH, HINTS, STATE_FIELDS, STATE_PATH, Barrier, BarrierIdle, Barriers
from chunkwire.origin.settings import caps_of
from chunkwire.origin.streams import check_duration, paced
from chunkwire.server.body import ChunkedBody
from chunkwire.server.query import bad_value
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, JSON_LINES, OCTET_STREAM, TEXT, Responder
from chunkwire.server.routes import Resource

_NO_CACHE: Final = (b"Cache-Control", b"no-cache")  # as in every event stream; it does not ask a proxy not to buffer
_NONCE: Final = re.compile(r"[0-9A-Za-z._~-]{1,64}", re.ASCII)

_TYPES: Final[dict[str, Field]] = {
    "event-stream": EVENT_STREAM,
    "ndjson": JSON_LINES,
    "text": TEXT,
    "octets": OCTET_STREAM,
}


_BARRIERS: Final = Barriers()


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProbePlan:
    """The parameters of a probe; in seconds and octets."""

    n: int
    interval: float
    delay: float
    burst: int
    size: int
    nonce: str
    is_marked: bool


async def probe(request: IncomingRequest, response: Responder) -> None:
    """Send `n` events, `burst` of them each `interval`, each in a chunk of `size` octets or more.

    The first burst is sent `delay` after the head. `hints` and `type` select fields of the head. `mark=1` adds an
    extension to each chunk and a trailer, which shows the hops that drop them. With `barrier=ID` each burst waits until
    the previous one is acknowledged, the first one with `ack_head=1` until the head is. The end waits for all
    acknowledgements. Where none comes in time the body is cut.
    """
    query = request.query
    plan, fields = _plan(request), _fields(request)
    awaits_head = bool(query.count("ack_head", 0, at_most=1))
    response.exchange.nonce = plan.nonce
    trailers = ((b"Chunkwire-Events", b"%d" % plan.n),) if plan.is_marked else ()
    with ExitStack() as stack:
        barrier = None
        if query.values("barrier"):
            barrier = stack.enter_context(_BARRIERS.opened(query.text("barrier"), awaits_head=awaits_head))
        async with response.chunked(fields=fields, trailers=trailers) as body:
            try:
                await _write(plan, response, body, barrier)
            except BarrierIdle:
                body.cut()


def _plan(request: IncomingRequest) -> _ProbePlan:
    query, caps = request.query, caps_of(request)
    n, interval = paced(request, n=20, interval=0.0 if query.values("barrier") else 0.05)
    delay = query.duration("delay", 0.0, at_most=caps.max_duration)
    check_duration(request, n * interval + delay, "delay", "n x interval + delay")
    size = query.count("size", 0, at_most=min(caps.max_chunk_octets, 1 << 20))
    if n * size > caps.max_octets:
        raise bad_value("size", f"n x size of at most {caps.max_octets} octets", str(size))
    nonce = query.text("nonce") or f"~{secrets.token_hex(8)}"  # the `~` says that no client chose it
    if not _NONCE.fullmatch(nonce):
        raise bad_value("nonce", "1 to 64 letters, digits, or ._~-", nonce)
    return _ProbePlan(
        n=n,
        interval=interval,
        delay=delay,
        burst=query.count("burst", 1, at_least=1, at_most=1000),
        size=size,
        nonce=nonce,
        is_marked=bool(query.count("mark", 0, at_most=1)),
    )


async def _write(plan: _ProbePlan, response: Responder, body: ChunkedBody, barrier: Barrier | None) -> None:
    """Write the events.

    Raises:
        BarrierIdle: no event was acknowledged in time.
    """
    exchange, pacer = response.exchange, response.pacer
    noise = random.Random(plan.nonce)
    for number in range(1, plan.n + 1):
        planned = plan.delay + (number - 1) // plan.burst * plan.interval
        if barrier is not None and (number - 1) % plan.burst == 0:
            await barrier.wait_acked(number - 1)
            planned = max(planned, pacer.now() - body.start)
        await body.wait_until(planned)
        about = {
            "n": number,
            "of": plan.n,
            "nonce": plan.nonce,
            "planned_ns": exchange.at_ns(body.start + planned),
            "actual_ns": exchange.at_ns(pacer.now()),
        }
        event = _event(about, plan.size, noise)
        await body.send_chunk(event, b";n=%d" % number if plan.is_marked else b"")
        if barrier is not None:
            barrier.note_written(len(event))
    if barrier is not None:
        await barrier.wait_acked(plan.n)


async def _ack(request: IncomingRequest, response: Responder) -> None:
    _BARRIERS.acknowledge(request.query)
    await response.fixed(204)


async def _state(request: IncomingRequest, response: Responder) -> None:
    await response.fixed(200, STATE_FIELDS, await _BARRIERS.state(request.query))


def _fields(request: IncomingRequest) -> tuple[Field, ...]:
    """Return the fields that `type` and `hints` select; without hints no field asks hops not to buffer."""
    kind = request.query.text("type", "event-stream")
    if kind not in _TYPES:
        raise bad_value("type", f"one of {', '.join(_TYPES)}", kind)
    hints = [hint for hint in request.query.text("hints").split(",") if hint]
    unknown = [hint for hint in hints if hint not in HINTS]
    if unknown:
        raise bad_value("hints", f"a list of {', '.join(HINTS)}", unknown[0])
    cache = () if "no-transform" in hints else (_NO_CACHE,)
    return (_TYPES[kind], *cache, *(HINTS[hint] for hint in dict.fromkeys(hints)))


def _event(about: dict[str, object], size: int, noise: random.Random) -> bytes:
    """Return one SSE event whose data is JSON. If it is shorter than `size` octets, it is padded, to at most 8 more.

    The padding is a random member of the JSON, so that a hop that compresses cannot make it much smaller, which would
    hide its buffer size.
    """
    data = json.dumps(about, separators=(",", ":")).encode()
    missing = size - len(b"data: \n\n") - len(data)
    if missing > 0:
        padding = max(0, missing - len(b',"pad":""'))
        data = b'%b,"pad":"%b"}' % (data[:-1], base64.b64encode(noise.randbytes(padding))[:padding])
    return b"data: %b\n\n" % data


PROBE: Final = (
    Resource(
        "/probe",
        probe,
        "n events, burst each interval, each with its planned and actual time in ns, size octets or more",
        "'{origin}/probe?n=5&interval=100ms&size=200&nonce=run1'",
        methods=("GET", "POST"),
        parameters=frozenset(
            {"n", "interval", "size", "burst", "delay", "hints", "type", "mark", "barrier", "ack_head"},
        ),
    ),
    Resource(
        ACK_PATH,
        _ack,
        "acknowledge frame n of the stream that has a barrier open; the next one is written after it",
        "-X POST '{origin}/probe/ack?barrier=0123456789abcdef&n=1'",
        methods=("POST",),
        parameters=frozenset({"barrier", "n"}),
    ),
    Resource(
        STATE_PATH,
        _state,
        "frames written and acknowledged of the stream that has a barrier open, and by which instance",
        "'{origin}/probe/state?barrier=0123456789abcdef'",
        parameters=frozenset({"barrier", "beyond"}),
    ),
)
