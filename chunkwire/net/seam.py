"""Parse each head with h11 as well as by our own rules.

The rule here: this is the only file that imports h11. h11 is given whole heads that our rules have accepted, and no
octet of a body, so each head needs a new `h11.Connection`. h11 may refuse a head; its parse result is not used.
"""

from __future__ import annotations

import re
from typing import Final

import h11

from chunkwire.net.framing import BodyKind, request_framing, response_framing
from chunkwire.net.heads import HeadError, Request, Response, check_head, read_request, read_response
from chunkwire.net.targets import normalize_target
from chunkwire.wire.limits import HeadLimits

_CODING_LINE: Final = re.compile(rb"(?<=\n)transfer-encoding:[^\n]*+\n", re.IGNORECASE)
# h11 accepts a 1xx only after a request, and a 101 only after one with Upgrade; whether ours had it is checked here.
_ANY_REQUEST: Final = h11.Request(
    method="GET", target="/", headers=[("Host", "-"), ("Connection", "Upgrade"), ("Upgrade", "-")]
)


def judge_request(head: bytes, limits: HeadLimits, *, bare_lf: bool, scheme: bytes) -> Request:
    """Return a request from its whole head; for the arguments see `check_head` and `normalize_target`.

    Raises:
        HeadError: the head, its target or its framing is refused.
    """
    check_head(head, limits, is_request=True, bare_lf=bare_lf)
    request = normalize_target(read_request(head), scheme=scheme)
    request_framing(request)  # before h11, which takes two equal lengths for one
    _parse(h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head_octets), head)
    return request


def judge_response(head: bytes, limits: HeadLimits, *, method: bytes, may_switch: bool) -> Response:
    """Return a response from its whole head, 1xx included.

    Args:
        method: of the request; only HEAD makes a difference.
        may_switch: the request asked for an upgrade, so a 101 may answer it.

    Raises:
        HeadError: the head or its framing is refused, or it is a 101 that the request did not ask for.
    """
    check_head(head, limits, is_request=False, bare_lf=False)
    response = read_response(head)
    if response_framing(response, method).kind is BodyKind.NONE:
        head = _CODING_LINE.sub(b"", head)  # ignored without a body (RFC 9112 §6.3), and h11 accepts only `chunked`
    listener = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.max_head_octets)
    if response.status == 101 and not may_switch:
        raise HeadError(400, "unsolicited-101", "expected no 101: the request asked for no upgrade")
    if response.status < 200:
        listener.send(_ANY_REQUEST)
    _parse(listener, head)
    return response


def _parse(reader: h11.Connection, head: bytes) -> None:
    try:
        reader.receive_data(head)
        reader.next_event()
    except h11.RemoteProtocolError as error:
        raise HeadError(error.error_status_hint, "bad-head", f"expected a legal head: {error}") from error
