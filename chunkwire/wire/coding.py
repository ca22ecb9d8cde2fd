"""Decode content codings incrementally: gzip, deflate, and zstd if this Python has it (RFC 9110 §8.4.1).

The rule here: content in, decoded content out, in pieces of bounded size for any input. Errors are not raised but kept
in `error`, so that frames can still be watched. What this module must not know: frames, and what the content means.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from typing import Any, Final

PIECE_OCTETS: Final = 65536
"""Octets decoded at a time. One octet of DEFLATE may give 1032, so a read of 64 KiB may give 64 MiB."""

_MAX_CODINGS: Final = 5  # of one body; each multiplies the work that one octet may ask for (curl: 5)

# The codings that are decoded, with the first octets of a member; a deflate stream has one member, without a magic.
_MAGICS: Final = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "deflate": b""}
_GZIP: Final = 31  # windowBits of zlib: a gzip wrapper
_ZLIB: Final = 15
_RAW: Final = -15
_OTHERS: Final = {
    "br": "the standard library has no Brotli",
    "zstd": "this Python has no compression.zstd (3.14 has)",
    "compress": "nothing here decodes it",
    "x-compress": "nothing here decodes it",
    "dcb": "its dictionary is not here",
    "dcz": "its dictionary is not here",
}


class ContentDecoder:
    """Decodes the codings of Content-Encoding, the last one first.

    Attributes:
        codings: as declared, in lower case, without identity.
        error: one line, why decoding has stopped or cannot begin; None while it continues.
    """

    def __init__(self, content_encoding: str) -> None:
        names = [name.strip().lower() for name in content_encoding.split(",")]
        self.codings = tuple(name for name in names if name not in ("", "identity"))
        self.error: str | None = None
        self._layers: list[_Layer] = []
        if len(self.codings) > _MAX_CODINGS:
            self.error = f"expected at most {_MAX_CODINGS} content codings, got {len(self.codings)}"
            return
        for name in reversed(self.codings):
            if name not in _MAGICS or (name == "zstd" and _zstd() is None):
                self.error = f"{name} is not decoded: {_OTHERS.get(name, 'no such coding is known here')}"
                break
            self._layers.append(_Layer(name.removeprefix("x-")))

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """Yield the decoded octets, in pieces of at most `PIECE_OCTETS` if there is a coding.

        Exhaust the iterator: pieces that are not taken are lost. After an error nothing is yielded.
        """
        if self.error is not None:
            return
        pieces: Iterator[bytes] = iter((octets,))
        for layer in self._layers:
            pieces = layer.decode(pieces)
        try:
            yield from pieces
        except ValueError as error:
            self.error = str(error)

    def end_of_input(self) -> None:
        """Report that no octets will follow; a coding that has begun and not ended is an error."""
        cut = next((layer for layer in self._layers if layer.is_open), None)
        if self.error is None and cut is not None:
            self.error = f"the {cut.name} data is cut: its own end never came"


class _Layer:
    """One coding. Octets after its end are decoded as another member, or ignored (RFC 1952 §2.2)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_open = False
        self._now: Any = None  # a decompressor of zlib or zstd, which share `decompress`, `eof` and `unused_data`
        self._has_output = False
        self._head = b""  # the first octets of a member, while they are too few to know its form

    def decode(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the decoded pieces; raise ValueError if they are not valid in this coding."""
        for octets in pieces:
            try:
                yield from self._decode(octets)
            except (zlib.error, getattr(_zstd(), "ZstdError", zlib.error)) as error:
                reason = str(error).rpartition(": ")[2]
                raise ValueError(f"the {self.name} data is broken: {reason}") from error

    def _decode(self, octets: bytes) -> Iterator[bytes]:
        while octets:
            if self._now is None:
                octets = self._head + octets
                if not self._begin(octets):
                    return
            now, is_full = self._now, True
            while is_full:  # a decompressor may hold output that one more call returns, without more input
                piece = now.decompress(octets, PIECE_OCTETS)
                octets = getattr(now, "unconsumed_tail", b"")
                is_full = len(piece) == PIECE_OCTETS and not now.eof
                if piece:
                    self._has_output = True
                    yield piece
            if now.eof:
                octets, self._now, self.is_open = now.unused_data, None, False

    def _begin(self, octets: bytes) -> bool:
        """Begin a member; False if more octets are needed to know its form, or if the octets are no member."""
        magic = _MAGICS[self.name]
        if self._has_output and not (magic and octets.startswith(magic[: len(octets)])):
            self._head = b""
            return False
        self._head = octets if len(octets) < 2 else b""
        self.is_open = True
        if self._head:
            return False
        self._now = _decompressor(self.name, octets)
        return True


def _decompressor(name: str, octets: bytes) -> Any:
    if name == "zstd":
        return _zstd().ZstdDecompressor()
    if name == "gzip":
        return zlib.decompressobj(_GZIP)
    # "deflate" is the zlib format (RFC 9110 §8.4.1.2); some send DEFLATE data without that wrapper. CMF says which:
    # method 8, and the first two octets a multiple of 31 (RFC 1950 §2.2).
    is_wrapped = octets[0] & 0x0F == 8 and octets[0] >> 4 <= 7 and int.from_bytes(octets[:2]) % 31 == 0
    return zlib.decompressobj(_ZLIB if is_wrapped else _RAW)


def _zstd() -> Any:
    """Return the module compression.zstd (Python 3.14); None if this Python has none."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:  # pragma: no cover: which branch is taken depends on the version
        return None
