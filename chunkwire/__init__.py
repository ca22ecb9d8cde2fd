"""Keep the wire of HTTP/1.1 streaming in plain sight.

`import chunkwire` gives the codec of chunked bodies (RFC 9112 §7.1), pure and without dependencies: encoder, scanner,
reader, frames, errors and limits. A server for your handlers is `chunkwire.server`, the client is `chunkwire.client`,
and the origin for your tests is `chunkwire.testing`.

Each module of the codec, and each of these packages, is loaded at its first use, so that `chunkwire watch -` can begin
to read standard input before the rest of the program is loaded.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chunkwire import client as client
    from chunkwire import server as server
    from chunkwire import testing as testing
    from chunkwire.wire.encoder import encode_chunk as encode_chunk
    from chunkwire.wire.encoder import encode_last_chunk as encode_last_chunk
    from chunkwire.wire.errors import ChunkwireError as ChunkwireError
    from chunkwire.wire.errors import FramingError as FramingError
    from chunkwire.wire.errors import IncompleteBody as IncompleteBody
    from chunkwire.wire.errors import LocalError as LocalError
    from chunkwire.wire.errors import Rule as Rule
    from chunkwire.wire.frames import Chunk as Chunk
    from chunkwire.wire.frames import Data as Data
    from chunkwire.wire.frames import DataEnd as DataEnd
    from chunkwire.wire.frames import Event as Event
    from chunkwire.wire.frames import Frame as Frame
    from chunkwire.wire.frames import LastChunk as LastChunk
    from chunkwire.wire.frames import SizeLine as SizeLine
    from chunkwire.wire.frames import Trailers as Trailers
    from chunkwire.wire.limits import DEFAULT_LIMITS as DEFAULT_LIMITS
    from chunkwire.wire.limits import Limits as Limits
    from chunkwire.wire.reader import FrameReader as FrameReader
    from chunkwire.wire.reader import decode as decode
    from chunkwire.wire.scanner import BodyScanner as BodyScanner
    from chunkwire.wire.scanner import ChunkedScanner as ChunkedScanner
    from chunkwire.wire.unchunked import CloseScanner as CloseScanner
    from chunkwire.wire.unchunked import LengthScanner as LengthScanner

_MODULES = {
    "chunkwire.wire.encoder": ("encode_chunk", "encode_last_chunk"),
    "chunkwire.wire.errors": ("ChunkwireError", "FramingError", "IncompleteBody", "LocalError", "Rule"),
    "chunkwire.wire.frames": ("Chunk", "Data", "DataEnd", "Event", "Frame", "LastChunk", "SizeLine", "Trailers"),
    "chunkwire.wire.limits": ("DEFAULT_LIMITS", "Limits"),
    "chunkwire.wire.reader": ("FrameReader", "decode"),
    "chunkwire.wire.scanner": ("BodyScanner", "ChunkedScanner"),
    "chunkwire.wire.unchunked": ("CloseScanner", "LengthScanner"),
}
_PACKAGES = ("client", "server", "testing")
__all__ = [name for names in _MODULES.values() for name in names]


def __getattr__(name: str) -> "Any":
    """Load one name of the codec, or a package."""
    from chunkwire.late import load_name

    return load_name(__name__, _MODULES, name, packages=_PACKAGES)
