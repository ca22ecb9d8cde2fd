"""Read whole frames from octets. For parts of frames as they come, use the scanner.

The rule here: the scanner checks, this file only assembles. What this module must not know: the grammar.
"""

from __future__ import annotations

from chunkwire.wire.errors import IncompleteBody, LocalError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Chunk, Data, DataEnd, Event, Frame, SizeLine
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits
from chunkwire.wire.scanner import ChunkedScanner


class FrameAssembler:
    """Joins a scanner's events to whole frames; holds the chunk that is not whole yet."""

    def __init__(self) -> None:
        self._size_line: SizeLine | None = None
        self._data: list[bytes] = []

    @property
    def partial(self) -> bytes:
        """The data so far of a chunk that has begun."""
        return b"".join(self._data)

    def take(self, event: Event) -> Frame | None:
        """Return the frame that an event completes; None if it completes none."""
        if isinstance(event, SizeLine):
            self._size_line = event
        elif isinstance(event, Data):
            self._data.append(event.octets)
        elif isinstance(event, DataEnd):
            line = self._size_line
            assert line is not None
            data = b"".join(self._data)
            self._data.clear()
            return Chunk(line.offset, line.line, line.size, line.ext, data)
        else:
            return event
        return None


class FrameReader:
    """Reads the frames of one chunked body, which may be fed in any pieces.

    It holds the frame that is not whole yet, of up to `limits.max_chunk_size` octets. The default is far more than any
    memory: lower it for a peer that you do not trust. After a FramingError, both methods raise it again.

    Attributes:
        frames: those that the latest `feed` completed, also if it raised.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.frames: list[Frame] = []
        self._feed = Feed(ChunkedScanner(limits))
        self._assembler = FrameAssembler()

    @property
    def is_complete(self) -> bool:
        """The whole body has come: the last-chunk, the trailer section and its empty line."""
        return self._feed.scanner.is_complete

    @property
    def leftover(self) -> bytes:
        """The octets that followed the body; they are not part of it (RFC 9112 §6.3)."""
        return self._feed.held if self.is_complete else b""

    def feed(self, octets: bytes) -> list[Frame]:
        """Return the frames that these octets complete, in order; often none.

        Raises:
            FramingError: the body is malformed; `frames` has those that these octets completed before the error.
        """
        events: list[Event] = []
        self._feed.take(octets, events)
        self.frames = [frame for event in events if (frame := self._assembler.take(event)) is not None]
        if self._feed.error is not None:
            raise self._feed.error
        return self.frames

    def end_of_input(self) -> None:
        """Report that no octets will follow.

        Raises:
            IncompleteBody: the body is not complete; `received` is the data of the cut chunk, without earlier chunks.
            FramingError: the body is malformed, as reported before.
        """
        try:
            self._feed.scanner.end_of_input()
        except IncompleteBody as error:
            error.received = self._assembler.partial
            raise


def decode(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Frame]:
    """Return the frames of one whole chunked body; the content is the `data` of the chunks, joined.

    Raises:
        FramingError: the body is malformed.
        IncompleteBody: the body is not complete; `received` is all content up to the cut.
        LocalError: octets follow the body; a `FrameReader` has them in `leftover`.
    """
    reader = FrameReader(limits)
    frames = reader.feed(octets)
    try:
        reader.end_of_input()
    except IncompleteBody as error:
        error.received = b"".join(frame.data for frame in frames if isinstance(frame, Chunk)) + error.received
        raise
    if reader.leftover:
        raise LocalError(f"expected one chunked body, got {len(reader.leftover)} octets after it")
    return frames
