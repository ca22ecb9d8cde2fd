"""Heads through h11: judged, written, and remembered.

The rule here: this is the only file that imports h11. h11 sees heads, whole and already checked by our own rules
(`heads`), never a body octet. What it says of a head depends on the head and on three facts of the exchange, so each
function here is a pure one, and its latest answers are kept: clients and servers send the same heads again and again,
and h11 is half of what a short exchange costs.

h11's state is made anew for each question, from the facts that bear on it. That it never sees the body is why: its
peer would never be done (DESIGN: one `h11.Connection` an exchange).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import h11

from chunkwire.net.heads import (
    BodyKind,
    HeadError,
    Request,
    Response,
    check_head,
    read_request,
    read_response,
    request_framing,
    response_framing,
)
from chunkwire.net.targets import settle_target
from chunkwire.wire.errors import LocalError
from chunkwire.wire.limits import HeadLimits

REMEMBERED: Final = 256  # answers kept of each kind; with the limit below, 2 MiB at most
MEMORABLE_OCTETS: Final = 2048  # of a head that is kept: most have a few hundred
_CODING_LINE: Final = re.compile(rb"(?<=\n)transfer-encoding:[^\n]*+\n", re.IGNORECASE)
_INVENTED: Final = b"\r\nTransfer-Encoding: chunked\r\n"


def judge_request(head: bytes, limits: HeadLimits, *, bare_lf: bool, scheme: bytes) -> Request:
    """Return what a request head says, its target settled; see `check_head` and `settle_target`.

    Raises:
        HeadError: what to answer.
    """
    judge = _judge_request if len(head) <= MEMORABLE_OCTETS else _judge_request.__wrapped__
    return judge(head, limits, bare_lf, scheme)


def judge_response(head: bytes, limits: HeadLimits, request: Request) -> Response:
    """Return what a response head says, as an answer to `request`; 1xx too.

    Raises:
        HeadError: it is out of the grammar, or a 101 that was not asked for.
    """
    judge = _judge_response if len(head) <= MEMORABLE_OCTETS else _judge_response.__wrapped__
    return judge(head, limits, request.method, request.get(b"upgrade") is not None)


def write_request(request: Request) -> bytes:
    """Return the octets of a request head.

    Raises:
        LocalError: the fields are no legal field lines.
    """
    write = _write_request if is_memorable(request) else _write_request.__wrapped__
    return write(request)


@lru_cache(REMEMBERED)
def _write_request(request: Request) -> bytes:
    try:
        event = h11.Request(method=request.method, target=request.target, headers=list(request.fields))
        return h11.Connection(h11.CLIENT).send(event) or b""
    except h11.LocalProtocolError as error:
        raise LocalError(str(error)) from error


def write_response(response: Response, request: Request | None, method: bytes) -> bytes:
    """Return the octets of a final response head.

    h11 adds `Connection: close` where the request asked for it. Where the body is delimited by close, or there is
    no request to answer, h11 is told of none: it then states no framing and says `Connection: close`.

    Args:
        method: of the request; what was typed of it where `request` is None.

    Raises:
        LocalError: the fields are no legal field lines, or state no framing that this client may be sent.
    """
    version = request.version if request is not None else b""
    write = _write_response if is_memorable(response) else _write_response.__wrapped__
    return write(response, method, version, request is not None and request.keeps_alive)


def write_informational(response: Response, request: Request | None) -> bytes:
    """Return the octets of a 1xx head (RFC 9110 §15.2).

    Raises:
        LocalError: the fields are no legal field lines.
    """
    asked = request is not None and request.get(b"upgrade") is not None
    try:
        event = h11.InformationalResponse(
            status_code=response.status, headers=list(response.fields), reason=response.reason
        )
        return _speaker(b"GET", b"1.1", keeps_alive=True, upgrade=asked).send(event) or b""
    except h11.LocalProtocolError as error:
        raise LocalError(str(error)) from error


@lru_cache(REMEMBERED)
def _judge_request(head: bytes, limits: HeadLimits, bare_lf: bool, scheme: bytes) -> Request:
    check_head(head, limits, is_request=True, bare_lf=bare_lf)
    # Our rules judge first, in their words; h11 is the second opinion, and collapses two equal lengths.
    request = settle_target(read_request(head), scheme=scheme)
    request_framing(request)
    _feed(h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head_octets), head)
    return request


@lru_cache(REMEMBERED)
def _judge_response(head: bytes, limits: HeadLimits, method: bytes, upgrade: bool) -> Response:
    check_head(head, limits, is_request=False, bare_lf=False)
    response = read_response(head)
    if response_framing(response, method).kind is BodyKind.NONE:
        head = _CODING_LINE.sub(b"", head)  # it says nothing here (RFC 9112 §6.3), and h11 takes `chunked` only
    listener = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.max_head_octets)
    fields = [(b"Host", b"-"), *([(b"Upgrade", b"-"), (b"Connection", b"Upgrade")] if upgrade else [])]
    listener.send(h11.Request(method=method, target=b"/", headers=fields))
    _feed(listener, head)
    return response


@lru_cache(REMEMBERED)
def _write_response(response: Response, method: bytes, version: bytes, keeps_alive: bool) -> bytes:
    try:
        kind = response_framing(response, method).kind
    except HeadError as error:
        raise LocalError(str(error)) from error
    is_silent = response.get(b"transfer-encoding") is None and response.get(b"content-length") is None
    if response.status == 204 and not is_silent:
        raise LocalError("expected no framing field in a 204 (RFC 9112 §6.1, RFC 9110 §8.6)")
    if kind is BodyKind.CHUNKED and version in (b"", b"1.0"):
        raise LocalError("expected no Transfer-Encoding to a client that did not say HTTP/1.1 (RFC 9112 §6.1)")
    is_told = bool(version) and kind is not BodyKind.CLOSE
    speaker = _speaker(method, version, keeps_alive=keeps_alive) if is_told else h11.Connection(h11.SERVER)
    try:
        event = h11.Response(status_code=response.status, headers=list(response.fields), reason=response.reason)
        octets = speaker.send(event) or b""
    except h11.LocalProtocolError as error:
        raise LocalError(str(error)) from error
    # h11 answers a HEAD as it would the GET, and takes a head without framing for one of a chunked body.
    return octets.replace(_INVENTED, b"\r\n") if method == b"HEAD" and is_silent else octets


def _speaker(method: bytes, version: bytes, *, keeps_alive: bool, upgrade: bool = False) -> h11.Connection:
    """Return an h11 that has read a request with just the facts on which its answer's head depends."""
    options = [b"close"] if not keeps_alive and version != b"1.0" else []
    fields = b"Host: -\r\n"
    if upgrade:
        options.append(b"Upgrade")
        fields += b"Upgrade: -\r\n"
    if options:
        fields += b"Connection: %b\r\n" % b", ".join(options)
    speaker = h11.Connection(h11.SERVER)
    _feed(speaker, b"%b / HTTP/%b\r\n%b\r\n" % (method, version, fields))
    return speaker


def is_memorable(head: Request | Response) -> bool:
    """Say whether what follows from this head may be kept: it is not one of the large ones."""
    octets = len(head.start_line) + sum([len(name) + len(value) for name, value in head.fields])
    return octets <= MEMORABLE_OCTETS


def _feed(reader: h11.Connection, head: bytes) -> None:
    try:
        reader.receive_data(head)
        reader.next_event()
    except h11.RemoteProtocolError as error:
        raise HeadError(error.error_status_hint, "bad-head", f"expected a legal head: {error}") from error
