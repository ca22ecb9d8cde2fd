"""Rows about single messages: chunks, extensions, trailers, 1xx, Expect, HTTP/1.0, responses without content."""

from __future__ import annotations

from typing import Final

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

_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
_REFUSES_1_0: Final = (426, 505)
_PIECES: Final = (b"one", b"two and more", b"x" * 300, b"four")


@proxy_row(seen("9112/7.1/4", "chunks of a response keep their boundaries"), needs_1_1=True)
async def _same_chunks(trial: ProxyTrial) -> Ruling:
    octets = b"".join(map(encode_chunk, _PIECES)) + encode_last_chunk()
    answer = await trial.ask(writing(_CHUNKED_HEAD, octets))
    if answer.content != b"".join(_PIECES) or answer.body is None:
        return undecided(answer.summary)
    sizes = [int(line.partition(b";")[0], 16) for line in answer.body.lines[:-1]]
    if sizes == [len(piece) for piece in _PIECES]:
        return passed(f"{len(sizes)} chunks as they were sent")
    return failed(f"{len(_PIECES)} chunks became {len(sizes) or 'no chunks'}")


@proxy_row(seen("9112/7.1.1/1", "chunk extensions of a response are forwarded"), needs_1_1=True)
async def _extensions(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(writing(_CHUNKED_HEAD, encode_chunk(b"hello", b";check=yes") + encode_last_chunk()))
    if answer.content != b"hello" or answer.body is None:
        return undecided(answer.summary)
    return passed("kept") if any(b"check=yes" in line for line in answer.body.lines) else failed("dropped, as it may")


@proxy_row(must("9112/7.1.1/2", "chunk extensions that it does not know change nothing"), needs_1_1=True)
async def _extensions_ignored(trial: ProxyTrial) -> Ruling:
    """Send extensions of several forms, and compare the content."""
    octets = b'5;a\r\nhello\r\n6;a=1;b="q;\\"x"\r\n there\r\n0;last\r\n\r\n'
    answer = await trial.ask(writing(_CHUNKED_HEAD, octets))
    if answer.is_success and answer.is_whole and answer.content == b"hello there":
        return passed("the content came whole")
    return failed(f"{answer.summary}, {len(answer.content)} of 11 octets")


@proxy_row(seen("9112/7.1.2/1", "trailers of a response are forwarded"), needs_1_1=True)
async def _response_trailers(trial: ProxyTrial) -> Ruling:
    """Send a trailer section to a client with `TE: trailers`."""
    head = _CHUNKED_HEAD.replace(b"\r\n\r\n", b"\r\nTrailer: X-Check\r\n\r\n")
    octets = encode_chunk(b"hello") + encode_last_chunk(((b"X-Check", b"trailed"),))
    answer = await trial.ask(writing(head, octets), b"TE: trailers", b"Connection: TE")
    if answer.content != b"hello" or answer.body is None:
        return undecided(answer.summary)
    if (b"x-check", b"trailed") in [(name.lower(), value) for name, value in answer.body.trailers]:
        return passed("kept")
    return failed("dropped, as they may be")


async def _upload(trial: ProxyTrial, octets: bytes, *lines: bytes) -> ProxyAnswer:
    return await trial.ask(saying(b"ok"), *lines, b"Transfer-Encoding: chunked", method=b"POST", body=octets)


_TRAILED: Final = encode_chunk(b"hello") + b"0\r\nX-Check: trailed\r\n\r\n"


@proxy_row(seen("9112/7.1.2/2", "trailers of a request are forwarded"))
async def _request_trailers(trial: ProxyTrial) -> Ruling:
    answer = await _upload(trial, _TRAILED, b"Trailer: X-Check")
    arrival = trial.arrived(answer)
    if arrival.body.content != b"hello":
        return undecided(f"the request did not reach the upstream whole; {answer.summary}")
    return passed("kept") if arrival.body.trailers else failed("dropped, as they may be")


@proxy_row(must("9112/7.1.2/3", "no trailer of a request is merged into its header section"))
async def _trailers_apart(trial: ProxyTrial) -> Ruling:
    """Send a trailer whose definition permits no merging."""
    arrival = trial.arrived(await _upload(trial, _TRAILED, b"Trailer: X-Check"))
    merged = arrival.head.values(b"x-check")
    return failed("X-Check became a header field") if merged else passed("it is no header field")


@proxy_row(must("9112/7.1/5", "a request in chunks reaches the upstream with its content"))
async def _chunked_upload(trial: ProxyTrial) -> Ruling:
    answer = await _upload(trial, b"5\r\nhello\r\n0001;a=b\r\n \r\n5\r\nthere\r\n000\r\n\r\n")
    if answer.status in (411, 501):
        return inapplicable(f"the proxy takes no chunks: {answer.status}")
    body = trial.arrival.body if trial.arrival is not None else None
    if body is not None and body.is_whole and body.content == b"hello there":
        return passed("the content came whole")
    return failed(f"the upstream did not get the content; {answer.summary}")


@proxy_row(must("9110/15.2/1", "a 100 that was not asked for is not treated as the final response"), needs_1_1=True)
async def _early_100(trial: ProxyTrial) -> Ruling:
    return _final(await trial.ask(writing(b"HTTP/1.1 100 Continue\r\n\r\n", reply(b"final"))))


@proxy_row(must("9110/15.2/2", "a 103 is not treated as the final response"), needs_1_1=True)
async def _early_103(trial: ProxyTrial) -> Ruling:
    return _final(await trial.ask(writing(_HINTS, _HINTS, reply(b"final"))))


def _final(answer: ProxyAnswer) -> Ruling:
    if answer.is_success and answer.is_whole and answer.content == b"final":
        return passed(f"the final response came, after {len(answer.interim)} 1xx")
    return failed(f"{answer.summary} instead of the final response")


@proxy_row(seen("9110/15.2/3", "a 103 is forwarded to the client"), needs_1_1=True)
async def _forwards_103(trial: ProxyTrial) -> Ruling:
    """Send a 103, which a gateway need not relay."""
    answer = await trial.ask(writing(_HINTS, reply(b"final")))
    answer.success()
    return passed("it came") if 103 in [head.status for head in answer.interim] else failed("dropped")


_EXPECTING: Final = (b"Expect: 100-continue", b"Content-Length: 5")


@proxy_row(must("9110/10.1.1/1", "Expect: 100-continue is answered before the content comes"))
async def _expect_continue(trial: ProxyTrial) -> Ruling:
    """Send the content after a 100; if nothing comes in time, send it to see what follows."""

    async def respond(arrival: Arrival) -> None:
        if b"100-continue" in arrival.head.members(b"expect"):
            await arrival.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if await arrival.body.rest():
            await arrival.send(reply(b"final"))

    client, expected = await trial.send(respond, *_EXPECTING, method=b"POST")
    try:
        async with trial.within("100 or a final status"):
            head = await client.read_head()
    except PatienceOver:
        await client.offer(b"hello")
        answer = await client.answer(b"POST", "a response, after the content,")
        return failed(f"nothing came before the content; then {answer.summary}")
    if head is None:
        return undecided(f"the connection ended with {client.how}")
    if head.status != 100:
        is_refused = head.status >= 400
        return passed(f"a final status: {head.status}") if is_refused else failed(f"{head.status} without content")
    await client.send(b"hello")
    answer = await client.answer(b"POST")
    whole = expected.arrivals and expected.arrivals[0].body.content == b"hello"
    if answer.is_success and whole:
        return passed("100 came, and the content went on")
    return failed(f"after 100 the content was not taken: {answer.summary}")


@proxy_row(seen("9110/10.1.1/2", "a final answer to Expect reaches a client that holds its content back"))
async def _expect_refused(trial: ProxyTrial) -> Ruling:
    async def respond(arrival: Arrival) -> None:
        await arrival.send(reply(b"no", b"Connection: close", status=b"403 Forbidden"))
        await arrival.end.finish()

    client, _ = await trial.send(respond, *_EXPECTING, method=b"POST")
    async with trial.within("a response head"):
        head = await client.read_head()
    if head is None:
        return undecided(f"the connection ended with {client.how}")
    if head.status == 100:
        return failed("the proxy itself sent 100 first, as it may")
    return passed("403 came") if head.status == 403 else failed(f"{head.status} came")


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
    answer = await _ask_1_0(trial, _CHUNKED_HEAD + b"".join(map(encode_chunk, _PIECES)) + encode_last_chunk())
    if answer.success().values(b"transfer-encoding"):
        return failed("the client of HTTP/1.0 got Transfer-Encoding")
    if answer.content != b"".join(_PIECES):
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
    answer = await _ask_1_0(trial, _CHUNKED_HEAD + encode_chunk(b"hello"), is_cut=True)
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


@proxy_row(must("9112/6.1/2", "a 204 is forwarded without Transfer-Encoding"), needs_1_1=True)
async def _no_coding_in_204(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(writing(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"))
    if answer.head is None or answer.status != 204:
        return passed(answer.summary)
    has = answer.head.values(b"transfer-encoding")
    return failed("the 204 has Transfer-Encoding") if has else passed("it was dropped")


ROWS: Final = (
    _same_chunks, _extensions, _extensions_ignored, _response_trailers, _request_trailers, _trailers_apart,
    _chunked_upload, _early_100, _early_103, _forwards_103, _expect_continue, _expect_refused,
    _no_interim_to_1_0, _no_chunks_to_1_0, _closes_1_0, _cut_to_1_0,
    _bodiless(must("9110/9.3.2/1", "a response to HEAD has no content, and the next response is right"),
              b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method=b"HEAD"),
    _bodiless(must("9110/9.3.2/2", "a response to HEAD whose head names chunks has none", "9112 §6.3"), _CHUNKED_HEAD,
              method=b"HEAD", needs_1_1=True),
    _bodiless(must("9112/6.3/2", "content that follows a response to HEAD reaches no client"),
              b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", method=b"HEAD", after=_POISON),
    _bodiless(must("9112/6.3/3", "content that follows a 204 reaches no client"), b"HTTP/1.1 204 No Content\r\n\r\n",
              after=_POISON),
    _bodiless(must("9112/6.3/4", "content that follows a 304 reaches no client"),
              b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n', after=_POISON),
    _no_coding_in_204,
)  # fmt: skip
