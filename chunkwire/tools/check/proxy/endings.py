"""Rows about where a response ends: for clients of HTTP/1.0, which know no chunks, and where there is no content."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.proxy.messages import CHUNKED_HEAD, PIECES, get, writing
from chunkwire.tools.check.proxy.trial import (
    PatienceOver,
    ProxyAnswer,
    ProxyRow,
    ProxyTrial,
    failed,
    inapplicable,
    passed,
    proxy_row,
    reply,
    saying,
    undecided,
)
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import Level, Ruling
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import quoted

_REFUSES_1_0: Final = (426, 505)


async def _ask_1_0(trial: ProxyTrial, *pieces: bytes, is_cut: bool = False) -> ProxyAnswer | Ruling:
    """Return the answer to a GET in HTTP/1.0, where the proxy asks the upstream in HTTP/1.1 for it.

    To a request of HTTP/1.0 the upstream itself may send neither chunks nor 1xx.
    """

    async def respond(arrival: Arrival) -> None:
        if not await arrival.body.rest():
            return
        for piece in (reply(b"final"),) if arrival.head.version == b"1.0" else pieces:
            await arrival.send(piece)
        if is_cut:
            await arrival.finish()

    answer = await get(trial, respond, version=b"1.0")
    if any(arrival.head.version == b"1.0" for arrival in trial.arrivals):
        return inapplicable("for a client of HTTP/1.0 the proxy asks the upstream in HTTP/1.0")
    if answer.status in _REFUSES_1_0:
        return inapplicable(f"the proxy has no clients of HTTP/1.0: it answers {answer.status}")
    return answer


@proxy_row("9110/15.2/4", Level.MUST, "no 1xx goes to an HTTP/1.0 client", "9110 §15.2", needs_1_1=True)
async def no_interim_to_1_0(trial: ProxyTrial) -> Ruling:
    """Send a 103 to a client of HTTP/1.0."""
    answer = await _ask_1_0(trial, b"HTTP/1.1 103 Early Hints\r\n\r\n", reply(b"final"))
    if isinstance(answer, Ruling):
        return answer
    if answer.interim:
        return failed(f"the client got {answer.interim[0].status}")
    return passed("none came") if answer.is_success else undecided(answer.said)


@proxy_row("9112/6.1/1", Level.MUST, "no Transfer-Encoding goes to an HTTP/1.0 client", "9112 §6.1", needs_1_1=True)
async def no_chunks_to_1_0(trial: ProxyTrial) -> Ruling:
    """Answer a client of HTTP/1.0 in chunks."""
    answer = await _ask_1_0(trial, CHUNKED_HEAD + b"".join(map(encode_chunk, PIECES)) + encode_last_chunk())
    if isinstance(answer, Ruling):
        return answer
    if answer.head is None or not answer.is_success:
        return undecided(answer.said)
    if answer.head.values(b"transfer-encoding"):
        return failed("the client of HTTP/1.0 got Transfer-Encoding")
    if answer.content != b"".join(PIECES):
        return failed("no Transfer-Encoding, and other content than was sent")
    return passed("the content came without chunks")


@proxy_row("9112/9.3/1", Level.SHOULD, "the connection of an HTTP/1.0 client closes after the response", "9112 §9.3")
async def closes_1_0(trial: ProxyTrial) -> Ruling:
    """Ask in HTTP/1.0 without keep-alive."""
    client = await trial.connect()
    await client.send(trial.request(trial.expect(saying(b"final")), version=b"1.0"))
    answer = await client.answer()
    if not answer.is_success:
        is_refused = answer.status in _REFUSES_1_0
        return inapplicable(answer.said) if is_refused else undecided(answer.said)
    try:
        async with trial.within("the end of the connection"):
            how = await client.wait_over()
    except PatienceOver as over:
        return failed(str(over))
    return passed(f"it ended with {how}")


@proxy_row(
    "9112/8/1.0-reset", Level.SEEN, "to an HTTP/1.0 client a cut response ends with a reset", "9112 §8", needs_1_1=True
)
async def cut_to_1_0(trial: ProxyTrial) -> Ruling:
    """Cut a response in chunks, whose content the client has until the close."""
    answer = await _ask_1_0(trial, CHUNKED_HEAD + encode_chunk(b"hello"), is_cut=True)
    if isinstance(answer, Ruling):
        return answer
    is_taken = answer.is_success and answer.is_whole
    return failed("it looked whole to the client") if is_taken else passed(answer.said)


async def _two_on_one(trial: ProxyTrial, method: bytes, *pieces: bytes) -> tuple[ProxyAnswer, bytes]:
    """Send two requests on one connection; return the first answer, and what came instead of the second."""
    client = await trial.connect()
    await client.send(trial.request(trial.expect(writing(*pieces)), method=method))
    answer = await client.answer(method)
    follower = trial.request(trial.expect(saying(b"follower")))
    if not await client.offer(follower):
        return answer, b""
    try:
        second = await client.answer()
    except PatienceOver:
        return answer, bytes(client.pending)
    if second.head is None or second.content == b"follower":
        return answer, b""
    return answer, second.head.octets + second.content


def _bodiless(answer: ProxyAnswer, wrong: bytes) -> Ruling:
    if wrong:
        return failed(f"octets came where the next response begins: {quoted(wrong)}")
    return passed(answer.said) if answer.head is not None else undecided(answer.said)


@proxy_row(
    "9110/9.3.2/1", Level.MUST, "a response to HEAD has no content, and the next response is right", "9110 §9.3.2"
)
async def head_method(trial: ProxyTrial) -> Ruling:
    """Answer HEAD with the fields of a GET."""
    answer, wrong = await _two_on_one(trial, b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    return _bodiless(answer, wrong)


@proxy_row(
    "9110/9.3.2/2", Level.MUST, "a response to HEAD whose head names chunks has none", "9112 §6.3", needs_1_1=True
)
async def head_chunked(trial: ProxyTrial) -> Ruling:
    """Answer HEAD with Transfer-Encoding."""
    answer, wrong = await _two_on_one(trial, b"HEAD", CHUNKED_HEAD)
    return _bodiless(answer, wrong)


@proxy_row("9112/6.3/2", Level.MUST, "content that follows a response to HEAD goes to nobody", "9112 §6.3")
async def head_with_content(trial: ProxyTrial) -> Ruling:
    """Answer HEAD with content that is a response of its own."""
    poison = reply(b"poison")
    answer, wrong = await _two_on_one(trial, b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + poison)
    return _bodiless(answer, wrong)


@proxy_row("9112/6.3/3", Level.MUST, "content that follows a 204 goes to nobody", "9112 §6.3")
async def no_content(trial: ProxyTrial) -> Ruling:
    """Answer 204 with content that is a response of its own."""
    answer, wrong = await _two_on_one(trial, b"GET", b"HTTP/1.1 204 No Content\r\n\r\n" + reply(b"poison"))
    return _bodiless(answer, wrong)


@proxy_row("9112/6.3/4", Level.MUST, "content that follows a 304 goes to nobody", "9112 §6.3")
async def not_modified(trial: ProxyTrial) -> Ruling:
    """Answer 304 with content that is a response of its own."""
    head = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n'
    answer, wrong = await _two_on_one(trial, b"GET", head + reply(b"poison"))
    return _bodiless(answer, wrong)


@proxy_row("9112/6.1/2", Level.MUST, "a 204 goes on without Transfer-Encoding", "9112 §6.1", needs_1_1=True)
async def no_coding_in_204(trial: ProxyTrial) -> Ruling:
    """Answer 204 with the field that it must not have."""
    answer = await get(trial, writing(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"))
    if answer.head is None or answer.status != 204:
        return passed(answer.said)
    has = answer.head.values(b"transfer-encoding")
    return failed("the 204 has Transfer-Encoding") if has else passed("it was dropped")


ROWS: Final[tuple[ProxyRow, ...]] = (
    no_interim_to_1_0, no_chunks_to_1_0, closes_1_0, cut_to_1_0, head_method, head_chunked, head_with_content,
    no_content, not_modified, no_coding_in_204,
)  # fmt: skip
