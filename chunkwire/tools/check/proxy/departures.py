"""Rows about a client that leaves, half-closes, or does not read."""

from __future__ import annotations

import itertools
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.tools.check.proxy.raw import RawBody, scanner_of
from chunkwire.tools.check.proxy.trial import PatienceOver, ProxyRow, ProxyTrial, proxy_row
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import Ruling, failed, inapplicable, passed, seen, should, undecided
from chunkwire.tools.paint import number
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

_GAP_SECONDS: Final = 0.05  # between two frames of the endless stream
_BLOCKED_SECONDS: Final = 1.0  # a write that waits longer is blocked: the proxy has stopped reading
_BULK: Final = bytes(range(256)) * 256
MAX_BULK_OCTETS: Final = 64 << 20
"""Ten times what proxies that stop reading take on loopback, kernel buffers included: 4 to 6 MiB (Linux 6.18)."""

_EVENT: Final = b"data: still here\n\n"


def _start(trial: ProxyTrial, *lines: bytes) -> bytes:
    """Return the head of an endless stream: chunked, or delimited by close for a proxy that sends HTTP/1.0."""
    framing = b"Transfer-Encoding: chunked" if trial.proxy.version != b"1.0" else b"Connection: close"
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, framing, b"", b""])


def _frame(trial: ProxyTrial, octets: bytes) -> bytes:
    return encode_chunk(octets) if trial.proxy.version != b"1.0" else octets


async def _finish_stream(trial: ProxyTrial, arrival: Arrival) -> None:
    """End a stream that `_start` began: with its last-chunk, or with FIN."""
    if trial.proxy.version == b"1.0":
        await arrival.end.finish()
    else:
        await arrival.send(encode_last_chunk())


async def _leave(trial: ProxyTrial, *, with_reset: bool) -> Ruling:
    """Leave in the middle of an event stream; the proxy should end the upstream's connection."""
    noticed = trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.send(_start(trial, b"Content-Type: text/event-stream"))

        async def write() -> None:
            try:
                for _ in itertools.count():
                    await arrival.send(_frame(trial, _EVENT))
                    await trio.sleep(_GAP_SECONDS)
            except PeerGone:
                noticed.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, name="an endless event stream")
            await arrival.end.wait_over()
            noticed.set()
            nursery.cancel_scope.cancel()
        arrival.end.is_kept = False

    client, expected = await trial.send(respond)
    try:
        async with trial.within("the request"):
            await expected.arrived.wait()
        await client.final_head()
    except PatienceOver:
        if not expected.arrivals:
            return undecided("the request did not reach the upstream")
    client.reset() if with_reset else client.close()
    try:
        async with trial.within("its end"):
            await noticed.wait()
    except PatienceOver as error:
        return failed(f"the upstream's connection stayed open: {error}")
    return passed("the upstream's connection ended")


@proxy_row(seen("9112/9.6/1", "the response continues after a client's half-close"))
async def _half_close(trial: ProxyTrial) -> Ruling:
    """Half-close once the request has arrived; the upstream writes the second part of its response after that."""
    if trial.proxy.tls is not None:
        return inapplicable("not judged over TLS: TLS 1.2 has no half-close (RFC 5246 §7.2.1)")
    closed = trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.send(_start(trial, b"Content-Type: text/event-stream") + _frame(trial, _EVENT))
        await closed.wait()
        # Time for the proxy to process the FIN before it gets more octets.
        await trio.sleep(_GAP_SECONDS)
        await arrival.send(_frame(trial, _EVENT))
        await _finish_stream(trial, arrival)

    client, expected = await trial.send(respond)
    async with trial.within("the request"):
        await expected.arrived.wait()
    await client.finish()
    closed.set()
    answer = await client.answer()
    if answer.is_whole and answer.content == _EVENT * 2:
        return passed("the response came whole")
    return failed(answer.summary)


@proxy_row(seen("9112/9.5/3", "backpressure of a client that does not read reaches the upstream"))
async def _slow_reader(trial: ProxyTrial) -> Ruling:
    """Write while the client reads nothing, until a write blocks; then let the client read everything."""
    taken, stopped, resumed = [0], trio.Event(), trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.send(_start(trial, b"Content-Type: application/octet-stream"))
        frame = _frame(trial, _BULK)
        while taken[0] < MAX_BULK_OCTETS:
            sent = 0
            while sent < len(frame):
                with trio.move_on_after(_BLOCKED_SECONDS) as patience:
                    sent += await arrival.end.connection.send_some(frame[sent:])
                if patience.cancelled_caught:
                    stopped.set()
                    await resumed.wait()
            taken[0] += len(_BULK)
            if stopped.is_set():
                break
        stopped.set()
        await _finish_stream(trial, arrival)

    client, _ = await trial.send(respond)
    async with trial.within("a blocked write at the upstream", trial.proxy.patience + 30):
        await stopped.wait()
    at_once = taken[0]
    resumed.set()
    _, head = await client.final_head()
    body = RawBody(client, scanner_of(head, method=b"GET")) if head is not None else None
    async with trial.within("the rest of the response", trial.proxy.patience + 30):
        whole = body is not None and await body.rest()
    if body is None or not whole or body.octets != taken[0]:
        got = body.octets if body is not None else 0
        written = number(taken[0], "octet was", "octets were")
        return failed(f"{written} written and {got} came, {'whole' if whole else 'not whole'}")
    if at_once >= MAX_BULK_OCTETS:
        return failed(f"it took {at_once >> 20} MiB while the client read nothing, and did not stop reading")
    return passed(f"it took {at_once / (1 << 20):.1f} MiB, kernel buffers included, and stopped reading")


ROWS: Final[tuple[ProxyRow, ...]] = (
    ProxyRow(should("9112/9.5/1", "a client's reset reaches the upstream"),
             lambda trial: _leave(trial, with_reset=True)),
    # A proxy that takes the FIN of `close` for a half-close goes on writing; the client's kernel answers that with RST.
    ProxyRow(should("9112/9.5/2", "a client's close reaches the upstream"),
             lambda trial: _leave(trial, with_reset=False)),
    _half_close,
    _slow_reader,
)  # fmt: skip
