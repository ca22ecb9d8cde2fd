"""`/fault/NAME`: streams that go wrong in one named way; what each name means stands in `faults`.

The content is the lines `Chunk 1 of 6`, `Chunk 2 of 6`, …, one a chunk, and nothing in it depends on the clock:
the octets of a fault can be written down beforehand.
"""

from __future__ import annotations

from typing import Final

from chunkwire.origin.faults import FAULTS, Fault, FaultEnding
from chunkwire.origin.settings import caps_of
from chunkwire.origin.streams import paced
from chunkwire.server.query import shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, ChunkedBody, Responder
from chunkwire.server.routes import Resource


async def fault(request: IncomingRequest, response: Responder) -> None:
    """Send `at` chunks of `n`, one each `interval`, then the fault; `duration` is how long a stall holds."""
    name = request.captures["name"]
    if name not in FAULTS:
        raise Refusal(404, "unknown-fault", f"no fault {shown(name)!r}; there are {', '.join(FAULTS)}")
    chosen = FAULTS[name]
    n, interval = paced(request, n=6, interval=0.0)
    at = request.query.count("at", n // 2, at_most=n)
    hold = request.query.duration("duration", 30.0, at_most=caps_of(request).max_duration)
    if not response.is_chunked:
        raise Refusal(400, "fault-version", f"/fault/{name}: expected HTTP/1.1, to HTTP/1.0 no framing is sent")
    if chosen.before_head:
        response.close_unanswered()
        return
    async with response.chunked(fields=(TEXT,)) as body:
        whole = n if chosen.slice_octets else at
        for number in range(1, whole + 1):
            await body.wait_until((number - 1) * interval)
            await _send_sliced(body, b"Chunk %d of %d\n" % (number, n), chosen.slice_octets)
        await body.wait_until(whole * interval)
        await play_fault(body, chosen, hold=whole * interval + hold)


async def _send_sliced(body: ChunkedBody, data: bytes, size: int) -> None:
    size = size or len(data)
    for start in range(0, len(data), size):
        await body.send_chunk(data[start : start + size])


async def play_fault(body: ChunkedBody, chosen: Fault, *, hold: float) -> None:
    """Write the fault's octets and end the connection as it says; `hold` is in seconds from the start."""
    if chosen.octets:
        await body.send_octets(chosen.octets)
    match chosen.ending:
        case FaultEnding.COMPLETE:
            if chosen.octets:
                body.mark_complete()
        case FaultEnding.RESET:
            body.reset()
        case FaultEnding.CLOSE:
            body.cut()
        case FaultEnding.HOLD:
            await body.wait_until(hold)
            body.cut()


FAULTY: Final = (
    Resource(
        "/fault/{name}",
        fault,
        f"at chunks of n, then a fault: {', '.join(FAULTS)}",
        "--raw '{origin}/fault/cut?n=6&at=3&interval=200ms'",
        parameters=frozenset({"n", "at", "interval", "duration"}),
    ),
)
