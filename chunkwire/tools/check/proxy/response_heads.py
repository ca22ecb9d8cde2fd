"""Rows about response heads: what a proxy removes, adds, replaces by 502, and must not relay."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.proxy.trial import ProxyRow, ProxyTrial, proxy_row, reply, saying, writing
from chunkwire.tools.check.rows import CheckRow, Ruling, failed, must, passed
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import quoted

_TE: Final = b"Transfer-Encoding: chunked"
_CHUNKS: Final = encode_chunk(b"hello") + encode_last_chunk()


@proxy_row(must("9110/7.6.1/2", "a field that Connection names in a response goes no further"))
async def _response_options(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(saying(b"ok", b"Connection: x-hop", b"X-Hop: 1"))
    head = answer.success()
    reached = head.values(b"x-hop") or b"x-hop" in head.members(b"connection")
    return failed("it reached the client") if reached else passed("X-Hop and the option were removed")


def _never_sent_back(row: CheckRow, line: bytes, wrong: bytes) -> ProxyRow:
    """Make a row about a response whose octets MUST NOT reach the client unchanged."""

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        answer = await trial.ask(saying(b"ok", line))
        if answer.is_success and answer.head is not None and wrong in answer.head.octets:
            return failed(f"{quoted(wrong)} reached the client")
        return passed(answer.summary)

    return check


_CLEANED_BACK: Final = (
    _never_sent_back(must("9112/5.2/2", "a folded line of a response goes back as one line, or as 502"),
                     b"X-Check: folded\r\n line", b"folded\r\n"),
    _never_sent_back(must("9112/2.2/3", "a bare CR of a response goes back as a space, or not"),
                     b"X-Check: bare\rreturn", b"bare\rreturn"),
    _never_sent_back(must("9110/5.5/2", "a NUL of a response goes back as a space, or not"),
                     b"X-Check: nul\0octet", b"nul\0octet"),
    _never_sent_back(must("9112/5.1/2", "no space before a colon goes back"), b"X-Check : 1", b"X-Check :"),
)  # fmt: skip


@proxy_row(must("9112/6.3/15", "Transfer-Encoding goes back without a Content-Length beside it"), needs_1_1=True)
async def _one_framing_back(trial: ProxyTrial) -> Ruling:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n\r\n" % (len(_CHUNKS), _TE)
    answer = await trial.ask(writing(head + _CHUNKS))
    if answer.head is None or not answer.is_success:
        return passed(answer.summary)
    if answer.head.values(b"transfer-encoding") and answer.head.values(b"content-length"):
        return failed("the client got both")
    return passed("the client got one of them") if answer.content == b"hello" else failed("the content is another")


@proxy_row(must("9110/6.6.1/1", "a response without Date gets one"))
async def _date(trial: ProxyTrial) -> Ruling:
    head = (await trial.ask(saying(b"ok"))).success()
    return passed("the client got Date") if head.values(b"date") else failed("the client got no Date")


@proxy_row(must("9112/2.3/1", "a response goes back with the proxy's own version"))
async def _own_version(trial: ProxyTrial) -> Ruling:
    older = reply(b"ok").replace(b"HTTP/1.1", b"HTTP/1.0")
    head = (await trial.ask(writing(older, is_last=True))).success()
    own = trial.proxy.own_version.decode("latin-1")
    if head.version == trial.proxy.own_version:
        return passed(f"HTTP/{own}, as to a response of HTTP/1.1")
    return failed(f"HTTP/{head.version.decode('latin-1')} came, and HTTP/{own} for a response of HTTP/1.1")


@proxy_row(must("9110/7.8/1", "a 101 that was not asked for does not reach the client"), needs_1_1=True)
async def _unasked_101(trial: ProxyTrial) -> Ruling:
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x-check\r\n\r\n"
    client, _ = await trial.send(writing(head, is_last=True))
    _, answer = await client.final_head()
    if answer is None:
        return passed(f"the connection ended with {client.how}")
    return failed("the client got it") if answer.status == 101 else passed(f"the client got {answer.status}")


ROWS: Final[tuple[ProxyRow, ...]] = (
    _response_options, *_CLEANED_BACK, _one_framing_back, _date, _own_version, _unasked_101,
)  # fmt: skip
