"""Keep the wire of HTTP/1.1 streaming in plain sight.

`import chunkwire` gives the codec of chunked bodies (RFC 9112 §7.1), pure and without dependencies: encoder, scanner,
frames, errors and limits. A server for handlers of one's own is `chunkwire.server`, the client `chunkwire.client`.

The codec is loaded at its first use, so that `chunkwire watch -` can read standard input before anything else happens.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

_HOMES = {
    "encoder": "encode_chunk encode_last_chunk",
    "errors": "ChunkwireError FramingError IncompleteBody LocalError Rule",
    "frames": "Chunk Data DataEnd Event Frame LastChunk SizeLine Trailers",
    "limits": "DEFAULT_LIMITS Limits",
    "reader": "FrameReader decode",
    "scanner": "BodyScanner ChunkedScanner",
    "unchunked": "CloseScanner LengthScanner",
}


def __getattr__(name: str) -> "Any":
    """Load one name of the codec."""
    import importlib

    home = next((home for home, names in _HOMES.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"chunkwire.wire.{home}"), name)
    globals()[name] = value
    return value
