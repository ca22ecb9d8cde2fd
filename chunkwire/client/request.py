"""Build the head of a request from the caller's arguments and the requirements of HTTP.

The rule here: pure. The body determines the framing: octets have a Content-Length, a stream is chunked. The caller's
`Transfer-Encoding: chunked` makes any body chunked.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from json import dumps
from typing import Final, TypeAlias

from chunkwire.net.dial import Url
from chunkwire.net.heads import Field, Request
from chunkwire.wire import abnf
from chunkwire.wire.errors import LocalError, quoted

Body: TypeAlias = bytes | AsyncIterable[bytes] | None
"""Octets to send with a Content-Length, or a stream of which each item becomes one chunk; None for no body."""

AnyField: TypeAlias = tuple[str | bytes, str | bytes]
AnyFields: TypeAlias = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[AnyField]
"""Field lines, as pairs or in a dict."""

NO_JSON: Final = object()
_JSON_TYPE: Final[AnyField] = ("Content-Type", "application/json")

_FIELD_NAME: Final = re.compile(abnf.FIELD_NAME)
FIELD_VALUE: Final = re.compile(abnf.FIELD_VALUE)

USER_AGENT: Final = b"chunkwire"

# Requests with these methods have a Content-Length even without a body (RFC 9110 §8.6).
_EXPECT_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})


def build_request(
    method: str,
    url: Url,
    *,
    fields: Iterable[AnyField] = (),
    body: Body = None,
    keeps: bool = False,
    version: str = "1.1",
) -> Request:
    """Return the head of a request; the caller's fields replace the defaults of the same name.

    Args:
        keeps: the connection may be used for another request; else `Connection: close` is sent (RFC 9112 §9.3: "A
            client that does not support persistent connections MUST send the "close" connection option").

    Raises:
        LocalError: see `checked`.
    """
    verb, given = checked(method, fields)
    names = {name.lower() for name, _ in given}
    defaults: tuple[Field, ...] = (
        (b"Host", url.authority),
        (b"User-Agent", USER_AGENT),
        (b"Accept", b"*/*"),
        *(() if keeps else ((b"Connection", b"close"),)),
    )
    kept = tuple(field for field in defaults if field[0].lower() not in names)
    return Request(verb, url.target, version.encode("ascii"), (*kept, *given, *_framing(verb, names, body)))


def take_body(body: object, json: object, fields: object) -> tuple[Body, list[AnyField]]:
    """Return body and field lines from a caller's arguments: a text as UTF-8, JSON with its Content-Type.

    Raises:
        LocalError: a body or fields of a wrong type, a value that JSON cannot represent, or both a body and JSON.
    """
    lines = _field_lines(fields)
    if json is not NO_JSON:
        if body is not None:
            raise LocalError("expected body= or json=, got both")
        has_type = any(_octets(name).lower() == b"content-type" for name, _ in lines)
        return _json_body(json), lines if has_type else [_JSON_TYPE, *lines]
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass"), lines
    if isinstance(body, bytearray | memoryview):
        return bytes(body), lines
    if body is None or isinstance(body, bytes | AsyncIterable):
        return body, lines
    hint = ": json= takes it" if isinstance(body, dict | list) else ""
    raise LocalError(f"expected a body of bytes, str or an async iterable of bytes, got {type(body).__name__}{hint}")


def _json_body(value: object) -> bytes:
    try:
        return dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalError(f"expected a value that JSON has a form for, got {error}") from error


def _field_lines(fields: object) -> list[AnyField]:
    items = fields.items() if isinstance(fields, Mapping) else fields
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise LocalError(f"expected fields as pairs or in a dict, got {type(fields).__name__}")
    lines: list[AnyField] = []
    for line in items:
        if not isinstance(line, tuple | list) or len(line) != 2 or not all(isinstance(x, str | bytes) for x in line):
            raise LocalError(f"expected a field as a pair of texts, (name, value), got {line!r:.80}")
        lines.append((line[0], line[1]))
    return lines


def checked(method: str, fields: Iterable[AnyField]) -> tuple[bytes, tuple[Field, ...]]:
    """Return a method and field lines as octets.

    Raises:
        LocalError: a malformed method or field line; a Content-Length, or a Transfer-Encoding other than chunked, as
            the body determines them; text that Latin-1 cannot represent.
    """
    verb = _octets(method)
    if not _FIELD_NAME.fullmatch(verb):
        raise LocalError(f"expected a method such as GET, got {method!r}")
    given = tuple((_octets(name), _octets(value)) for name, value in fields)
    _check_fields(given)
    return verb, given


def is_chunked(request: Request) -> bool:
    """Say whether the request's body is sent in chunks."""
    return request.has_token(b"transfer-encoding", b"chunked")


def _framing(method: bytes, names: set[bytes], body: Body) -> tuple[Field, ...]:
    if b"transfer-encoding" in names:
        return ()
    if body is None:
        return ((b"Content-Length", b"0"),) if method in _EXPECT_BODY else ()
    if isinstance(body, bytes):
        return ((b"Content-Length", b"%d" % len(body)),)
    return ((b"Transfer-Encoding", b"chunked"),)


def _check_fields(fields: tuple[Field, ...]) -> None:
    for name, value in fields:
        if not _FIELD_NAME.fullmatch(name):
            raise LocalError(f"expected a field name, got {quoted(name)}")
        if not FIELD_VALUE.fullmatch(value):
            raise LocalError(f"expected no control octets in the value of {quoted(name)}, got {quoted(value)}")
        if name.lower() == b"content-length":
            raise LocalError("expected no Content-Length: it follows from the body")
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise LocalError(f"expected `Transfer-Encoding: chunked` or none, got {quoted(value)}")


def _octets(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalError(f"expected Latin-1 in a request head, got {text!r}") from error
