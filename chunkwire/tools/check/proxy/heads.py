"""Rows about the heads of requests and responses: what a proxy removes, adds, refuses, and must not relay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from chunkwire.tools.check.proxy.trial import (
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

_TE: Final = b"Transfer-Encoding: chunked"
_CHUNKS: Final = encode_chunk(b"hello") + encode_last_chunk()


async def _reached(trial: ProxyTrial, *lines: bytes) -> Arrival:
    """Send a request that is to be forwarded; return what reached the upstream, or leave the row undecided."""
    return trial.arrived(await trial.ask(saying(b"ok"), *lines))


async def _offer(
    trial: ProxyTrial, *lines: bytes, change: Callable[[bytes], bytes] = bytes, body: bytes = b""
) -> tuple[ProxyAnswer, Arrival | None]:
    """Send a request, its octets changed by `change`; return the answer, and what reached the upstream."""
    method = b"POST" if body else b"GET"
    answer = await trial.ask(saying(b"ok"), *lines, method=method, body=body, change=change)
    return answer, trial.arrival


@proxy_row(must("9110/7.6.3/1", "a request is forwarded with Via"))
async def _via(trial: ProxyTrial) -> Ruling:
    arrival = await _reached(trial)
    values = arrival.head.values(b"via")
    return passed(f"Via: {values[0].decode('latin-1')}") if values else failed("no Via")


@proxy_row(must("9110/7.6.1/1", "a field that Connection names is not forwarded"))
async def _connection_options(trial: ProxyTrial) -> Ruling:
    arrival = await _reached(trial, b"Connection: x-hop", b"X-Hop: 1")
    if arrival.head.values(b"x-hop"):
        return failed("X-Hop reached the upstream")
    if b"x-hop" in arrival.head.members(b"connection"):
        return failed("Connection: x-hop reached the upstream")
    return passed("X-Hop and the option were removed")


@proxy_row(should("9110/7.6.1/3", "Keep-Alive, Proxy-Connection and Upgrade are not forwarded"))
async def _hop_by_hop(trial: ProxyTrial) -> Ruling:
    arrival = await _reached(trial, b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"Upgrade: x-check")
    names = (b"keep-alive", b"proxy-connection", b"upgrade")
    reached = [name.decode() for name in names if arrival.head.values(name)]
    return failed(f"{', '.join(reached)} reached the upstream") if reached else passed("they were removed")


@proxy_row(must("9112/3.2/1", "a request is forwarded with one Host"), needs_1_1=True)
async def _one_host(trial: ProxyTrial) -> Ruling:
    arrival = await _reached(trial)
    hosts = arrival.head.values(b"host")
    return passed(f"Host: {hosts[0].decode('latin-1')}") if len(hosts) == 1 else failed(f"{len(hosts)} Host lines")


@proxy_row(must("9112/3.2.2/1", "the host of an absolute target wins over Host"))
async def _absolute_form(trial: ProxyTrial) -> Ruling:
    authority = trial.proxy.authority
    scheme = trial.proxy.url.scheme.encode("ascii")

    def change(octets: bytes) -> bytes:
        method, _, rest = octets.partition(b" ")
        other = rest.replace(b"\r\nHost: " + authority, b"\r\nHost: other.invalid", 1)
        return b"%b %b://%b%b" % (method, scheme, authority, other)

    answer, arrival = await _offer(trial, change=change)
    if arrival is None and answer.status == 400:
        return failed(f"it is not accepted: {answer.summary}")
    if arrival is None:
        return undecided(answer.summary)
    hosts = arrival.head.values(b"host")
    if not arrival.target.startswith(b"/"):
        return passed("the upstream got the absolute target, which wins over Host there")
    if b"other.invalid" in hosts:
        return failed("the upstream got Host: other.invalid")
    return passed(f"Host: {b', '.join(hosts).decode('latin-1')}")


def _refusing(row: CheckRow, *lines: bytes, change: Callable[[bytes], bytes] = bytes, body: bytes = b"") -> ProxyRow:
    """Make a row about a request that MUST be answered 400.

    A 501 passes, too (RFC 9112 §6.1), and either of them even if the head was forwarded before the fault was seen.
    Without an arrival every error passes, and the end of the connection.
    """

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        answer, arrival = await _offer(trial, *lines, change=change, body=body)
        if answer.status in (400, 501):
            return passed(answer.summary)
        if arrival is not None:
            return failed(f"it reached the upstream; {answer.summary}")
        return failed(answer.summary) if 0 < answer.status < 400 else passed(answer.summary)

    return check


def _without_host(octets: bytes) -> bytes:
    return b"\r\n".join(line for line in octets.split(b"\r\n") if not line.startswith(b"Host:"))


def _first_field(line: bytes, octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)


def _never_sent_on(row: CheckRow, wrong: bytes, *lines: bytes, change: Callable[[bytes], bytes] = bytes) -> ProxyRow:
    """Make a row about a request of which the octets `wrong` MUST NOT reach the upstream."""

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        answer, arrival = await _offer(trial, *lines, change=change)
        if arrival is None:
            return passed(f"not forwarded: {answer.summary}")
        if wrong in arrival.head.octets:
            return failed(f"{quoted(wrong)} reached the upstream")
        return passed(f"forwarded without {quoted(wrong)}")

    return check


@proxy_row(must("9112/6.3/13", "Content-Length: 5, 5 is forwarded as 5, or refused"))
async def _equal_lengths(trial: ProxyTrial) -> Ruling:
    answer, arrival = await _offer(trial, b"Content-Length: 5, 5", body=b"hello")
    if arrival is None:
        return passed(f"not forwarded: {answer.summary}")
    values = arrival.head.values(b"content-length")
    if values == [b"5"] or arrival.head.is_chunked:
        return passed("forwarded as one")
    return failed(f"the upstream got Content-Length: {b'; '.join(values).decode('latin-1')}")


@proxy_row(must("9112/6.3/14", "a request with Transfer-Encoding is forwarded without Content-Length"))
async def _one_framing(trial: ProxyTrial) -> Ruling:
    answer, arrival = await _offer(trial, _TE, b"Content-Length: %d" % len(_CHUNKS), body=_CHUNKS)
    if arrival is None:
        return passed(f"not forwarded: {answer.summary}")
    lengths = arrival.head.values(b"content-length")
    if arrival.head.values(b"transfer-encoding") and lengths:
        return failed("the upstream got both")
    if lengths not in ([], [b"5"]):
        return failed(f"the upstream got Content-Length: {b'; '.join(lengths).decode('latin-1')} alone")
    if arrival.body.is_whole and arrival.body.content != b"hello":
        return failed(f"the content of the upstream's request is {quoted(bytes(arrival.body.content))}")
    return passed(f"the upstream got {'Content-Length: 5' if lengths else 'Transfer-Encoding'} alone")


def _closing(row: CheckRow, *lines: bytes, version: bytes = b"1.1", body: bytes = b"") -> ProxyRow:
    """Make a row about a request after whose response the connection MUST be closed."""

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        method = b"POST" if body else b"GET"
        client = await trial.connect()
        expected = trial.expect(saying(b"ok"))
        await client.offer(trial.request(expected, *lines, method=method, version=version, body=body))
        answer = await client.answer(method)
        try:
            async with trial.within("the end of the connection"):
                how = await client.wait_over()
        except PatienceOver as over:
            return failed(f"{answer.summary}; {over}")
        return passed(f"{answer.summary}; the connection ended with {how}")

    return check


# A MUST NOT for a proxy; the peer may be a gateway (RFC 9110 §3.7).
@proxy_row(should("9110/5.3/1", "lines of one name keep their order, both ways"))
async def _field_order(trial: ProxyTrial) -> Ruling:
    respond = saying(b"ok", b"Set-Cookie: a=1", b"Set-Cookie: b=2")
    answer = await trial.ask(respond, b"X-Check: 1", b"X-Other: x", b"X-Check: 2")
    down = answer.success().values(b"set-cookie")
    up = trial.arrived(answer).head.members(b"x-check")
    if up == [b"1", b"2"] and down == [b"a=1", b"b=2"]:
        return passed("kept")
    return failed(f"request: {b'; '.join(up).decode('latin-1')}, response: {b'; '.join(down).decode('latin-1')}")


@proxy_row(should("9112/2.2/4", "an empty line before a request is ignored"))
async def _empty_line(trial: ProxyTrial) -> Ruling:
    answer, arrival = await _offer(trial, change=lambda octets: b"\r\n" + octets)
    return passed("ignored") if arrival is not None and answer.is_success else failed(answer.summary)


@proxy_row(should("9112/3/1", "a request-line of 8000 octets is forwarded"))
async def _long_line(trial: ProxyTrial) -> Ruling:
    def change(octets: bytes) -> bytes:
        at = octets.index(b" HTTP/")
        mark = b"&" if b"?" in octets[:at] else b"?"
        return octets[:at] + mark + b"q" * (8000 - at - len(b"? HTTP/1.1")) + octets[at:]

    answer, arrival = await _offer(trial, change=change)
    return passed("forwarded") if arrival is not None and answer.is_success else failed(answer.summary)


@proxy_row(seen("9110/5.5/3", "octets beyond ASCII in a field value are forwarded unchanged"))
async def _obs_text(trial: ProxyTrial) -> Ruling:
    value = b"caf\xe9 \xe4\xb8\x96"
    answer, arrival = await _offer(trial, b"X-Check: " + value)
    if arrival is None:
        return failed(f"not forwarded: {answer.summary}")
    return passed("unchanged") if arrival.head.values(b"x-check") == [value] else failed("changed or dropped")


@proxy_row(seen("10036/3/4", "Incremental is forwarded, both ways"))
async def _incremental_field(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(saying(b"ok", b"Incremental: ?1"), b"Incremental: ?1")
    if answer.head is None or trial.arrival is None:
        return inapplicable(answer.summary)
    up, down = trial.arrival.head.values(b"incremental"), answer.head.values(b"incremental")
    lost = [side for side, values in (("the upstream", up), ("the client", down)) if values != [b"?1"]]
    return failed(f"it did not reach {' and '.join(lost)}") if lost else passed("forwarded")


@proxy_row(must("9110/7.6.1/2", "a field that Connection names in a response is not forwarded"))
async def _response_options(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(saying(b"ok", b"Connection: x-hop", b"X-Hop: 1"))
    head = answer.success()
    reached = head.values(b"x-hop") or b"x-hop" in head.members(b"connection")
    return failed("it reached the client") if reached else passed("X-Hop and the option were removed")


def _never_sent_back(row: CheckRow, wrong: bytes, line: bytes) -> ProxyRow:
    """Make a row about a response of which the octets `wrong` MUST NOT reach the client."""

    @proxy_row(row)
    async def check(trial: ProxyTrial) -> Ruling:
        answer = await trial.ask(saying(b"ok", line))
        if answer.is_success and answer.head is not None and wrong in answer.head.octets:
            return failed(f"{quoted(wrong)} reached the client")
        return passed(answer.summary)

    return check


@proxy_row(must("9112/6.3/15", "a response with Transfer-Encoding is forwarded without Content-Length"), needs_1_1=True)
async def _one_framing_back(trial: ProxyTrial) -> Ruling:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n\r\n" % (len(_CHUNKS), _TE)
    answer = await trial.ask(writing(head + _CHUNKS))
    if answer.head is None or not answer.is_success:
        return passed(answer.summary)
    if answer.head.values(b"transfer-encoding") and answer.head.values(b"content-length"):
        return failed("the client got both")
    if answer.content != b"hello":
        return failed(f"the content is {quoted(answer.content)}")
    return passed(
        f"the client got {'Transfer-Encoding' if answer.head.is_chunked else 'no Transfer-Encoding'}, and the content"
    )


@proxy_row(must("9110/6.6.1/1", "a response without Date gets one"))
async def _date(trial: ProxyTrial) -> Ruling:
    head = (await trial.ask(saying(b"ok"))).success()
    return passed("the client got Date") if head.values(b"date") else failed("the client got no Date")


@proxy_row(must("9112/2.3/1", "a response is forwarded with the proxy's own version"))
async def _own_version(trial: ProxyTrial) -> Ruling:
    older = reply(b"ok").replace(b"HTTP/1.1", b"HTTP/1.0")
    head = (await trial.ask(writing(older, is_last=True))).success()
    own = trial.proxy.own_version.decode("latin-1")
    if head.version == trial.proxy.own_version:
        return passed(f"HTTP/{own}, as for a response of HTTP/1.1")
    return failed(f"HTTP/{head.version.decode('latin-1')} came, and HTTP/{own} for a response of HTTP/1.1")


# The RFC says it of a server, which the proxy is to its client.
@proxy_row(must("9110/7.8/1", "a 101 that was not asked for does not reach the client"), needs_1_1=True)
async def _unasked_101(trial: ProxyTrial) -> Ruling:
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x-check\r\n\r\n"
    client, _ = await trial.send(writing(head, is_last=True))
    _, answer = await client.final_head()
    if answer is None:
        return passed(f"the connection ended with {client.how}")
    return failed("the client got it") if answer.status == 101 else passed(f"the client got {answer.status}")


ROWS: Final[tuple[ProxyRow, ...]] = (
    _via, _connection_options, _hop_by_hop, _one_host, _absolute_form,
    _refusing(must("9112/3.2/2", "no Host in HTTP/1.1: 400"), change=_without_host),
    _refusing(must("9112/3.2/3", "two Hosts: 400"), b"Host: other.invalid"),
    _refusing(must("9112/3.2/4", "a Host that is no host: 400"),
              change=lambda octets: _first_field(b"Host: not a host", _without_host(octets))),
    _refusing(must("9112/5.1/1", "a space before the colon of a field: 400"), b"X-Check : 1"),
    _refusing(must("9112/6.3/7", "Transfer-Encoding that does not end in chunked: 400"),
              b"Transfer-Encoding: chunked, identity", body=_CHUNKS),
    _refusing(must("9112/6.3/8", "two Content-Lengths that differ: 400"),
              b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    _refusing(must("9112/6.3/9", "a list of Content-Lengths that differ: 400"),
              b"Content-Length: 5, 6", body=b"hello!"),
    _refusing(must("9112/6.3/10", "Content-Length: +5: 400"), b"Content-Length: +5", body=b"hello"),
    _refusing(must("9112/6.3/11", "Content-Length: 0x5: 400"), b"Content-Length: 0x5", body=b"hello"),
    _refusing(must("9112/6.3/12", "Content-Length: -5: 400"), b"Content-Length: -5", body=b"hello"),
    _never_sent_on(must("9112/5.2/1", "a folded line of a request is forwarded as one line, or refused"),
                   b"folded\r\n", b"X-Check: folded\r\n line"),
    _never_sent_on(must("9112/2.2/1", "a bare CR of a request is forwarded as a space, or refused"),
                   b"bare\rreturn", b"X-Check: bare\rreturn"),
    _never_sent_on(must("9110/5.5/1", "a NUL of a request is forwarded as a space, or refused"),
                   b"nul\0octet", b"X-Check: nul\0octet"),
    _never_sent_on(must("9112/2.2/2", "a line with a space before the first field is dropped, or refused"),
                   b"X-Spaced", change=partial(_first_field, b" X-Spaced: 1")),
    _equal_lengths,
    _one_framing,
    _closing(must("9112/9.6/3", "the connection ends after a response to Connection: close"), b"Connection: close"),
    _closing(must("9112/6.1/3", "the connection ends after Transfer-Encoding and Content-Length"),
             _TE, b"Content-Length: %d" % len(_CHUNKS), body=_CHUNKS),
    _closing(must("9112/6.1/4", "the connection ends after HTTP/1.0 with Transfer-Encoding"),
             _TE, b"Connection: keep-alive", version=b"1.0", body=_CHUNKS),
    _field_order, _empty_line, _long_line, _obs_text, _incremental_field,
    _response_options,
    _never_sent_back(must("9112/5.2/2", "a folded line of a response is forwarded as one line, or becomes 502"),
                     b"folded\r\n", b"X-Check: folded\r\n line"),
    _never_sent_back(must("9112/2.2/3", "a bare CR of a response is forwarded as a space, or refused"),
                     b"bare\rreturn", b"X-Check: bare\rreturn"),
    _never_sent_back(must("9110/5.5/2", "a NUL of a response is forwarded as a space, or refused"),
                     b"nul\0octet", b"X-Check: nul\0octet"),
    _never_sent_back(must("9112/5.1/2", "a space before a colon of a response is not forwarded"),
                     b"X-Check :", b"X-Check : 1"),
    _one_framing_back, _date, _own_version, _unasked_101,
)  # fmt: skip
