"""What an exchange's heads decide, worked out once for all exchanges whose heads are the same.

The rule here: pure functions of heads and settings. Clients and servers send the same heads again and again, so the
latest answers are kept, the small ones, whatever they carry; what they say is for `rewrite` and `net.seam`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from chunkwire.forward.rewrite import (
    check_request,
    downstream_response,
    is_in_step,
    named_by_connection,
    upstream_request,
)
from chunkwire.net.dial import Url
from chunkwire.net.heads import BodyKind, Field, Framing, Request, Response, request_framing, response_framing
from chunkwire.net.seam import REMEMBERED, is_memorable, write_response


class Gate(NamedTuple):
    """What of the gateway's own goes into heads; see `rewrite` for each."""

    name: str
    preserve_host: bool = False
    marks: tuple[Field, ...] = ()


class DownstreamHead(NamedTuple):
    """A final response as it goes down.

    Attributes:
        framing: of the body that comes from upstream.
        head: what is sent, and its `octets`.
        forbidden: names that must not be trailers of this body: its Connection names them.
        closes_body: only the end of the client's connection will say that the body is whole.
        keeps_client: another request may follow on the client's connection.
        keeps_upstream: another request may follow on the upstream's.
    """

    framing: Framing
    head: Response
    octets: bytes
    forbidden: frozenset[bytes]
    closes_body: bool
    keeps_client: bool
    keeps_upstream: bool


def admitted_framing(request: Request) -> Framing:
    """Return the framing of a request's body.

    Raises:
        HeadError: this gateway does not do what it asks.
    """
    return (_admitted_framing if is_memorable(request) else _admitted_framing.__wrapped__)(request)


@lru_cache(REMEMBERED)
def _admitted_framing(request: Request) -> Framing:
    framing = request_framing(request)
    check_request(request, framing)
    return framing


def request_up(request: Request, framing: Framing, url: Url, gate: Gate, forwarded_for: str | None) -> Request:
    """Return the request to send to the upstream at `url`; `forwarded_for` as in `rewrite.upstream_request`."""
    write = _request_up if is_memorable(request) else _request_up.__wrapped__
    return write(request, framing, url, gate, forwarded_for)


@lru_cache(REMEMBERED)
def _request_up(request: Request, framing: Framing, url: Url, gate: Gate, forwarded_for: str | None) -> Request:
    return upstream_request(
        request, framing, url, name=gate.name, preserve_host=gate.preserve_host, forwarded_for=forwarded_for
    )


def answer_down(
    response: Response, request: Request, framing: Framing, gate: Gate, date: bytes, close: bool
) -> DownstreamHead:
    """Return how a final response goes down.

    Args:
        framing: of the request's body.
        date: the value of Date where the upstream sent none.
        close: the client's connection will be closed after it.

    Raises:
        HeadError: the response's framing is refused.
        LocalError: its fields are no legal field lines.
    """
    plan = _answer_down if is_memorable(response) and is_memorable(request) else _answer_down.__wrapped__
    return plan(response, request, framing, gate, date, close)


@lru_cache(REMEMBERED)
def _answer_down(
    response: Response, request: Request, framing: Framing, gate: Gate, date: bytes, close: bool
) -> DownstreamHead:
    body = response_framing(response, request.method)
    head = downstream_response(response, body, request, name=gate.name, date=date, close=close, extra=gate.marks)
    closes_body = body.kind is BodyKind.CLOSE or (request.version == b"1.0" and body.kind is BodyKind.CHUNKED)
    return DownstreamHead(
        body,
        head,
        write_response(head, request, request.method),
        named_by_connection(response),
        closes_body,
        request.keeps_alive and not closes_body and not close,
        is_in_step(request, framing, response=response, response_framing=body),
    )
