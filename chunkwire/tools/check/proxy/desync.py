"""Rows about request smuggling: octets that are content for one side must not become a request for the other.

Each request has an inner request in its body. A row fails only if one message of the client became two at the
upstream. If RFC 9112 allows no interpretation in which the inner request is a message, its arrival at the upstream is
the failure. If one interpretation makes it the next request (Transfer-Encoding beside Content-Length), the proxy may
forward it, although it ought to close: the row then fails only if the inner request arrived together with the outer
one, before the outer one was answered.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.tools.check.proxy.trial import (
    Check,
    ClientSide,
    PatienceOver,
    ProxyRow,
    ProxyTrial,
    proxy_row,
    reply,
    saying,
)
from chunkwire.tools.check.proxy.upstream import Arrival, Expected
from chunkwire.tools.check.rows import CheckRow, RowOutcome, Ruling, failed, must, passed
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

_CL: Final = b"Content-Length: %d"
_TE: Final = b"Transfer-Encoding: chunked"
_TOGETHER_SECONDS: Final = 0.2  # to receive octets that the proxy sent directly after the outer request
_SETTLE_SECONDS: Final = 1.0  # for the next response, if the connection stays open and a further request was sent


@dataclass(frozen=True, slots=True)
class FramingAttack:
    """A request whose framing can be interpreted in two ways.

    Attributes:
        lines: the field lines that frame the body; `%d` is replaced by its length.
        is_by_chunks: try a body with the inner request as chunk-data, and a length that ends before it.
        is_by_length: try a body that ends at once if read as chunks, and a length that includes the inner request.
        has_chunks: the Transfer-Encoding can be read as chunked; by length, the inner request then follows a message.
    """

    title: str
    clause: str
    lines: tuple[bytes, ...]
    method: bytes = b"POST"
    version: bytes = b"1.1"
    is_by_chunks: bool = True
    is_by_length: bool = True
    has_chunks: bool = False


# Beside Content-Length a valid Transfer-Encoding closes the connection (RFC 9112 §6.1), and one that is not chunked in
# the end is 400 (§6.3). A line that is no Transfer-Encoding leaves the length: a body by chunks would then really be
# two messages, and is not tried.
_ATTACKS: Final = (
    FramingAttack("Content-Length and Transfer-Encoding", "9112 §6.1", (_CL, _TE), has_chunks=True),
    FramingAttack("Transfer-Encoding and Content-Length", "9112 §6.1", (_TE, _CL), has_chunks=True),
    FramingAttack("a coding that looks like chunked", "9112 §6.3", (_CL, b"Transfer-Encoding: xchunked")),
    FramingAttack(
        "chunked after another coding", "9112 §6.3", (_CL, b"Transfer-Encoding: identity, chunked"), has_chunks=True
    ),
    FramingAttack("chunked before another coding", "9112 §6.3", (_CL, b"Transfer-Encoding: chunked, identity")),
    FramingAttack("two Transfer-Encoding lines", "9112 §6.3", (_CL, _TE, b"Transfer-Encoding: identity")),
    FramingAttack("a space before the colon", "9112 §5.1", (_CL, b"Transfer-Encoding : chunked")),
    FramingAttack("a vertical tab before the coding", "9112 §6.3", (_CL, b"Transfer-Encoding: \x0bchunked")),
    FramingAttack("a quoted coding", "9112 §6.3", (_CL, b'Transfer-Encoding: "chunked"')),
    FramingAttack(
        "an empty member before chunked", "9112 §6.3", (_CL, b"Transfer-Encoding: ,chunked"), has_chunks=True
    ),
    FramingAttack("a coding in a folded line", "9112 §5.2", (_CL, b"Transfer-Encoding:\r\n chunked"), has_chunks=True),
    FramingAttack("a folded Transfer-Encoding line", "9112 §5.2", (_CL, b"X-A: a\r\n " + _TE), is_by_chunks=False),
    FramingAttack(
        "Transfer-Encoding after a bare LF", "9112 §2.2", (_CL, b"X-A: a\n" + _TE), is_by_chunks=False, has_chunks=True
    ),
    FramingAttack("Transfer-Encoding after a bare CR", "9112 §2.2", (_CL, b"X-A: a\r" + _TE), is_by_chunks=False),
    FramingAttack("Transfer_Encoding", "9112 §6.3", (_CL, b"Transfer_Encoding: chunked"), is_by_chunks=False),
    FramingAttack("HTTP/1.0 with Transfer-Encoding", "9112 §6.1", (_CL, _TE), version=b"1.0", has_chunks=True),
    FramingAttack(
        "Connection names Content-Length", "9112 §6.3", (_CL, b"Connection: content-length"), is_by_chunks=False
    ),
    FramingAttack(
        "Connection names Transfer-Encoding", "9112 §6.3", (_TE, b"Connection: transfer-encoding"), is_by_length=False
    ),
    FramingAttack("content of a GET", "9112 §6", (_CL,), b"GET", is_by_chunks=False),
    FramingAttack("chunks of a GET", "9112 §6", (_TE,), b"GET", is_by_length=False),
    FramingAttack("chunks of an OPTIONS", "9112 §6", (_TE,), b"OPTIONS", is_by_length=False),
)


def _attack_check(attack: FramingAttack) -> Check:
    async def check(trial: ProxyTrial) -> Ruling:
        ruling = passed("")
        for is_tried, by_chunks in ((attack.is_by_length, False), (attack.is_by_chunks, True)):
            if is_tried and ruling.outcome is RowOutcome.PASS:
                ruling = await _try(trial, attack, by_chunks=by_chunks)
        return ruling

    return check


async def _try(trial: ProxyTrial, attack: FramingAttack, *, by_chunks: bool) -> Ruling:
    with_outer = trio.Event()

    async def respond(arrival: Arrival) -> None:
        if not await arrival.body.rest():
            return
        with trio.move_on_after(_TOGETHER_SECONDS):
            while inner.token.encode() not in arrival.end.pending and await arrival.end.receive():
                pass
        if inner.token.encode() in arrival.end.pending:
            with_outer.set()
        await arrival.send(reply(b"outer"))

    outer, inner = trial.expect(respond), trial.expect(saying(b"inner"))
    within = trial.request(inner)
    body = encode_chunk(within) + encode_last_chunk() if by_chunks else encode_last_chunk() + within
    length = body.index(b"\n") + 1 if by_chunks else len(body)
    lines = [line.replace(b"%d", b"%d" % length) for line in attack.lines]
    client = await trial.connect()
    await client.offer(trial.request(outer, *lines, method=attack.method, version=attack.version, body=body))
    ruling = await judge_inner(trial, client, inner, attack.method)
    if ruling.outcome is RowOutcome.FAIL and attack.has_chunks and not by_chunks and not with_outer.is_set():
        return passed("what follows the chunks became the next request; the connection ought to have been closed")
    return ruling


async def judge_inner(trial: ProxyTrial, client: ClientSide, inner: Expected, method: bytes = b"POST") -> Ruling:
    """Judge whether octets of a body became a request, once no further answer of the proxy comes."""
    try:
        said = (await client.answer(method)).summary
    except PatienceOver as over:
        said = str(over)
    if not client.is_over and await client.offer(trial.request(trial.expect(saying(b"follower")))):
        with trio.move_on_after(_SETTLE_SECONDS):
            with suppress(PatienceOver):  # no further answer comes
                while not inner.arrivals and (await client.answer()).head is not None:
                    pass
    if inner.arrivals:
        return failed(f"the upstream got the request inside the body as one of its own; {said}")
    return passed(said)


def _inner_after(row: CheckRow, line: bytes, before: bytes) -> ProxyRow:
    """Make a row about a request with a malformed body, after which the inner request follows."""

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        outer, inner = trial.expect(saying(b"outer")), trial.expect(saying(b"inner"))
        client = await trial.connect()
        await client.offer(trial.request(outer, line, method=b"POST", body=before + trial.request(inner)))
        return await judge_inner(trial, client, inner)

    return check


def _answered_early(row: CheckRow, *lines: bytes, begun: bytes = b"") -> ProxyRow:
    """Make a row about a request that is answered before its content, the inner request, is sent.

    Args:
        begun: content that is sent with the head.
    """

    async def respond(arrival: Arrival) -> None:
        await arrival.send(reply(b"too large", status=b"413 Content Too Large"))

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        outer, inner = trial.expect(respond), trial.expect(saying(b"inner"))
        within = trial.request(inner)
        client = await trial.connect()
        length = _CL % (len(begun) + len(within))
        await client.send(trial.request(outer, length, *lines, method=b"POST", body=begun))
        early = ""
        with suppress(PatienceOver):  # a proxy may hold the request until its content is complete
            _, head = await client.final_head()
            if head is not None:
                early = f"{head.status} came early; "
                client.pending.clear()
        await client.offer(within)
        ruling = await judge_inner(trial, client, inner)
        return ruling if ruling.outcome is RowOutcome.FAIL else passed(early + ruling.why)

    return check


ROWS: Final[tuple[ProxyRow, ...]] = (
    *(
        ProxyRow(
            must(f"9112/11.2/{number}", f"one request stays one: {attack.title}", attack.clause), _attack_check(attack)
        )
        for number, attack in enumerate(_ATTACKS, 1)
    ),
    _inner_after(must("9112/9.3/2", "what follows a broken chunk-size is not a request"), _TE, b"zz\r\n"),
    _inner_after(must("9112/9.3/3", "what follows chunk-data without its CRLF is not a request"), _TE, b"5\r\nhello"),
    _inner_after(must("9112/9.3/4", "what follows a trailer line without a colon is not a request"), _TE,
                 encode_chunk(b"hello") + b"0\r\nno colon\r\n"),
    _inner_after(must("9112/7.1/6", "a chunk-size of 2^64+5 is not 5"), _TE,
                 b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _inner_after(must("9112/6.3/5", "what follows an invalid Content-Length is not a request"),
                 b"Content-Length: 5\r\nContent-Length: 500", b"hello"),
    _inner_after(must("9112/9.6/2", "no request is processed after one with Connection: close"),
                 b"Connection: close\r\nContent-Length: 5", b"hello"),
    _answered_early(must("9112/9.3/5", "content that comes after an early response is not a request"), begun=b"x" * 10),
    _answered_early(must("9112/9.3/6", "content that comes after a final answer to Expect is not a request"),
                    b"Expect: 100-continue"),
)  # fmt: skip
