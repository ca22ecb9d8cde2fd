"""What a gateway changes in a head, and what it must leave alone (RFC 9110 §7.6, RFC 9112 §6.1).

Pure functions from head to head. Field order and name case are kept; Host comes first, and what the gateway adds comes
last. Hop-by-hop fields are removed, and those that the next hop needs are written again. Via is added, and Date if it
is missing; what else is added or removed is said at each function.
"""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final, NamedTuple

from chunkwire.net.dial import Url
from chunkwire.net.ends import ServerConnection
from chunkwire.net.framing import BodyKind, Framing, request_framing, response_framing
from chunkwire.net.heads import IDEMPOTENT_METHODS, Field, HeadError, Request, Response
from chunkwire.net.pool import may_keep
from chunkwire.wire.errors import quoted

# RFC 9110 §7.6.1: these concern one connection only, whether or not Connection names them.
HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"transfer-encoding", b"http2-settings"}
)
# Kept even if Connection names them: without them the message would lose its framing, its date or its route.
_NEVER_DROPPED: Final = frozenset({b"content-length", b"date", b"via"})
MAX_PASSES: Final = 16  # through gateways of one name, which may be a chain (Squid: 1, as its name is that of its host)
_COUNTS_HOPS: Final = frozenset({b"OPTIONS", b"TRACE"})  # RFC 9110 §7.6.2: Max-Forwards is for these alone
_MAX_FORWARDS: Final = re.compile(rb"\d{1,9}")
_INCREMENTAL: Final = re.compile(rb"\?1[ ]*(?:;[^,]*)?")
_CHUNKED: Final[Field] = (b"Transfer-Encoding", b"chunked")


class HeadAdditions(NamedTuple):
    """What the gateway adds to heads, and whether it keeps the version.

    Attributes:
        name: of the gateway, in Via.
        preserve_host: send the client's Host upstream, instead of the upstream's own.
        marks: fields added to a response whose body is not sent to the client in chunks.
        chunked_marks: fields added to any other response.
        keeps_version: send the request in the client's HTTP version, and relay chunks also to HTTP/1.0, as if this
            gateway were not there (`forward.barrier`).
    """

    name: str
    preserve_host: bool
    marks: tuple[Field, ...]
    chunked_marks: tuple[Field, ...]
    keeps_version: bool = False


class DownstreamHead(NamedTuple):
    """A final response as it is sent to the client.

    Attributes:
        head: the head that is sent.
        framing: of the body received from upstream.
        forbidden: names that must not be trailers of this body, because the response's Connection names them.
        closes_body: the end of the client's connection delimits the body.
        keeps_client: another request may follow on the client's connection.
        keeps_upstream: another request may follow on the upstream's.
    """

    head: Response
    framing: Framing
    forbidden: frozenset[bytes]
    closes_body: bool
    keeps_client: bool
    keeps_upstream: bool


def named_by_connection(head: Request | Response) -> frozenset[bytes]:
    """Return the field names, lower case, in this head's Connection; they are hop-by-hop in the trailers, too."""
    return frozenset(head.tokens(b"connection"))


def _end_to_end(head: Request | Response, also_dropped: Set[bytes] = frozenset()) -> list[Field]:
    dropped = HOP_BY_HOP.union(also_dropped, named_by_connection(head) - _NEVER_DROPPED)
    return [field for field in head.fields if field[0].lower() not in dropped]


def admitted_framing(request: Request, name: str = "chunkwire") -> Framing:
    """Return the framing of a request's body; refuse requests that this gateway does not support.

    Args:
        name: of the gateway, in Via.

    Raises:
        HeadError: as `request_framing`; 501 for CONNECT, and for TRACE or OPTIONS with Max-Forwards 0, which the
            gateway would have to answer itself (RFC 9110 §7.6.2); 417 for an unknown expectation; 400 for Upgrade with
            a body; 508 for a loop (§7.6.3).
    """
    framing = request_framing(request)
    if request.method == b"CONNECT":
        raise HeadError(501, "connect", "expected a request for this gateway's upstream, got CONNECT: it is no tunnel")
    expect = request.get(b"expect")
    if expect is not None and request.version != b"1.0" and expect.lower() != b"100-continue":
        raise HeadError(417, "unknown-expectation", f"expected `100-continue` in Expect, got {quoted(expect)}")
    if _max_forwards(request) == 0:
        raise HeadError(501, "last-hop", "expected Max-Forwards of at least 1: this gateway answers nothing itself")
    if wanted_upgrade(request) and not framing.is_empty:
        raise HeadError(400, "upgrade-with-body", "expected no body in a request with Upgrade")
    if _passes(request, name) >= MAX_PASSES:
        message = f"expected fewer than {MAX_PASSES} gateways named {name} in Via: is one its own upstream?"
        raise HeadError(508, "loop", message)
    return framing


def _passes(request: Request, name: str) -> int:
    """Return how many gateways of this name a request has passed."""
    ours = f" {name}".lower().encode("ascii")
    return sum(hop.endswith(ours) for hop in request.tokens(b"via"))


def may_repeat(request: Request, framing: Framing) -> bool:
    """Say whether a request may be sent a second time: it is idempotent and has no body."""
    return framing.is_empty and request.method in IDEMPOTENT_METHODS


def _max_forwards(request: Request) -> int | None:
    """Return how many more hops a request may take; None without a valid Max-Forwards."""
    value = request.get(b"max-forwards") or b"" if request.method in _COUNTS_HOPS else b""
    return int(value) if _MAX_FORWARDS.fullmatch(value) else None


def wants_incremental(head: Request | Response) -> bool:
    """Say whether this message asks to be forwarded as it arrives: `Incremental: ?1` (RFC 10036).

    It is a structured-field Item. Parameters are ignored, and so is any value that is not a Boolean.
    """
    return bool(_INCREMENTAL.fullmatch(head.get(b"incremental") or b""))


def wanted_upgrade(request: Request) -> bytes | None:
    """Return the value of Upgrade if the client may get a tunnel; None for h2c and HTTP/1.0 (RFC 9110 §7.8)."""
    upgrade = request.get(b"upgrade")
    if upgrade is None or request.version == b"1.0" or not request.has_token(b"connection", b"upgrade"):
        return None
    return None if b"h2c" in request.tokens(b"upgrade") else upgrade


def check_switch(request: Request, response: Response) -> None:
    """Refuse a 101 to a protocol that the client did not ask for (RFC 9110 §7.8); names are compared without case.

    `net.seam` refuses a 101 to a request without Upgrade.

    Raises:
        HeadError: the 101 names no protocol, or another one.
    """
    asked = request.tokens(b"upgrade")
    named = response.tokens(b"upgrade") if response.has_token(b"connection", b"upgrade") else []
    if not named or not set(named) <= set(asked):
        wanted, got = (quoted(b", ".join(names)) for names in (asked, named))
        raise HeadError(400, "unsolicited-101", f"expected a 101 that upgrades to one of {wanted}, got {got}")


def upstream_request(
    request: Request,
    framing: Framing,
    url: Url,
    additions: HeadAdditions,
    *,
    forwarded_for: ServerConnection | None = None,
) -> Request:
    """Return the request to send upstream.

    Args:
        url: of the upstream; its path is put in front of every target that is a path.
        forwarded_for: the client whose address and scheme go into Forwarded and X-Forwarded-*; None adds neither.
    """
    host = request.get(b"host") or b""
    # RFC 9110 §10.1.1: Expect is ignored from HTTP/1.0.
    kept = _end_to_end(request, {b"host", b"expect"} if request.version == b"1.0" else {b"host"})
    if hops := _max_forwards(request):
        kept = [(name, b"%d" % (hops - 1) if name.lower() == b"max-forwards" else value) for name, value in kept]
    fields = [(b"Host", host if additions.preserve_host and host else url.authority), *kept]
    fields.append((b"Via", b"%b %b" % (request.version, additions.name.encode("ascii"))))
    if forwarded_for is not None:
        fields += _forwarded(forwarded_for, host)
    options: list[bytes] = []
    if request.has_token(b"te", b"trailers"):
        fields.append((b"TE", b"trailers"))
        options.append(b"TE")
    if upgrade := wanted_upgrade(request):
        fields.append((b"Upgrade", upgrade))
        options.append(b"Upgrade")
    if options:
        fields.append((b"Connection", b", ".join(options)))
    if framing.kind is BodyKind.CHUNKED:
        fields.append(_CHUNKED)
    version = request.version if additions.keeps_version else b"1.1"
    return Request(request.method, _prefixed(url.target, request.target), version, tuple(fields))


def _prefixed(prefix: bytes, target: bytes) -> bytes:
    path = prefix.partition(b"?")[0].rstrip(b"/")
    return path + target if target.startswith(b"/") else target


def _forwarded(connection: ServerConnection, host: bytes) -> list[Field]:
    # A client of a Unix socket has no address: `unknown` (RFC 7239 §6.2)
    client, scheme = connection.peer.rpartition(":")[0].strip("[]") or "unknown", connection.scheme
    shown = f'"[{client}]"' if ":" in client else client
    forwarded = b"for=%b;proto=%b" % (shown.encode("ascii"), scheme)
    if host:
        forwarded += b';host="%b"' % host
    fields = [(b"Forwarded", forwarded), (b"X-Forwarded-For", client.encode("ascii")), (b"X-Forwarded-Proto", scheme)]
    return [*fields, (b"X-Forwarded-Host", host)] if host else fields


def downstream_response(
    response: Response, request: Request, framing: Framing, additions: HeadAdditions, *, date: bytes, close: bool
) -> DownstreamHead:
    """Return a final response as it is sent to the client.

    An HTTP/1.0 client must not get a Transfer-Encoding (RFC 9112 §6.1): unless `keeps_version`, a chunked body is then
    delimited by close, and the Trailer field is removed, as the trailers are. Both framing fields are removed from a
    204 (§6.1, RFC 9110 §8.6). A Content-Length beside a Transfer-Encoding is removed, which can only be in a response
    without a body (RFC 9112 §6.3).

    Args:
        framing: of the request's body.
        date: the value of Date if the upstream sent none (RFC 9110 §6.6.1).
        close: the client's connection is closed after this response.

    Raises:
        HeadError: the response's framing is refused.
    """
    body = response_framing(response, request.method)
    is_chunked = body.kind is BodyKind.CHUNKED
    is_old = request.version == b"1.0"
    is_dechunked = is_chunked and is_old and not additions.keeps_version
    dropped = {b"trailer"} if is_dechunked else set()
    if response.status == 204 or response.lines(b"transfer-encoding"):
        dropped.add(b"content-length")
    fields = _end_to_end(response, dropped)
    if not response.lines(b"date"):
        fields.append((b"Date", date))
    fields.append((b"Via", b"%b %b" % (response.version, additions.name.encode("ascii"))))
    goes_in_chunks = is_chunked and not is_dechunked
    fields += additions.chunked_marks if goes_in_chunks else additions.marks
    if close:
        fields.append((b"Connection", b"close"))
    if goes_in_chunks:
        fields.append(_CHUNKED)
    closes_body = body.kind is BodyKind.CLOSE or is_dechunked
    return DownstreamHead(
        Response(response.status, response.reason, fields=tuple(fields)),
        body,
        named_by_connection(response),
        closes_body,
        request.keeps_alive and not closes_body and not close,
        may_keep(request, response, body, has_body=not framing.is_empty) and not (is_old and additions.keeps_version),
    )


def informational_fields(response: Response) -> tuple[Field, ...]:
    """Return the fields of a 1xx to relay, without Content-Length (RFC 9110 §8.6)."""
    return tuple(_end_to_end(response, {b"content-length"}))


def switching_fields(response: Response) -> tuple[Field, ...]:
    """Return the fields of a 101 to relay, including Upgrade."""
    upgrade = response.get(b"upgrade") or b""
    return (*informational_fields(response), (b"Upgrade", upgrade), (b"Connection", b"Upgrade"))
