"""What the server wrote, as records; their point is named for RFC 9110's origin server.

The rule here: the octets that left are scanned again by the scanner that any reader would use. So a record of
a fault shows what a strict reader makes of it, and the engine never tells a frame from a write for its own sake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chunkwire.net.heads import BodyKind, Framing, Request, Response
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.server.journal import Ended
from chunkwire.wire.errors import FramingError
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import BodyScanner


class SentTap:
    """Records of one exchange at the point `origin.sent`.

    Args:
        emit: takes each record.
        stream: the exchange's number.
        began: when the request head was complete, on the clock of every `now` given later.
        wall: the same moment, s since the epoch.
    """

    def __init__(
        self, emit: Callable[[Record], None], request: Request, *, stream: int, began: float, wall: float
    ) -> None:
        self._recorder = Recorder(emit, stream=stream, point="origin.sent")
        self._began = began
        self._held = b""
        self._scanner: BodyScanner | None = None
        self._writes = 0
        self._error: FramingError | None = None
        self._recorder.request(0.0, request.method, request.target, request.fields, wall)

    def head(self, now: float, response: Response, kind: BodyKind) -> None:
        """Record a final head; `kind` is the framing of what will follow on the wire."""
        self._recorder.head(now - self._began, response.start_line, response.fields)
        length = int(response.get(b"content-length") or 0)
        self._scanner = Framing(kind, length if kind is BodyKind.LENGTH else None).scanner()

    def sent(self, now: float, raw: bytes) -> None:
        """Record what one write of the body put on the wire."""
        self._writes += 1
        if self._scanner is None or self._error is not None:
            return
        buffer = self._held + raw
        events: list[Event] = []
        before = self._scanner.wire_octets
        try:
            self._scanner.scan(buffer, len(buffer), events)
        except FramingError as error:
            self._error = error
        self._held = buffer[self._scanner.wire_octets - before :]
        self._recorder.body(now - self._began, events, self._writes)

    def end(self, now: float, ended: Ended) -> None:
        """Record how the body ended."""
        verdict = _VERDICTS[ended] if self._error is None else "malformed"
        error = str(self._error) if self._error is not None else None
        self._recorder.end(now - self._began, verdict, error=error, held=self._held)


_VERDICTS: Final = {
    Ended.COMPLETE: "complete",
    Ended.CUT: "cut",
    Ended.RESET: "reset",
    Ended.CLIENT_GONE: "client-gone",
    Ended.TIMEOUT: "timeout",
    Ended.ERROR: "cut",
}
