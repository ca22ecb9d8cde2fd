"""Recognise other protocols and formats by their first octets, for messages.

The rule here: no chunked body, and no HTTP/1.1 message with a registered method, begins with one of these signatures.
Pure: no I/O.
"""

from __future__ import annotations

import re
from typing import Final

MAX_NAME_OCTETS: Final = 16
"""So many octets are enough to decide whether they begin with one of the signatures."""
_NAMES: Final = (
    # TLSPlaintext: type, legacy_record_version 3.0 to 3.4                                     RFC 8446 §5.1
    (re.compile(rb"\x16\x03[\x00-\x04]"), "the start of a TLS handshake (https)"),
    (re.compile(rb"\x15\x03[\x00-\x04]"), "a TLS alert: the peer expects https"),
    (re.compile(rb"[\x14\x17]\x03[\x00-\x04]"), "a TLS record"),
    # The connection preface, and a frame of type SETTINGS on stream 0                         RFC 9113 §3.4, §6.5
    (re.compile(rb"PRI \* HTTP/2\.0\r?\n"), "the preface of HTTP/2 in clear, which has no chunks"),
    (re.compile(rb"\x00[\x00-\x40][\x00-\xff]\x04[\x00\x01]\x00\x00\x00\x00"), "HTTP/2 in clear, which has no chunks"),
    # What curl -i prints for the status of an HTTP/2 or HTTP/3 response.
    (re.compile(rb"HTTP/[23] \d\d\d"), "the head of HTTP/2 or HTTP/3, which have no chunks (curl --http1.1)"),
    (re.compile(rb"\x1f\x8b\x08"), "gzip data without its framing (curl --raw keeps the framing)"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd data without its framing (curl --raw keeps the framing)"),
    (
        re.compile(rb"(?:\xef\xbb\xbf)?(?:(?:data|event|id|retry):|: ?[^\s:])"),
        "an event stream without its framing (curl --raw keeps the framing)",
    ),
    (
        re.compile(rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x0a\x0d\x0d\x0a"),
        "a capture of packets (tshark -z follow,tcp,raw,0 shows its octets)",
    ),
    (re.compile(rb"SSH-2\.0"), "the greeting of SSH-2.0"),
)


def name_protocol(octets: bytes) -> str | None:
    """Return the name of the protocol that begins with these octets, for a message after "got"; None if unknown."""
    return next((name for pattern, name in _NAMES if pattern.match(octets)), None)
