"""Rows about the end of responses: to HTTP/1.0 clients, which know no chunks, and of responses without content."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.proxy.messages import CHUNKED_HEAD, PIECES
from chunkwire.tools.check.proxy.trial import (
    Decided,
    PatienceOver,
    ProxyAnswer,
    ProxyRow,
    ProxyTrial,
    proxy_row,
    reply,
    saying,
    writing,
)
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import CheckRow, Ruling, failed, inapplicable, must, passed, seen, should, undecided
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import quoted

_REFUSES_1_0: Final = (426, 505)


async def _ask_1_0(trial: ProxyTrial, *pieces: bytes, is_cut: bool = False) -> ProxyAnswer:
    """Return the answer to a GET in HTTP/1.0, for which the proxy sends HTTP/1.1 to the upstream.

    If the proxy sends HTTP/1.0, the upstream itself may send neither chunks nor 1xx.

    Raises:
        Decided: the proxy sends HTTP/1.0, or refuses the request; the row does not apply.
    """

    async def respond(arrival: Arrival) -> None:
        written = (reply(b"final"),) if arrival.head.version == b"1.0" else pieces
        await writing(*written, is_last=is_cut)(arrival)

    answer = await trial.ask(respond, version=b"1.0")
    if any(arrival.head.version == b"1.0" for arrival in trial.arrivals):
        raise Decided(inapplicable("for a client of HTTP/1.0 the proxy asks the upstream in HTTP/1.0"))
    if answer.status in _REFUSES_1_0:
        raise Decided(inapplicable(f"the proxy has no clients of HTTP/1.0: it answers {answer.status}"))
    return answer


@proxy_row(must("9110/15.2/4", "no 1xx goes to an HTTP/1.0 client"), needs_1_1=True)
async def _no_interim_to_1_0(trial: ProxyTrial) -> Ruling:
    answer = await _ask_1_0(trial, b"HTTP/1.1 103 Early Hints\r\n\r\n", reply(b"final"))
    if answer.interim:
        return failed(f"the client got {answer.interim[0].status}")
    return passed("none came") if answer.is_success else undecided(answer.summary)


@proxy_row(must("9112/6.1/1", "no Transfer-Encoding goes to an HTTP/1.0 client"), needs_1_1=True)
async def _no_chunks_to_1_0(trial: ProxyTrial) -> Ruling:
    answer = await _ask_1_0(trial, CHUNKED_HEAD + b"".join(map(encode_chunk, PIECES)) + encode_last_chunk())
    if answer.success().values(b"transfer-encoding"):
        return failed("the client of HTTP/1.0 got Transfer-Encoding")
    if answer.content != b"".join(PIECES):
        return failed("no Transfer-Encoding, and other content than was sent")
    return passed("the content came without chunks")


@proxy_row(should("9112/9.3/1", "the connection of an HTTP/1.0 client closes after the response"))
async def _closes_1_0(trial: ProxyTrial) -> Ruling:
    client, _ = await trial.send(saying(b"final"), version=b"1.0")
    answer = await client.answer()
    if not answer.is_success:
        is_refused = answer.status in _REFUSES_1_0
        return inapplicable(answer.summary) if is_refused else undecided(answer.summary)
    try:
        async with trial.within("the end of the connection"):
            how = await client.wait_over()
    except PatienceOver as over:
        return failed(str(over))
    return passed(f"it ended with {how}")


@proxy_row(seen("9112/8/1.0-reset", "to an HTTP/1.0 client a cut response ends with a reset"), needs_1_1=True)
async def _cut_to_1_0(trial: ProxyTrial) -> Ruling:
    """Cut a chunked response, whose body the proxy delimits by close for the client."""
    answer = await _ask_1_0(trial, CHUNKED_HEAD + encode_chunk(b"hello"), is_cut=True)
    is_taken = answer.is_success and answer.is_whole
    return failed("it looked whole to the client") if is_taken else passed(answer.summary)


def _bodiless(
    row: CheckRow, head: bytes, *, method: bytes = b"GET", after: bytes = b"", needs_1_1: bool = False
) -> ProxyRow:
    """Make a row about a response without content: the next response on its connection must be that of a second
    request.

    Args:
        after: octets that the upstream sends after this response, which must reach no client.
    """

    @proxy_row(row, needs_1_1=needs_1_1)
    async def check(trial: ProxyTrial) -> Ruling:
        client, _ = await trial.send(writing(head + after), method=method)
        answer = await client.answer(method)
        wrong = b""
        if await client.offer(trial.request(trial.expect(saying(b"follower")))):
            try:
                second = await client.answer()
                if second.head is not None and second.content != b"follower":
                    wrong = second.head.octets + second.content
            except PatienceOver:
                wrong = bytes(client.pending)
        if wrong:
            return failed(f"octets came where the next response begins: {quoted(wrong)}")
        return passed(answer.summary) if answer.head is not None else undecided(answer.summary)

    return check


_POISON: Final = reply(b"poison")


@proxy_row(must("9112/6.1/2", "a 204 goes on without Transfer-Encoding"), needs_1_1=True)
async def _no_coding_in_204(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(writing(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"))
    if answer.head is None or answer.status != 204:
        return passed(answer.summary)
    has = answer.head.values(b"transfer-encoding")
    return failed("the 204 has Transfer-Encoding") if has else passed("it was dropped")


ROWS: Final[tuple[ProxyRow, ...]] = (
    _no_interim_to_1_0, _no_chunks_to_1_0, _closes_1_0, _cut_to_1_0,
    _bodiless(must("9110/9.3.2/1", "a response to HEAD has no content, and the next response is right"),
              b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method=b"HEAD"),
    _bodiless(must("9110/9.3.2/2", "a response to HEAD whose head names chunks has none", "9112 §6.3"), CHUNKED_HEAD,
              method=b"HEAD", needs_1_1=True),
    _bodiless(must("9112/6.3/2", "content that follows a response to HEAD goes to nobody"),
              b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", method=b"HEAD", after=_POISON),
    _bodiless(must("9112/6.3/3", "content that follows a 204 goes to nobody"), b"HTTP/1.1 204 No Content\r\n\r\n",
              after=_POISON),
    _bodiless(must("9112/6.3/4", "content that follows a 304 goes to nobody"),
              b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n', after=_POISON),
    _no_coding_in_204,
)  # fmt: skip
