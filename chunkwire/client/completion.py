"""Whether the application's own end was seen, apart from the end of the framing.

The rule here: only what a stream says itself counts, read with its content coding taken off. A body can be framed to
its end and still lack the answer's end (a provider that broke off politely), and the answer can be whole where the
framing was cut after it.
What this module must not know: how octets were framed, and what the tokens say.
"""

from __future__ import annotations

from chunkwire.net.heads import Response, is_event_stream
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.sse import EventTooLong, SseDecoder, SseEvent

# The terminal events: OpenAI chat completions (data), Anthropic messages, OpenAI responses, and our own /ask.
_TERMINAL_DATA = "[DONE]"
_TERMINAL_EVENTS = frozenset({"message_stop", "response.completed", "done"})
# What a stream that has a terminal event opens with: without its end, such a stream is not whole.
_OPENING_EVENTS = frozenset({"message_start", "response.created"})
_OPENING_DATA = '"object":"chat.completion.chunk"'
_TYPE_MARK = '"type":"'


class Completion:
    """Read an event stream beside its consumer, and say whether its own end was seen.

    Attributes:
        events: server-sent events so far; None for a body that is no event stream, or whose coding is not known here.

    Args:
        coding: the value of Content-Encoding.
    """

    def __init__(self, *, is_event_stream: bool = False, coding: str = "") -> None:
        self._content = ContentDecoder(coding)
        is_readable = is_event_stream and self._content.error is None
        self.events: int | None = 0 if is_readable else None
        self._decoder = SseDecoder() if is_readable else None
        self._is_terminated = False
        self._has_terminal = False

    @classmethod
    def of(cls, head: Response) -> Completion:
        """Return what reads the body of this response."""
        coding = (head.get(b"content-encoding") or b"").decode("latin-1")
        return cls(is_event_stream=is_event_stream(head), coding=coding)

    def feed(self, content: bytes) -> None:
        """Take content as it came."""
        if self._decoder is None:
            return
        try:
            for piece in self._content.feed(content):
                found = self._decoder.feed(piece)
                for event in found:
                    self._take(event)
                self.events = (self.events or 0) + len(found)
        except EventTooLong:
            self._decoder = None  # no event of a dialect is that long: nothing more can be said of this stream

    def verdict(self, *, is_complete: bool) -> str:
        """Return "complete", "incomplete" or "unknown"; `is_complete` says whether the framing came to its end."""
        if self._is_terminated:
            return "complete"
        if self.events is None or (is_complete and not self._has_terminal):
            return "unknown"
        return "incomplete"

    def _take(self, event: SseEvent) -> None:
        name = _name_of(event)
        if event.data == _TERMINAL_DATA or name in _TERMINAL_EVENTS:
            self._is_terminated = True
        elif name in _OPENING_EVENTS or _OPENING_DATA in event.data.replace('": "', '":"', 8):
            self._has_terminal = True


def _name_of(event: SseEvent) -> str:
    """Return the event's type; OpenAI's responses may leave the event line out and say it in the JSON only."""
    if event.event != "message" or not event.data.startswith("{"):
        return event.event
    start = event.data.find(_TYPE_MARK)
    return event.data[start + len(_TYPE_MARK) :].partition('"')[0] if 0 <= start < 64 else "message"
