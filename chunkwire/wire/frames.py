"""The parts of a body as values: the scanner's events, and whole frames.

The rule here: a value keeps the octets it was read from. The `.raw` of all events of a body, joined, are the octets of
the body, so they can be sent, stored or hashed exactly. What this module must not know: how the values are found.

The values are named tuples: immutable as frozen dataclasses, but created in a third of the time, and a watched chunk
needs three. Tuples of different types with equal members are equal, so compare only values of one type.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

CRLF: Final = b"\r\n"

Trailers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""The field lines of a trailer section in their order: name as written, value without the OWS around it."""


class SizeLine(NamedTuple):
    """The start of a chunk: chunk-size [ chunk-ext ] CRLF, the size not 0 (RFC 9112 §7.1).

    Attributes:
        offset: of its first octet in the body.
        line: the line as written, without its CRLF.
        size: octets of chunk-data to come, 1 or more.
        ext: the chunk-ext with its leading ";", or b"".
    """

    offset: int
    line: bytes
    size: int
    ext: bytes

    @property
    def raw(self) -> bytes:
        """The exact octets, CRLF included."""
        return self.line + CRLF


class Data(NamedTuple):
    """Content as it arrived: all or part of the chunk-data of a chunk, or octets of a body without chunks.

    Attributes:
        offset: of its first octet in the body as on the wire.
        octets: 1 or more; they end where a read or the chunk ends.
    """

    offset: int
    octets: bytes

    @property
    def raw(self) -> bytes:
        """Return the exact octets."""
        return self.octets


class DataEnd(NamedTuple):
    """The end of a chunk: the CRLF after its chunk-data."""

    offset: int

    @property
    def raw(self) -> bytes:
        """Return the exact octets, always CRLF."""
        return CRLF


class LastChunk(NamedTuple):
    """The end of the body: last-chunk, trailer section and final CRLF, whole and valid (RFC 9112 §7.1).

    As a frame it is the last one of every chunked body.

    Attributes:
        offset: of the first octet of its size line.
        line: its size line without CRLF: 1*("0") and perhaps a chunk-ext.
        ext: as in `SizeLine`.
        trailers: the field lines; often none.
        raw: the exact octets, from the size line to the final CRLF.
    """

    offset: int
    line: bytes
    ext: bytes
    trailers: Trailers
    raw: bytes


Event: TypeAlias = SizeLine | Data | DataEnd | LastChunk


class Chunk(NamedTuple):
    """A whole chunk: size line, chunk-data, CRLF.

    Attributes:
        offset, line, size, ext: as in `SizeLine`.
        data: the chunk-data.
    """

    offset: int
    line: bytes
    size: int
    ext: bytes
    data: bytes

    @property
    def raw(self) -> bytes:
        """Return the exact octets, from the size line to the CRLF after the data."""
        return b"%b\r\n%b\r\n" % (self.line, self.data)


Frame: TypeAlias = Chunk | LastChunk
