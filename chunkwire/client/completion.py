"""Find out whether the application's stream was complete, which is not the same as complete framing.

The content decides, after its content coding is removed: a body with complete framing may lack the end of the answer
(the provider stopped early), and an answer may be complete although the framing was cut after it. Where the content has
no terminal event, the end of the framing counts. The readers of the dialects judge streams of language models: an
answer that is an error or empty is not complete.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from chunkwire.llm import DIALECTS, recognize, route
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.elements import ElementDecoder
from chunkwire.llm.errors import error_in
from chunkwire.llm.reading import AnswerReader
from chunkwire.llm.shape import load_values
from chunkwire.net.heads import Request, Response, is_event_stream
from chunkwire.wire.coding import PIECE_OCTETS, ContentDecoder
from chunkwire.wire.sse import EventTooLong, SseDecoder, SseEvent

MAX_HELD_OCTETS: Final = 65536
"""Octets of content in which the dialect of a stream must be recognized; after that it has none."""

MAX_EXPANSION: Final = 50
"""Octets of content per octet of a coded body, beyond the first `PIECE_OCTETS`; streams of models are packed 5 to 25
times. If there are more, no more is read: DEFLATE packs 1000 times, and to read what 64 KiB contain would take 10 s."""

_BINARY_EVENTS: Final = b"application/vnd.amazon.eventstream"
_DONE_DATA: Final = "[DONE]"
_DONE_EVENT: Final = "done"  # of our own /ask, and of others
_CUT: Final = ProviderError(ErrorKind.INCOMPLETE, "the framing broke")


class Completion:
    """Reads the content as its consumer does, and reports whether the stream's own end was seen.

    Attributes:
        events: server-sent events read so far; None if the body is no event stream, has an unknown content coding, or
            is not judged.

    Args:
        coding: the value of Content-Encoding.
        reader: of the dialect, if the request names it; None recognizes it by the content.
        is_judged: False reads nothing.
    """

    def __init__(
        self,
        *,
        is_event_stream: bool = False,
        coding: str = "",
        reader: AnswerReader | None = None,
        is_judged: bool = True,
    ) -> None:
        self._content = ContentDecoder(coding)
        is_readable = is_judged and self._content.error is None
        self.events: int | None = 0 if is_event_stream and is_readable else None
        self._decoder = SseDecoder() if self.events is not None else None
        self._reader = reader if is_readable else None
        self._held: bytearray | None = bytearray() if is_readable and reader is None else None
        self._last = ""  # the latest event, if its dialect is unknown: "done", "error" or "part"
        self._has_content = False
        self._coded = self._decoded = 0  # octets so far

    @classmethod
    def of(cls, head: Response, request: Request | None = None) -> Completion:
        """Return one for this response: the path of a POST, or the Content-Type, may determine the dialect."""
        coding = (head.get(b"content-encoding") or b"").decode("latin-1")
        kind = (head.get(b"content-type") or b"").partition(b";")[0].strip().lower()
        dialect = DIALECTS["bedrock"] if kind == _BINARY_EVENTS else None
        if request is not None and request.method == b"POST" and dialect is None:
            dialect = route(request.target.partition(b"?")[0].decode("latin-1"))
        is_stream = is_event_stream(head)
        return cls(
            is_event_stream=is_stream,
            coding=coding,
            reader=None if dialect is None else dialect.reader(),
            is_judged=200 <= head.status < 300 and (is_stream or dialect is not None or kind.endswith(b"json")),
        )

    def feed(self, content: bytes) -> None:
        """Process content as received."""
        if self._decoder is None and self._reader is None and self._held is None:
            return
        self._coded += len(content)
        try:
            for piece in self._content.feed(content):
                self._decoded += len(piece)
                if self._decoded > PIECE_OCTETS + MAX_EXPANSION * self._coded:
                    self._decoder = self._reader = self._held = None
                    return
                self._take(piece)
        except EventTooLong:
            self._decoder = self._held = None  # no event of a dialect is that long: no dialect is recognized

    @property
    def so_far(self) -> str:
        """The verdict while the body runs: "complete" or "unknown"."""
        is_complete = self._last == _DONE_EVENT if self._reader is None else self._reader.is_complete
        return "complete" if is_complete else "unknown"

    def verdict(self, *, is_complete: bool) -> str:
        """Return one of `record.values.APPLICATION_VERDICTS`; call it once. `is_complete`: the framing is complete."""
        if self._reader is None and self._held:
            self._recognize_whole()
        if self._reader is not None:
            lacks = self._reader.end_of_input(None if is_complete else _CUT)[-1:]
            if any(isinstance(lack, ProviderError) and lack.kind is ErrorKind.EMPTY for lack in lacks):
                return "empty"
            return "complete" if self._reader.is_complete else "incomplete"
        if self._last == _DONE_EVENT:
            return "complete" if self._has_content else "empty"
        if self.events is None or (is_complete and self._last != "error"):
            return "unknown"
        return "incomplete"

    def _take(self, piece: bytes) -> None:
        if self._held is not None:
            self._held += piece
        elif self._reader is not None:
            self._reader.feed(piece)
        if self._decoder is not None:
            found = self._decoder.feed(piece)
            self.events = (self.events or 0) + len(found)
            for event in found:
                if self._reader is None:
                    self._judge(event)
        if self._held is not None and len(self._held) > MAX_HELD_OCTETS:
            self._held = None

    def _judge(self, event: SseEvent) -> None:
        """Recognize the dialect by an event; if it has none, note what kind of event it is."""
        if self._held is not None and self._recognize(event.data, event.event):
            return
        if self._last == "error":
            return  # [DONE] after an error does not make it complete
        if event.event == _DONE_EVENT or event.data == _DONE_DATA:
            self._last = _DONE_EVENT
            self._has_content = self._has_content or event.event == _DONE_EVENT
        else:
            self._has_content = True
            self._last = "error" if event.event == "error" else "part"

    def _recognize_whole(self) -> None:
        found: list[bytes] = []
        with suppress(ValueError):  # only the first object is needed
            ElementDecoder().feed(bytes(self._held or b""), found)
        if found:
            self._recognize(found[0].decode("utf-8", "replace"), is_event=False)

    def _recognize(self, text: str, name: str = "", *, is_event: bool = True) -> bool:
        """Recognize the dialect of this JSON, or of its first line, and give the held content to its reader.

        Return False if there is none.
        """
        payload = _first_value(text) or _first_value(text.partition("\n")[0])
        dialect = recognize(payload, name)
        if dialect is None:
            if is_event and error_in(payload) is not None:
                self._last = "error"
            return False
        self._reader = dialect.reader()
        self._reader.feed(bytes(self._held or b""))
        self._held = None
        return True


def _first_value(text: str) -> object:
    try:
        return load_values(text.strip().removeprefix("data:"))[0]
    except ValueError:
        return None
