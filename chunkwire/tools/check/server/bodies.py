"""Rows about request bodies: a server accepts legal ones, and does not accept malformed or incomplete ones as whole.

The rule here: each variant is a body, chunked unless its field lines say otherwise, on a connection of its own. Unless
our FIN cuts the body, a GET follows on that connection, and its answer shows where the body ended for the server.

Only these are `must`: decode legal bodies, ignore extensions, parse sizes without overflow, accept no bare CR as a line
end, and no incomplete body as whole. A 400 and a close for other malformed octets are `should` (RFC 9112 §2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from chunkwire.tools.check.rows import CheckRow, Ruling, must, seen, should
from chunkwire.tools.check.server.baseline import CheckedServer
from chunkwire.tools.check.server.cases import ServerCase, case_of_each, posts
from chunkwire.tools.check.server.rulings import rule_broken, rule_legal, worst
from chunkwire.tools.check.server.talk import talk

_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_TRUE_LENGTH: Final = b"Content-Length: %d\r\n"

Encoder = Callable[[bytes], bytes]


def chunks(data: bytes, *, cut: int = 0, size: bytes = b"%x", ext: bytes = b"", end: bytes = b"0\r\n\r\n") -> bytes:
    """Return data as a chunked body, in one chunk or in chunks of `cut` octets."""
    parts = [data[at : at + cut] for at in range(0, len(data), cut)] if cut else [data] * bool(data)
    return b"".join(b"%b%b\r\n%b\r\n" % (size % len(part), ext, part) for part in parts) + end


def legal(row: CheckRow, *encoders: Encoder, fields: bytes = _CHUNKED, by_octet: bool = False) -> ServerCase:
    """Return a case of bodies that must be accepted, each on a new connection."""

    async def judge(server: CheckedServer) -> Ruling:
        target = server.target
        if server.post is None:
            return server.posted.inapplicable(f"does not answer a {target.method.decode('ascii')}")
        rulings = []
        for encode in encoders:
            body = encode(target.body)
            request = target.request(fields.replace(b"%d", b"%d" % len(body)), body, method=target.method)
            writes = [request[at : at + 1] for at in range(len(request))] if by_octet else [request]
            said = await talk(target, *writes, target.closing(), methods=(target.method,))
            rulings.append(rule_legal(said, server))
        return worst(rulings)

    return ServerCase(row, judge)


def broken(row: CheckRow, *bodies: bytes) -> ServerCase:
    """Return a case of chunked bodies, each followed by a GET. A body that is accepted as whole fails the row."""
    return case_of_each(row, posts([(_CHUNKED, body) for body in bodies]), rule_broken)


def _should_refuse(row_id: str, title: str) -> CheckRow:
    """Return a row about malformed octets, which should get a 400 and a close (RFC 9112 §2.2)."""
    row = should(row_id, title)
    return replace(row, clause=f"{row.clause}, §2.2")


def incomplete(row: CheckRow, *bodies: bytes, fields: bytes = _CHUNKED) -> ServerCase:
    """Return a case of bodies that our FIN cuts, without a GET after them; over TLS it does not apply."""
    rule = partial(rule_broken, is_cut=True)
    return case_of_each(row, posts([(fields, body) for body in bodies]), rule, is_followed=False, fin=True)


_END: Final = b"5\r\nhello\r\n"

BODIES: Final = (
    legal(must("9112/6.2/1", "accepts a body with Content-Length"), lambda data: data, fields=_TRUE_LENGTH),
    legal(
        must("9112/7/1", "accepts the name of the coding in any case"), chunks, fields=b"Transfer-Encoding: CHUNKED\r\n"
    ),
    legal(
        must("9112/7.1/1", "accepts a body of one chunk, and of two"),
        chunks,
        lambda data: chunks(data, cut=len(data) // 2 + 1),
    ),
    legal(must("9112/7.1/2", "accepts chunks of one octet"), lambda data: chunks(data, cut=1)),
    legal(
        must("9112/7.1/3", "accepts sizes in upper and lower case, and with leading zeros"),
        lambda data: chunks(data, cut=10, size=b"%X"),
        lambda data: chunks(data, cut=10, size=b"%x"),
        lambda data: chunks(data, size=b"%05x", end=b"000\r\n\r\n"),
    ),
    legal(must("9112/7.1/4", "accepts a chunked body that comes octet by octet"), chunks, by_octet=True),
    legal(
        must("9112/7.1.1/1", "ignores extensions it does not know"),
        lambda data: chunks(data, ext=b";a"),
        lambda data: chunks(data, ext=b";a=1;b=x", end=b"0;last\r\n\r\n"),
        lambda data: chunks(data, ext=b';q="a;b\\"c d"'),
    ),
    legal(
        must("9112/7.1.2/1", "accepts trailers"),
        lambda data: chunks(data, end=b"0\r\nX-Check: 1\r\n\r\n"),
        lambda data: chunks(data, end=b"0\r\nX-Check: 1\r\nX-Sum:\r\n\r\n"),
    ),
    broken(
        _should_refuse("9112/7.1/5", "refuses a chunk-size that is not 1*HEXDIG"),
        *(
            size + b"\r\nhello\r\n0\r\n\r\n"
            for size in (b"zz", b"", b"-5", b"+5", b"0x5", b" 5", b"5 5", b"0_5", b"5h")
        ),
    ),
    broken(
        must("9112/7.1/6", "reads large sizes without overflow"),
        *(
            size + b"\r\nhello\r\n0\r\n\r\n"
            for size in (b"10000000000000005", b"100000005", b"FFFFFFFFFFFFFFFF", b"8000000000000005")
        ),
    ),
    broken(
        _should_refuse("9112/7.1/7", "refuses chunk-data without its CRLF"),
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
    ),
    broken(
        _should_refuse("9112/7.1/8", "refuses chunk-data that is longer or shorter than its chunk-size"),
        b"4\r\nhello\r\n0\r\n\r\n",
        b"6\r\nhello\r\n0\r\n\r\n",
    ),
    broken(
        _should_refuse("9112/7.1/9", "accepts no bare LF as the end of a size line"),
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\r\n",
    ),
    broken(_should_refuse("9112/7.1/10", "accepts no bare LF after chunk-data"), b"5\r\nhello\n0\r\n\r\n"),
    broken(
        must("9112/2.2/1", "accepts no bare CR as a line end of a chunked body"),
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
    ),
    broken(
        _should_refuse("9112/7.1.1/2", "refuses LF in an extension"),
        b"5;a\nhello\r\n0\r\n\r\n",
        b"5;\nhello\r\n0\r\n\r\n",
    ),
    broken(
        _should_refuse("9112/7.1.1/3", "refuses CR or NUL in an extension"),
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5;a\0\r\nhello\r\n0\r\n\r\n",
    ),
    broken(
        should("9112/7.1.1/4", "refuses a line end in a quoted extension", "9112 §7.1.1, 9110 §5.6.4"),
        b'5;a="\r\nhello\r\n0\r\n\r\n',
        b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
    ),
    broken(
        seen("9112/7.1.1/5", "limits the octets of extensions"), b"5;a=" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"
    ),
    broken(
        _should_refuse("9112/7.1.2/2", "refuses a trailer line without a colon"), b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n"
    ),
    broken(
        _should_refuse("9112/7.1.2/3", "refuses a blank before a trailer's colon"), b"5\r\nhello\r\n0\r\nA : 1\r\n\r\n"
    ),
    incomplete(
        must("9112/6.3/1", "treats fewer octets than Content-Length as an incomplete request"),
        b"hello",
        fields=b"Content-Length: 10\r\n",
    ),
    incomplete(
        must("9112/8/1", "treats a chunked body without its last-chunk as an incomplete request"),
        _END,
        b"5\r\nhel",
        _END + b"0",
    ),
    incomplete(
        seen("9112/8/2", "waits for the end of the trailer section", "9112 §7.1"),
        _END + b"0\r\n",
        _END + b"0\r\nX-Check: 1\r\n",
    ),
)
