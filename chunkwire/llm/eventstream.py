"""Encode and decode the binary messages of `application/vnd.amazon.eventstream`.

The rule here: lengths, headers and CRCs, read strictly; not the meaning of a message. A message may span many chunks,
and a chunk may have many messages. All numbers are big-endian.

    message = total-length headers-length prelude-crc *header payload message-crc   ; u32 u32 u32 … u32
    header  = name-length name value-type value                                    ; u8 *OCTET u8 …
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

from chunkwire.wire.errors import quoted

_PRELUDE: Final = Struct(">III")
_CRC: Final = Struct(">I")
_SMALLEST: Final = _PRELUDE.size + _CRC.size

MAX_HEADERS_OCTETS: Final = 128 * 1024
"""Octets of a message's headers: AWS's own limit."""
MAX_MESSAGE_OCTETS: Final = 16 * 1024 * 1024
"""Octets of a message: the same limit as of an event (`wire.sse`); AWS allows 24 MiB of payload."""

_STRING: Final = 7
# Octets of the values that have a fixed length: booleans, byte, short, integer, long, timestamp, UUID.
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_COUNTED: Final = frozenset({6, _STRING})


class BrokenMessage(Exception):
    """The octets are out of the framing; nothing after them can be read."""


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    """One message; `headers` are those whose value is a string."""

    headers: dict[str, str]
    payload: bytes


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """Return a message with its CRCs; every header value a string."""
    octets = b"".join(_encode_header(name, value) for name, value in headers.items())
    total = _SMALLEST + len(octets) + len(payload)
    lengths = Struct(">II").pack(total, len(octets))
    prelude = lengths + _CRC.pack(zlib.crc32(lengths))
    message = prelude + octets + payload
    return message + _CRC.pack(zlib.crc32(message))


class MessageDecoder:
    """Turn octets into messages, however they are cut; work is linear in the octets."""

    def __init__(self, *, max_message_octets: int = MAX_MESSAGE_OCTETS) -> None:
        self._max = max_message_octets
        self._held = bytearray()
        self._total: int | None = None  # of the message whose prelude was read

    @property
    def is_between_messages(self) -> bool:
        """Nothing is held: the end of input here loses no message."""
        return not self._held

    def feed(self, octets: bytes, found: list[BinaryMessage]) -> None:
        """Append to `found` the messages that these octets complete.

        Raises:
            BrokenMessage: a CRC, a length or a header is wrong; `found` holds the messages before it. The decoder must
                not be used again.
        """
        self._held += octets
        start = 0
        try:
            while True:
                if self._total is None and len(self._held) - start >= _PRELUDE.size:
                    self._total = self._read_prelude(start)
                if self._total is None or len(self._held) - start < self._total:
                    return
                found.append(_read_message(bytes(self._held[start : start + self._total])))
                start += self._total
                self._total = None
        finally:
            del self._held[:start]

    def _read_prelude(self, start: int) -> int:
        total, headers, crc = _PRELUDE.unpack_from(self._held, start)
        if zlib.crc32(self._held[start : start + 8]) != crc:
            raise BrokenMessage(f"expected the CRC of a prelude, got {crc:08x}")
        if not _SMALLEST + headers <= total <= self._max or headers > MAX_HEADERS_OCTETS:
            raise BrokenMessage(f"expected a message of at most {self._max} octets, got {total}, {headers} of headers")
        return int(total)


def _read_message(octets: bytes) -> BinaryMessage:
    (crc,) = _CRC.unpack_from(octets, len(octets) - _CRC.size)
    if zlib.crc32(octets[: -_CRC.size]) != crc:
        raise BrokenMessage(f"expected the CRC of a message, got {crc:08x}")
    _, headers, _ = _PRELUDE.unpack_from(octets)
    end = _PRELUDE.size + headers
    return BinaryMessage(_read_headers(octets[_PRELUDE.size : end]), octets[end : -_CRC.size])


def _read_headers(octets: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(octets):
            name = octets[at + 1 : at + 1 + octets[at]]
            at += 1 + octets[at]
            kind = octets[at]
            at += 1
            if kind in _COUNTED:
                length = int.from_bytes(octets[at : at + 2])
                at += 2
            else:
                length = _FIXED[kind]
            if kind == _STRING:
                headers[name.decode("utf-8", "replace")] = octets[at : at + length].decode("utf-8", "replace")
            at += length
    except (IndexError, KeyError) as error:
        raise BrokenMessage(f"expected a header at {at}, got {quoted(octets[at : at + 16])}") from error
    if at > len(octets):
        raise BrokenMessage(f"expected the headers to end at {len(octets)}, got a header up to {at}")
    return headers


def _encode_header(name: str, value: str) -> bytes:
    name_octets, octets = name.encode(), value.encode()
    return bytes([len(name_octets)]) + name_octets + bytes([_STRING]) + len(octets).to_bytes(2) + octets
