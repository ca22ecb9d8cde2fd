"""Scenarios as responses: `/scenario/NAME` writes a whole scenario, `/fault/NAME` a fault after whole chunks.

The content before a fault is the lines `Chunk 1 of 6`, `Chunk 2 of 6`, …, one in each chunk. No octet of a body depends
on the clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from chunkwire.net.heads import Request
from chunkwire.origin.scenarios import FAULTS, SCENARIOS, Ending, Scenario, Write, find_scenario
from chunkwire.origin.settings import caps_of
from chunkwire.origin.streams import paced
from chunkwire.server.body import ChunkedBody
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.errors import LocalError

HOLD_S: Final = 30.0  # of a stall, by default
_NEVER: Final = re.compile(rb"q=0(?:\.0*)?")


async def _scenario(request: IncomingRequest, response: Responder) -> None:
    """Write a scenario; `duration` is that of a stall."""
    chosen = _found(request, SCENARIOS)
    hold = request.query.duration("duration", HOLD_S, at_most=caps_of(request).max_duration)
    await play(response, chosen, hold=hold)


async def _fault(request: IncomingRequest, response: Responder) -> None:
    """Send `at` of `n` chunks, one each `interval`, then the fault; `duration` is that of a stall.

    A fault that slices chunks has all `n`; one that breaks the head has none.
    """
    chosen = _found(request, FAULTS)
    n, interval = paced(request, n=6, interval=0.0)
    at = request.query.count("at", n // 2, at_most=n)
    hold = request.query.duration("duration", HOLD_S, at_most=caps_of(request).max_duration)
    check_version(response, chosen)
    if chosen.breaks_head:
        await play(response, chosen)
        return
    async with response.chunked(fields=(TEXT,)) as body:
        whole = n if chosen.slice_octets else at
        for number in range(1, whole + 1):
            await body.wait_until((number - 1) * interval)
            data = b"Chunk %d of %d\n" % (number, n)
            size = chosen.slice_octets or len(data)
            for start in range(0, len(data), size):
                await body.send_chunk(data[start : start + size])
        await body.wait_until(whole * interval)
        await play_fault(body, chosen, hold=whole * interval + hold)


def _found(request: IncomingRequest, among: Mapping[str, Scenario]) -> Scenario:
    try:
        return find_scenario(request.captures["name"], among)
    except LocalError as error:
        raise Refusal(404, "unknown-scenario", str(error)) from error


def accepts_gzip(head: Request) -> bool:
    """Say whether a request names gzip, or `*`, with another weight than 0 (RFC 9110 §12.5.3)."""
    codings = [coding.replace(b" ", b"").partition(b";") for coding in head.tokens(b"accept-encoding")]
    return any(name in (b"gzip", b"x-gzip", b"*") and not _NEVER.fullmatch(weight) for name, _, weight in codings)


def check_version(response: Responder, chosen: Scenario) -> None:
    """Refuse chunks, and a broken head, to a client that speaks HTTP/1.0.

    Raises:
        Refusal: 400.
    """
    if not response.is_chunked and (chosen.is_chunked or chosen.breaks_head):
        raise Refusal(400, "fault-version", f"{chosen}: expected HTTP/1.1, to HTTP/1.0 no framing is sent")


async def play(response: Responder, chosen: Scenario, *, hold: float = HOLD_S) -> None:
    """Write a whole scenario as the response; for HEAD only its head.

    Args:
        hold: s of silence after the last write, if the scenario ends so.

    Raises:
        Refusal: 400, the client speaks HTTP/1.0 and the scenario is chunked.
    """
    check_version(response, chosen)
    await play_written(response, chosen.head, chosen.writes, chosen.ending, hold=hold)


async def play_written(
    response: Responder, head: bytes, writes: Sequence[Write], ending: Ending, *, hold: float
) -> None:
    """Write a head and the writes after it, and end as `ending` says; unchecked. `hold`: s after the last write."""
    body = await response.open_octets(head)
    moment = 0.0
    for write in writes:
        if write.pause:
            moment += write.pause
            await body.wait_until(moment)
        await body.send_octets(write.octets)
    await _end(body, ending, hold=moment + hold)


async def play_fault(body: ChunkedBody, chosen: Scenario, *, hold: float) -> None:
    """Write the octets of a fault and end the body as it says; `hold` is in seconds from the start.

    Without a tail nothing is done: the caller ends the body.
    """
    if chosen.tail:
        await body.send_octets(chosen.tail)
    if chosen.tail is not None:
        await _end(body, chosen.ending, hold=hold)


async def _end(body: ChunkedBody, ending: Ending, *, hold: float) -> None:
    match ending:
        case Ending.KEEP:
            body.mark_complete()
        case Ending.RESET:
            body.reset()
        case Ending.CLOSE:
            body.cut()
        case Ending.HOLD:
            await body.wait_until(hold)
            body.cut()


PLAYED: Final = (
    Resource(
        "/fault/{name}",
        _fault,
        f"at chunks of n, then a fault: {', '.join(FAULTS)}",
        "--raw '{origin}/fault/cut?n=6&at=3&interval=200ms'",
        parameters=frozenset({"n", "at", "interval", "duration"}),
    ),
    Resource(
        "/scenario/{name}",
        _scenario,
        f"one response, octet for octet; the faults, and {', '.join(name for name in SCENARIOS if name not in FAULTS)}",
        "--raw '{origin}/scenario/split-utf8'",
        parameters=frozenset({"duration"}),
    ),
)
