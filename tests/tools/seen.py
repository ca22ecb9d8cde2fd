"""Records of a body as they would have been made: what each read brought, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner

HEAD = (b"HTTP/1.1 200 OK", ((b"Date", b"today"), (b"Transfer-Encoding", b"chunked")))


def seen(
    reads: Iterable[tuple[float, bytes]],
    *,
    scanner: BodyScanner | None = None,
    head: tuple[bytes, Sequence[tuple[bytes, bytes]]] | None = HEAD,
    application: str = "unknown",
) -> list[Record]:
    """Return the records of a response whose reads came at these moments (ms)."""
    records: list[Record] = []
    recorder = Recorder(records.append, stream=1, point="client.received")
    scanner = scanner or ChunkedScanner()
    if head is not None:
        recorder.request(0.0, b"GET", b"/frames", ((b"Host", b"x"),), 0.0)
        recorder.head(0.001, *head)
    held, t, verdict, error = b"", 0.0, "complete", None
    for n, (milliseconds, octets) in enumerate(reads, 1):
        t = milliseconds / 1000
        events: list[Event] = []
        before = scanner.wire_octets
        try:
            scanner.scan(held + octets, len(held + octets), events)
        except FramingError as broken:
            verdict, error = "malformed", str(broken)
        held = (held + octets)[scanner.wire_octets - before :]
        recorder.body(t, events, n)
    try:
        scanner.end_of_input()
    except IncompleteBody as cut:
        verdict, error = "cut", str(cut)
    except FramingError:
        pass  # told above
    recorder.end(t, verdict, application, error=error, held=held)
    return records
