"""The content of a stream for the views, decoded frame by frame.

The rule here: records in, content out; no content is kept. Content that a record left out ends the decoding, and
`error` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chunkwire.client.mistakes import describe_undeclared
from chunkwire.record.values import DataRecord, FrameRecord, TextFields
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.feed import Feed
from chunkwire.wire.scanner import ChunkedScanner

MAX_SHOWN_OCTETS: Final = 65536
"""Decoded octets of one frame that a row may show where no terminal's width cuts it: as many as a record keeps."""


class Content:
    """Decode the content of one stream.

    Attributes:
        name: its codings in lower case, if all can be decoded; empty if not, and for none.
        error: one line, why the content cannot be read on; None while it can.
    """

    def __init__(self, fields: TextFields) -> None:
        """Take the field lines of the head."""
        values = [value for name, value in fields if name.lower() == "content-encoding"]
        self._decoder = ContentDecoder(", ".join(values))
        self._lost: str | None = None
        self.name = ", ".join(self._decoder.codings) if self._decoder.error is None else ""

    @property
    def error(self) -> str | None:
        """Return why the content cannot be read on."""
        return self._decoder.error or self._lost

    def pieces(self, record: FrameRecord | DataRecord) -> Iterator[bytes]:
        """Yield the content of a frame in pieces. Take all of them."""
        if self.error is not None:
            return
        if record.data is None or record.cut:
            self._lost = f"frame {record.n} has octets that were not recorded: its content cannot be read on"
            return
        yield from self._decoder.feed(record.data)

    def shown(self, record: FrameRecord | DataRecord, most: int) -> bytes:
        """Return the first octets of a frame's content; all of it is decoded."""
        kept = bytearray()
        for piece in self.pieces(record):
            kept += piece[: max(0, most - len(kept))]
        return bytes(kept)

    def end_of_input(self) -> str | None:
        """Return what is wrong with content that ends here; None for nothing, or if `error` was set before."""
        if self.error is not None:
            return None
        self._decoder.end_of_input()
        return self._decoder.error


class Undeclared:
    """Find a chunked body in content whose head does not declare one."""

    def __init__(self, fields: TextFields = ()) -> None:
        """Take the field lines of the head."""
        self._undeclared = describe_undeclared(name for name, _ in fields)
        self._feed: Feed | None = Feed(ChunkedScanner())  # None once the content cannot be chunked, or is not known

    def take(self, record: DataRecord) -> None:
        """Process the next octets of a body that is not chunked."""
        if self._feed is None:
            return
        if record.data is not None and not record.cut:
            self._feed.take(record.data)
        is_followed = self._feed.scanner.is_complete and self._feed.held
        if record.data is None or record.cut or self._feed.error is not None or is_followed:
            self._feed = None

    def describe(self) -> str | None:
        """Return what is wrong with the head; None if the content does not look chunked."""
        if self._feed is None or not (self._feed.scanner.chunks or self._feed.scanner.is_complete):
            return None
        return f"the body looks chunked, {self._undeclared}"
