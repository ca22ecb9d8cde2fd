"""Rows about streaming, judged by order and not by time: each frame is written after the previous one has arrived.

If a frame does not arrive in time, the writer continues without waiting. A frame that arrives after that was held.
RFC 9110 §7.6 and RFC 9112 §7.1 allow that, so these rows are `seen`; with `Incremental` (RFC 10036) they are `should`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import trio

from chunkwire.tools.check.proxy.raw import RawBody, RawHead, scanner_of
from chunkwire.tools.check.proxy.trial import Decided, PatienceOver, ProxyRow, ProxyTrial, proxy_row, reply
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import Ruling, failed, inapplicable, passed, seen, should, undecided
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

FRAMES: Final = tuple(b"data: frame %d\n\n" % number for number in range(1, 5))
_ENDS: Final = tuple(itertools.accumulate(map(len, FRAMES)))  # of each frame, in octets of the whole content
_SSE: Final = b"Content-Type: text/event-stream"
_PLAIN: Final = b"Content-Type: application/octet-stream"
_CHUNKED: Final = b"Transfer-Encoding: chunked"
_SIZED: Final = b"Content-Length: %d" % _ENDS[-1]
INCREMENTAL: Final = b"Incremental: ?1"
_REFUSED: Final = (501, 429)  # the answers of a proxy that does not forward incrementally (RFC 10036)


def _framed(framing: bytes, frame: bytes) -> bytes:
    return encode_chunk(frame) if framing == _CHUNKED else frame


async def _stream_down(
    trial: ProxyTrial, *lines: bytes, framing: bytes = _CHUNKED, asking: Sequence[bytes] = ()
) -> Ruling:
    """Write each frame of a response after the client has received the previous one."""
    came = [trio.Event() for _ in FRAMES]

    async def respond(arrival: Arrival) -> None:
        await arrival.body.rest()
        await arrival.send(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, framing, b"", b""]))
        for frame, its_arrival in zip(FRAMES, came, strict=True):
            await arrival.send(_framed(framing, frame))
            await its_arrival.wait()
        if framing == _CHUNKED:
            await arrival.send(encode_last_chunk())
        elif framing.startswith(b"Connection"):
            await arrival.end.finish()

    client, _ = await trial.send(respond, *asking)
    held = ""
    try:
        _, head = await client.final_head()
    except PatienceOver:
        held = "the head, and the first frame with it,"
        _set_all(came)
        _, head = await client.final_head("a response head, after the whole response had been written,")
    head = _stream_head(head, is_incremental=bool(asking))
    return await _follow(trial, RawBody(client, scanner_of(head, method=b"GET")), came, held)


def _set_all(events: Iterable[trio.Event]) -> None:
    for event in events:
        event.set()


def _stream_head(head: RawHead | None, *, is_incremental: bool) -> RawHead:
    """Return the head of a stream, a 200.

    Raises:
        Decided: another head came, or none.
    """
    if head is not None and head.status == 200:
        return head
    if head is not None and is_incremental and head.status in _REFUSED:
        raise Decided(_refused(head.status))
    raise Decided(undecided(f"the client got {head.status if head else 'no response'} instead of the stream"))


def _refused(status: int) -> Ruling:
    return passed(f"refused with {status}, as RFC 10036 has it")


async def _follow(trial: ProxyTrial, body: RawBody, came: Sequence[trio.Event], held: str) -> Ruling:
    """Read the frames of a response, and set the event of each; say whether one came late."""
    for number, end in enumerate(_ENDS, 1):
        if not held:
            try:
                async with trial.within(f"frame {number}"):
                    await body.until(end)
                came[number - 1].set()
            except PatienceOver:
                held = f"frame {number}"
                _set_all(came)
    async with trial.within("the end of the response"):
        whole = await body.rest()
    if bytes(body.content) != b"".join(FRAMES) or not whole:
        return undecided(f"the stream ended early: {body.problem or 'other content than was sent'}")
    if held:
        return failed(f"{held} came only once the whole response had been written")
    return passed(f"each of {len(FRAMES)} frames came before the next was written")


@proxy_row(seen("9110/7.6/1", "a response head is forwarded before its content comes"))
async def _head_at_once(trial: ProxyTrial) -> Ruling:
    """Send a head, and content only after the client has received the head."""
    came = trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.body.rest()
        await arrival.send(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 5\r\n\r\n" % _SSE)
        await came.wait()
        await arrival.send(b"hello")

    client, _ = await trial.send(respond)
    try:
        _, head = await client.final_head()
    except PatienceOver:
        came.set()
        _, head = await client.final_head("a response head, after its content had been written,")
        return failed("the head came only once there was content") if head else undecided("no response came")
    came.set()
    return passed("the head came first") if head is not None and head.status == 200 else undecided("no 200 came")


async def _stream_up(trial: ProxyTrial, *lines: bytes, framing: bytes = _CHUNKED) -> Ruling:
    """Send each frame of a request after the upstream has received the previous one."""
    came = [trio.Event() for _ in range(1 + len(FRAMES))]  # of the head, and of each frame
    whole: list[bytes] = []

    async def respond(arrival: Arrival) -> None:
        came[0].set()
        for end, its_arrival in zip(_ENDS, came[1:], strict=True):
            if await arrival.body.until(end):
                its_arrival.set()
        if await arrival.body.rest():
            whole.append(bytes(arrival.body.content))
        await arrival.send(reply(b"ok"))

    client, _ = await trial.send(respond, *lines, framing, method=b"POST")
    held = ""
    for number, frame in enumerate((*FRAMES, b""), 1):
        if not held:
            try:
                async with trial.within(f"step {number}"):
                    await came[number - 1].wait()
            except PatienceOver:
                held = "the request" if number == 1 else f"frame {number - 1} of its content"
        octets = frame and _framed(framing, frame)
        await client.offer(octets or (encode_last_chunk() if framing == _CHUNKED else b""))
    answer = await client.answer(b"POST")
    if whole[:1] != [b"".join(FRAMES)]:
        if answer.status in _REFUSED and INCREMENTAL in lines:
            return _refused(answer.status)
        if answer.status == 411:
            return inapplicable("the proxy wants a Content-Length (411)")
        return undecided(f"the request did not reach the upstream whole; {answer.summary}")
    if held:
        return failed(f"{held} came to the upstream only once the client had sent the whole request")
    return passed(f"the head and each of {len(FRAMES)} frames came before the next was sent")


async def _both_ways(trial: ProxyTrial, *lines: bytes) -> Ruling:
    """Send each frame of a request after the response has echoed the previous one."""

    async def respond(arrival: Arrival) -> None:
        await arrival.send(b"\r\n".join([b"HTTP/1.1 200 OK", _SSE, *lines, _CHUNKED, b"", b""]))
        for frame, end in zip(FRAMES, _ENDS, strict=True):
            if await arrival.body.until(end):
                await arrival.send(encode_chunk(frame))
        if await arrival.body.rest():
            await arrival.send(encode_last_chunk())

    client, _ = await trial.send(respond, *lines, _CHUNKED, method=b"POST")
    await client.send(encode_chunk(FRAMES[0]))
    try:
        _, head = await client.final_head()
    except PatienceOver:
        await client.offer(b"".join(map(encode_chunk, FRAMES[1:])) + encode_last_chunk())
        answer = await client.answer(b"POST", "a response, after the whole request had been sent,")
        if answer.status in _REFUSED and lines:
            return _refused(answer.status)
        if not answer.is_success:
            return undecided(answer.summary)
        return failed("the response came only once the whole request had been sent")
    head = _stream_head(head, is_incremental=bool(lines))
    return await _go_both_ways(trial, client_body=RawBody(client, scanner_of(head, method=b"POST")))


async def _go_both_ways(trial: ProxyTrial, client_body: RawBody) -> Ruling:
    client = trial.clients[-1]
    for number, end in enumerate(_ENDS, 1):
        try:
            async with trial.within(f"frame {number}"):
                arrived = await client_body.until(end)
        except PatienceOver:
            await client.offer(b"".join(map(encode_chunk, FRAMES[number:])) + encode_last_chunk())
            async with trial.within(f"frame {number}, after the whole request had been sent,"):
                await client_body.until(end)
            return failed(f"frame {number} came back only once the whole request had been sent")
        if not arrived:
            return undecided(f"the response ended at frame {number}: {client_body.problem or 'whole'}")
        await client.offer(encode_chunk(FRAMES[number]) if number < len(FRAMES) else encode_last_chunk())
    async with trial.within("the end of the response"):
        whole = await client_body.rest()
    return passed("request and response streamed at once") if whole else undecided(client_body.problem)


ROWS: Final[tuple[ProxyRow, ...]] = (
    ProxyRow(seen("9112/7.1/1", "a chunk of an event stream is forwarded before the next comes"),
             lambda trial: _stream_down(trial, _SSE), needs_1_1=True),
    ProxyRow(seen("9112/7.1/2", "a chunk of any content is forwarded before the next comes"),
             lambda trial: _stream_down(trial, _PLAIN), needs_1_1=True),
    ProxyRow(seen("9112/6.2/1", "octets of a Content-Length are forwarded before the next come"),
             lambda trial: _stream_down(trial, _PLAIN, framing=_SIZED)),
    ProxyRow(seen("9112/6.3/1", "octets of a body delimited by close are forwarded before the next come"),
             lambda trial: _stream_down(trial, _PLAIN, framing=b"Connection: close")),
    ProxyRow(should("10036/3/1", "a response with Incremental: ?1 is forwarded as it comes"),
             lambda trial: _stream_down(trial, _PLAIN, INCREMENTAL, asking=(INCREMENTAL,)), needs_1_1=True),
    _head_at_once,
    ProxyRow(seen("9112/7.1/3", "a chunk of a request is forwarded before the next comes"), _stream_up),
    ProxyRow(seen("9112/6.2/2", "octets of a request's Content-Length are forwarded before the next come"),
             lambda trial: _stream_up(trial, framing=_SIZED)),
    ProxyRow(should("10036/3/2", "a request with Incremental: ?1 is forwarded as it comes"),
             lambda trial: _stream_up(trial, INCREMENTAL)),
    ProxyRow(seen("9110/7.6/2", "a response streams while its request is being sent"), _both_ways, needs_1_1=True),
    ProxyRow(should("10036/3/3", "with Incremental: ?1 on both, a response streams while its request is being sent"),
             lambda trial: _both_ways(trial, INCREMENTAL), needs_1_1=True),
)  # fmt: skip
