"""The formats of a streamed answer of `/ask`: server-sent events and JSON Lines. `chat` has OpenAI's.

A WebSocket gets the JSON Lines too, each as a message without its newline, and a Ping as the keep-alive.

The rule here: pure. All content is JSON, in which a newline is `\\n`, so no token can forge an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import Content
from chunkwire.llm.answer import Reasoning, Text, ToolCall
from chunkwire.llm.shape import dump
from chunkwire.wire.sse import encode_comment, encode_event


class AnswerFormat(Protocol):
    """The format of one streamed answer."""

    content_type: bytes
    keep_alive: bytes  # octets without content, for an idle connection

    def piece(self, item: Content) -> bytes:
        """Return a piece of text, of reasoning, or of a tool call."""
        ...

    def end(self, entry: AuditEntry) -> list[bytes]:
        """Return the end of the stream: what is known of a whole answer, or its error."""
        ...


class SseFormat:
    """Server-sent events: `data: {"t":"Hel"}`, then `event: done` or `event: error` (WHATWG HTML §9.2).

    `event: reasoning` and `event: tool_call` may come before, between and after the pieces of text; neither reaches
    `onmessage`.

    The first event has the request's id as its id. A browser that reconnects sends it as Last-Event-ID, and is answered
    204, which ends the reconnecting; else it would ask the same question again.
    """

    content_type = b"text/event-stream; charset=utf-8"
    keep_alive = encode_comment("waiting")

    def __init__(self, request_id: str) -> None:
        self._id: str | None = request_id

    def piece(self, item: Content) -> bytes:
        """Return one event; text has none of its own type, so that it reaches `onmessage`."""
        match item:
            case Text():
                return self._event({"t": item.text})
            case Reasoning():
                return self._event({"t": item.text}, "reasoning")
            case ToolCall():
                return self._event(_call_json(item), "tool_call")

    def end(self, entry: AuditEntry) -> list[bytes]:
        """Return `event: done` or `event: error`."""
        if entry.error is None:
            return [self._event(entry.summary(), "done")]
        return [self._event(entry.error_json(), "error")]

    def _event(self, content: Mapping[str, object], event: str | None = None) -> bytes:
        request_id, self._id = self._id, None
        return encode_event(dump(content), event, id=request_id)


class JsonLinesFormat:
    """JSON Lines: `{"t":"Hel"}`, `{"reasoning":"…"}`, `{"tool_call":{…}}`, `{"error":{…}}`, `{"done":{…}}`."""

    content_type = b"application/x-ndjson"
    keep_alive = b"\n"  # readers of JSON Lines skip an empty line

    def piece(self, item: Content) -> bytes:
        """Return one line."""
        match item:
            case Text():
                return _line({"t": item.text})
            case Reasoning():
                return _line({"reasoning": item.text})
            case ToolCall():
                return _line({"tool_call": _call_json(item)})

    def end(self, entry: AuditEntry) -> list[bytes]:
        """Return one line."""
        return [_line({"done": entry.summary()} if entry.error is None else {"error": entry.error_json()})]


def _line(content: Mapping[str, object]) -> bytes:
    return dump(content).encode() + b"\n"


def _call_json(call: ToolCall) -> dict[str, object]:
    """Return the JSON form: id and name if the piece has either; mostly the first piece of a call has both."""
    begun = {"id": call.id, "name": call.name} if call.id or call.name else {}
    return {"index": call.index, **begun, "arguments": call.arguments}
