"""Encode and decode the binary messages of `application/vnd.amazon.eventstream`.

The rule here: a message whose lengths, CRCs or headers are wrong is refused. What this module must not know: what a
message means. A message may span many chunks, and a chunk may have many messages. All numbers are big-endian.

    message = total-length headers-length prelude-crc *header payload message-crc   ; u32 u32 u32 … u32
    header  = name-length name value-type value                                    ; u8 *OCTET u8 …
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

from chunkwire.wire.errors import quoted

_LENGTHS: Final = Struct(">II")
_PRELUDE: Final = Struct(">III")
_CRC: Final = Struct(">I")
_SMALLEST: Final = _PRELUDE.size + _CRC.size

MAX_HEADERS_OCTETS: Final = 128 * 1024
"""Octets of a message's headers: the limit that AWS documents."""
MAX_MESSAGE_OCTETS: Final = 16 * 1024 * 1024
"""Octets of a message: a limit of ours, the same as of an event (`wire.sse`). AWS allows 24 MiB of payload; those of an
answer are far smaller."""

_STRING: Final = 7
# Octets of the values that have a fixed length: booleans, byte, short, integer, long, timestamp, UUID.
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_COUNTED: Final = frozenset({6, _STRING})


class BrokenMessage(Exception):
    """The octets are no message; where the next one begins is not known."""


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    """One message; `headers` has only the headers whose value is a string."""

    headers: dict[str, str]
    payload: bytes


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """Return a message with its CRCs. Limits are not checked."""
    octets = b"".join(_encode_header(name, value) for name, value in headers.items())
    total = _SMALLEST + len(octets) + len(payload)
    lengths = _LENGTHS.pack(total, len(octets))
    prelude = lengths + _CRC.pack(zlib.crc32(lengths))
    message = prelude + octets + payload
    return message + _CRC.pack(zlib.crc32(message))


class MessageDecoder:
    """Turn octets into messages, however they are cut; work is linear in the octets."""

    def __init__(self, *, max_message_octets: int = MAX_MESSAGE_OCTETS) -> None:
        self._max = max_message_octets
        self._held = bytearray()
        self._total: int | None = None  # octets of the message whose prelude has come; None before that

    @property
    def is_between_messages(self) -> bool:
        """Nothing is held: the end of input here loses no message."""
        return not self._held

    def feed(self, octets: bytes, messages: list[BinaryMessage]) -> None:
        """Append to `messages` those that these octets complete.

        Raises:
            BrokenMessage: a CRC, a length or a header is wrong; the messages before it are in `messages`. The decoder
                must not be used again.
        """
        self._held += octets
        start = 0
        try:
            while True:
                if self._total is None and len(self._held) - start >= _PRELUDE.size:
                    self._total = self._read_prelude(start)
                if self._total is None or len(self._held) - start < self._total:
                    return
                messages.append(_read_message(bytes(self._held[start : start + self._total])))
                start += self._total
                self._total = None
        finally:
            del self._held[:start]

    def _read_prelude(self, start: int) -> int:
        total, headers, crc = _PRELUDE.unpack_from(self._held, start)
        if zlib.crc32(self._held[start : start + _LENGTHS.size]) != crc:
            raise BrokenMessage(f"expected the CRC of a prelude, got {crc:08x}")
        if not _SMALLEST <= total <= self._max:
            raise BrokenMessage(f"expected a message of {_SMALLEST} to {self._max} octets, got {total}")
        room = min(total - _SMALLEST, MAX_HEADERS_OCTETS)
        if headers > room:
            raise BrokenMessage(f"expected at most {room} octets of headers in a message of {total}, got {headers}")
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
    at = start = 0
    try:
        while at < len(octets):
            start = at
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
        raise BrokenMessage(f"expected a header at {start}, got {quoted(octets[start : start + 16])}") from error
    if at > len(octets):
        raise BrokenMessage(f"expected the headers to end at {len(octets)}, got a header up to {at}")
    return headers


def _encode_header(name: str, value: str) -> bytes:
    name_octets, octets = name.encode(), value.encode()  # at most 255 and 65,535
    return bytes([len(name_octets)]) + name_octets + bytes([_STRING]) + len(octets).to_bytes(2) + octets
