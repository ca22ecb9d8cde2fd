"""Rows about single messages: chunks, extensions, trailers, 1xx and Expect."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.proxy.trial import PatienceOver, ProxyAnswer, ProxyTrial, proxy_row, reply, saying, writing
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import Ruling, failed, inapplicable, must, passed, seen, undecided
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
PIECES: Final = (b"one", b"two and more", b"x" * 300, b"four")


@proxy_row(seen("9112/7.1/4", "chunks of a response keep their boundaries"), needs_1_1=True)
async def _same_chunks(trial: ProxyTrial) -> Ruling:
    octets = b"".join(map(encode_chunk, PIECES)) + encode_last_chunk()
    answer = await trial.ask(writing(CHUNKED_HEAD, octets))
    if answer.content != b"".join(PIECES) or answer.body is None:
        return undecided(answer.summary)
    sizes = [int(line.partition(b";")[0], 16) for line in answer.body.lines[:-1]]
    if sizes == [len(piece) for piece in PIECES]:
        return passed(f"{len(sizes)} chunks as they were sent")
    return failed(f"{len(PIECES)} chunks became {len(sizes) or 'no chunks'}")


@proxy_row(seen("9112/7.1.1/1", "chunk extensions of a response go on"), needs_1_1=True)
async def _extensions(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(writing(CHUNKED_HEAD, encode_chunk(b"hello", b";check=yes") + encode_last_chunk()))
    if answer.content != b"hello" or answer.body is None:
        return undecided(answer.summary)
    return passed("kept") if any(b"check=yes" in line for line in answer.body.lines) else failed("dropped, as it may")


@proxy_row(must("9112/7.1.1/2", "chunk extensions that it does not know change nothing"), needs_1_1=True)
async def _extensions_ignored(trial: ProxyTrial) -> Ruling:
    """Send extensions of several forms, and compare the content."""
    octets = b'5;a\r\nhello\r\n6;a=1;b="q;\\"x"\r\n there\r\n0;last\r\n\r\n'
    answer = await trial.ask(writing(CHUNKED_HEAD, octets))
    if answer.is_success and answer.is_whole and answer.content == b"hello there":
        return passed("the content came whole")
    return failed(f"{answer.summary}, {len(answer.content)} of 11 octets")


@proxy_row(seen("9112/7.1.2/1", "trailers of a response go on"), needs_1_1=True)
async def _response_trailers(trial: ProxyTrial) -> Ruling:
    """Send a trailer section to a client with `TE: trailers`."""
    head = CHUNKED_HEAD.replace(b"\r\n\r\n", b"\r\nTrailer: X-Check\r\n\r\n")
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


@proxy_row(seen("9112/7.1.2/2", "trailers of a request go on"))
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


@proxy_row(must("9110/15.2/1", "a 100 that nobody asked for is not taken for the final response"), needs_1_1=True)
async def _early_100(trial: ProxyTrial) -> Ruling:
    return _final(await trial.ask(writing(b"HTTP/1.1 100 Continue\r\n\r\n", reply(b"final"))))


@proxy_row(must("9110/15.2/2", "a 103 is not taken for the final response"), needs_1_1=True)
async def _early_103(trial: ProxyTrial) -> Ruling:
    return _final(await trial.ask(writing(_HINTS, _HINTS, reply(b"final"))))


def _final(answer: ProxyAnswer) -> Ruling:
    if answer.is_success and answer.is_whole and answer.content == b"final":
        return passed(f"the final response came, after {len(answer.interim)} 1xx")
    return failed(f"{answer.summary} instead of the final response")


@proxy_row(seen("9110/15.2/3", "a 103 goes on to the client"), needs_1_1=True)
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


ROWS: Final = (
    _same_chunks, _extensions, _extensions_ignored, _response_trailers, _request_trailers, _trailers_apart,
    _chunked_upload, _early_100, _early_103, _forwards_103, _expect_continue, _expect_refused,
)  # fmt: skip
