"""Encode frames: the chunks of a body, and its end.

The rule here: the scanner with default limits accepts each encoded frame; only its budget for overhead, which is of the
whole body, is not counted here. A mistake of the caller (an empty write, a line break in a field) raises `LocalError`.
What this module must not know: who receives the octets, and when.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chunkwire.wire import abnf
from chunkwire.wire.errors import LocalError, quoted
from chunkwire.wire.limits import DEFAULT_LIMITS

_CHUNK_EXT: Final = re.compile(abnf.CHUNK_EXT)
_FIELD_NAME: Final = re.compile(abnf.FIELD_NAME)
_FIELD_VALUE: Final = re.compile(abnf.FIELD_VALUE)


def encode_chunk(data: bytes | bytearray | memoryview, ext: bytes = b"") -> bytes:
    """Return one chunk: chunk-size [ chunk-ext ] CRLF chunk-data CRLF (RFC 9112 §7.1).

    Args:
        data: 1 octet or more; a chunk without octets would be a last-chunk, which ends the body.
        ext: a chunk-ext with its leading ";", such as b";t=4", or b"" for none.

    Raises:
        LocalError: data is empty or not octets, or ext is not a chunk-ext or longer than the default limits allow.
    """
    if type(data) is not bytes:
        data = _octets(data)
    if not data:
        raise LocalError("expected chunk-data, got no octets (an empty chunk would end the body)")
    if ext != b"":
        _check_ext(ext)
    return b"%x%b\r\n%b\r\n" % (len(data), ext, data)


def encode_last_chunk(trailers: Iterable[tuple[bytes, bytes]] = (), ext: bytes = b"") -> bytes:
    """Return the end of a body: last-chunk, trailer section and final CRLF (RFC 9112 §7.1).

    Args:
        trailers: field lines (name, value) in order. The caller must know whether the peer accepts trailers (RFC 9110
            §6.5.1).
        ext: as for `encode_chunk`.

    Raises:
        LocalError: a malformed name or value, a field that must not be a trailer (RFC 9110 §6.5.1), more fields or
            octets than the default limits allow, or an ext that `encode_chunk` refuses.
    """
    if ext != b"":
        _check_ext(ext)
    lines = [_field_line(field) for field in trailers]
    section = b"".join(lines)
    if len(lines) > DEFAULT_LIMITS.max_trailer_fields:
        raise LocalError(f"expected at most {DEFAULT_LIMITS.max_trailer_fields} trailers, got {len(lines)}")
    if len(section) > DEFAULT_LIMITS.max_trailer_octets:
        raise LocalError(f"expected at most {DEFAULT_LIMITS.max_trailer_octets} trailer octets, got {len(section)}")
    return b"0%b\r\n%b\r\n" % (ext, section)


def _octets(data: object) -> bytes:
    """Return data as octets, which `len` counts: that of a memoryview counts its items, which may be wider.

    Raises:
        LocalError: another type; `bytes` would also convert a number, or a list of small numbers.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise LocalError(f"expected chunk-data in octets (bytes), got {type(data).__name__}")
    return bytes(data)


def _check_ext(ext: bytes) -> None:
    if not isinstance(ext, bytes):
        raise LocalError(f"expected a chunk-ext in octets (bytes), got {type(ext).__name__}")
    if not _CHUNK_EXT.fullmatch(ext):
        raise LocalError(f"expected a chunk-ext such as ;name=value, got {quoted(ext)}")
    if len(ext) > DEFAULT_LIMITS.max_ext_octets:
        raise LocalError(f"expected a chunk-ext of at most {DEFAULT_LIMITS.max_ext_octets} octets, got {len(ext)}")


def _field_line(field: object) -> bytes:
    if not isinstance(field, tuple | list) or [type(part) for part in field] != [bytes, bytes]:
        raise LocalError(f"expected each trailer as a pair of octet strings (bytes), got {field!r:.80}")
    name, value = field
    if not _FIELD_NAME.fullmatch(name):
        raise LocalError(f"expected a field-name in trailers, got {quoted(name)}")
    if not _FIELD_VALUE.fullmatch(value):
        raise LocalError(f"expected a field-value in trailer {quoted(name)}, got {quoted(value)}")
    if abnf.canonical_name(name) in abnf.UNWRITTEN_TRAILERS:
        raise LocalError(f"expected a field that may be a trailer (RFC 9110 §6.5.1), got {quoted(name)}")
    return b"%b: %b\r\n" % (name, value)
