"""Rows about response heads: what a proxy takes out, puts in, replaces by 502, and never sends back."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.proxy.messages import writing
from chunkwire.tools.check.proxy.request_heads import ask
from chunkwire.tools.check.proxy.trial import (
    ProxyRow,
    ProxyTrial,
    failed,
    passed,
    proxy_row,
    reply,
    saying,
    undecided,
)
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import CheckRow, Level, Ruling
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import quoted

_TE: Final = b"Transfer-Encoding: chunked"
_CHUNKS: Final = encode_chunk(b"hello") + encode_last_chunk()


@proxy_row("9110/7.6.1/2", Level.MUST, "a field that Connection names in a response goes no further", "9110 §7.6.1")
async def response_options(trial: ProxyTrial) -> Ruling:
    """Name a field in the Connection of a response."""
    client = await trial.connect()
    await client.send(trial.request(trial.expect(saying(b"ok", b"Connection: x-hop", b"X-Hop: 1"))))
    answer = await client.answer()
    if answer.head is None or not answer.is_success:
        return undecided(answer.said)
    reached = answer.head.values(b"x-hop") or b"x-hop" in answer.head.members(b"connection")
    return failed("it reached the client") if reached else passed("X-Hop and the option were removed")


def _never_sent_back(row_id: str, title: str, clause: str, line: bytes, wrong: bytes) -> ProxyRow:
    """Make the row of a response whose octets MUST NOT reach the client as they are."""

    async def check(trial: ProxyTrial) -> Ruling:
        client = await trial.connect()
        await client.send(trial.request(trial.expect(saying(b"ok", line))))
        answer = await client.answer()
        if answer.is_success and answer.head is not None and wrong in answer.head.octets:
            return failed(f"{quoted(wrong)} reached the client")
        return passed(answer.said)

    return ProxyRow(CheckRow(row_id, Level.MUST, title, clause), check)


_CLEANED_BACK: Final = (
    _never_sent_back("9112/5.2/2", "a folded line of a response goes back as one line, or as 502", "9112 §5.2",
                     b"X-Check: folded\r\n line", b"folded\r\n"),
    _never_sent_back("9112/2.2/3", "a bare CR of a response goes back as a space, or not", "9112 §2.2",
                     b"X-Check: bare\rreturn", b"bare\rreturn"),
    _never_sent_back("9110/5.5/2", "a NUL of a response goes back as a space, or not", "9110 §5.5",
                     b"X-Check: nul\0octet", b"nul\0octet"),
    _never_sent_back("9112/5.1/2", "no space before a colon goes back", "9112 §5.1", b"X-Check : 1", b"X-Check :"),
)  # fmt: skip


@proxy_row(
    "9112/6.3/15",
    Level.MUST,
    "Transfer-Encoding goes back without a Content-Length beside it",
    "9112 §6.3",
    needs_1_1=True,
)
async def one_framing_back(trial: ProxyTrial) -> Ruling:
    """Answer with both framings of the same content."""
    client = await trial.connect()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n\r\n" % (len(_CHUNKS), _TE)
    await client.send(trial.request(trial.expect(writing(head + _CHUNKS))))
    answer = await client.answer()
    if answer.head is None or not answer.is_success:
        return passed(answer.said)
    if answer.head.values(b"transfer-encoding") and answer.head.values(b"content-length"):
        return failed("the client got both")
    return passed("the client got one of them") if answer.content == b"hello" else failed("the content is another")


@proxy_row("9110/6.6.1/1", Level.MUST, "a response without Date gets one", "9110 §6.6.1")
async def date(trial: ProxyTrial) -> Ruling:
    """Answer without Date."""
    answer, _ = await ask(trial)
    if answer.head is None or not answer.is_success:
        return undecided(answer.said)
    return passed("the client got Date") if answer.head.values(b"date") else failed("the client got no Date")


@proxy_row("9112/2.3/1", Level.MUST, "a response goes back with the proxy's own version", "9112 §2.3")
async def own_version(trial: ProxyTrial) -> Ruling:
    """Answer in HTTP/1.0."""
    client = await trial.connect()

    async def respond(arrival: Arrival) -> None:
        await arrival.body.rest()
        await arrival.send(reply(b"ok").replace(b"HTTP/1.1", b"HTTP/1.0"))
        await arrival.finish()

    await client.send(trial.request(trial.expect(respond)))
    answer = await client.answer()
    if answer.head is None or not answer.is_success:
        return undecided(answer.said)
    own = trial.facts.own_version.decode("latin-1")
    if answer.head.version == trial.facts.own_version:
        return passed(f"HTTP/{own}, as to a response of HTTP/1.1")
    return failed(f"HTTP/{answer.head.version.decode('latin-1')} came, and HTTP/{own} for a response of HTTP/1.1")


@proxy_row(
    "9110/7.8/1", Level.MUST, "a 101 that was not asked for does not reach the client", "9110 §7.8", needs_1_1=True
)
async def unasked_101(trial: ProxyTrial) -> Ruling:
    """Answer 101 to a plain GET."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x-check\r\n\r\n"

    async def respond(arrival: Arrival) -> None:
        await arrival.send(head)
        await arrival.finish()

    client = await trial.connect()
    await client.send(trial.request(trial.expect(respond)))
    _, answer = await client.final_head()
    if answer is None:
        return passed(f"the connection ended with {client.how}")
    return failed("the client got it") if answer.status == 101 else passed(f"the client got {answer.status}")


ROWS: Final[tuple[ProxyRow, ...]] = (
    response_options, *_CLEANED_BACK, one_framing_back, date, own_version, unasked_101,
)  # fmt: skip
