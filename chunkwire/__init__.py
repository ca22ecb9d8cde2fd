"""Keep the wire of HTTP/1.1 streaming in plain sight.

`import chunkwire` gives the codec of chunked bodies (RFC 9112 §7.1), pure and without dependencies: encoder, scanner,
frames, errors and limits. The client is `chunkwire.client`, and what helps other people's tests `chunkwire.testing`.
"""

from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, LocalError, Rule
from chunkwire.wire.frames import Chunk, Data, DataEnd, Event, Frame, LastChunk, SizeLine, Trailers
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits
from chunkwire.wire.reader import FrameReader, decode
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner

__all__ = [
    "encode_chunk",
    "encode_last_chunk",
    "decode",
    "FrameReader",
    "BodyScanner",
    "ChunkedScanner",
    "LengthScanner",
    "CloseScanner",
    "SizeLine",
    "Data",
    "DataEnd",
    "LastChunk",
    "Event",
    "Chunk",
    "Frame",
    "Trailers",
    "Limits",
    "DEFAULT_LIMITS",
    "Rule",
    "ChunkwireError",
    "LocalError",
    "FramingError",
    "IncompleteBody",
]
