"""Host and request-target of a request: check their grammar, and normalize the target to origin-form.

The rule here: RFC 3986 defines the octets of a host and a target, RFC 9112 §3.2 the forms of a target, and RFC 9110
§7.4 which requests are misdirected. Pure: no I/O, no h11.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Final

from chunkwire.net.heads import HeadError, Request
from chunkwire.wire.errors import quoted

# unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"                            RFC 3986 §2.3
# sub-delims = "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / ";" / "="  RFC 3986 §2.2
_UNRESERVED: Final = rb"A-Za-z0-9\-._~"
_SUB_DELIMS: Final = rb"!$&'()*+,;="
_PCT_ENCODED: Final = rb"%[0-9A-Fa-f]{2}"

# uri-host [ ":" port ] (RFC 9110 §7.2), not empty: no http URI is without a host (§4.2.1). No userinfo (§4.2.4).
# reg-name = *( unreserved / pct-encoded / sub-delims ). Without the comma: to a recipient that joins fields, `a,b` is
# two hosts. port = *DIGIT.
_HOST_OCTETS: Final = _UNRESERVED + _SUB_DELIMS.replace(b",", b"")
_REG_NAME: Final = rb"(?>(?:[%b]++|%b)+)" % (_HOST_OCTETS, _PCT_ENCODED)
# IP-literal = "[" ( IPv6address / IPvFuture ) "]"; IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ).
# No zone (RFC 6874): it means something on one host only, and is not to be sent.
_IPV6: Final = rb"\[(?P<ipv6>[0-9A-Fa-f:.]++)\]"
_IPVFUTURE: Final = rb"\[[vV][0-9A-Fa-f]++\.[%b:]++\]" % _HOST_OCTETS
_AUTHORITY: Final = re.compile(rb"(?:%b|%b|%b)(?::0*+(?P<port>\d{0,5}))?" % (_REG_NAME, _IPV6, _IPVFUTURE))
_MAX_PORT: Final = 65535

# origin-form = absolute-path [ "?" query ]                             RFC 9112 §3.2.1
# pchar = unreserved / pct-encoded / sub-delims / ":" / "@"             RFC 3986 §3.3; query = *( pchar / "/" / "?" )
# "[" and "]" are taken in a query as well: `a[]=1` is what forms send, and no browser encodes it.
_PCHAR: Final = _UNRESERVED + _SUB_DELIMS + rb":@"
_PATH_REST: Final = rb"(?>(?:[%b/]++|%b)*)" % (_PCHAR, _PCT_ENCODED)
_QUERY: Final = rb"(?>(?:[%b/?\[\]]++|%b)*)" % (_PCHAR, _PCT_ENCODED)
_ORIGIN_FORM: Final = re.compile(rb"/%b(?>(?:\?%b)?)" % (_PATH_REST, _QUERY))
_ABSOLUTE_FORM: Final = re.compile(rb"(https?)://([^/?#]*+)(.*+)", re.IGNORECASE)
_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]++")


def normalize_target(request: Request, *, scheme: bytes = b"http") -> Request:
    """Return the request with its target in origin-form; its Host is valid (RFC 9112 §3.2).

    The host of an absolute-form target replaces Host (§3.2.2). For OPTIONS, such a target without path and query
    becomes `*` (§3.2.4). `*` (OPTIONS), authority-form (CONNECT) and an empty Host, which §3.2 allows, are not changed.
    Host may be absent in HTTP/1.0.

    Args:
        scheme: of targets on this connection: `http`, or `https` over TLS.

    Raises:
        HeadError: 400 for no Host in HTTP/1.1, two of them, or an invalid one; 400 for an invalid target; 421 for one
            of the other scheme.
    """
    hosts = request.lines(b"host")
    if len(hosts) > 1:
        raise HeadError(400, "two-hosts", "expected one Host line, got two")
    if not hosts and request.version != b"1.0":
        raise HeadError(400, "no-host", "HTTP/1.1 needs a Host line: `Host: localhost`")
    if hosts and hosts[0] and not is_authority(hosts[0]):
        raise HeadError(400, "bad-host", f"expected HOST or HOST:PORT in Host, got {quoted(hosts[0])}")
    if request.method == b"OPTIONS" and request.target == b"*":
        return request
    if request.method == b"CONNECT":
        if not is_authority(request.target):
            raise HeadError(400, "bad-target", f"expected HOST:PORT after CONNECT, got {quoted(request.target)}")
        return request
    if not request.target.startswith(b"/"):
        request = _from_absolute_form(request, scheme)
    _check_origin_form(request.target)
    return request


def is_authority(value: bytes) -> bool:
    """Say whether this is a host, or a host and a port up to 65535 (RFC 3986 §3.2.2, §3.2.3)."""
    found = _AUTHORITY.fullmatch(value)
    if not found or int(found["port"] or 0) > _MAX_PORT:
        return False
    if found["ipv6"] is None:
        return True
    try:
        ipaddress.IPv6Address(found["ipv6"].decode("ascii"))
    except ValueError:
        return False
    return True


def _from_absolute_form(request: Request, scheme: bytes) -> Request:
    found = _ABSOLUTE_FORM.fullmatch(request.target)
    if not found or not is_authority(found[2]):
        raise HeadError(400, "bad-target", f"expected a target like `/path`, got {quoted(request.target)}")
    if found[1].lower() != scheme:
        got, wanted = found[1].lower().decode("ascii"), scheme.decode("ascii")
        raise HeadError(421, "misdirected", f"expected an {wanted} target on this connection, got one of {got}")
    target = found[3] if found[3].startswith(b"/") else b"/" + found[3]
    if not found[3] and request.method == b"OPTIONS":
        target = b"*"
    fields = ((b"Host", found[2]), *(field for field in request.fields if field[0].lower() != b"host"))
    return replace(request, target=target, fields=fields)


def _check_origin_form(target: bytes) -> None:
    """Refuse a target that RFC 3986 does not allow; the message shows how to percent-encode the refused octet."""
    found = _ORIGIN_FORM.match(target)
    if target == b"*" or (found and found.end() == len(target)):
        return
    at = found.end() if found else 0
    if target[at : at + 1] == b"%":
        shown = quoted(target[at : at + 3])
        raise HeadError(400, "bad-target", f"expected two hex digits after % in the target, or %25, got {shown}")
    beyond = _BEYOND_ASCII.match(target, at)
    octets = beyond[0] if beyond else target[at : at + 1]
    encoded = "".join(f"%{octet:02X}" for octet in octets[:16])
    raise HeadError(400, "bad-target", f"expected {encoded} in the target, got {quoted(octets, 16)} as it is")
