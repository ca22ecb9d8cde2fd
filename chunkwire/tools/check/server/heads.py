"""Rows about request heads: the request line, Host, field lines, and the fields that frame a body.

The rule here: each request is sent on a new connection. If the RFC demands 400, only 400 passes. A refusal that the
same request without the fault also gets proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from chunkwire.tools.check.rows import CheckRow, RowOutcome, Ruling, must, seen, should
from chunkwire.tools.check.server.baseline import CheckedServer
from chunkwire.tools.check.server.cases import ServerCase, case_of_each, posts
from chunkwire.tools.check.server.rulings import (
    BAD_REQUEST,
    OTHER_REASONS,
    rule_as_usual,
    rule_one_answer,
    rule_refused,
)
from chunkwire.tools.check.server.talk import ServerTarget, Talk, TalkEnd, talk

_CLOSE: Final = b"Connection: close\r\n"
_HELLO: Final = b"5\r\nhello\r\n0\r\n\r\n"
_LONG_LINE_STATUSES: Final = (400, 413, 414, 431)  # of a request line that a server does not read
_CODING_STATUSES: Final = frozenset({400, 501})  # RFC 9112 §6.3 and §6.1, of the same request


async def judge_long_line(server: CheckedServer) -> Ruling:
    """Send a request line of 8000 octets: with a query that has no meaning; if that decides nothing, with a path."""
    target = server.target.url.target
    ruling = await _judge_long_form(server, target + (b"&" if b"?" in target else b"?") + b"check=")
    return ruling if ruling.outcome is not RowOutcome.UNDECIDED else await _judge_long_form(server, b"/")


async def _judge_long_form(server: CheckedServer, form: bytes) -> Ruling:
    """Send a target that begins with `form`; a refusal counts only if a short one gets another status."""
    target = server.target
    filling = b"x" * (8000 - len(b"GET  HTTP/1.1\r\n") - len(form))
    said = await talk(target, target.request(_CLOSE, target=form + filling))
    if said.finals and said.finals[0].status not in (*_LONG_LINE_STATUSES, *OTHER_REASONS):
        return said.passed(said.how)
    short = await talk(target, target.request(_CLOSE, target=form + b"x"))
    if not short.finals or short.finals[0].status in OTHER_REASONS:
        return said.undecided(f"{said.how}; to a short line: {short.how}")
    if said.finals and said.finals[0].status == short.finals[0].status:
        return said.undecided(f"answers {short.finals[0].status}, as to a short line")
    return rule_as_usual(said, replace(server, asked=short), other="a short line")


async def judge_endless_target(server: CheckedServer) -> Ruling:
    """Send a target of 100000 octets; a server that accepts it has no such limit."""
    target = server.target
    said = await talk(target, target.request(_CLOSE, target=b"/" + b"x" * 100_000))
    if said.finals and said.finals[0].status < 500 and said.finals[0].status not in (400, 413, 431):
        return said.passed(said.how)
    return rule_refused(said, server.get.status, statuses={414})


async def judge_folded_coding(server: CheckedServer) -> Ruling:
    """Send a folded `Transfer-Encoding: chunked`: it must be refused or read as chunked, never ignored."""
    target = server.target
    request = target.request(b"Transfer-Encoding:\r\n chunked\r\n", _HELLO, method=target.method)
    said = await talk(target, request, target.closing(), methods=(target.method,))
    if unreadable := said.unreadable:
        return unreadable
    if len(said.finals) > 1 and (len(said.finals) > 2 or said.finals[1].status != server.get.status):
        return said.failed(f"answers octets of the body: {said.how}")
    return said.passed(said.how) if said.finals or said.end is TalkEnd.CLOSED else said.undecided(said.how)


def as_usual(row: CheckRow, request: Callable[[ServerTarget], bytes]) -> ServerCase:
    """Return a case of a GET in another form, which must be answered like a plain one."""
    return case_of_each(row, lambda target: [request(target)], rule_as_usual, method=b"GET", is_followed=False)


def _in_absolute_form(target: ServerTarget) -> bytes:
    form = b"%b://%b%b" % (target.url.scheme.encode(), target.authority, target.url.target)
    return target.request(_CLOSE, target=form)


def refused(row: CheckRow, *variants: bytes, host: bool = True) -> ServerCase:
    """Return a case of GETs with wrong field lines, which must get a 400.

    Args:
        host: a correct Host line precedes them.
    """

    def requests(target: ServerTarget) -> Iterable[bytes]:
        return (target.request(lines + _CLOSE, host=None if host else b"") for lines in variants)

    return _refusals(row, requests, BAD_REQUEST)


def malformed(row: CheckRow, *heads: bytes, statuses: Collection[int] = BAD_REQUEST) -> ServerCase:
    """Return a case of malformed heads, in which `TARGET` and `HOST` are replaced by those of the server."""

    def requests(target: ServerTarget) -> Iterable[bytes]:
        return (head.replace(b"TARGET", target.url.target).replace(b"HOST", target.authority) for head in heads)

    return _refusals(row, requests, statuses)


def _refusals(
    row: CheckRow, requests: Callable[[ServerTarget], Iterable[bytes]], statuses: Collection[int]
) -> ServerCase:
    def rule(said: Talk, server: CheckedServer) -> Ruling:
        return rule_refused(said, server.get.status, statuses=statuses)

    return case_of_each(row, requests, rule, method=b"GET", is_followed=False)


def framed(row: CheckRow, *variants: tuple[bytes, bytes], statuses: Collection[int] = BAD_REQUEST) -> ServerCase:
    """Return a case of requests with invalid framing; they must be refused, and the connection closed.

    Args:
        variants: field lines and body of each.
    """

    def rule(said: Talk, server: CheckedServer) -> Ruling:
        usual = server.post.status if server.post is not None else 0
        return rule_refused(said, usual, statuses=statuses, must_close=True)

    return case_of_each(row, posts(variants), rule)


def closing(row: CheckRow, why: str, *variants: tuple[bytes, bytes], version: bytes = b"1.1") -> ServerCase:
    """Return a case of requests after which the connection must close; a GET after them must not be answered.

    Args:
        variants: field lines and body of each.
    """
    return case_of_each(row, posts(variants, version), lambda said, _: rule_one_answer(said, why))


HEADS: Final = (
    as_usual(
        should("9112/2.2/2", "ignores an empty line in front of a request"), lambda target: b"\r\n" + target.closing()
    ),
    # The request must be refused, or the line ignored, so that Host is missing.
    malformed(
        must("9112/2.2/3", "uses no line that begins with a blank after the request line"),
        b"GET TARGET HTTP/1.1\r\n Host: HOST\r\nConnection: close\r\n\r\n",
    ),
    malformed(
        should("9112/2.2/4", "answers octets that are not HTTP with 400"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
    ),
    as_usual(
        should("9110/2.5/1", "answers HTTP/1.9 as HTTP/1.1"), lambda target: target.request(_CLOSE, version=b"1.9")
    ),
    ServerCase(should("9112/3/1", "accepts a request line of 8000 octets"), judge_long_line),
    ServerCase(must("9112/3/2", "answers a target longer than it parses with 414"), judge_endless_target),
    malformed(
        should("9112/3/3", "refuses a request line out of the grammar", "9112 §3, §3.2"),
        b"GET TARGET extra HTTP/1.1\r\nHost: HOST\r\n\r\n",
        b"GET TARGET HTTP/1.1x\r\nHost: HOST\r\n\r\n",
        b"G\x01T TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n",
        statuses=frozenset({400, 301, 501, 505}),
    ),
    refused(must("9112/3.2/1", "answers HTTP/1.1 without Host with 400"), b"", host=False),
    refused(
        must("9112/3.2/2", "answers two Host lines with 400"),
        *(b"Host: a\r\nHost: %b\r\n" % b for b in (b"a", b"b")),
        host=False,
    ),
    refused(
        must("9112/3.2/3", "answers an invalid Host with 400"),
        *(
            b"Host: %b\r\n" % value
            for value in (b"a b", b"a/b", b"a?b", b"a#b", b"[::1", b"a:port", b"a\0b", b"a\x80b")
        ),
        host=False,
    ),
    as_usual(must("9112/3.2.2/1", "accepts a target in absolute-form"), _in_absolute_form),
    refused(
        must("9112/5.1/1", "answers a blank between name and colon with 400"), b"X-Check : 1\r\n", b"X-Check\t: 1\r\n"
    ),
    refused(
        should("9112/5/1", "refuses a field line without a colon, or without a name", "9112 §5, §2.2"),
        b"nonsense\r\n",
        b": 1\r\n",
        b"X Check: 1\r\n",
    ),
    ServerCase(must("9112/5.2/1", "refuses a folded Transfer-Encoding, or reads it as chunked"), judge_folded_coding),
    framed(
        must("9112/6.3/2", "answers a Content-Length that is not a number with 400, and closes"),
        *(
            (b"Content-Length: %b\r\n" % value, b"hello")
            for value in (b"5x", b"-5", b"+5", b"5 5", b"0x5", b"", b"5.0", b"1\x000")
        ),
    ),
    framed(
        must("9112/6.3/3", "answers two lengths that differ with 400, and closes"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"),
        (b"Content-Length: 5, 6\r\n", b"hello!"),
    ),
    framed(
        must("9112/6.3/4", "answers a coding that does not end in chunked with 400, and closes", "9112 §6.3, §6.1"),
        (b"Transfer-Encoding: chunked, gzip\r\n", _HELLO),
        (b"Transfer-Encoding: gzip\r\n", _HELLO),
        (b"Transfer-Encoding: xchunked\r\n", _HELLO),
        statuses=_CODING_STATUSES,
    ),
    framed(
        should("9112/6.1/1", "answers a coding it does not know with 501"),
        (b"Transfer-Encoding: nonsense, chunked\r\n", _HELLO),
        statuses=frozenset({501}),
    ),
    framed(
        should("9112/7/2", "treats a parameter of chunked as an error"),
        (b"Transfer-Encoding: chunked;a=1\r\n", _HELLO),
        statuses=_CODING_STATUSES,
    ),
    framed(
        seen("9112/6.1/2", "refuses a body that is chunked twice"),
        (b"Transfer-Encoding: chunked, chunked\r\n", _HELLO),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", _HELLO),
        statuses=_CODING_STATUSES,
    ),
    closing(
        must("9112/6.1/3", "closes after a request with Content-Length and Transfer-Encoding"),
        "the request had both",
        (b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", _HELLO),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", _HELLO),
    ),
    closing(
        must("9112/6.1/4", "closes after an HTTP/1.0 request with Transfer-Encoding"),
        "the request was HTTP/1.0 with Transfer-Encoding",
        (b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", _HELLO),
        version=b"1.0",
    ),
)
